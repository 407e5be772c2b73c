//! The answering side: what a node does with the questions and the news of a Synod peer. Stateless; the registry is all
//! there is to it. News may come twice, late, or in any order.

use std::collections::BTreeMap;

use synod_base::time::Now;

use super::{Compared, Exchanged, Holdings};
use crate::registry::instance::Instance;
use crate::registry::listing::Change;
use crate::registry::merge::{End, Merged, News, Standing};
use crate::registry::store::Registry;
use crate::registry::survey::{Buckets, Ended, Sign};

/// One piece of news in a batch between Synod nodes.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Here is the whole record.
    Record(News),
    /// It lives.
    Heartbeat(Sign),
    /// It left.
    Ended(Ended),
}

/// A peer's answer to one item of a batch.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Taken, or nothing new.
    Done,
    /// The record is not known, or not in this version: send it.
    Unknown,
    /// There is a later version; here it is.
    Newer(News),
    /// A Java peer has a later version; here is what it shows (409).
    Conflict(Box<Instance>),
    /// It left; here is how.
    Ended(End),
    /// The item could not be used.
    Refused,
}

/// Takes a batch of news. Returns the answers, one for each, and what changed here.
pub fn changes<C: Default>(
    registry: &Registry<C>,
    notices: Vec<Notice>,
    now: Now,
) -> (Vec<Answer>, Vec<Change>) {
    let mut changes = Vec::new();
    let answer = |notice| match notice {
        Notice::Heartbeat(sign) => match registry.renew_by(&sign, now) {
            Standing::Same | Standing::Void => Answer::Done,
            Standing::Wanted => Answer::Unknown,
            Standing::Newer(news) => Answer::Newer(news),
            Standing::Ended(end) => Answer::Ended(end),
        },
        Notice::Record(news) => {
            let (app, id) = (news.instance.app.clone(), news.instance.id.clone());
            merged(registry, registry.merge(news, now), &app, &id, &mut changes, now)
        }
        Notice::Ended(Ended { app, id, end }) => {
            merged(registry, registry.merge_end(&app, &id, end, now), &app, &id, &mut changes, now)
        }
    };
    let answers = notices.into_iter().map(answer).collect();
    (answers, changes)
}

fn merged<C: Default>(
    registry: &Registry<C>,
    merged: Merged,
    app: &str,
    id: &str,
    changes: &mut Vec<Change>,
    now: Now,
) -> Answer {
    match merged {
        Merged::Changed(change) => {
            changes.push(change);
            Answer::Done
        }
        Merged::Same => Answer::Done,
        Merged::Outranked(_) => registry.news_of(app, id, now).map_or(Answer::Done, Answer::Newer),
        Merged::Ended(end) => Answer::Ended(end),
    }
}

/// Tells the fingerprint, and which of the peer's fading leases were heard of later here.
pub fn compare<C: Default>(registry: &Registry<C>, fading: &[Sign], now: Now) -> Compared {
    let heard_later = |sign: &Sign| {
        let (record, heard) = registry.told(&sign.app, &sign.id)?;
        (heard.stamp_ms > sign.stamp_ms).then(|| Sign::of(&record, heard, now))
    };
    Compared { fingerprint: registry.fingerprint(), fresher: fading.iter().filter_map(heard_later).collect() }
}

/// Takes what the peer holds of some buckets and tells what is held here.
pub fn exchange<C: Default>(registry: &Registry<C>, theirs: &Holdings, now: Now) -> (Exchanged, Vec<Change>) {
    let wanted = Buckets::of(&theirs.buckets);
    let end_one = |ended: &Ended| match registry.merge_end(&ended.app, &ended.id, ended.end, now) {
        Merged::Changed(change) => Some(change),
        _ => None,
    };
    let changes = theirs.ends.iter().filter_map(end_one).collect();
    let mut ours: BTreeMap<_, _> = registry
        .holdings(&wanted)
        .into_iter()
        .map(|(record, heard)| ((record.instance.app.clone(), record.instance.id.clone()), (record, heard)))
        .collect();
    let mut reply = Exchanged { ends: registry.ends(&wanted), ..Exchanged::default() };
    for sign in &theirs.signs {
        let key = (sign.app.clone(), sign.id.clone());
        ours.remove(&key);
        match registry.attend(sign, now) {
            Standing::Newer(news) => reply.news.push(news),
            Standing::Wanted => reply.wanted.push(key),
            Standing::Same | Standing::Ended(_) | Standing::Void => {}
        }
    }
    reply.news.extend(ours.values().map(|(record, heard)| News::of(record, *heard, now)));
    (reply, changes)
}
