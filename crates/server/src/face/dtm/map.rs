//! Transactions as dtm's clients know them, and as the core does: the only file that knows both.

use std::collections::BTreeMap;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::command::Enrolment;
use synod_core::txn::topic::Topics;
use synod_core::txn::{Begin, Branch, End, Leg, Mode, Options, Protocol, Status, Step, Target, Txn};
use synod_wire::dtm::{
    self, BranchRecord, Call, Limits, MessageCustom, Registration, SagaCustom, ServiceUrl, Time, Transaction,
    TransactionRecord, Transport, WorkflowCustom, op, status, trans_type,
};

use super::No;

/// Seconds after which a TCC or XA transaction is rolled back and a message is checked back, unless the client says.
const TIMEOUT_S: u32 = 35;
/// Seconds between attempts, likewise.
const RETRY_S: u32 = 10;
/// Seconds that one call may take, likewise.
const REQUEST_S: u32 = 3;

/// The kind of a transaction.
pub(super) fn mode(trans_type: &str) -> Option<Mode> {
    Some(match trans_type {
        trans_type::SAGA => Mode::Saga,
        trans_type::TCC => Mode::Tcc,
        trans_type::XA => Mode::Xa,
        trans_type::MSG => Mode::Message,
        trans_type::WORKFLOW => Mode::Workflow,
        _ => return None,
    })
}

/// What clients call it. They have no word for a notification, which is a message to them.
pub(super) fn type_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Saga => trans_type::SAGA,
        Mode::Tcc | Mode::Mixed => trans_type::TCC,
        Mode::Xa => trans_type::XA,
        Mode::Message | Mode::Notification => trans_type::MSG,
        Mode::Workflow => trans_type::WORKFLOW,
    }
}

/// How it stands, in clients' words.
pub(super) fn status_of(status: Status) -> &'static str {
    match status {
        Status::Active => status::PREPARED,
        Status::Committing | Status::GivenUp => status::SUBMITTED,
        Status::RollingBack => status::ABORTING,
        Status::Ended(End::Committed) => status::SUCCEED,
        Status::Ended(End::RolledBack | End::Stopped) => status::FAILED,
    }
}

/// What a client wants begun. Its id is given later.
pub(super) fn begin(
    from: &Transaction,
    mode: Mode,
    submit: bool,
    trace: Vec<(Box<str>, Box<str>)>,
    topics: &Topics,
) -> Result<Begin, No> {
    let bad = |error: dtm::DecodeError| No::error(error.to_string());
    if from.gid.is_empty() {
        return Err(No::error("gid: a transaction needs one"));
    }
    let mut options = options(from, mode);
    let mut name = String::new();
    let branches = match mode {
        Mode::Saga => {
            let custom = SagaCustom::decode(&from.custom_data, &Limits::REQUEST).map_err(bad)?;
            options.concurrent = custom.concurrent;
            saga(from, &custom)?
        }
        Mode::Message => {
            let custom = MessageCustom::decode(&from.custom_data).map_err(bad)?;
            options.delay_ms = u64::from(custom.delay_s) * 1_000;
            message(from, topics)?
        }
        Mode::Workflow => {
            name = WorkflowCustom::decode(&from.custom_data, &Limits::REQUEST).map_err(bad)?.name;
            Vec::new()
        }
        Mode::Tcc | Mode::Xa | Mode::Mixed | Mode::Notification => Vec::new(),
    };
    let headers = from.options.branch_headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str().into(), value.as_str().into())).chain(trace);
    Ok(Begin {
        // Replaced by whoever gives ids out.
        xid: Xid::new(0, 1).expect("in range"),
        gid: Some(from.gid.as_str().into()),
        mode,
        name: name.into(),
        options,
        headers: headers.collect(),
        back_check: target(from, &from.query_prepared)?,
        note: Bytes::from(from.custom_data.clone()),
        branches,
        submit,
    })
}

