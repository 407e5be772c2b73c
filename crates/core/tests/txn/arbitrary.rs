//! Anything that can be written down, for properties.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use synod_base::xid::Xid;
use synod_core::txn::{
    Amend, Batch, Begin, Branch, Command, Decision, End, Enlist, Enrolment, Leg, Limits, Mode, Options,
    Protocol, Report, Rows, Status, Step, Target, Turn, Txn, Way,
};

fn texts() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[a-z0-9-]{0,6}", "\\PC{0,4}"].prop_map(String::into_boxed_str)
}

fn payloads() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..9).prop_map(Bytes::from)
}

/// Small ones and large ones alike: they differ in length.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, any::<u64>(), Just(u64::MAX)]
}

fn xids() -> impl Strategy<Value = Xid> {
    numbers().prop_filter_map("an id", |number| Xid::from_number(number >> 1))
}

fn ways() -> impl Strategy<Value = Way> {
    any::<bool>().prop_map(|forward| if forward { Way::Forward } else { Way::Backward })
}

fn targets() -> impl Strategy<Value = Target> {
    let protocols = [
        Protocol::Http,
        Protocol::Grpc,
        Protocol::DtmHttp,
        Protocol::DtmJsonRpc,
        Protocol::DtmGrpc,
        Protocol::Seata,
    ];
    (proptest::sample::select(protocols.to_vec()), texts())
        .prop_map(|(protocol, url)| Target { protocol, url })
}

fn options() -> impl Strategy<Value = Options> {
    let times = (numbers(), numbers(), numbers(), numbers());
    (times, any::<u32>(), any::<bool>(), any::<bool>(), vec(numbers(), 0..4)).prop_map(
        |(
            (timeout_ms, call_timeout_ms, retry_ms, delay_ms),
            retry_limit,
            concurrent,
            forward_only,
            schedule_ms,
        )| {
            Options {
                timeout_ms,
                call_timeout_ms,
                retry_ms,
                retry_limit,
                delay_ms,
                concurrent,
                forward_only,
                schedule_ms,
            }
        },
    )
}

fn rows() -> impl Strategy<Value = Option<Box<Rows>>> {
    let rows = (texts(), prop_oneof![texts(), Just("t:1,2;u:3".into())]);
    option::of(rows.prop_map(|(resource, keys)| Box::new(Rows { resource, keys })))
}

fn enrolments() -> impl Strategy<Value = Enrolment> {
    let names = (texts(), texts());
    let who = (option::of(targets()), option::of(targets()));
    (names, who, payloads(), vec(any::<u16>(), 0..4), any::<bool>(), rows()).prop_map(
        |((id, label), (forward, backward), payload, after, refused, rows)| Enrolment {
            id,
            label,
            forward,
            backward,
            payload,
            after: after.into_iter().collect(),
            refused,
            rows,
        },
    )
}

fn begins() -> impl Strategy<Value = Begin> {
    let names = (xids(), option::of(texts()), proptest::sample::select(&Mode::ALL[..]), texts());
    // It is not written down with rows: those join later.
    let branches = enrolments().prop_map(|branch| Enrolment { rows: None, ..branch });
    let rest = (option::of(targets()), payloads(), vec(branches, 0..4), any::<bool>());
    (names, options(), vec((texts(), texts()), 0..3), rest).prop_map(
        |((xid, gid, mode, name), options, headers, (back_check, note, branches, submit))| Begin {
            xid,
            gid,
            mode,
            name,
            options,
            headers,
            back_check,
            note,
            branches,
            submit,
        },
    )
}

fn reports() -> impl Strategy<Value = Report> {
    (xids(), any::<u16>(), ways()).prop_map(|(xid, branch, way)| Report { xid, branch, way })
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    let max = || 0..1_000_000usize;
    let first = (max(), max(), any::<u16>(), max(), max());
    (first, max(), max(), max(), max()).prop_map(
        |(
            (open_max, gids_max, branches_max, payload_bytes_max, id_bytes_max),
            text,
            headers,
            subscribers,
            topics,
        )| {
            Limits {
                open_max,
                gids_max,
                branches_max,
                payload_bytes_max,
                id_bytes_max,
                text_bytes_max: text,
                headers_max: headers,
                subscribers_max: subscribers,
                topics_max: topics,
            }
        },
    )
}

