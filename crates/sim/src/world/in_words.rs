//! Requests in the words of the timeline.

use synod_core::registry::Status;
use synod_core::registry::sync::{Ask, Notice};

use super::Request;
use crate::java::Item;
use crate::node::Deed;

pub(super) fn deed(deed: &Deed) -> String {
    match deed {
        Deed::Register(instance) => format!("register {} dirty {}", instance.status, instance.dirty_ms),
        Deed::Renew(dirty_ms) => format!("renew dirty {dirty_ms}"),
        Deed::Cancel => "cancel".to_owned(),
        Deed::Override(status) => format!("override {status}"),
        Deed::ClearOverride => "clear the override".to_owned(),
        Deed::Metadata(value) => format!("set metadata {value}"),
    }
}

pub(super) fn request(request: &Request) -> String {
    let one = |notice: &Notice| match notice {
        Notice::Record(news) => {
            format!("record {} {} age {}", news.instance.app, news.instance.id, news.age_ms)
        }
        Notice::Heartbeat(sign) => format!("heartbeat {} {} age {}", sign.app, sign.id, sign.age_ms),
        Notice::Ended(ended) => format!("end {} {}", ended.app, ended.id),
    };
    match request {
        Request::Batch(notices) => notices.iter().map(one).collect::<Vec<_>>().join(", "),
        Request::Ask(Ask::Hello) => "hello".to_owned(),
        Request::Ask(Ask::Compare { fading }) => {
            let names: Vec<_> = fading.iter().map(|sign| format!("{} {}", sign.app, sign.id)).collect();
            format!("compare, fading: {}", names.join(", "))
        }
        Request::Ask(Ask::Exchange(holdings)) => {
            let names: Vec<_> =
                holdings.signs.iter().map(|sign| format!("{} {}", sign.app, sign.id)).collect();
            let ends: Vec<_> = holdings.ends.iter().map(|end| format!("{} {}", end.app, end.id)).collect();
            format!("exchange, held: {}; ended: {}", names.join(", "), ends.join(", "))
        }
        Request::Ask(Ask::List { .. }) => "list".to_owned(),
        Request::Ask(Ask::Look(keys)) => {
            let names: Vec<_> = keys.iter().map(|(app, id)| format!("{app} {id}")).collect();
            format!("look, at: {}", names.join(", "))
        }
        Request::Eureka(items) => items.iter().map(item).collect::<Vec<_>>().join(", "),
    }
}

fn item(item: &Item) -> String {
    let Item { action, key: (app, id), dirty_ms, status, overridden, .. } = item;
    let number = dirty_ms.map(|dirty_ms| format!(" dirty {dirty_ms}")).unwrap_or_default();
    let word = |status: &Option<Status>| status.map_or("-", Status::as_str);
    format!("{action:?} {app} {id} {} override {}{number}", word(status), word(overridden))
}