fn options(from: &Transaction, mode: Mode) -> Options {
    let given = &from.options;
    let or = |given: u32, default: u32| if given > 0 { given } else { default };
    // A short patience means short intervals (dtm.md 2.7).
    let base =
        if (1..RETRY_S).contains(&given.timeout_to_fail_s) { given.timeout_to_fail_s } else { RETRY_S };
    let retry_s = or(given.retry_interval_s, base);
    let timeout_s = match mode {
        Mode::Saga => given.timeout_to_fail_s,
        // A workflow that says nothing for so long is started again.
        Mode::Workflow => given.timeout_to_fail_s.max(retry_s),
        Mode::Tcc | Mode::Xa | Mode::Mixed | Mode::Message | Mode::Notification => {
            or(given.timeout_to_fail_s, TIMEOUT_S)
        }
    };
    let ms = |seconds: u32| u64::from(seconds) * 1_000;
    Options {
        timeout_ms: ms(timeout_s),
        call_timeout_ms: ms(or(given.request_timeout_s, REQUEST_S)),
        retry_ms: ms(retry_s),
        retry_limit: if mode == Mode::Saga { given.retry_limit } else { 0 },
        concurrent: given.concurrent && mode == Mode::Message,
        ..Options::default()
    }
}

/// Whom to call at a URL; nobody at an empty one.
fn target(of: &Transaction, url: &str) -> Result<Option<Target>, No> {
    target_in(&of.protocol, url)
}

/// What names a service in the scheme of one of the original's drivers names it in our own registry (dtm.md 2.2).
fn target_in(protocol: &str, url: &str) -> Result<Option<Target>, No> {
    let headers = BTreeMap::new();
    let (gid, trans_type, branch_id, op, payload) = ("", "", "", "", &[][..]);
    let call = Call { gid, trans_type, protocol, branch_id, op, url, payload, headers: &headers };
    let transport = call.transport();
    let protocol = match transport {
        Transport::Nothing => return Ok(None),
        Transport::Http => Protocol::DtmHttp,
        Transport::JsonRpc => Protocol::DtmJsonRpc,
        Transport::Grpc => Protocol::DtmGrpc,
    };
    let url = match ServiceUrl::parse(url, transport) {
        Ok(None) => url.into(),
        Ok(Some(ServiceUrl { service, target })) => format!("synod://{service}{target}").into(),
        Err(error) => return Err(No::error(format!("{url:?} cannot be called: {error}"))),
    };
    Ok(Some(Target { protocol, url }))
}

fn payload(from: &Transaction, step: usize) -> Result<Bytes, No> {
    let missing = || No::error(format!("payloads: step {} has none", step + 1));
    from.payloads.get(step).cloned().ok_or_else(missing)
}

fn enrolment(id: String, payload: Bytes) -> Enrolment {
    Enrolment {
        id: id.into(),
        label: Box::default(),
        forward: None,
        backward: None,
        payload,
        after: Default::default(),
        refused: false,
        rows: None,
    }
}

fn saga(from: &Transaction, custom: &SagaCustom) -> Result<Vec<Enrolment>, No> {
    let step = |(number, step): (usize, &dtm::Step)| {
        let before = custom.orders.get(&number).filter(|_| custom.concurrent).into_iter().flatten();
        let after = before.map(|step| u16::try_from(*step)).collect::<Result<_, _>>();
        Ok(Enrolment {
            forward: target(from, &step.action)?,
            backward: target(from, &step.compensate)?,
            after: after.map_err(|_| No::error("custom_data: an order names a step that is not there"))?,
            ..enrolment(dtm::step_id(number), payload(from, number)?)
        })
    };
    from.steps.iter().enumerate().map(step).collect()
}

