//! Version 1 of a batch of commands: a version byte, the stamp, the commands, each with its tag.
//!
//! Tags are never used for anything else; `tests/txn/golden` holds bytes of each.

use bytes::Bytes;
use synod_base::hash::stable64;
use synod_base::xid::Xid;

use super::{Damage, Read, Reader, Writer};
use crate::txn::command::{Amend, Batch, Begin, Command, Decision, Enlist, Enrolment, Report, Turn};
use crate::txn::lock::Rows;
use crate::txn::mode::Mode;
use crate::txn::model::{Limits, Options, Protocol, Target, Way};

const VERSION: u8 = 1;
/// The headers of a trace context.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// The bytes of a batch.
pub fn encode(batch: &Batch) -> Bytes {
    let mut to = Writer(Vec::with_capacity(64 + 256 * batch.commands.len()));
    to.byte(VERSION);
    to.number(batch.at_ms);
    to.list(&batch.commands, write_command);
    to.0.into()
}

/// Reads a batch. A payload that is most of `bytes` shares its memory.
pub fn decode(bytes: &Bytes) -> Result<Batch, Damage> {
    let mut from = Reader::new(bytes);
    if from.byte()? != VERSION {
        return Err(Damage { what: "a version that is not known here", at: 0 });
    }
    let at_ms = from.number()?;
    let commands = from.list(read_command)?;
    from.end()?;
    Ok(Batch { at_ms, commands })
}

/// How many bytes a command takes in a batch.
pub fn size(command: &Command) -> usize {
    let mut to = Writer::default();
    write_command(&mut to, command);
    to.0.len()
}

/// A digest of what a transaction is begun with, apart from its id and the trace that the request belongs to: each repetition
/// of one request has a span of its own.
pub fn content_digest(begin: &Begin) -> u64 {
    let mut to = Writer::default();
    let is_trace = |name: &str| TRACE.iter().any(|trace| name.eq_ignore_ascii_case(trace));
    write_content(&mut to, begin, begin.headers.iter().filter(|(name, _)| !is_trace(name)));
    stable64(&to.0)
}

fn write_command(to: &mut Writer, command: &Command) {
    match command {
        Command::Reserve { below } => {
            to.byte(1);
            to.number(*below);
        }
        Command::Begin(begin) => {
            write_head(to, 2, begin.xid);
            write_content(to, begin, begin.headers.iter());
        }
        Command::Enlist(enlist) => {
            let rows = enlist.branch.rows.as_deref();
            write_head(to, if rows.is_none() { 3 } else { 19 }, enlist.xid);
            write_enrolment(to, &enlist.branch);
            if let Some(rows) = rows {
                write_rows(to, rows);
            }
        }
        Command::Decide(decision) => {
            write_head(to, 4, decision.xid);
            write_way(to, decision.way);
            to.text(&decision.reason);
            to.bytes(&decision.result);
        }
        Command::Report(report) => write_report(to, 5, report),
        Command::Attempted(report) => write_report(to, 6, report),
        Command::Turn(turn) => {
            write_head(to, 7, turn.xid);
            to.maybe(turn.refused, |to, branch| to.number(branch.into()));
            to.text(&turn.reason);
            to.flag(turn.unsure);
        }
        Command::TimeOut { xid, unsure } => {
            write_head(to, 8, *xid);
            to.flag(*unsure);
        }
        Command::GiveUp { xid } => write_head(to, 9, *xid),
        Command::Resend { xid } => write_head(to, 10, *xid),
        Command::Stop { xid, reason } => {
            write_head(to, 11, *xid);
            to.text(reason);
        }
        Command::Forget { before_ms } => {
            to.byte(12);
            to.number(*before_ms);
        }
        Command::Subscribe { .. } | Command::Unsubscribe { .. } | Command::DeleteTopic { .. } => {
            write_topic_command(to, command);
        }
        Command::Limit(limits) => {
            to.byte(16);
            write_limits(to, limits);
        }
        Command::Refuse(report) => write_report(to, 17, report),
        Command::Amend(amend) => {
            write_head(to, 18, amend.xid);
            to.number(amend.branch.into());
            to.maybe(amend.payload.as_deref(), Writer::bytes);
            to.flag(amend.withdraw);
        }
    }
}

fn write_topic_command(to: &mut Writer, command: &Command) {
    let (tag, texts): (_, &[&str]) = match command {
        Command::Subscribe { topic, url, remark } => (13, &[topic, url, remark]),
        Command::Unsubscribe { topic, url } => (14, &[topic, url]),
        Command::DeleteTopic { topic } => (15, &[topic]),
        _ => return,
    };
    to.byte(tag);
    texts.iter().for_each(|text| to.text(text));
}

