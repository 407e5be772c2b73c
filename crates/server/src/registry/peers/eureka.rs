//! The dialect of Java peers: batches as in section 4 of `eureka.md`, the whole list, and single instances of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use synod_base::time::Now;
use synod_core::registry::lane::{Item, Kind};
use synod_core::registry::merge::News;
use synod_core::registry::sync::Answer;
use synod_core::registry::sync::listed::Shown;
use synod_core::registry::{Instance, Status};
use synod_wire::eureka::{
    self as wire, ActionKind, BatchItem, DecodeError, Format, ItemAction, ItemAnswer, Limits,
};

use super::status_text;
use crate::registry::convert;

/// The headers with which Java servers replicate (`eureka.md` 4.3).
pub(super) fn headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let identity = |name| HeaderName::from_static(name);
    HeaderMap::from_iter([
        (header::ACCEPT, json.clone()),
        (header::CONTENT_TYPE, json),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        (header::USER_AGENT, HeaderValue::from_static("Java-EurekaClient-Replication")),
        (identity("discoveryidentity-name"), HeaderValue::from_static("DefaultServer")),
        (identity("discoveryidentity-version"), HeaderValue::from_static("1.0")),
        (identity("discoveryidentity-id"), HeaderValue::from_static("synod")),
    ])
}

/// The body of a batch.
pub(super) fn batch(items: &[Item], now: Now) -> Vec<u8> {
    let items: Vec<_> = items.iter().map(|item| batch_item(item, now)).collect();
    let mut body = Vec::with_capacity(256 * items.len());
    wire::write_batch(&mut body, &items);
    body
}

fn batch_item(item: &Item, now: Now) -> BatchItem<'_> {
    let record = &*item.record;
    let bare = BatchItem {
        app_name: Some(Cow::Borrowed(&record.instance.app)),
        id: Some(Cow::Borrowed(&record.instance.id)),
        last_dirty: Some(record.dirty_ms as i64),
        status: Some(status_text(record.status)),
        ..BatchItem::default()
    };
    let action = |kind| ItemAction::Known(kind);
    match item.kind {
        Kind::Register => {
            let renewed_ms = now.wall_ms.saturating_sub(item.heard.age_ms(now));
            let instance = convert::shown(record, renewed_ms, false);
            BatchItem { instance: Some(Box::new(instance)), action: action(ActionKind::Register), ..bare }
        }
        Kind::Heartbeat => {
            let overridden = Some(record.overridden).filter(|status| *status != Status::Unknown);
            let overridden = overridden.map(status_text);
            BatchItem { overridden, action: action(ActionKind::Heartbeat), ..bare }
        }
        // The status of an instance that says itself that it is down is not its override.
        Kind::StatusUpdate => BatchItem {
            status: Some(status_text(record.overridden)),
            action: action(ActionKind::StatusUpdate),
            ..bare
        },
        Kind::DeleteStatusOverride => BatchItem { action: action(ActionKind::DeleteStatusOverride), ..bare },
        Kind::Cancel => {
            BatchItem { last_dirty: None, status: None, action: action(ActionKind::Cancel), ..bare }
        }
    }
}

/// Reads the answer to a batch (`eureka.md` 4.4, 4.5).
pub(super) fn answers(body: &[u8], lease_duration_s: u32, now: Now) -> Result<Vec<Answer>, DecodeError> {
    let answers = wire::decode_batch_response(body, &Limits::REQUEST)?;
    let answer = |ItemAnswer { status, instance }| match status {
        200..300 => Answer::Done,
        404 => Answer::Unknown,
        409 => match instance.and_then(|instance| taken(&instance, lease_duration_s, now)) {
            Some(instance) => Answer::Conflict(Box::new(instance)),
            None => Answer::Refused,
        },
        _ => Answer::Refused,
    };
    Ok(answers.into_iter().map(answer).collect())
}

/// Reads the whole list of a peer. What is unusable of it is left out.
pub(super) fn list(body: &[u8], lease_duration_s: u32, now: Now) -> Result<Vec<Shown>, DecodeError> {
    let list = wire::decode_applications(body, &Limits::SYNC)?;
    if let Some(first) = list.refused.first() {
        tracing::warn!(count = list.refused.len(), %first, "a peer lists instances that cannot be read");
    }
    let instances = list.applications.iter().flat_map(|application| &application.instances);
    Ok(instances.filter_map(|instance| shown(instance, lease_duration_s, now)).collect())
}

