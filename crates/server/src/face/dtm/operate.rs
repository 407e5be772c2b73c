//! What the operations do, whatever carried them: prepare, submit, abort, register a branch (dtm.md 1.3, 1.4).
//!
//! Where the original is not idempotent this is: a client that repeats a request because the answer was lost gets the answer
//! that it would have got, and the same id with other content is refused.

use bytes::Bytes;
use http::HeaderMap;
use synod_base::xid::Xid;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{self, Begin, Command, Decision, Done, End, Enlist, Mode, Status, Txn, Way};
use synod_wire::dtm::{FAILURE, ONGOING, Refusal, Registration, Transaction, message, status};

use super::{No, map};
use crate::node::seed;
use crate::txn::{Coordinator, Failure, Known, Seen, Wait};

/// What is said of a failure that has nothing to do with the transaction's state.
pub(super) fn failed(failure: Failure) -> No {
    match failure {
        Failure::Lost => No::Unanswered,
        Failure::Busy(_) => No::error(failure.to_string()),
        Failure::Refused(refusal) => No::error(refusal.to_string()),
    }
}

/// Finds what a client calls by this id: what was begun under it, else what the text form of an XID names.
pub(super) fn find(coordinator: &Coordinator, gid: &str) -> Known {
    match coordinator.find_gid(gid) {
        Known::Unknown => Xid::parse(gid).map_or(Known::Unknown, |xid| coordinator.find(xid)),
        known => known,
    }
}

fn status_of(known: &Known) -> Option<Status> {
    match known {
        Known::Open(txn) => Some(txn.status),
        Known::Ended(_, end, _) => Some(Status::Ended(*end)),
        Known::Forgotten | Known::Unknown => None,
    }
}

fn kind(from: &Transaction) -> Result<Mode, No> {
    map::mode(&from.trans_type).ok_or_else(|| No::error(message::unknown_type(&from.trans_type)))
}

fn draft(
    coordinator: &Coordinator,
    headers: &HeaderMap,
    from: &Transaction,
    submit: bool,
) -> Result<Begin, No> {
    let (mode, trace) = (kind(from)?, coordinator.trace(headers));
    if Xid::parse(&from.gid).is_some() {
        return Err(No::error("gid: this is the form of an XID, and no such transaction is known"));
    }
    coordinator.read(|state| map::begin(from, mode, submit, trace, state.topics()))
}

/// Begins a transaction that is decided later.
pub(super) async fn prepare(
    coordinator: &Coordinator,
    headers: &HeaderMap,
    from: &Transaction,
) -> Result<(), No> {
    let begun = match status_of(&find(coordinator, &from.gid)) {
        Some(status) => status,
        None => match coordinator.begin(draft(coordinator, headers, from, false)?).await {
            Ok((_, status)) => status,
            // Somebody else was faster.
            Err(Failure::Refused(txn::Refusal::Conflict(_))) => {
                status_of(&find(coordinator, &from.gid)).unwrap_or(Status::Active)
            }
            Err(failure) => return Err(failed(failure)),
        },
    };
    if begun == Status::Active {
        Ok(())
    } else {
        Err(No::failure(message::cannot_prepare(map::status_of(begun))))
    }
}

/// Begins a transaction if it was not begun, and decides to carry it through.
pub(super) async fn submit(
    coordinator: &Coordinator,
    headers: &HeaderMap,
    from: &Transaction,
) -> Result<(), No> {
    let mode = kind(from)?;
    if mode == Mode::Workflow {
        return finish_workflow(coordinator, from).await;
    }
    let wait = match find(coordinator, &from.gid) {
        Known::Open(txn) if txn.status == Status::Active => commit(coordinator, &txn).await?,
        Known::Unknown => {
            let draft = draft(coordinator, headers, from, true)?;
            match coordinator.begin_and_wait(draft).await {
                Ok((xid, _, wait)) => (xid, wait),
                Err(Failure::Refused(txn::Refusal::Conflict(_))) => {
                    repeated(coordinator, headers, from).await?
                }
                Err(failure) => return Err(failed(failure)),
            }
        }
        Known::Forgotten => return Err(No::failure(message::cannot_submit("forgotten"))),
        Known::Open(_) | Known::Ended(..) => repeated(coordinator, headers, from).await?,
    };
    let (xid, wait) = wait;
    if from.options.wait_result { first_pass(coordinator, xid, wait, mode).await } else { Ok(()) }
}