fn read_command(from: &mut Reader<'_>) -> Read<Command> {
    Ok(match from.byte()? {
        1 => Command::Reserve { below: from.number()? },
        2 => Command::Begin(Box::new(read_begin(from)?)),
        3 => Command::Enlist(Box::new(Enlist { xid: read_xid(from)?, branch: read_enrolment(from)? })),
        4 => Command::Decide(Box::new(Decision {
            xid: read_xid(from)?,
            way: read_way(from)?,
            reason: from.text()?,
            result: from.bytes()?,
        })),
        5 => Command::Report(read_report(from)?),
        6 => Command::Attempted(read_report(from)?),
        7 => Command::Turn(Box::new(Turn {
            xid: read_xid(from)?,
            refused: from.maybe(Reader::small)?,
            reason: from.text()?,
            unsure: from.flag()?,
        })),
        8 => Command::TimeOut { xid: read_xid(from)?, unsure: from.flag()? },
        9 => Command::GiveUp { xid: read_xid(from)? },
        10 => Command::Resend { xid: read_xid(from)? },
        11 => Command::Stop { xid: read_xid(from)?, reason: from.text()? },
        12 => Command::Forget { before_ms: from.number()? },
        13 => Command::Subscribe { topic: from.text()?, url: from.text()?, remark: from.text()? },
        14 => Command::Unsubscribe { topic: from.text()?, url: from.text()? },
        15 => Command::DeleteTopic { topic: from.text()? },
        16 => Command::Limit(Box::new(read_limits(from)?)),
        17 => Command::Refuse(read_report(from)?),
        18 => Command::Amend(Box::new(Amend {
            xid: read_xid(from)?,
            branch: from.small()?,
            payload: from.maybe(Reader::bytes)?,
            withdraw: from.flag()?,
        })),
        19 => {
            let mut enlist = Enlist { xid: read_xid(from)?, branch: read_enrolment(from)? };
            enlist.branch.rows = Some(Box::new(read_rows(from)?));
            Command::Enlist(Box::new(enlist))
        }
        _ => return from.damage("a command that is not known here"),
    })
}

fn write_head(to: &mut Writer, tag: u8, xid: Xid) {
    to.byte(tag);
    to.number(xid.number());
}

fn write_report(to: &mut Writer, tag: u8, report: &Report) {
    write_head(to, tag, report.xid);
    to.number(report.branch.into());
    write_way(to, report.way);
}

fn read_report(from: &mut Reader<'_>) -> Read<Report> {
    Ok(Report { xid: read_xid(from)?, branch: from.small()?, way: read_way(from)? })
}

fn write_content<'a>(
    to: &mut Writer,
    begin: &Begin,
    headers: impl Iterator<Item = &'a (Box<str>, Box<str>)> + Clone,
) {
    to.maybe(begin.gid.as_deref(), Writer::text);
    to.byte(mode_tag(begin.mode));
    to.text(&begin.name);
    write_options(to, &begin.options);
    to.number(headers.clone().count() as u64);
    for (name, value) in headers {
        to.text(name);
        to.text(value);
    }
    to.maybe(begin.back_check.as_ref(), write_target);
    to.bytes(&begin.note);
    to.list(&begin.branches, write_enrolment);
    to.flag(begin.submit);
}

fn read_begin(from: &mut Reader<'_>) -> Read<Begin> {
    Ok(Begin {
        xid: read_xid(from)?,
        gid: from.maybe(Reader::text)?,
        mode: read_mode(from)?,
        name: from.text()?,
        options: read_options(from)?,
        headers: from.list(|from| Ok((from.text()?, from.text()?)))?,
        back_check: from.maybe(read_target)?,
        note: from.bytes()?,
        branches: from.list(read_enrolment)?,
        submit: from.flag()?,
    })
}

fn write_enrolment(to: &mut Writer, branch: &Enrolment) {
    to.text(&branch.id);
    to.text(&branch.label);
    to.maybe(branch.forward.as_ref(), write_target);
    to.maybe(branch.backward.as_ref(), write_target);
    to.bytes(&branch.payload);
    to.list(&branch.after, |to, before| to.number((*before).into()));
    to.flag(branch.refused);
}

fn read_enrolment(from: &mut Reader<'_>) -> Read<Enrolment> {
    Ok(Enrolment {
        id: from.text()?,
        label: from.text()?,
        forward: from.maybe(read_target)?,
        backward: from.maybe(read_target)?,
        payload: from.bytes()?,
        after: from.list(Reader::small)?,
        refused: from.flag()?,
        rows: None,
    })
}

