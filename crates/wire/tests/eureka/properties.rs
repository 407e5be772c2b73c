//! What holds for every value: reading what was written gives it back, and no bytes make a reader panic.

use std::borrow::Cow;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use synod_wire::eureka::*;

use crate::recordings::*;

type Text = Cow<'static, str>;

/// Text of up to eight characters: anything in JSON, what XML 1.0 can hold in XML.
fn text(format: Format) -> impl Strategy<Value = Text> {
    vec(any::<char>(), 0..8).prop_map(move |chars| {
        let holds = |c: &char| match format {
            Format::Json => true,
            Format::Xml => {
                !matches!(*c, '\0'..'\t' | '\u{b}' | '\u{c}' | '\u{e}'..' ' | '\u{fffe}' | '\u{ffff}')
            }
        };
        Cow::Owned(chars.iter().filter(|c| holds(c)).collect())
    })
}

fn key(format: Format) -> BoxedStrategy<String> {
    match format {
        Format::Json => text(format).prop_map(Cow::into_owned).boxed(),
        Format::Xml => vec(prop::sample::select(vec!['a', 'Z', '_', '$', '-', '.', '7', 'é', '区']), 0..6)
            .prop_map(|chars| std::iter::once('k').chain(chars).collect())
            .boxed(),
    }
}

fn pairs(format: Format) -> impl Strategy<Value = Pairs<'static>> {
    btree_map(key(format), text(format), 0..5)
        .prop_map(|map| map.into_iter().map(|(key, value)| (Cow::Owned(key), value)).collect())
}

fn time() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
}

fn lease() -> impl Strategy<Value = Lease> {
    let seconds = 1..=i32::MAX.unsigned_abs();
    (seconds.clone(), seconds, time(), time(), time(), time()).prop_map(|(renewal, duration, a, b, c, d)| {
        Lease {
            renewal_interval_s: renewal,
            duration_s: duration,
            registration: a,
            last_renewal: b,
            eviction: c,
            service_up: d,
        }
    })
}

fn data_center(format: Format) -> impl Strategy<Value = DataCenter<'static>> {
    let name = option::of(prop::sample::select(DataCenterName::ALL.to_vec()));
    (name, pairs(format)).prop_map(|(name, metadata)| match name {
        Some(DataCenterName::Amazon) => DataCenter { name, metadata },
        _ => DataCenter { name, metadata: vec![] },
    })
}

fn port() -> impl Strategy<Value = Port> {
    any::<(i32, bool)>().prop_map(|(number, enabled)| Port { number, enabled })
}

/// Any instance that its format can express.
fn instance(format: Format) -> impl Strategy<Value = Instance<'static>> {
    let texts = vec(option::of(text(format)), 13);
    let statuses = prop::sample::select(Status::ALL.to_vec());
    let action = option::of(prop::sample::select(Action::ALL.to_vec()));
    let record = (statuses.clone(), statuses, port(), port(), any::<i32>(), any::<bool>(), action);
    let parts = (option::of(data_center(format)), option::of(lease()), pairs(format));
    let times = (option::of(time()), option::of(time()));
    (texts, record, parts, times).prop_map(|(mut texts, record, parts, times)| {
        let mut next = || texts.pop().flatten();
        Instance {
            instance_id: next(),
            host_name: next(),
            app: next(),
            ip_addr: next(),
            sid: next(),
            status: record.0,
            overridden: record.1,
            port: record.2,
            secure_port: record.3,
            country_id: record.4,
            data_center: parts.0,
            lease: parts.1,
            metadata: parts.2,
            app_group_name: next(),
            home_page_url: next(),
            status_page_url: next(),
            health_check_url: next(),
            secure_health_check_url: next(),
            vip_address: next(),
            secure_vip_address: next(),
            is_coordinating: record.5,
            last_updated: times.0,
            last_dirty: times.1,
            action: record.6,
            asg_name: next(),
        }
    })
}

fn survives(instance: &Instance<'_>, format: Format) {
    for place in [Place::Alone, Place::InList] {
        let mut out = Vec::new();
        write_instance(&mut out, instance, format, Form::Full, place);
        let read = decode_instance(&out, format, &Limits::REQUEST);
        assert_eq!(read.as_ref(), Ok(instance), "{}", String::from_utf8_lossy(&out));
    }
}

/// Runs every reader over a body.
fn read_as_anything(body: &[u8]) {
    for format in [Format::Json, Format::Xml] {
        if let Ok(instance) = decode_instance(body, format, &Limits::REQUEST) {
            // A record from outside may hold what XML cannot; JSON gives all of it back.
            survives(&instance, Format::Json);
            let mut out = Vec::new();
            write_instance_document(&mut out, &instance, Format::Xml);
            assert!(decode_instance(&out, Format::Xml, &Limits::REQUEST).is_ok());
        }
    }
    drop(decode_batch(body, &Limits::REQUEST));
    drop(decode_batch_response(body, &Limits::REQUEST));
    drop(decode_applications(body, &Limits::REQUEST));
}

fn bodies() -> Vec<&'static str> {
    let mut bodies = vec![INSTANCE_JSON, INSTANCE_XML, LIST_JSON, LIST_XSTREAM_JSON, APPLICATION_XML];
    bodies.extend(BATCHES.lines());
    bodies.extend(registrations().map(|(_, body)| body));
    bodies
}

proptest! {
    #[test]
    fn json_gives_back_what_was_written(instance in instance(Format::Json)) {
        survives(&instance, Format::Json);
    }

    #[test]
    fn xml_gives_back_what_was_written(instance in instance(Format::Xml)) {
        survives(&instance, Format::Xml);
    }

    #[test]
    fn xml_can_be_written_of_anything(instance in instance(Format::Json)) {
        let mut out = Vec::new();
        write_instance_document(&mut out, &instance, Format::Xml);
        prop_assert!(decode_instance(&out, Format::Xml, &Limits::REQUEST).is_ok());
    }

    #[test]
    fn batches_give_back_what_was_written(
        parts in vec(
            (option::of(text(Format::Json)), any::<Option<i64>>(), option::of(instance(Format::Json))),
            0..4,
        ),
    ) {
        let items: Vec<BatchItem<'_>> = parts
            .into_iter()
            .map(|(id, last_dirty, instance)| BatchItem {
                id,
                last_dirty,
                instance: instance.map(Box::new),
                action: ItemAction::Known(ActionKind::Register),
                ..BatchItem::default()
            })
            .collect();
        let mut out = Vec::new();
        write_batch(&mut out, &items);
        prop_assert_eq!(decode_batch(&out, &Limits::REQUEST), Ok(items));
    }

    #[test]
    fn no_bytes_panic(body in vec(any::<u8>(), 0..200)) {
        read_as_anything(&body);
    }

    #[test]
    fn no_mutation_panics(
        body in prop::sample::select(bodies()),
        edits in vec((any::<prop::sample::Index>(), 0_usize..4, any::<u8>()), 1..6),
    ) {
        let mut body = body.as_bytes().to_vec();
        for (index, remove, byte) in edits {
            let at = index.index(body.len());
            let end = (at + remove).min(body.len());
            body.splice(at..end, [byte, b"{}[]<>\"&:,"[usize::from(byte) % 10]]);
        }
        read_as_anything(&body);
    }
}
