//! What is accepted and what is refused: the original server's own table, and where we differ from it.

use synod_wire::eureka::*;

use crate::recordings::variants;

fn json(body: &str) -> Result<Instance<'_>, DecodeError> {
    decode_instance(body.as_bytes(), Format::Json, &Limits::REQUEST)
}

fn xml(body: &str) -> Result<Instance<'_>, DecodeError> {
    decode_instance(body.as_bytes(), Format::Xml, &Limits::REQUEST)
}

/// Why we read a body that the original server answers 400 to.
fn accepted(title: &str) -> Option<&'static str> {
    Some(match title {
        "missing hostName" | "missing all ids" | "missing ip" | "missing app" | "missing dc" => {
            "required fields are the server's rule, with answers of its own"
        }
        "mismatch app" => "so is the comparison with the path",
        "dc no class" | "dc unknown class" => "the name alone decides the class on output",
        "dc extra metadata" => "metadata of a data center that has none is passed over",
        "amazon no metadata" => "as the record that names Amazon under another class: no metadata",
        "port number" | "port extra field" => "there is only one meaning it can have",
        "unknown array field" => "unknown values of any shape are skipped",
        "unwrapped" | "extra root sibling" => "there is only one instance it can mean",
        _ => return None,
    })
}

/// The part of our error that names the field.
fn refused(title: &str) -> Option<&'static str> {
    Some(match title {
        "dc bad name" => "dataCenterInfo.name: expected MyOwn, Netflix or Amazon, found \"Azure\"",
        "metadata nested" => "metadata.a: expected text, found an object",
        "bad json" | "empty body json" => "malformed JSON: EOF while parsing a value",
        _ => return None,
    })
}