pub(super) fn write_rows(to: &mut Writer, rows: &Rows) {
    to.text(&rows.resource);
    to.text(&rows.keys);
}

pub(super) fn read_rows(from: &mut Reader<'_>) -> Read<Rows> {
    Ok(Rows { resource: from.text()?, keys: from.text()? })
}

pub(super) fn write_options(to: &mut Writer, options: &Options) {
    for number in [options.timeout_ms, options.call_timeout_ms, options.retry_ms, options.delay_ms] {
        to.number(number);
    }
    to.number(options.retry_limit.into());
    to.byte(u8::from(options.concurrent) | u8::from(options.forward_only) << 1);
    to.list(&options.schedule_ms, |to, pause_ms| to.number(*pause_ms));
}

pub(super) fn read_options(from: &mut Reader<'_>) -> Read<Options> {
    let [timeout_ms, call_timeout_ms, retry_ms, delay_ms] =
        [from.number()?, from.number()?, from.number()?, from.number()?];
    let retry_limit = from.small()?;
    let flags = from.byte()?;
    if flags > 3 {
        return from.damage("an option that is not known here");
    }
    Ok(Options {
        timeout_ms,
        call_timeout_ms,
        retry_ms,
        retry_limit,
        delay_ms,
        concurrent: flags & 1 != 0,
        forward_only: flags & 2 != 0,
        schedule_ms: from.list(Reader::number)?,
    })
}

pub(super) fn write_limits(to: &mut Writer, limits: &Limits) {
    to.number(limits.branches_max.into());
    let Limits { open_max, gids_max, payload_bytes_max, id_bytes_max, .. } = *limits;
    let Limits { text_bytes_max, headers_max, subscribers_max, topics_max, .. } = *limits;
    let rest = [open_max, gids_max, payload_bytes_max, id_bytes_max, text_bytes_max];
    rest.into_iter().chain([headers_max, subscribers_max, topics_max]).for_each(|max| to.number(max as u64));
}

pub(super) fn read_limits(from: &mut Reader<'_>) -> Read<Limits> {
    Ok(Limits {
        branches_max: from.small()?,
        open_max: from.small()?,
        gids_max: from.small()?,
        payload_bytes_max: from.small()?,
        id_bytes_max: from.small()?,
        text_bytes_max: from.small()?,
        headers_max: from.small()?,
        subscribers_max: from.small()?,
        topics_max: from.small()?,
    })
}

pub(super) fn write_target(to: &mut Writer, target: &Target) {
    to.byte(match target.protocol {
        Protocol::Http => 1,
        Protocol::Grpc => 2,
        Protocol::DtmHttp => 3,
        Protocol::DtmJsonRpc => 4,
        Protocol::DtmGrpc => 5,
        Protocol::Seata => 6,
    });
    to.text(&target.url);
}

pub(super) fn read_target(from: &mut Reader<'_>) -> Read<Target> {
    let protocol = match from.byte()? {
        1 => Protocol::Http,
        2 => Protocol::Grpc,
        3 => Protocol::DtmHttp,
        4 => Protocol::DtmJsonRpc,
        5 => Protocol::DtmGrpc,
        6 => Protocol::Seata,
        _ => return from.damage("a protocol that is not known here"),
    };
    Ok(Target { protocol, url: from.text()? })
}

pub(super) fn mode_tag(mode: Mode) -> u8 {
    match mode {
        Mode::Xa => 1,
        Mode::Tcc => 2,
        Mode::Saga => 3,
        Mode::Message => 4,
        Mode::Notification => 5,
        Mode::Workflow => 6,
        Mode::Mixed => 7,
    }
}

pub(super) fn read_mode(from: &mut Reader<'_>) -> Read<Mode> {
    let tag = from.byte()?;
    let mode = Mode::ALL.into_iter().find(|mode| mode_tag(*mode) == tag);
    mode.map_or_else(|| from.damage("a mode that is not known here"), Ok)
}

pub(super) fn read_xid(from: &mut Reader<'_>) -> Read<Xid> {
    let number = from.number()?;
    Xid::from_number(number).map_or_else(|| from.damage("a number that is no transaction's"), Ok)
}

fn write_way(to: &mut Writer, way: Way) {
    to.byte(match way {
        Way::Forward => 1,
        Way::Backward => 2,
    });
}

fn read_way(from: &mut Reader<'_>) -> Read<Way> {
    match from.byte()? {
        1 => Ok(Way::Forward),
        2 => Ok(Way::Backward),
        _ => from.damage("a way that is not known here"),
    }
}
