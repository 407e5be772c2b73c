//! Between a Synod node and a Java server: what the server's `peers::eureka` and `face::eureka::replication` do, without
//! bytes.

use synod_base::time::Now;
use synod_core::registry::lane::{self, Kind};
use synod_core::registry::listing::Change;
use synod_core::registry::sync::Answer;
use synod_core::registry::{Origin, Record, Registry, Renewal, Status};

use crate::java::registry::Info;
use crate::java::{Action, Item, Said};

/// What a Java server is told.
pub(crate) fn item(item: &lane::Item) -> Item {
    let record = &*item.record;
    let overridden = Some(record.overridden).filter(|status| *status != Status::Unknown);
    let bare = Item {
        action: Action::Heartbeat,
        key: (record.instance.app.to_string(), record.instance.id.to_string()),
        dirty_ms: Some(record.dirty_ms),
        status: Some(record.status),
        overridden: None,
        info: None,
    };
    match item.kind {
        Kind::Register => Item { action: Action::Register, info: Some(info(record)), ..bare },
        Kind::Heartbeat => Item { overridden, ..bare },
        Kind::StatusUpdate => Item { action: Action::StatusUpdate, status: Some(record.overridden), ..bare },
        Kind::DeleteStatusOverride => Item { action: Action::DeleteStatusOverride, ..bare },
        Kind::Cancel => Item { action: Action::Cancel, dirty_ms: None, status: None, ..bare },
    }
}

/// A record as it is shown.
pub(crate) fn info(record: &Record) -> Info {
    Info {
        instance: record.instance.clone(),
        status: record.status,
        overridden: record.overridden,
        dirty_ms: record.dirty_ms,
        updated_ms: record.updated_ms,
        edited: false,
    }
}

/// What a Java server's answers mean.
pub(crate) fn answers(said: Vec<Said>) -> Vec<Answer> {
    let answer = |said| match said {
        Said::Ok => Answer::Done,
        Said::Unknown => Answer::Unknown,
        Said::Conflict(info) => Answer::Conflict(Box::new(info.as_instance())),
    };
    said.into_iter().map(answer).collect()
}

/// Executes a Java server's batch.
pub(crate) fn execute(registry: &Registry, items: Vec<Item>, now: Now) -> (Vec<Said>, Vec<Change>) {
    let mut changes = Vec::new();
    let said = items.into_iter().map(|item| execute_one(registry, item, &mut changes, now)).collect();
    (said, changes)
}

fn execute_one(registry: &Registry, item: Item, changes: &mut Vec<Change>, now: Now) -> Said {
    let Item { action, key: (app, id), dirty_ms, status, overridden, info } = item;
    let change = match action {
        Action::Register => {
            let instance = info.expect("a registration has its instance").as_instance();
            registry.register(instance, Origin::Peer, now).ok()
        }
        Action::Heartbeat => {
            return match registry.renew(&app, &id, dirty_ms, now) {
                Renewal::Renewed(_) => Said::Ok,
                Renewal::Newer(record) => Said::Conflict(Box::new(self::info(&record))),
                Renewal::Outdated(_) => {
                    overridden.iter().for_each(|status| registry.note_override(&app, &id, *status, now));
                    Said::Unknown
                }
                Renewal::Unknown => Said::Unknown,
            };
        }
        Action::Cancel => registry.cancel(&app, &id, now),
        Action::StatusUpdate => {
            let status = status.expect("an override has a status");
            registry.hear_override(&app, &id, status, dirty_ms, now).map(|edit| edit.change)
        }
        Action::DeleteStatusOverride => {
            registry.hear_cleared(&app, &id, status, dirty_ms, now).map(|edit| edit.change)
        }
    };
    let said = if change.is_some() { Said::Ok } else { Said::Unknown };
    changes.extend(change);
    said
}
