//! The state as bytes, piece by piece: a snapshot is a sequence of records, so that neither writing nor reading it needs
//! all of it in memory at once. The same record of a transaction keeps the details of one that ended.

use std::sync::Arc;

use bytes::Bytes;
use synod_base::xid::Xid;

use super::v1::{
    mode_tag, read_limits, read_mode, read_options, read_rows, read_target, read_xid, write_limits,
    write_options, write_rows, write_target,
};
use super::{Damage, Read, Reader, Writer};
use crate::txn::lock::{self, Rows};
use crate::txn::model::{Branch, End, Leg, Limits, Status, Step, Txn};
use crate::txn::outcomes::{EndedGid, GidDigest, Outcomes, PAGE_LAST, Page};
use crate::txn::state::State;
use crate::txn::topic::{Subscriber, Topic};

const VERSION: u8 = 1;
/// Of a transaction whose branches have rows.
const WITH_ROWS: u8 = 2;
const HEAD: u8 = 1;
const OPEN: u8 = 2;
const PAGE: u8 = 3;
const GONE: u8 = 4;
const GID: u8 = 5;
const TOPIC: u8 = 6;
/// The rows of one branch of the open transaction before it.
const ROWS: u8 = 7;

/// The records of a state, in the order in which [`Loader`] takes them.
pub fn records(state: &State) -> impl Iterator<Item = Bytes> + '_ {
    let head = std::iter::once_with(|| {
        record(HEAD, |to| {
            to.byte(VERSION);
            to.number(state.reserved);
            to.number(state.stamp_ms);
            write_limits(to, &state.limits);
        })
    });
    let open = state.iter().flat_map(|txn| {
        let rows = txn.numbered().filter_map(|(number, branch)| Some((number, branch.rows.as_ref()?)));
        let rows = rows.map(|(number, rows)| {
            record(ROWS, |to| {
                to.number(txn.xid.number());
                to.number(number.into());
                write_rows(to, rows);
            })
        });
        std::iter::once(record(OPEN, |to| write_txn(to, txn))).chain(rows)
    });
    let pages = state.outcomes.pages.iter().map(|(number, page)| {
        record(PAGE, |to| {
            to.number(*number);
            to.number(page.newest_ms);
            to.bytes(&page.bits);
        })
    });
    let gone = state.outcomes.gone.iter().map(|(first, last)| {
        record(GONE, |to| {
            to.number(*first);
            to.number(*last);
        })
    });
    let gids =
        state.outcomes.gids.iter().map(|(digest, ended)| record(GID, |to| write_gid(to, digest, ended)));
    let topics = state.topics.iter().map(|(name, topic)| record(TOPIC, |to| write_topic(to, name, topic)));
    head.chain(open).chain(pages).chain(gone).chain(gids).chain(topics)
}

fn record(tag: u8, write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut to = Writer(Vec::with_capacity(128));
    to.byte(tag);
    write(&mut to);
    to.0.into()
}

/// Builds a state from its records.
#[derive(Debug)]
pub struct Loader {
    state: State,
    begun: bool,
    /// Of the digests, which have to be filed in the order of their ends.
    gids: Vec<(GidDigest, EndedGid)>,
}