/// The path below a peer's URL of one instance.
pub(super) fn path(app: &str, id: &str) -> String {
    let mut path = "apps".to_owned();
    for name in [app, id] {
        path.push('/');
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
                path.push(char::from(byte));
            } else {
                write!(path, "%{byte:02X}").expect("a string takes all");
            }
        }
    }
    path
}

/// Reads one instance of a peer's; `None` when it cannot be used.
pub(super) fn one(body: &[u8], lease_duration_s: u32, now: Now) -> Option<Shown> {
    let instance = wire::decode_instance(body, Format::Json, &Limits::REQUEST).ok()?;
    shown(&instance, lease_duration_s, now)
}

fn shown(from: &wire::Instance<'_>, lease_duration_s: u32, now: Now) -> Option<Shown> {
    Some(Shown {
        news: news(from, lease_duration_s, now)?,
        updated_ms: from.last_updated.unwrap_or(0),
        edited: from.action == Some(wire::Action::Modified),
    })
}

fn news(from: &wire::Instance<'_>, lease_duration_s: u32, now: Now) -> Option<News> {
    let instance = taken(from, lease_duration_s, now)?;
    let lease = from.lease.unwrap_or_default();
    // Once a lease was renewed, Java's "last renewal" is one lease duration too late (3.2).
    let duration_ms = u64::from(lease.duration_s) * 1_000;
    let doubled = lease.last_renewal >= lease.registration.saturating_add(duration_ms);
    let renewed_ms = lease.last_renewal - if doubled { duration_ms } else { 0 };
    let stamp_ms = renewed_ms.max(lease.registration).min(now.wall_ms);
    Some(News {
        status: instance.status,
        overridden: instance.overridden,
        override_ms: 0,
        dirty_ms: instance.dirty_ms,
        registered_ms: lease.registration,
        up_ms: lease.service_up,
        stamp_ms,
        age_ms: now.wall_ms.saturating_sub(stamp_ms),
        instance: instance.into(),
    })
}

