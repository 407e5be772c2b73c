//! Transactions and topics as gRPC's messages tell them.

use bytes::Bytes;
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{End, Mode, Protocol, Status, Step, Way};
use synod_wire::native::v1;

use crate::txn::ask::{
    Advice, AttemptView, Begun, BranchView, Counts, Desk, Details, LegView, PAYLOAD_SHOWN_MAX, Page, Row,
    Stand, TopicView, Trouble,
};

pub(super) fn mode(mode: Option<Mode>) -> i32 {
    match mode {
        None => v1::Mode::Unspecified,
        Some(Mode::Xa) => v1::Mode::Xa,
        Some(Mode::Tcc) => v1::Mode::Tcc,
        Some(Mode::Saga) => v1::Mode::Saga,
        Some(Mode::Message) => v1::Mode::Message,
        Some(Mode::Notification) => v1::Mode::Notification,
        Some(Mode::Workflow) => v1::Mode::Workflow,
        Some(Mode::Mixed) => v1::Mode::Mixed,
    }
    .into()
}

fn status(status: Status) -> i32 {
    match status {
        Status::Active => v1::Status::Active,
        Status::Committing => v1::Status::Committing,
        Status::RollingBack => v1::Status::RollingBack,
        Status::GivenUp => v1::Status::GivenUp,
        Status::Ended(End::Committed) => v1::Status::Committed,
        Status::Ended(End::RolledBack) => v1::Status::RolledBack,
        Status::Ended(End::Stopped) => v1::Status::Stopped,
    }
    .into()
}

fn way(way: Option<Way>) -> i32 {
    match way {
        None => v1::Way::Unspecified,
        Some(Way::Forward) => v1::Way::Forward,
        Some(Way::Backward) => v1::Way::Backward,
    }
    .into()
}

pub(super) fn begun(desk: &Desk<'_>, begun: Begun) -> v1::BeginReply {
    v1::BeginReply { transaction: Some(transaction(desk, begun.stand, None)), created: begun.new }
}

pub(super) fn transaction(desk: &Desk<'_>, stand: Stand, shown: Option<Details>) -> v1::Transaction {
    v1::Transaction {
        xid: desk.text(stand.xid),
        gid: stand.gid.as_deref().map(str::to_owned),
        mode: mode(stand.mode),
        status: status(stand.status),
        ended: stand.is_ended(),
        name: stand.name.into(),
        reason: stand.reason.into(),
        result: stand.result,
        begun_ms: stand.begun_ms,
        decided_ms: stand.decided_ms,
        touched_ms: stand.touched_ms,
        details: shown.map(details),
    }
}

pub(super) fn decision(desk: &Desk<'_>, advice: Advice, stand: Option<Stand>) -> v1::DecisionReply {
    let word = match advice {
        Advice::Undecided => v1::Advice::Undecided,
        Advice::Commit => v1::Advice::Commit,
        Advice::Rollback => v1::Advice::Rollback,
        Advice::Forgotten => v1::Advice::Forgotten,
        Advice::Stopped => v1::Advice::Stopped,
    };
    v1::DecisionReply {
        xid: stand.as_ref().map(|stand| desk.text(stand.xid)),
        advice: word.into(),
        status: stand.map_or(v1::Status::Unspecified.into(), |stand| status(stand.status)),
    }
}

fn details(details: Details) -> v1::Details {
    let options = details.options;
    v1::Details {
        timeout_ms: options.timeout_ms,
        call_timeout_ms: options.call_timeout_ms,
        retry_interval_ms: options.retry_ms,
        retry_limit: options.retry_limit,
        delay_ms: options.delay_ms,
        concurrent: options.concurrent,
        forward_only: options.forward_only,
        schedule_ms: options.schedule_ms,
        headers: details.headers,
        back_check: details.back_check.map(leg),
        payload: content(details.payload, PAYLOAD_SHOWN_MAX),
        branches: details.branches.into_iter().map(|view| branch(view, PAYLOAD_SHOWN_MAX)).collect(),
        attempts: details.attempts.into_iter().map(attempt).collect(),
    }
}

/// Nothing if there are no bytes; only how many if they are more than `bytes_max`.
fn content(bytes: Bytes, bytes_max: usize) -> Option<v1::Content> {
    let length = bytes.len() as u64;
    let shown = if bytes.len() > bytes_max { Bytes::new() } else { bytes };
    (length > 0).then_some(v1::Content { length, bytes: shown })
}

pub(super) fn branch(view: BranchView, bytes_max: usize) -> v1::Branch {
    v1::Branch {
        number: view.number.into(),
        id: view.id,
        label: view.label,
        payload: content(view.payload, bytes_max),
        after: view.after,
        joined_ms: view.joined_ms,
        forward: Some(leg(view.forward)),
        backward: Some(leg(view.backward)),
    }
}