impl Loader {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self { state: State::new(limits), begun: false, gids: Vec::new() }
    }

    /// Takes the next record.
    pub fn take(&mut self, bytes: &Bytes) -> Result<(), Damage> {
        let from = &mut Reader::new(bytes);
        let tag = from.byte()?;
        if self.begun == (tag == HEAD) {
            return from.damage("a snapshot has one head, at its beginning");
        }
        let outcomes: &mut Outcomes = &mut self.state.outcomes;
        match tag {
            HEAD => {
                if from.byte()? != VERSION {
                    return from.damage("a version that is not known here");
                }
                (self.state.reserved, self.state.stamp_ms) = (from.number()?, from.number()?);
                self.state.limits = read_limits(from)?;
                self.begun = true;
            }
            OPEN => {
                let txn = read_txn(from)?;
                if matches!(txn.status, Status::Ended(_)) {
                    return from.damage("a transaction is open and has ended");
                }
                if let Some(gid) = &txn.gid
                    && self.state.gids.insert(gid.clone(), txn.xid).is_some()
                {
                    return from.damage("two transactions have one id of their own");
                }
                if self.state.open.insert(txn.xid, Arc::new(txn)).is_some() {
                    return from.damage("two transactions have one id");
                }
            }
            PAGE => {
                let (number, newest_ms, bits) = (from.number()?, from.number()?, from.bytes()?);
                if number > PAGE_LAST {
                    return from.damage("a page of outcomes of ids that cannot be");
                }
                let Ok(bits) = <[u8; _]>::try_from(&*bits) else {
                    return from.damage("a page of outcomes is of the wrong size");
                };
                outcomes.pages.insert(number, Arc::new(Page { bits, newest_ms }));
            }
            GONE => {
                let (first, last) = (from.number()?, from.number()?);
                let behind = outcomes.gone.last_key_value().is_none_or(|(_, before)| *before + 1 < first);
                if first > last || last > PAGE_LAST || !behind {
                    return from.damage("ranges of what is forgotten do not follow each other");
                }
                outcomes.gone.insert(first, last);
            }
            GID => self.gids.push(read_gid(from)?),
            TOPIC => {
                let (name, topic) = read_topic(from)?;
                Arc::make_mut(&mut self.state.topics).insert(name, topic);
            }
            ROWS => self.take_rows(from)?,
            _ => return from.damage("a record that is not known here"),
        }
        from.end()
    }

    fn take_rows(&mut self, from: &mut Reader<'_>) -> Read<()> {
        let (xid, number) = (read_xid(from)?, from.small::<u16>()?);
        let rows = read_rows(from)?;
        let Some(txn) = self.state.open.get_mut(&xid) else {
            return from.damage("rows of a transaction that is not there");
        };
        let txn = Arc::make_mut(txn);
        let Some(branch) = txn.branches.get_mut(usize::from(number)) else {
            return from.damage("rows of a branch that is not there");
        };
        if branch.rows.replace(Box::new(rows)).is_some() {
            return from.damage("a branch has rows twice");
        }
        let branch = &txn.branches[usize::from(number)];
        if let Some(rows) = branch.rows.as_deref().filter(|_| lock::holds(txn, branch)) {
            if self.state.locks.conflict(xid, rows).is_some() {
                return from.damage("two transactions hold a row");
            }
            self.state.locks.take(xid, rows);
        }
        Ok(())
    }

    /// The state, when all records were taken.
    pub fn finish(mut self) -> Result<State, Damage> {
        if !self.begun {
            return Err(Damage { what: "a snapshot without a head", at: 0 });
        }
        for (digest, ended) in self.gids {
            self.state.outcomes.put_gid(digest, ended);
        }
        let open = self.state.iter().map(|txn| txn.xid.number()).max();
        self.state.begun = open.max(self.state.outcomes.last()).unwrap_or(0);
        Ok(self.state)
    }
}

/// The bytes of one transaction.
pub fn encode_txn(txn: &Txn) -> Bytes {
    let rows: Vec<_> =
        txn.numbered().filter_map(|(number, branch)| Some((number, branch.rows.as_ref()?))).collect();
    record(if rows.is_empty() { VERSION } else { WITH_ROWS }, |to| {
        write_txn(to, txn);
        if !rows.is_empty() {
            to.list(&rows, |to, (number, rows)| {
                to.number((*number).into());
                write_rows(to, rows);
            });
        }
    })
}

/// Reads one transaction.
pub fn decode_txn(bytes: &Bytes) -> Result<Txn, Damage> {
    let from = &mut Reader::new(bytes);
    let version = from.byte()?;
    if version != VERSION && version != WITH_ROWS {
        return from.damage("a version that is not known here");
    }
    let mut txn = read_txn(from)?;
    if version == WITH_ROWS {
        let all: Vec<(u16, Rows)> = from.list(|from| Ok((from.small()?, read_rows(from)?)))?;
        if all.is_empty() || !all.is_sorted_by(|(before, _), (after, _)| before < after) {
            return from.damage("rows in another order than that of the branches");
        }
        for (number, rows) in all {
            match txn.branches.get_mut(usize::from(number)) {
                Some(branch) => branch.rows = Some(Box::new(rows)),
                None => return from.damage("rows of a branch that is not there"),
            }
        }
    }
    from.end()?;
    Ok(txn)
}

fn write_txn(to: &mut Writer, txn: &Txn) {
    to.number(txn.xid.number());
    to.maybe(txn.gid.as_deref(), Writer::text);
    to.byte(mode_tag(txn.mode));
    to.text(&txn.name);
    write_status(to, txn.status);
    write_options(to, &txn.options);
    to.list(&txn.headers, |to, (name, value)| {
        to.text(name);
        to.text(value);
    });
    to.maybe(txn.back_check.as_ref(), write_target);
    to.bytes(&txn.note);
    [txn.begun_ms, txn.decided_ms, txn.touched_ms].into_iter().for_each(|ms| to.number(ms));
    to.text(&txn.reason);
    to.bytes(&txn.result);
    to.list(&txn.branches, write_branch);
    to.number(txn.digest);
}