#[test]
fn recorded_variants() {
    let mut seen = 0;
    for (title, code, body) in variants() {
        seen += 1;
        match (json(body), code) {
            (Ok(_), "204") => {}
            (Ok(_), _) => assert!(accepted(title).is_some(), "{title}: we should refuse this"),
            (Err(error), _) => {
                let expect = refused(title).unwrap_or_else(|| panic!("{title}: refused with {error}"));
                assert!(error.to_string().starts_with(expect), "{title}: {error}");
                assert_eq!(code, "400", "{title}");
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn what_recorded_variants_mean() {
    let read = |wanted: &str| {
        let (_, _, body) = variants().find(|(title, ..)| *title == wanted).expect("such a variant");
        json(body).expect("accepted")
    };
    let port = |number, enabled| Port { number, enabled };
    assert_eq!(read("missing instanceId (falls to hostName)").instance_id, None);
    assert_eq!(read("port number").port, port(8080, true));
    assert_eq!(read("port string value").port, port(8081, true));
    assert_eq!(read("port missing").port, port(7001, true));
    assert_eq!(read("port missing").secure_port, port(7002, false));
    assert_eq!(read("port extra field").port, port(1, true));
    assert_eq!(read("numeric ts").last_dirty, Some(1_700_000_000_001));
    assert_eq!(read("no ts").last_dirty, None);
    assert_eq!(read("nulls").sid, None);
    assert_eq!(read("no leaseInfo").lease, None);
    assert_eq!(read("lease zero").lease, Some(Lease::default()));
    let lease = Lease { renewal_interval_s: 10, duration_s: 20, ..Lease::default() };
    assert_eq!(read("lease strings").lease, Some(lease));
    assert_eq!(read("lease unknown").lease, Some(lease));
    for empty in ["no metadata", "empty metadata", "class metadata"] {
        assert_eq!(read(empty).metadata, [], "{empty}");
    }
    let pairs = [("a", "1"), ("b", "true"), ("c", "1.5"), ("d", "null")].map(|(k, v)| (k.into(), v.into()));
    assert_eq!(read("metadata nonstring").metadata, pairs);
    assert_eq!(read("status lowercase").status, Status::Unknown);
    assert_eq!(read("status bogus").status, Status::Unknown);
    assert_eq!(read("status missing").status, Status::Up);
    assert_eq!(read("overridden empty").overridden, Status::Unknown);
    assert_eq!(read("missing dc").data_center, None);
    // The record that no encoder of the original server survives.
    let poison = DataCenter { name: Some(DataCenterName::Amazon), metadata: vec![] };
    assert_eq!(read("amazon with defaultdc class").data_center, Some(poison.clone()));
    assert_eq!(read("amazon no metadata").data_center, Some(poison));
    assert_eq!(read("unwrapped").instance_id.as_deref(), Some("b-uw"));
    assert_eq!(read("extra root sibling").instance_id.as_deref(), Some("b-rs"));
}

#[test]
fn json_dialects() {
    let read = |fields: &str| json(&format!("{{\"instance\":{{{fields}}}}}")).expect("accepted").port;
    for eighty in [
        r#""port":80"#,
        r#""port":"80""#,
        r#""port":80.0"#,
        r#""port":8e1"#,
        r#""port":{"$":80}"#,
        r#""port":{"$":" 80 ","@enabled":"TRUE"}"#,
        r#""port":{"@enabled":1,"$":"80"}"#,
        r#""x":[{"y":[1,"]}"]},{}],"port":80,"z":{"\ud800":1e999}"#,
    ] {
        assert_eq!(read(eighty), Port { number: 80, enabled: true }, "{eighty}");
    }
    for default in [r#""port":null"#, r#""port":"""#, r#""port":{}"#, r#""port":{"$":null}"#] {
        assert_eq!(read(default), Port::DEFAULT, "{default}");
    }
    let numbers = json(r#"{"metadata":{"version":1.10,"big":123456789012345678901234567890,"a":1,"a":2}}"#)
        .expect("accepted")
        .metadata;
    let expect = [("version", "1.10"), ("big", "123456789012345678901234567890"), ("a", "2")];
    assert_eq!(numbers, expect.map(|(k, v)| (k.into(), v.into())));
    let renewed = json(r#"{"leaseInfo":{"renewalTimestamp":5}}"#).expect("accepted").lease;
    assert_eq!(renewed.map(|lease| lease.last_renewal), Some(5));
    for spelling in ["overriddenStatus", "overriddenstatus"] {
        let body = format!("{{\"{spelling}\":\"DOWN\"}}");
        assert_eq!(json(&body).expect("accepted").overridden, Status::Down);
    }
    assert!(json("\u{feff}{\"app\":\"A\"}").is_ok(), "a byte order mark");
}

#[test]
fn unusable_json() {
    for (body, expect) in [
        ("[]", "instance: expected an object, found a list"),
        ("null", "instance: expected an object, found null"),
        ("\"x\"", "instance: expected an object, found text"),
        (r#"{"instance":[{}]}"#, "instance: expected an object, found a list"),
        (r#"{"port":"http"}"#, "port: expected a number, found \"http\""),
        (r#"{"securePort":{"$":99999999999}}"#, "securePort: expected a number of at most 32 bits"),
        (r#"{"port":true}"#, "port: expected a number, found true"),
        (r#"{"hostName":{"a":1}}"#, "hostName: expected text, found an object"),
        (r#"{"lastDirtyTimestamp":"soon"}"#, "lastDirtyTimestamp: expected a number, found \"soon\""),
        (r#"{"leaseInfo":30}"#, "leaseInfo: expected an object, found a number"),
        (r#"{"metadata":"a=b"}"#, "metadata: expected an object, found text"),
        (r#"{"app":"A"} x"#, "malformed JSON: trailing characters"),
        (r#"{"app":"\ud800"}"#, "malformed JSON: "),
    ] {
        let error = json(body).expect_err(body).to_string();
        assert!(error.starts_with(expect), "{body}: {error}");
    }
    let error = decode_instance(b"{\"app\":\"\xff\"}", Format::Json, &Limits::REQUEST);
    assert_eq!(error, Err(DecodeError::Utf8 { at: 8 }));
}

#[test]
fn xml_dialects() {
    let minimal = xml("<instance><hostName>h</hostName><app>CART</app><ipAddr>192.0.2.9</ipAddr>\
         <dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance>");
    let minimal = minimal.expect("accepted");
    assert_eq!(minimal.instance_id, None);
    assert_eq!((minimal.port, minimal.secure_port), (Port::DEFAULT, Port::DEFAULT_SECURE));
    assert_eq!(minimal.status, Status::Up);

    let odd = xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- by hand -->\n<instance>\n\
         <new><deep a='1'><er/></deep>&amp;</new>\n<status> out_of_service </status>\n\
         <overriddenStatus>Down</overriddenStatus>\n\
         <port enabled='false'>\n 81\n</port><securePort>444</securePort>\n\
         <leaseInfo><evictionDurationInSecs>90</evictionDurationInSecs><durationInSecs>many</durationInSecs>\
         <renewalIntervalInSecs>7</renewalIntervalInSecs></leaseInfo>\n\
         <metadata><k__1>a &lt;b&gt; &#x41;&#66;</k__1><price_->\r\n</price_->\
         <x><![CDATA[<&>]]>!</x><e/></metadata>\n\
         <homePageUrl/></instance>\n")
    .expect("accepted");
    assert_eq!((odd.status, odd.overridden), (Status::OutOfService, Status::Down));
    assert_eq!(odd.port, Port { number: 81, enabled: false });
    assert_eq!(odd.secure_port, Port { number: 444, enabled: false });
    assert_eq!(odd.lease, Some(Lease { renewal_interval_s: 7, ..Lease::default() }));
    let pairs = [("k_1", "a <b> AB"), ("price$", "\n"), ("x", "<&>!"), ("e", "")];
    assert_eq!(odd.metadata, pairs.map(|(k, v)| (k.into(), v.into())));
    assert_eq!(odd.home_page_url.as_deref(), Some(""));
}

#[test]
fn unusable_xml() {
    for (body, expect) in [
        ("", "malformed XML: no root element"),
        ("app", "malformed XML: text outside the root element"),
        ("<application/>", "malformed XML: the root element is not \"instance\""),
        ("<instance>", "malformed XML: the document ends inside an element"),
        ("<instance><x>", "malformed XML: the document ends inside an element"),
        ("<instance></app>", "malformed XML: "),
        ("<instance/><instance/>", "malformed XML: more than one root element"),
        ("<!DOCTYPE instance><instance/>", "malformed XML: a document type is not accepted"),
        (
            "<!DOCTYPE i [<!ENTITY a \"b\">]><instance><app>&a;</app></instance>",
            "malformed XML: a document type is not accepted",
        ),
        ("<instance><app>&a;</app></instance>", "malformed XML: an entity that is not predefined"),
        ("<instance><app>&#0;</app></instance>", "malformed XML: "),
        ("<instance><app><a/></app></instance>", "app: expected text, found an element"),
        ("<instance><port>http</port></instance>", "port: expected a number, found \"http\""),
        (
            "<instance><metadata><a><b/></a></metadata></instance>",
            "metadata.a: expected text, found an element",
        ),
        (
            "<instance><dataCenterInfo><name>Azure</name></dataCenterInfo></instance>",
            "dataCenterInfo.name: expected MyOwn, Netflix or Amazon",
        ),
    ] {
        let error = xml(body).expect_err(body).to_string();
        assert!(error.starts_with(expect), "{body}: {error}");
    }
}
