//! What is shown: one transaction with its branches, lists of them, topics as key-value entries (dtm.md 1.5).

use synod_base::xid::Xid;
use synod_core::txn::topic::Topic;
use synod_core::txn::{Mode, Status, Txn};
use synod_wire::dtm::{
    AllQuery, AllReply, Kv, KvQuery, KvReply, KvScan, QueryReply, ScanReply, Subscriber, Time,
    TransactionRecord, WorkflowReply, message,
};

use super::operate::find;
use super::{No, map};
use crate::txn::{Coordinator, Known};

/// Transactions on a page, unless the client says.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
/// Ended transactions that are looked at for one page.
const LOOK_MAX: usize = 20_000;
/// The category in which topics are kept.
const TOPICS: &str = "topics";

/// One transaction with its branches.
pub(super) async fn query(coordinator: &Coordinator, gid: &str) -> Result<QueryReply, No> {
    if gid.is_empty() {
        return Err(No::error(message::NO_GID));
    }
    Ok(match find(coordinator, gid) {
        Known::Open(txn) => QueryReply {
            branches: map::rows(&txn),
            transaction: Some(map::record(&txn, next_call_ms(coordinator, txn.xid).await)),
        },
        Known::Ended(_, _, Some(detail)) => {
            QueryReply { branches: map::rows(&detail.txn), transaction: Some(map::record(&detail.txn, None)) }
        }
        Known::Ended(xid, end, None) => {
            QueryReply { branches: Vec::new(), transaction: Some(bare(gid, xid, Status::Ended(end))) }
        }
        Known::Forgotten | Known::Unknown => QueryReply::default(),
    })
}

/// What is still known of a transaction whose details are gone.
fn bare(gid: &str, xid: Xid, status: Status) -> TransactionRecord {
    TransactionRecord {
        id: map::id_of(xid),
        gid: gid.to_owned(),
        status: map::status_of(status).to_owned(),
        ..TransactionRecord::default()
    }
}

/// When its next call is due, in milliseconds since 1970.
async fn next_call_ms(coordinator: &Coordinator, xid: Xid) -> Option<u64> {
    let now = coordinator.now();
    let pauses = coordinator.view(xid).await.pauses;
    let due = pauses.iter().map(|pause| pause.due_mono).min()?;
    Some(now.wall_ms + due.saturating_sub(now.mono_ms))
}

/// The answer to `prepareWorkflow`.
pub(super) fn workflow(gid: &str, known: &Known) -> Result<WorkflowReply, No> {
    let of = |txn: &Txn| WorkflowReply { progresses: map::rows(txn), transaction: map::record(txn, None) };
    match known {
        Known::Open(txn) if txn.mode == Mode::Workflow => Ok(of(txn)),
        Known::Ended(_, _, Some(detail)) if detail.txn.mode == Mode::Workflow => Ok(of(&detail.txn)),
        Known::Ended(xid, end, None) => {
            Ok(WorkflowReply { progresses: Vec::new(), transaction: bare(gid, *xid, Status::Ended(*end)) })
        }
        Known::Open(_) | Known::Ended(..) => Err(No::error(message::CONFLICT)),
        Known::Forgotten | Known::Unknown => Err(No::error(message::NOT_FOUND)),
    }
}