fn taken(from: &wire::Instance<'_>, lease_duration_s: u32, now: Now) -> Option<Instance> {
    let app = convert::upper(from.app.as_deref()?);
    convert::instance(from, &app, lease_duration_s, now).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use synod_core::registry::lease::Heard;
    use synod_core::registry::merge::Merged;
    use synod_core::registry::{Record, Registry};

    use super::*;

    const NOW: Now = Now { wall_ms: 1_795_291_812_000, mono_ms: 500_000 };

    fn record(overridden: Status) -> Arc<Record> {
        let instance = Instance { dirty_ms: 1_700_000_000_000, ..Instance::new("REP", "r1") };
        let status = if overridden == Status::Unknown { Status::Up } else { overridden };
        let news = News {
            status,
            overridden,
            override_ms: 0,
            dirty_ms: instance.dirty_ms,
            registered_ms: NOW.wall_ms,
            up_ms: NOW.wall_ms,
            stamp_ms: NOW.wall_ms,
            age_ms: 0,
            instance: instance.into(),
        };
        match Registry::<()>::new(Default::default()).merge(news, NOW) {
            Merged::Changed(change) => change.record,
            other => panic!("{other:?}"),
        }
    }

    fn body(kind: Kind, overridden: Status) -> String {
        let item = Item { kind, record: record(overridden), heard: Heard::now(NOW) };
        String::from_utf8(batch(&[item], NOW)).unwrap()
    }

    /// Recorded from a Java server: `golden/eureka/java_peer_to_peer_requests.txt`.
    #[test]
    fn items_are_those_of_a_java_peer() {
        for (kind, overridden, item) in [
            (
                Kind::Heartbeat,
                Status::Unknown,
                r#""lastDirtyTimestamp":1700000000000,"status":"UP","action":"Heartbeat""#,
            ),
            (
                Kind::StatusUpdate,
                Status::OutOfService,
                r#""lastDirtyTimestamp":1700000000000,"status":"OUT_OF_SERVICE","action":"StatusUpdate""#,
            ),
            (
                Kind::Heartbeat,
                Status::OutOfService,
                concat!(
                    r#""lastDirtyTimestamp":1700000000000,"overriddenStatus":"OUT_OF_SERVICE","#,
                    r#""status":"OUT_OF_SERVICE","action":"Heartbeat""#
                ),
            ),
            (
                Kind::DeleteStatusOverride,
                Status::Unknown,
                r#""lastDirtyTimestamp":1700000000000,"status":"UP","action":"DeleteStatusOverride""#,
            ),
            (Kind::Cancel, Status::Unknown, r#""action":"Cancel""#),
        ] {
            let expect = format!(r#"{{"replicationList":[{{"appName":"REP","id":"r1",{item}}}]}}"#);
            assert_eq!(body(kind, overridden), expect);
        }
        let register = body(Kind::Register, Status::Unknown);
        let begin = concat!(
            r#"{"replicationList":[{"appName":"REP","id":"r1","lastDirtyTimestamp":1700000000000,"#,
            r#""status":"UP","instanceInfo":{"instanceId":"r1","#
        );
        assert!(register.starts_with(begin), "{register}");
        assert!(register.ends_with(r#""actionType":"ADDED"},"action":"Register"}]}"#), "{register}");
    }

    #[test]
    fn headers_are_those_of_a_java_peer() {
        let headers = headers();
        for (name, value) in [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("accept-encoding", "gzip"),
            ("discoveryidentity-name", "DefaultServer"),
            ("discoveryidentity-version", "1.0"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert!(!headers.contains_key("x-netflix-discovery-replication"));
    }

    #[test]
    fn answers_are_read_item_by_item() {
        let body = concat!(
            r#"{"responseList":[{"statusCode":200},{"statusCode":404},{"statusCode":500},{"statusCode":409},"#,
            r#"{"statusCode":409,"responseEntity":{"instanceId":"r1","app":"rep","hostName":"h","ipAddr":"i","#,
            r#""dataCenterInfo":{"name":"MyOwn"},"lastDirtyTimestamp":"7"}}]}"#
        );
        let words = answers(body.as_bytes(), 90, NOW).unwrap().into_iter().map(|answer| match answer {
            Answer::Conflict(instance) => format!("{}/{}@{}", instance.app, instance.id, instance.dirty_ms),
            other => format!("{other:?}"),
        });
        assert_eq!(words.collect::<Vec<_>>(), ["Done", "Unknown", "Refused", "Refused", "REP/r1@7"]);
        assert!(answers(b"{}", 90, NOW).is_err());
    }

    #[test]
    fn one_instance_is_asked_for_by_its_name_and_read_as_it_is_shown() {
        assert_eq!(path("CART", "host:cart:80"), "apps/CART/host:cart:80");
        assert_eq!(path("A B", "ü/%"), "apps/A%20B/%C3%BC%2F%25");
        for (action, edited) in [("ADDED", false), ("MODIFIED", true)] {
            let body = format!(
                r#"{{"instance":{{"instanceId":"r1","app":"REP","hostName":"h","ipAddr":"i","status":"DOWN",
                "overriddenStatus":"OUT_OF_SERVICE","dataCenterInfo":{{"@class":"x","name":"MyOwn"}},
                "lastUpdatedTimestamp":"9","lastDirtyTimestamp":"7","actionType":"{action}"}}}}"#
            );
            let shown = one(body.as_bytes(), 90, NOW).unwrap();
            assert_eq!((shown.updated_ms, shown.edited), (9, edited));
            let News { status, overridden, dirty_ms, .. } = shown.news;
            assert_eq!((status, overridden, dirty_ms), (Status::Down, Status::OutOfService, 7));
        }
        assert!(one(b"<html>", 90, NOW).is_none());
    }

    #[test]
    fn the_age_of_a_lease_is_told_from_javas_odd_times() {
        for (registered_ago, renewal_ago, age_ms) in [
            (10_000, 10_000, 10_000),   // never renewed
            (100_000, -60_000, 30_000), // renewed 30 s ago: 90 s too late
            (200_000, 20_000, 110_000), // 110 s ago, still kept by Java
            (100_000, 5_000, 95_000),   // exactly one lease after the registration and 5 s ago
        ] {
            let at = |ago: i64| NOW.wall_ms.saturating_add_signed(-ago);
            let from = wire::Instance {
                host_name: Some("h".into()),
                ip_addr: Some("i".into()),
                app: Some("A".into()),
                data_center: Some(wire::DataCenter {
                    name: Some(wire::DataCenterName::MyOwn),
                    metadata: Vec::new(),
                }),
                lease: Some(wire::Lease {
                    registration: at(registered_ago),
                    last_renewal: at(renewal_ago),
                    ..wire::Lease::default()
                }),
                ..wire::Instance::default()
            };
            assert_eq!(news(&from, 90, NOW).unwrap().age_ms, age_ms, "{registered_ago} {renewal_ago}");
        }
    }
}