async fn commit(coordinator: &Coordinator, txn: &Txn) -> Result<(Xid, Wait), No> {
    let wait = coordinator.wait(txn.xid);
    let decision = Decision { xid: txn.xid, way: Way::Forward, reason: Box::default(), result: Bytes::new() };
    match coordinator.propose(Command::Decide(Box::new(decision))).await {
        Ok(_) => Ok((txn.xid, wait)),
        Err(Failure::Refused(txn::Refusal::Not(status))) => {
            Err(No::failure(message::cannot_submit(map::status_of(status))))
        }
        Err(Failure::Refused(txn::Refusal::Ended(end))) => {
            Err(No::failure(message::cannot_submit(map::status_of(Status::Ended(end)))))
        }
        Err(failure) => Err(failed(failure)),
    }
}

/// A submit of what was submitted: the same content gets the same answer, other content is refused.
async fn repeated(
    coordinator: &Coordinator,
    headers: &HeaderMap,
    from: &Transaction,
) -> Result<(Xid, Wait), No> {
    let known = find(coordinator, &from.gid);
    let (xid, status) = match &known {
        Known::Open(txn) => (txn.xid, txn.status),
        Known::Ended(xid, end, _) => (*xid, Status::Ended(*end)),
        Known::Forgotten | Known::Unknown => return Err(No::error(message::NOT_FOUND)),
    };
    let refused = || No::failure(message::cannot_submit(map::status_of(status)));
    if matches!(status, Status::RollingBack | Status::Ended(End::RolledBack | End::Stopped)) {
        return Err(refused());
    }
    let wait = coordinator.wait(xid);
    // What has steps brought them when it was submitted at once, or when it was prepared.
    let has_content = !from.steps.is_empty() && Xid::parse(&from.gid).is_none();
    let mut same = !has_content;
    for submitted in [true, false] {
        if !same {
            match coordinator.begin(draft(coordinator, headers, from, submitted)?).await {
                Ok(_) => same = true,
                Err(Failure::Refused(txn::Refusal::Conflict(_))) => {}
                Err(failure) => return Err(failed(failure)),
            }
        }
    }
    if same { Ok((xid, wait)) } else { Err(refused()) }
}

/// Waits for the end of the first pass: of the transaction, or of the first call that has to be repeated (dtm.md 3.7).
async fn first_pass(coordinator: &Coordinator, xid: Xid, mut wait: Wait, mode: Mode) -> Result<(), No> {
    let seen = match coordinator.find(xid) {
        Known::Ended(_, end, detail) => {
            return ended(end, detail.map(|detail| detail.txn.reason));
        }
        _ => wait.next().await,
    };
    let one_word = matches!(mode, Mode::Tcc | Mode::Xa);
    match seen {
        Some(Seen::Ended(txn)) => match txn.status {
            Status::Ended(end) => ended(end, Some(txn.reason.clone())),
            _ => Err(No::Unanswered),
        },
        Some(Seen::Stalled(CallResult::Ongoing)) if one_word => {
            Err(No::Refused(Refusal::Ongoing, ONGOING.into()))
        }
        Some(Seen::Stalled(CallResult::Refused(text))) if mode != Mode::Saga => {
            Err(No::failure(message::will_retry(&message::failed(&text))))
        }
        Some(Seen::Stalled(CallResult::Failed(text))) if mode != Mode::Saga => {
            Err(No::error(message::will_retry(&without_words(&text))))
        }
        Some(Seen::Through) => Ok(()),
        Some(Seen::Stalled(_)) | None => Err(No::failure(message::NOT_SUCCESS)),
    }
}

/// An error must not look like a result: clients search answers for the words.
fn without_words(text: &str) -> String {
    text.replace(FAILURE, "failure").replace(ONGOING, "ongoing")
}

fn ended(end: End, reason: Option<Box<str>>) -> Result<(), No> {
    match end {
        End::Committed => Ok(()),
        End::RolledBack | End::Stopped => Err(No::failure(
            reason.filter(|reason| !reason.is_empty()).unwrap_or(message::NOT_SUCCESS.into()),
        )),
    }
}