/// The receivers of a message; a topic stands for its subscribers at this moment.
fn message(from: &Transaction, topics: &Topics) -> Result<Vec<Enrolment>, No> {
    let mut branches = Vec::new();
    for (number, step) in from.steps.iter().enumerate() {
        let payload = payload(from, number)?;
        let Some(topic) = step.action.strip_prefix(dtm::TOPIC_PREFIX) else {
            let forward = target(from, &step.action)?;
            branches.push(Enrolment { forward, ..enrolment(dtm::step_id(number), payload) });
            continue;
        };
        let subscribers = topics.get(topic).map(|topic| &*topic.subscribers).unwrap_or_default();
        if subscribers.is_empty() {
            return Err(No::error(dtm::message::TOPIC_NOT_FOUND));
        }
        for (place, subscriber) in subscribers.iter().enumerate() {
            let id = dtm::subscriber_id(number, place, subscribers.len());
            let forward = target(from, &subscriber.url)?;
            branches.push(Enrolment { forward, ..enrolment(id, payload.clone()) });
        }
    }
    Ok(branches)
}

/// A branch that a client registers, for a transaction whose calls go over this protocol.
pub(super) fn register(from: &Registration, protocol: &str) -> Result<Enrolment, No> {
    let branch = enrolment(from.branch_id.clone(), from.data.clone());
    let both = |forward: &str, backward: &str| {
        let (forward, backward) = (target_in(protocol, forward)?, target_in(protocol, backward)?);
        Ok(Enrolment { forward, backward, ..branch.clone() })
    };
    match from.trans_type.as_str() {
        trans_type::TCC => both(&from.confirm, &from.cancel),
        trans_type::XA => both(&from.url, &from.url),
        trans_type::WORKFLOW => {
            Ok(Enrolment { label: from.op.as_str().into(), refused: from.status == status::FAILED, ..branch })
        }
        other => Err(No::error(dtm::message::unknown_type(other))),
    }
}

/// The number by which clients know it: C# keeps it in 32 bits.
pub(super) fn id_of(xid: Xid) -> i32 {
    (xid.sequence() & 0x7fff_ffff) as i32
}

/// The protocol in which a transaction was submitted, told from whom it calls.
pub(super) fn protocol_of(txn: &Txn) -> &'static str {
    let legs = txn.branches.iter().flat_map(|branch| [&branch.forward, &branch.backward]);
    let targets = legs.filter_map(|leg| leg.target.as_ref()).chain(&txn.back_check);
    for target in targets {
        match target.protocol {
            Protocol::DtmGrpc | Protocol::Grpc => return "grpc",
            Protocol::DtmJsonRpc => return "json-rpc",
            Protocol::DtmHttp | Protocol::Http | Protocol::Seata => {}
        }
    }
    "http"
}