pub(crate) fn commands() -> impl Strategy<Value = Command> {
    let decisions = (xids(), ways(), texts(), payloads()).prop_map(|(xid, way, reason, result)| {
        Command::Decide(Box::new(Decision { xid, way, reason, result }))
    });
    let turns = (xids(), option::of(any::<u16>()), texts(), any::<bool>()).prop_map(
        |(xid, refused, reason, unsure)| Command::Turn(Box::new(Turn { xid, refused, reason, unsure })),
    );
    let first = prop_oneof![
        numbers().prop_map(|below| Command::Reserve { below }),
        begins().prop_map(|begin| Command::Begin(Box::new(begin))),
        (xids(), enrolments()).prop_map(|(xid, branch)| Command::Enlist(Box::new(Enlist { xid, branch }))),
        decisions,
        reports().prop_map(Command::Report),
        reports().prop_map(Command::Attempted),
        turns,
        (xids(), any::<bool>()).prop_map(|(xid, unsure)| Command::TimeOut { xid, unsure }),
    ];
    let second = prop_oneof![
        reports().prop_map(Command::Refuse),
        (xids(), any::<u16>(), option::of(payloads()), any::<bool>()).prop_map(
            |(xid, branch, payload, withdraw)| {
                Command::Amend(Box::new(Amend { xid, branch, payload, withdraw }))
            }
        ),
        xids().prop_map(|xid| Command::GiveUp { xid }),
        xids().prop_map(|xid| Command::Resend { xid }),
        (xids(), texts()).prop_map(|(xid, reason)| Command::Stop { xid, reason }),
        numbers().prop_map(|before_ms| Command::Forget { before_ms }),
        (texts(), texts(), texts()).prop_map(|(topic, url, remark)| Command::Subscribe {
            topic,
            url,
            remark
        }),
        (texts(), texts()).prop_map(|(topic, url)| Command::Unsubscribe { topic, url }),
        texts().prop_map(|topic| Command::DeleteTopic { topic }),
        limits().prop_map(|limits| Command::Limit(Box::new(limits))),
    ];
    prop_oneof![first, second]
}

pub(crate) fn batches() -> impl Strategy<Value = Batch> {
    (numbers(), vec(commands(), 0..6)).prop_map(|(at_ms, commands)| Batch { at_ms, commands })
}

fn legs() -> impl Strategy<Value = Leg> {
    let step = proptest::sample::select(&[Step::Pending, Step::Done, Step::Refused, Step::Skipped][..]);
    (option::of(targets()), step, any::<u32>(), numbers()).prop_map(|(target, step, attempts, at_ms)| Leg {
        target,
        step,
        attempts,
        at_ms,
    })
}

fn branches() -> impl Strategy<Value = Branch> {
    (enrolments(), legs(), legs(), numbers()).prop_map(|(enrolled, forward, backward, joined_ms)| Branch {
        id: enrolled.id,
        label: enrolled.label,
        forward,
        backward,
        payload: enrolled.payload,
        after: enrolled.after,
        joined_ms,
        rows: enrolled.rows,
    })
}

/// Any transaction, such that can never come to be among them.
pub(crate) fn txns() -> impl Strategy<Value = Txn> {
    let statuses = [
        Status::Active,
        Status::Committing,
        Status::RollingBack,
        Status::GivenUp,
        Status::Ended(End::Committed),
        Status::Ended(End::RolledBack),
        Status::Ended(End::Stopped),
    ];
    let stands = (proptest::sample::select(statuses.to_vec()), texts(), payloads(), numbers());
    let times = (numbers(), numbers(), numbers());
    (begins(), stands, times, vec(branches(), 0..4)).prop_map(
        |(begin, (status, reason, result, digest), (begun_ms, decided_ms, touched_ms), branches)| Txn {
            xid: begin.xid,
            gid: begin.gid,
            mode: begin.mode,
            name: begin.name,
            status,
            options: begin.options,
            headers: begin.headers,
            back_check: begin.back_check,
            note: begin.note,
            begun_ms,
            decided_ms,
            touched_ms,
            reason,
            result,
            branches,
            digest,
        },
    )
}