/// A workflow says how it ended.
async fn finish_workflow(coordinator: &Coordinator, from: &Transaction) -> Result<(), No> {
    let extra = |name: &str| from.req_extra.get(name).map(String::as_str).unwrap_or_default();
    let way = match extra("status") {
        status::SUCCEED => Way::Forward,
        status::FAILED => Way::Backward,
        other => {
            return Err(No::error(format!("req_extra: a workflow ends succeed or failed, not {other:?}")));
        }
    };
    let xid = match find(coordinator, &from.gid) {
        Known::Open(txn) => txn.xid,
        Known::Ended(xid, ..) => xid,
        Known::Forgotten | Known::Unknown => return Err(No::error(message::NOT_FOUND)),
    };
    let decision = Decision {
        xid,
        way,
        reason: extra("rollback_reason").into(),
        result: Bytes::from(extra("result").to_owned()),
    };
    match coordinator.propose(Command::Decide(Box::new(decision))).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(txn::Refusal::Not(_) | txn::Refusal::Ended(_))) => {
            Err(No::error(message::NOT_FOUND))
        }
        Err(failure) => Err(failed(failure)),
    }
}

/// Rolls back what has not been decided.
pub(super) async fn abort(coordinator: &Coordinator, from: &Transaction) -> Result<(), No> {
    let refused =
        |status: Status| No::failure(message::cannot_abort(&from.trans_type, map::status_of(status)));
    let (xid, status) = match find(coordinator, &from.gid) {
        Known::Open(txn) => (txn.xid, txn.status),
        Known::Ended(xid, end, _) => (xid, Status::Ended(end)),
        Known::Forgotten | Known::Unknown => return Err(No::error(message::no_transaction(&from.gid))),
    };
    let mode = map::mode(&from.trans_type);
    if !matches!(mode, Some(Mode::Tcc | Mode::Xa | Mode::Message)) {
        return Err(refused(status));
    }
    let wait = coordinator.wait(xid);
    let decision = Decision {
        xid,
        way: Way::Backward,
        reason: from.rollback_reason.as_str().into(),
        result: Bytes::new(),
    };
    match coordinator.propose(Command::Decide(Box::new(decision))).await {
        Ok(_) => {}
        Err(Failure::Refused(txn::Refusal::Not(status))) => return Err(refused(status)),
        Err(Failure::Refused(txn::Refusal::Ended(end))) => return Err(refused(Status::Ended(end))),
        Err(failure) => return Err(failed(failure)),
    }
    match mode {
        // Of an abort, having rolled back is the success.
        Some(mode) if from.options.wait_result => match first_pass(coordinator, xid, wait, mode).await {
            Err(No::Refused(Refusal::Failure, _)) if has_ended(coordinator, xid) => Ok(()),
            other => other,
        },
        _ => Ok(()),
    }
}

fn has_ended(coordinator: &Coordinator, xid: Xid) -> bool {
    matches!(coordinator.find(xid), Known::Ended(..))
}

/// Adds a branch.
pub(super) async fn register(
    coordinator: &Coordinator,
    from: &Registration,
    protocol: &str,
) -> Result<(), No> {
    let branch = map::register(from, protocol)?;
    let xid = Xid::parse(&from.gid);
    if let Some(xid) = xid {
        coordinator.arrived(xid).await;
    }
    let Known::Open(txn) = find(coordinator, &from.gid) else {
        return Err(No::failure(message::cannot_register(&from.gid)));
    };
    // It will be called by that name: see `call::dtm`.
    if txn.mode == Mode::Mixed && xid != Some(txn.xid) {
        return Err(No::error(format!("{} is a mixed transaction: join it by its XID", from.gid)));
    }
    let enlist = Enlist { xid: txn.xid, branch };
    match coordinator.propose(Command::Enlist(Box::new(enlist))).await {
        Ok(Done::Enlisted(_)) => Ok(()),
        Ok(Done::Begun(..) | Done::Decided(_) | Done::Recorded) => Err(No::Unanswered),
        Err(Failure::Refused(txn::Refusal::BranchConflict(_))) => Err(No::error(message::CONFLICT)),
        Err(Failure::Refused(
            txn::Refusal::Not(_) | txn::Refusal::Ended(_) | txn::Refusal::Unknown | txn::Refusal::Forgotten,
        )) => Err(No::failure(message::cannot_register(&from.gid))),
        Err(failure) => Err(failed(failure)),
    }
}

