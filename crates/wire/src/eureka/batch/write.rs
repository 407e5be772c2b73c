//! Writes batches and the answers to them, as Java's readers expect them: instances without a wrapper, the
//! timestamp of an item as a number, absent fields left out.

use super::{BatchItem, ItemAction, ItemAnswer};
use crate::eureka::json::write::{Object, full};

/// Appends a replication batch. An action of an unknown name is written as it is, a missing one is left out;
/// a receiver refuses both.
pub fn write_batch<'i, 'a: 'i>(out: &mut Vec<u8>, items: impl IntoIterator<Item = &'i BatchItem<'a>>) {
    list(out, "replicationList", items, |out, item| {
        let mut object = Object::open(out);
        object.text("appName", item.app_name.as_deref());
        object.text("id", item.id.as_deref());
        if let Some(at) = item.last_dirty {
            object.number("lastDirtyTimestamp", at);
        }
        object.text("overriddenStatus", item.overridden.as_deref());
        object.text("status", item.status.as_deref());
        if let Some(instance) = &item.instance {
            full(object.key("instanceInfo"), instance);
        }
        let action = match &item.action {
            ItemAction::Known(kind) => Some(kind.as_str()),
            ItemAction::Unknown(name) => Some(name.as_ref()),
            ItemAction::Missing => None,
        };
        object.text("action", action);
        object.close();
    });
}

/// Appends the answer to a batch.
pub fn write_batch_response<'i, 'a: 'i>(
    out: &mut Vec<u8>,
    answers: impl IntoIterator<Item = &'i ItemAnswer<'a>>,
) {
    list(out, "responseList", answers, |out, answer| {
        let mut object = Object::open(out);
        object.number("statusCode", answer.status);
        if let Some(instance) = &answer.instance {
            full(object.key("responseEntity"), instance);
        }
        object.close();
    });
}

fn list<T>(
    out: &mut Vec<u8>,
    name: &str,
    items: impl IntoIterator<Item = T>,
    each: impl Fn(&mut Vec<u8>, T),
) {
    let mut object = Object::open(out);
    let out = object.key(name);
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
    object.close();
}