fn read_txn(from: &mut Reader<'_>) -> Read<Txn> {
    Ok(Txn {
        xid: read_xid(from)?,
        gid: from.maybe(Reader::text)?,
        mode: read_mode(from)?,
        name: from.text()?,
        status: read_status(from)?,
        options: read_options(from)?,
        headers: from.list(|from| Ok((from.text()?, from.text()?)))?,
        back_check: from.maybe(read_target)?,
        note: from.bytes()?,
        begun_ms: from.number()?,
        decided_ms: from.number()?,
        touched_ms: from.number()?,
        reason: from.text()?,
        result: from.bytes()?,
        branches: read_branches(from)?,
        digest: from.number()?,
    })
}

fn read_branches(from: &mut Reader<'_>) -> Read<Vec<Branch>> {
    let branches: Vec<Branch> = from.list(read_branch)?;
    // They are numbered with 16 bits.
    if branches.len() > usize::from(u16::MAX) { from.damage("too many branches") } else { Ok(branches) }
}

fn write_branch(to: &mut Writer, branch: &Branch) {
    to.text(&branch.id);
    to.text(&branch.label);
    write_leg(to, &branch.forward);
    write_leg(to, &branch.backward);
    to.bytes(&branch.payload);
    to.list(&branch.after, |to, before| to.number((*before).into()));
    to.number(branch.joined_ms);
}

fn read_branch(from: &mut Reader<'_>) -> Read<Branch> {
    Ok(Branch {
        id: from.text()?,
        label: from.text()?,
        forward: read_leg(from)?,
        backward: read_leg(from)?,
        payload: from.bytes()?,
        after: from.list(Reader::small)?,
        joined_ms: from.number()?,
        rows: None,
    })
}

fn write_leg(to: &mut Writer, leg: &Leg) {
    to.maybe(leg.target.as_ref(), write_target);
    to.byte(match leg.step {
        Step::Pending => 1,
        Step::Done => 2,
        Step::Refused => 3,
        Step::Skipped => 4,
    });
    to.number(leg.attempts.into());
    to.number(leg.at_ms);
}

fn read_leg(from: &mut Reader<'_>) -> Read<Leg> {
    let target = from.maybe(read_target)?;
    let step = match from.byte()? {
        1 => Step::Pending,
        2 => Step::Done,
        3 => Step::Refused,
        4 => Step::Skipped,
        _ => return from.damage("a step that is not known here"),
    };
    Ok(Leg { target, step, attempts: from.small()?, at_ms: from.number()? })
}

fn write_status(to: &mut Writer, status: Status) {
    to.byte(match status {
        Status::Active => 1,
        Status::Committing => 2,
        Status::RollingBack => 3,
        Status::GivenUp => 4,
        Status::Ended(end) => 4 + end_tag(end),
    });
}

fn read_status(from: &mut Reader<'_>) -> Read<Status> {
    Ok(match from.byte()? {
        1 => Status::Active,
        2 => Status::Committing,
        3 => Status::RollingBack,
        4 => Status::GivenUp,
        5 => Status::Ended(End::Committed),
        6 => Status::Ended(End::RolledBack),
        7 => Status::Ended(End::Stopped),
        _ => return from.damage("a status that is not known here"),
    })
}

fn end_tag(end: End) -> u8 {
    match end {
        End::Committed => 1,
        End::RolledBack => 2,
        End::Stopped => 3,
    }
}

fn write_gid(to: &mut Writer, digest: &GidDigest, ended: &EndedGid) {
    to.0.extend_from_slice(digest);
    to.number(ended.xid.number());
    to.byte(end_tag(ended.end));
    to.number(ended.at_ms);
    to.number(ended.digest);
}

fn read_gid(from: &mut Reader<'_>) -> Read<(GidDigest, EndedGid)> {
    let mut digest = GidDigest::default();
    for byte in &mut digest {
        *byte = from.byte()?;
    }
    let xid: Xid = read_xid(from)?;
    let end = match from.byte()? {
        1 => End::Committed,
        2 => End::RolledBack,
        3 => End::Stopped,
        _ => return from.damage("an end that is not known here"),
    };
    Ok((digest, EndedGid { xid, end, at_ms: from.number()?, digest: from.number()? }))
}

fn write_topic(to: &mut Writer, name: &str, topic: &Topic) {
    to.text(name);
    [topic.version, topic.created_ms, topic.changed_ms].into_iter().for_each(|number| to.number(number));
    to.list(&topic.subscribers, |to, subscriber| {
        to.text(&subscriber.url);
        to.text(&subscriber.remark);
    });
}

fn read_topic(from: &mut Reader<'_>) -> Read<(Box<str>, Topic)> {
    let name = from.text()?;
    let [version, created_ms, changed_ms] = [from.number()?, from.number()?, from.number()?];
    let subscribers = from.list(|from| Ok(Subscriber { url: from.text()?, remark: from.text()? }))?;
    Ok((name, Topic { subscribers, version, created_ms, changed_ms }))
}