fn time(ms: u64) -> Option<Time> {
    (ms > 0).then(|| Time::from_ms(ms))
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// A transaction as it is shown.
pub(super) fn record(txn: &Txn, next_call_ms: Option<u64>) -> TransactionRecord {
    let given = &txn.options;
    let options = dtm::Options {
        timeout_to_fail_s: seconds(given.timeout_ms),
        request_timeout_s: seconds(given.call_timeout_ms),
        retry_interval_s: seconds(given.retry_ms),
        retry_limit: given.retry_limit,
        concurrent: given.concurrent,
        branch_headers: headers(&txn.headers),
        wait_result: false,
    };
    let ended = |end: &[End]| matches!(txn.status, Status::Ended(ended) if end.contains(&ended));
    let saga = txn.mode == Mode::Saga;
    let steps = txn.branches.iter().filter(|_| saga).map(|branch| dtm::Step {
        action: url_of(&branch.forward).to_owned(),
        compensate: url_of(&branch.backward).to_owned(),
    });
    let payloads =
        txn.branches.iter().filter(|_| saga).map(|branch| String::from_utf8(branch.payload.to_vec()));
    TransactionRecord {
        id: id_of(txn.xid),
        create_time: time(txn.begun_ms),
        update_time: time(txn.touched_ms),
        gid: txn.gid.as_deref().map_or_else(|| txn.xid.to_string(), str::to_owned),
        trans_type: type_of(txn.mode).to_owned(),
        steps: steps.collect(),
        payloads: payloads.collect::<Result<_, _>>().unwrap_or_default(),
        status: status_of(txn.status).to_owned(),
        query_prepared: txn.back_check.as_ref().map(|target| target.url.to_string()).unwrap_or_default(),
        protocol: protocol_of(txn).to_owned(),
        finish_time: time(txn.touched_ms).filter(|_| ended(&[End::Committed])),
        rollback_time: time(txn.touched_ms).filter(|_| ended(&[End::RolledBack, End::Stopped])),
        result: String::from_utf8_lossy(&txn.result).into_owned(),
        rollback_reason: txn.reason.to_string(),
        options_text: options.text(),
        custom_data: String::from_utf8_lossy(&txn.note).into_owned(),
        next_cron_interval_s: next_call_ms.map(|_| u64::from(options.retry_interval_s)),
        next_cron_time: next_call_ms.and_then(time),
        options,
        ..TransactionRecord::default()
    }
}

/// The headers that the client gave; trace context is the server's own business.
fn headers(all: &[(Box<str>, Box<str>)]) -> BTreeMap<String, String> {
    let own = ["traceparent", "tracestate"];
    let theirs = all.iter().filter(|(name, _)| !own.contains(&&**name));
    theirs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn url_of(leg: &Leg) -> &str {
    leg.target.as_ref().map_or("", |target| &target.url)
}

/// The branches as they are shown: a row for each way, in the order in which the original stores them (dtm.md 1.5).
pub(super) fn rows(txn: &Txn) -> Vec<BranchRecord> {
    let (back, forth) = match txn.mode {
        Mode::Saga => (Some(op::COMPENSATE), op::ACTION),
        Mode::Tcc | Mode::Mixed => (Some(op::CANCEL), op::CONFIRM),
        Mode::Xa => (Some(op::ROLLBACK), op::COMMIT),
        Mode::Message | Mode::Notification | Mode::Workflow => (None, op::ACTION),
    };
    let rows = txn.branches.iter().flat_map(|branch| {
        let forth = if branch.label.is_empty() { forth } else { &branch.label };
        let back = back.map(|op| (op, &branch.backward));
        back.into_iter().chain([(forth, &branch.forward)]).map(|(op, leg)| row(txn, branch, op, leg))
    });
    let mut rows: Vec<_> = rows.collect();
    (1..).zip(&mut rows).for_each(|(id, row)| row.id = id);
    rows
}

fn row(txn: &Txn, branch: &Branch, op: &str, leg: &Leg) -> BranchRecord {
    let back = std::ptr::eq(leg, &branch.backward);
    let turned = matches!(txn.status, Status::RollingBack | Status::Ended(End::RolledBack));
    let status = match leg.step {
        Step::Pending | Step::Skipped => status::PREPARED,
        // With nobody to call it is done from the beginning; clients see that when its time has come.
        Step::Done if leg.target.is_none() && back && !turned => status::PREPARED,
        Step::Done => status::SUCCEED,
        Step::Refused => status::FAILED,
    };
    BranchRecord {
        create_time: time(branch.joined_ms),
        update_time: time(branch.joined_ms.max(leg.at_ms)),
        gid: txn.gid.as_deref().map_or_else(|| txn.xid.to_string(), str::to_owned),
        url: url_of(leg).to_owned(),
        bin_data: branch.payload.clone(),
        branch_id: branch.id.to_string(),
        op: op.to_owned(),
        status: status.to_owned(),
        finish_time: time(leg.at_ms).filter(|_| leg.step == Step::Done),
        rollback_time: time(leg.at_ms).filter(|_| leg.step == Step::Refused),
        ..BranchRecord::default()
    }
}
