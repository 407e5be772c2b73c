//! The dialect of Java peers: batches as in section 4 of `eureka.md`, and the whole list.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use synod_base::time::Now;
use synod_core::registry::lane::{Item, Kind};
use synod_core::registry::merge::News;
use synod_core::registry::sync::Answer;
use synod_core::registry::{Instance, Status};
use synod_wire::eureka::{self as wire, ActionKind, BatchItem, DecodeError, ItemAction, ItemAnswer, Limits};

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
pub(super) fn list(body: &[u8], lease_duration_s: u32, now: Now) -> Result<Vec<News>, DecodeError> {
    let list = wire::decode_applications(body, &Limits::SYNC)?;
    if let Some(first) = list.refused.first() {
        tracing::warn!(count = list.refused.len(), %first, "a peer lists instances that cannot be read");
    }
    let instances = list.applications.iter().flat_map(|application| &application.instances);
    Ok(instances.filter_map(|instance| news(instance, lease_duration_s, now)).collect())
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