/// A page of transactions, those begun last first: the open ones, then those that have ended.
pub(super) async fn all(coordinator: &Coordinator, asked: &AllQuery) -> Result<AllReply, No> {
    if !asked.gid.is_empty() {
        let transaction = query(coordinator, &asked.gid).await?.transaction;
        return Ok(AllReply { next_position: String::new(), transactions: transaction.map(|one| vec![one]) });
    }
    let place = Place::read(&asked.position)?;
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
    let wanted = |mode: Mode, status: Status, begun_ms: u64| {
        (asked.trans_type.is_empty() || asked.trans_type == map::type_of(mode))
            && (asked.status.is_empty() || asked.status == map::status_of(status))
            && asked.created_from_ms.is_none_or(|from| begun_ms >= from)
            && asked.created_to_ms.is_none_or(|to| begun_ms <= to)
    };
    let mut found: Vec<TransactionRecord> = Vec::new();
    let mut before = match place {
        Place::Ended(before) => before,
        Place::Open(before) => {
            let open = coordinator.read(|state| {
                let fits = |txn: &&std::sync::Arc<Txn>| {
                    before.is_none_or(|before| txn.xid < before) && wanted(txn.mode, txn.status, txn.begun_ms)
                };
                let mut open: Vec<_> = state.iter().filter(fits).cloned().collect();
                open.sort_unstable_by_key(|txn| std::cmp::Reverse(txn.xid));
                open.truncate(limit);
                open
            });
            found.extend(open.iter().map(|txn| map::record(txn, None)));
            if let Some(last) = open.get(limit - 1) {
                return Ok(page(found, &Place::Open(Some(last.xid))));
            }
            None
        }
    };
    let (briefs, rest) = coordinator.details().page(before, limit - found.len(), LOOK_MAX, |brief| {
        wanted(brief.mode, Status::Ended(brief.end), brief.begun_ms)
    });
    for brief in briefs {
        found.extend(coordinator.details().get(brief.xid).map(|detail| map::record(&detail.txn, None)));
    }
    before = rest;
    match before {
        Some(_) => Ok(page(found, &Place::Ended(before))),
        None => Ok(AllReply { next_position: String::new(), transactions: Some(found) }),
    }
}

fn page(found: Vec<TransactionRecord>, next: &Place) -> AllReply {
    AllReply { next_position: next.write(), transactions: Some(found) }
}

/// Where a page ended.
enum Place {
    Open(Option<Xid>),
    Ended(Option<Xid>),
}

impl Place {
    fn read(text: &str) -> Result<Self, No> {
        let bad = || No::error("position: not one that was given out");
        let xid = |text: &str| text.parse().ok().and_then(Xid::from_number).ok_or_else(bad);
        match text.split_once('-') {
            None if text.is_empty() => Ok(Self::Open(None)),
            Some(("open", number)) => Ok(Self::Open(Some(xid(number)?))),
            Some(("ended", number)) => Ok(Self::Ended(Some(xid(number)?))),
            _ => Err(bad()),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Open(Some(xid)) => format!("open-{xid}"),
            Self::Ended(Some(xid)) => format!("ended-{xid}"),
            Self::Open(None) | Self::Ended(None) => String::new(),
        }
    }
}

/// One entry of the key-value store. Topics are all that is in it.
pub(super) fn kv(coordinator: &Coordinator, asked: &KvQuery) -> KvReply {
    let found = if asked.cat == TOPICS {
        coordinator.read(|state| state.topic(&asked.key).map(|topic| entry(&asked.key, topic)))
    } else {
        None
    };
    KvReply { kv: found.into_iter().collect() }
}

/// A page of entries, by name.
pub(super) fn scan(coordinator: &Coordinator, asked: &KvScan) -> ScanReply {
    if asked.cat != TOPICS {
        return ScanReply::default();
    }
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
    coordinator.read(|state| {
        let behind = state.topics().iter().filter(|(name, _)| ***name > *asked.position);
        let kv: Vec<_> = behind.take(limit).map(|(name, topic)| entry(name, topic)).collect();
        let next_position = kv.get(limit - 1).map(|last| last.k.clone()).unwrap_or_default();
        ScanReply { kv, next_position }
    })
}

fn entry(name: &str, topic: &Topic) -> Kv {
    let subscribers: Vec<_> = topic
        .subscribers
        .iter()
        .map(|known| Subscriber { url: known.url.to_string(), remark: known.remark.to_string() })
        .collect();
    Kv {
        id: 0,
        create_time: Some(Time::from_ms(topic.created_ms)),
        update_time: Some(Time::from_ms(topic.changed_ms)),
        cat: TOPICS.to_owned(),
        k: name.to_owned(),
        v: Subscriber::encode(&subscribers),
        version: topic.version,
    }
}
