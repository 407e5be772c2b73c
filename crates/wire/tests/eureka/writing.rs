//! Values that try to break the output.

use synod_wire::eureka::*;

fn written(instance: &Instance<'_>, format: Format) -> String {
    let mut out = Vec::new();
    write_instance(&mut out, instance, format, Form::Compact, Place::Alone);
    String::from_utf8(out).expect("UTF-8")
}

fn named(name: &str) -> Instance<'_> {
    Instance { app: Some(name.into()), ..Instance::default() }
}

#[test]
fn escapes() {
    for (text, json, xml) in [
        ("plain ünï", "plain ünï", "plain ünï"),
        ("a\"b\\c/d", "a\\\"b\\\\c/d", "a\"b\\c/d"),
        ("<&>'", "<&>'", "&lt;&amp;&gt;'"),
        ("\r\n\t", "\\r\\n\\t", "&#xd;\n\t"),
        ("\u{8}\u{c}\u{0}\u{1f}\u{7f}", "\\b\\f\\u0000\\u001F\u{7f}", "\u{7f}"),
        ("a\u{fffe}b\u{ffff}c\u{fffd}", "a\u{fffe}b\u{ffff}c\u{fffd}", "abc\u{fffd}"),
        ("\u{feff}\u{10ffff}", "\u{feff}\u{10ffff}", "\u{feff}\u{10ffff}"),
    ] {
        let found = written(&named(text), Format::Json);
        assert!(found.contains(&format!("{{\"app\":\"{json}\",")), "{text:?}: {found}");
        let found = written(&named(text), Format::Xml);
        assert!(found.contains(&format!("<app>{xml}</app>")), "{text:?}: {found}");
    }
}

/// Found by fuzzing: what one node wrote, the next would have written otherwise.
#[test]
fn a_sid_that_xml_makes_the_default_is_left_out_like_it() {
    for (sid, shown) in [("na", false), ("n\u{1}a", false), ("nab", true)] {
        let mut out = Vec::new();
        let instance = Instance { sid: Some(sid.into()), ..Instance::default() };
        write_instance(&mut out, &instance, Format::Xml, Form::Full, Place::Alone);
        assert_eq!(String::from_utf8(out).unwrap().contains("<sid>"), shown, "{sid:?}");
    }
}

#[test]
fn metadata_keys_without_an_xml_name_are_left_out_of_xml_only() {
    let keys = ["ok", "1st", "a b", "</metadata>", "", "größe", "under_score"];
    let metadata = keys.map(|key| (key.into(), "v".into())).to_vec();
    let instance = Instance { metadata, ..Instance::default() };
    for (format, kept) in [(Format::Json, &keys[..]), (Format::Xml, &["ok", "größe", "under_score"][..])] {
        let mut out = Vec::new();
        write_instance_document(&mut out, &instance, format);
        let read = decode_instance(&out, format, &Limits::REQUEST).expect("valid");
        assert_eq!(read.metadata.iter().map(|(key, _)| key.as_ref()).collect::<Vec<_>>(), kept);
    }
}

#[test]
fn compact_form_shows_five_keys_of_amazon() {
    let pair = |key: &'static str| (key.into(), "v".into());
    let keys = ["ami-id", "local-ipv4", "instance-id", "x"].map(pair);
    let amazon = DataCenter { name: Some(DataCenterName::Amazon), metadata: keys.to_vec() };
    let instance = Instance { data_center: Some(amazon), ..Instance::default() };
    assert!(written(&instance, Format::Json).contains(r#""metadata":{"local-ipv4":"v","instance-id":"v"}"#));
    let xml = "<metadata><local-ipv4>v</local-ipv4><instance-id>v</instance-id></metadata>";
    assert!(written(&instance, Format::Xml).contains(xml));
}

#[test]
fn an_amazon_without_metadata_can_be_written() {
    let amazon = DataCenter { name: Some(DataCenterName::Amazon), metadata: vec![] };
    let instance = Instance { data_center: Some(amazon), ..Instance::default() };
    let json = r#"{"@class":"com.netflix.appinfo.AmazonInfo","name":"Amazon","metadata":{}}"#;
    assert!(written(&instance, Format::Json).contains(json));
    assert!(written(&instance, Format::Xml).contains("<name>Amazon</name><metadata/>"));
}

#[test]
fn status_overrides() {
    let mut out = Vec::new();
    write_status_overrides(&mut out, []);
    assert_eq!(out, b"{}");
    out.clear();
    write_status_overrides(&mut out, [("a\"", Status::Down), ("b", Status::OutOfService)]);
    assert_eq!(out, br#"{"a\"":"DOWN","b":"OUT_OF_SERVICE"}"#);
}