fn leg(view: LegView) -> v1::Leg {
    let (url, protocol) = view.target.unzip();
    let protocol = match protocol {
        None => v1::Protocol::Unspecified,
        Some(Protocol::Http) => v1::Protocol::Http,
        Some(Protocol::Grpc) => v1::Protocol::Grpc,
        Some(Protocol::DtmHttp) => v1::Protocol::DtmHttp,
        Some(Protocol::DtmJsonRpc) => v1::Protocol::DtmJsonRpc,
        Some(Protocol::DtmGrpc) => v1::Protocol::DtmGrpc,
        Some(Protocol::Seata) => v1::Protocol::Seata,
    };
    let step = match view.step {
        Step::Pending => v1::Step::Pending,
        Step::Done => v1::Step::Done,
        Step::Refused => v1::Step::Refused,
        Step::Skipped => v1::Step::Skipped,
    };
    v1::Leg {
        url,
        protocol: protocol.into(),
        step: step.into(),
        counted_failures: view.counted_failures,
        failures: view.failures,
        last_error: view.last_error,
        next_attempt_ms: view.next_attempt_ms,
        at_ms: view.at_ms,
        calling_since_ms: view.calling_since_ms,
    }
}

fn attempt(view: AttemptView) -> v1::Attempt {
    let (outcome, error) = match view.result {
        CallResult::Done => (v1::Outcome::Done, None),
        CallResult::Ongoing => (v1::Outcome::Ongoing, None),
        CallResult::Refused(error) => (v1::Outcome::Refused, Some(error.into())),
        CallResult::Failed(error) => (v1::Outcome::Failed, Some(error.into())),
    };
    v1::Attempt {
        branch: view.branch,
        way: way(view.way),
        at_ms: view.at_ms,
        took_ms: view.took_ms,
        outcome: outcome.into(),
        error,
        number: view.number.map(u32::from),
    }
}

pub(super) fn page(desk: &Desk<'_>, page: Page) -> v1::ListReply {
    v1::ListReply {
        transactions: page.rows.into_iter().map(|one| row(desk, one)).collect(),
        next: page.next.map(|xid| desk.text(xid)),
    }
}

pub(super) fn row(desk: &Desk<'_>, row: Row) -> v1::Row {
    let stand = row.stand;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    v1::Row {
        xid: desk.text(stand.xid),
        gid: stand.gid.as_deref().map(str::to_owned),
        mode: mode(stand.mode),
        status: status(stand.status),
        ended: stand.is_ended(),
        name: stand.name.into(),
        reason: stand.reason.into(),
        begun_ms: stand.begun_ms,
        touched_ms: stand.touched_ms,
        branches: count(row.branches),
        pending: count(row.pending),
        attention: row.attention,
        troubles: row.troubles.into_iter().map(trouble).collect(),
    }
}

fn trouble(trouble: Trouble) -> v1::Trouble {
    let (branch, of) = match trouble.errand {
        Errand::BackCheck => (None, None),
        Errand::Leg(branch, of) => (Some(branch.into()), Some(of)),
    };
    v1::Trouble {
        branch,
        way: way(of),
        failures: trouble.failures,
        last_error: trouble.error.into(),
        next_attempt_ms: trouble.next_ms,
    }
}

pub(super) fn summary(counts: &Counts) -> v1::SummaryReply {
    const OPEN: [Status; 4] = [Status::Active, Status::Committing, Status::RollingBack, Status::GivenUp];
    const ENDED: [Status; 3] =
        [Status::Ended(End::Committed), Status::Ended(End::RolledBack), Status::Ended(End::Stopped)];
    let of = |(at, kind): (usize, Mode)| {
        let open = OPEN.into_iter().zip(counts.open[at]);
        open.chain(ENDED.into_iter().zip(counts.ended[at])).map(move |(stands, transactions)| v1::Count {
            mode: mode(Some(kind)),
            status: status(stands),
            transactions,
        })
    };
    v1::SummaryReply {
        open: counts.open.iter().flatten().sum(),
        attention: counts.troubled,
        counts: Mode::ALL.into_iter().enumerate().flat_map(of).collect(),
    }
}

pub(super) fn topic(view: TopicView) -> v1::Topic {
    let subscribers = view.topic.subscribers.into_iter();
    v1::Topic {
        name: view.name.into(),
        subscribers: subscribers
            .map(|one| v1::Subscriber { url: one.url.into(), remark: one.remark.into() })
            .collect(),
        version: view.topic.version,
        created_ms: view.topic.created_ms,
        changed_ms: view.topic.changed_ms,
    }
}
