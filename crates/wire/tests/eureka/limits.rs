//! Every bound, at its value and one beyond.

use synod_wire::eureka::*;

const SMALL: Limits = Limits { depth_max: 4, metadata_keys_max: 2, text_bytes_max: 10, items_max: 2 };

fn check(at: &str, beyond: &str, format: Format, what: &str) {
    assert_eq!(decode_instance(at.as_bytes(), format, &SMALL).err(), None, "{at}");
    let error = decode_instance(beyond.as_bytes(), format, &SMALL).expect_err(beyond);
    assert!(
        matches!(&error, DecodeError::TooMuch { what: found, .. } if *found == what),
        "{beyond}: {error}"
    );
}

#[test]
fn depth() {
    let what = "levels of nesting";
    check(r#"{"x":[[["]]"]]]}"#, r#"{"x":[[[[]]]]}"#, Format::Json, what);
    check(r#"{"instance":{"x":{"y":[]}}}"#, r#"{"instance":{"x":{"y":[{}]}}}"#, Format::Json, what);
    check(r#"{"leaseInfo":{"x":[[]]}}"#, r#"{"leaseInfo":{"x":[[[]]]}}"#, Format::Json, what);
    check(
        "<instance><x><y><z/></y></x></instance>",
        "<instance><x><y><z><a/></z></y></x></instance>",
        Format::Xml,
        what,
    );
    // Far beyond: neither the stack nor time may suffer.
    let deep = "[".repeat(1_000_000);
    assert!(decode_instance(deep.as_bytes(), Format::Json, &Limits::REQUEST).is_err());
    let deep = format!("{{\"app\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
    assert!(decode_instance(deep.as_bytes(), Format::Json, &Limits::REQUEST).is_err());
    let deep = "<instance>".repeat(100_000);
    assert!(decode_instance(deep.as_bytes(), Format::Xml, &Limits::REQUEST).is_err());
}

#[test]
fn metadata_keys() {
    let what = "metadata keys";
    check(
        r#"{"metadata":{"a":1,"b":2,"@class":"x"}}"#,
        r#"{"metadata":{"a":1,"b":2,"c":3}}"#,
        Format::Json,
        what,
    );
    check(
        "<instance><metadata><a/><b/></metadata></instance>",
        "<instance><metadata><a/><b/><c/></metadata></instance>",
        Format::Xml,
        what,
    );
}

#[test]
fn text() {
    let what = "bytes of text in an instance";
    check(
        r#"{"app":"12345","metadata":{"ab":"123"}}"#,
        r#"{"app":"12345","metadata":{"ab":"1234"}}"#,
        Format::Json,
        what,
    );
    check(
        "<instance><app>12345</app><metadata><ab>123</ab></metadata></instance>",
        "<instance><app>12345</app><metadata><ab>1234</ab></metadata></instance>",
        Format::Xml,
        what,
    );
}

/// Texts are counted per instance, members over the whole body.
#[test]
fn items() {
    let two = br#"{"replicationList":[{"id":"1234567890"},{"id":"1234567890"}]}"#;
    assert_eq!(
        decode_batch(two, &SMALL).map(|items| items.iter().filter(|i| i.refused.is_none()).count()),
        Ok(2)
    );
    let three = br#"{"replicationList":[{},{},{}]}"#;
    let too_much = Err(DecodeError::TooMuch { what: "items", max: 2 });
    assert_eq!(decode_batch(three, &SMALL), too_much.clone());
    // Five levels deep, wherefore it takes other limits.
    let wide = Limits { depth_max: 5, ..SMALL };
    let one = br#"{"application":[{"instance":[{}]}]}"#;
    assert!(decode_applications(one, &wide).is_ok());
    let two = br#"{"application":[{"instance":[{},{}]}]}"#;
    assert_eq!(decode_applications(two, &wide).map(drop), too_much.map(drop));
}

/// An instance over its limits is refused alone.
#[test]
fn an_instance_too_big_for_its_batch() {
    let body = br#"{"replicationList":[{"instanceInfo":{"app":"12345678901"}},{"id":"2"}]}"#;
    let items = decode_batch(body, &SMALL).expect("a batch");
    assert!(matches!(items[0].refused, Some(DecodeError::TooMuch { .. })));
    assert_eq!(items[1].refused, None);
}
