//! Recorded answers, decoded and encoded again, byte for byte.

use synod_wire::eureka::*;

use crate::recordings::*;

/// Writes a whole list out of its parts, as a server does.
fn write_list(list: &Applications<'_>, format: Format, form: Form) -> String {
    let mut out = Vec::new();
    let delta = list.versions_delta.as_deref().unwrap_or("1").parse().expect("a number");
    let hash = list.hash.as_deref().unwrap_or_default();
    list_head(&mut out, format, form, delta, hash);
    for (i, application) in list.applications.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(separator(format));
        }
        application_open(&mut out, format, form, application.name.as_deref().expect("a name"));
        for (i, instance) in application.instances.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(separator(format));
            }
            write_instance(&mut out, instance, format, form, Place::InList);
        }
        application_close(&mut out, format, form);
    }
    list_tail(&mut out, format, form, delta, hash);
    String::from_utf8(out).expect("UTF-8")
}

fn read_list(text: &str) -> Applications<'_> {
    let list = decode_applications(text.as_bytes(), &Limits::SYNC).expect("a list");
    assert_eq!(list.refused, []);
    list
}

#[test]
fn single_instances() {
    for (text, format) in [(INSTANCE_JSON, Format::Json), (INSTANCE_XML, Format::Xml)] {
        let instance = decode_instance(text.as_bytes(), format, &Limits::REQUEST).expect("an instance");
        let mut out = Vec::new();
        write_instance_document(&mut out, &instance, format);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), text);
    }
}

#[test]
fn both_formats_say_the_same() {
    let json = decode_instance(INSTANCE_JSON.as_bytes(), Format::Json, &Limits::REQUEST);
    let xml = decode_instance(INSTANCE_XML.as_bytes(), Format::Xml, &Limits::REQUEST);
    assert_eq!(json, xml);
}

#[test]
fn applications_of_one() {
    let instance =
        decode_instance(INSTANCE_JSON.as_bytes(), Format::Json, &Limits::REQUEST).expect("an instance");
    for (format, form, expect) in [
        (Format::Json, Form::Full, APPLICATION_JSON),
        (Format::Xml, Form::Full, APPLICATION_XML),
        (Format::Json, Form::Compact, APPLICATION_COMPACT_JSON),
    ] {
        let mut out = Vec::new();
        write_application_document(&mut out, "ORDERS", [&instance], format, form);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expect);
    }
}

#[test]
fn lists_in_full_form() {
    for text in [LIST_JSON, LIST_EMPTY_JSON, DELTA_JSON] {
        assert_eq!(write_list(&read_list(text), Format::Json, Form::Full), text);
    }
    let mut list = read_list(LIST_JSON);
    assert_eq!(write_list(&list, Format::Xml, Form::Full), LIST_XML);
    list.versions_delta = Some("-1".into());
    assert_eq!(write_list(&list, Format::Xml, Form::Full), LIST_VIP_XML);
}

/// The one thing of a recording we leave out on purpose: a flag that some readers reject.
#[test]
fn lists_in_compact_form() {
    let list = read_list(LIST_JSON);
    let json = LIST_COMPACT_JSON.replace("\"registeredApplicationsEmpty\":false,", "");
    assert_eq!(write_list(&list, Format::Json, Form::Compact), json);
    let xml = "<registeredApplicationsEmpty>false</registeredApplicationsEmpty>";
    assert_eq!(write_list(&list, Format::Xml, Form::Compact), LIST_COMPACT_XML.replace(xml, ""));
}

#[test]
fn lists_of_other_java_codecs() {
    let list = read_list(LIST_JACKSON_JSON);
    let [application] = &list.applications[..] else { panic!("one application") };
    assert_eq!(application.name.as_deref(), Some("DEMO"));
    assert_eq!(application.instances.len(), 1);
    assert_eq!(read_list(LIST_XSTREAM_JSON), list);
}

#[test]
fn deltas_carry_what_happened() {
    let actions: Vec<_> = read_list(DELTA_JSON)
        .applications
        .iter()
        .flat_map(|application| &application.instances)
        .map(|instance| (instance.instance_id.clone().expect("an id").into_owned(), instance.action))
        .collect();
    assert!(actions.contains(&("a1".into(), Some(Action::Deleted))), "{actions:?}");
    assert!(actions.contains(&("a2".into(), Some(Action::Added))), "{actions:?}");
}

/// Whatever the dialect, the registration of the recorded Java clients means the same record.
#[test]
fn registrations_of_all_clients() {
    let mut demo: Option<Instance<'_>> = None;
    let mut seen = 0;
    for (who, body) in registrations() {
        let format = if body.starts_with('<') { Format::Xml } else { Format::Json };
        let mut instance = decode_instance(body.as_bytes(), format, &Limits::REQUEST)
            .unwrap_or_else(|error| panic!("{who}: {error}"));
        assert!(instance.app.is_some() && instance.host_name.is_some(), "{who}");
        assert_eq!(instance.status, Status::Up, "{who}");
        seen += 1;
        if instance.app.as_deref() != Some("DEMO") || !body.contains("AmazonInfo") {
            continue;
        }
        let amazon = instance.data_center.as_ref().expect("a data center");
        assert_eq!(amazon.name, Some(DataCenterName::Amazon));
        assert_eq!(amazon.metadata[0], ("instance-id".into(), "i-1".into()));
        (instance.last_updated, instance.last_dirty) = (None, None);
        let first = demo.get_or_insert_with(|| instance.clone());
        assert_eq!(*first, instance, "{who}");
    }
    assert_eq!(seen, 10);
}

#[test]
fn status_documents() {
    let own = STATUS_JSON.find("{\"instanceId\"").expect("an instance");
    let own = &STATUS_JSON[own..];
    // The original server never closes the outermost brace of this one document. We do.
    let status_json = format!("{STATUS_JSON}}}");
    let instance = decode_instance(own.as_bytes(), Format::Json, &Limits::REQUEST).expect("an instance");
    let url = "http://127.0.0.1:18080/eureka/v2/";
    let urls = format!("{url},");
    let application =
        [("registered-replicas", url), ("available-replicas", ""), ("unavailable-replicas", urls.as_str())];
    // The two recordings were made one after the other.
    for (format, memory, expect) in
        [(Format::Json, "37mb (57%)", status_json.as_str()), (Format::Xml, "38mb (59%)", STATUS_XML)]
    {
        let general = [
            ("environment", "test"),
            ("num-of-cpus", "2"),
            ("total-avail-memory", "64mb"),
            ("current-memory-usage", memory),
            ("server-uptime", "00:00"),
        ];
        let document = StatusDocument {
            general: &general,
            application: &application,
            instance: &instance,
            healthy: None,
        };
        let mut out = Vec::new();
        write_status_document(&mut out, &document, format);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expect);
    }
}