/// Ends a transaction whatever its branches know.
pub(super) async fn force_stop(coordinator: &Coordinator, gid: &str) -> Result<(), No> {
    let xid = match find(coordinator, gid) {
        Known::Open(txn) => txn.xid,
        Known::Ended(_, end, _) => {
            return Err(No::failure(message::cannot_stop(map::status_of(Status::Ended(end)))));
        }
        Known::Forgotten | Known::Unknown => return Err(No::error(message::no_transaction(gid))),
    };
    let stop = Command::Stop { xid, reason: "force stop by dtm admin".into() };
    coordinator.propose(stop).await.map(drop).map_err(failed)
}

/// Makes all calls of a transaction due now.
pub(super) async fn retry_now(coordinator: &Coordinator, gid: &str) -> Result<(), No> {
    match find(coordinator, gid) {
        Known::Open(txn) => {
            coordinator.retry_now(txn.xid).await;
            Ok(())
        }
        Known::Ended(..) | Known::Forgotten | Known::Unknown => Err(No::error(message::NOT_FOUND)),
    }
}

/// Adds a subscriber to a topic.
pub(super) async fn subscribe(
    coordinator: &Coordinator,
    topic: &str,
    url: &str,
    remark: &str,
) -> Result<(), No> {
    if topic.is_empty() {
        return Err(No::error(message::EMPTY_TOPIC));
    }
    let known = |topic: &txn::topic::Topic| topic.subscribers.iter().any(|known| *known.url == *url);
    if coordinator.read(|state| state.topic(topic).is_some_and(known)) {
        return Err(No::error(message::URL_EXISTS));
    }
    let command = Command::Subscribe { topic: topic.into(), url: url.into(), remark: remark.into() };
    coordinator.propose(command).await.map(drop).map_err(failed)
}

/// Takes a subscriber off a topic.
pub(super) async fn unsubscribe(coordinator: &Coordinator, topic: &str, url: &str) -> Result<(), No> {
    if topic.is_empty() {
        return Err(No::error(message::EMPTY_TOPIC));
    }
    let command = Command::Unsubscribe { topic: topic.into(), url: url.into() };
    match coordinator.propose(command).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(txn::Refusal::NoSuchTopic)) => {
            let there = coordinator.read(|state| state.topic(topic).is_some());
            Err(No::error(if there { message::NO_SUCH_URL } else { message::NOT_FOUND }))
        }
        Err(failure) => Err(failed(failure)),
    }
}

/// Takes a topic away.
pub(super) async fn delete_topic(coordinator: &Coordinator, topic: &str) -> Result<(), No> {
    match coordinator.propose(Command::DeleteTopic { topic: topic.into() }).await {
        Ok(_) => Ok(()),
        Err(Failure::Refused(txn::Refusal::NoSuchTopic)) => Err(No::error(message::NOT_FOUND)),
        Err(failure) => Err(failed(failure)),
    }
}

/// Begins a workflow or finds it, with the steps it has finished.
pub(super) async fn prepare_workflow(
    coordinator: &Coordinator,
    headers: &HeaderMap,
    from: &Transaction,
) -> Result<Known, No> {
    if kind(from)? != Mode::Workflow {
        return Err(No::error(message::unknown_type(&from.trans_type)));
    }
    match find(coordinator, &from.gid) {
        Known::Unknown => {}
        known => return Ok(known),
    }
    match coordinator.begin(draft(coordinator, headers, from, false)?).await {
        Ok(_) | Err(Failure::Refused(txn::Refusal::Conflict(_))) => Ok(find(coordinator, &from.gid)),
        Err(failure) => Err(failed(failure)),
    }
}

/// An id that nobody else makes: 128 bits, in the 22 characters that the original's have.
pub(super) fn new_gid() -> String {
    const DIGITS: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = u128::from(seed()) << 64 | u128::from(seed());
    let mut gid = String::with_capacity(22);
    for _ in 0..22 {
        gid.push(char::from(DIGITS[(number % 57) as usize]));
        number /= 57;
    }
    gid
}
