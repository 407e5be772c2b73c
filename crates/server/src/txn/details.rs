//! What ended transactions looked like: kept for people, for queries and for nobody's correctness.
//!
//! Records go to segment files in the order in which transactions end; an index in memory finds them. Whole segments are
//! dropped when they are older than `txn.keep` or when all together are larger than `txn.details_bytes`. Nothing is flushed:
//! after a power cut the last ones may be missing, and a torn end is cut off. How a transaction ended is remembered by the
//! replicated state, not here.

mod segment;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use synod_base::hash::stable128;
use synod_base::xid::Xid;
use synod_core::txn::codec::snapshot::{decode_txn, encode_txn};
use synod_core::txn::drive::Attempt;
use synod_core::txn::{End, Mode, Status, Txn};

use super::attempts;
use segment::Segment;

/// How many segments the allowed size is divided into.
const SEGMENTS: u64 = 16;
/// Bytes that are written together, about.
const GROUP_BYTES: usize = 1 << 20;

/// An ended transaction with what was tried for it.
#[derive(Debug)]
pub struct Detail {
    /// As it ended.
    pub txn: Txn,
    /// What was tried, oldest first; not all of it when that was much.
    pub attempts: Vec<Attempt>,
}

/// What a list of ended transactions is chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its id.
    pub xid: Xid,
    /// Its kind.
    pub mode: Mode,
    /// How it ended.
    pub end: End,
    /// When it was begun.
    pub begun_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    offset: u64,
    length: u32,
    brief: Brief,
}

/// Records that are written together.
#[derive(Debug, Default)]
struct Group<'a> {
    records: Vec<u8>,
    /// Where each begins among them, the length of its body, what it is, and the id that its initiator chose.
    rows: Vec<(u64, u32, Brief, Option<&'a str>)>,
}

#[derive(Debug, Default)]
struct Inner {
    segments: VecDeque<Segment>,
    by_xid: BTreeMap<Xid, Place>,
    by_gid: HashMap<[u8; 16], Xid>,
}

/// See the module.
#[derive(Debug)]
pub struct Details {
    directory: PathBuf,
    bytes_max: u64,
    keep_ms: u64,
    inner: Mutex<Inner>,
}

impl Details {
    /// Opens the directory, reading what is there. Damage costs the records behind it in its segment.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(directory: &Path, keep_ms: u64, bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut inner = Inner::default();
        let mut numbers: Vec<u64> = std::fs::read_dir(directory)?
            .filter_map(|entry| segment::number(&entry.ok()?.file_name()))
            .collect();
        numbers.sort_unstable();
        for number in numbers {
            inner.load(directory, number)?;
        }
        Ok(Self { directory: directory.to_owned(), bytes_max, keep_ms, inner: Mutex::new(inner) })
    }

    /// Keeps ended transactions, each with what was tried for it. What is known already, as after a restart, is passed over.
    ///
    /// # Errors
    /// When they cannot be written; nothing depends on that.
    pub fn put<'a>(
        &self,
        ended: impl IntoIterator<Item = (&'a Txn, &'a [Attempt])>,
        now_ms: u64,
    ) -> io::Result<()> {
        if self.keep_ms == 0 {
            return Ok(());
        }
        let mut group = Group::default();
        for (txn, attempts) in ended {
            let Status::Ended(end) = txn.status else { continue };
            let brief = Brief { xid: txn.xid, mode: txn.mode, end, begun_ms: txn.begun_ms };
            if self.with(|inner| inner.by_xid.contains_key(&txn.xid)) {
                continue;
            }
            let (begin, body) = (group.records.len() as u64, encode(txn, attempts));
            segment::write(&mut group.records, &body, now_ms);
            group.rows.push((begin, body.len() as u32, brief, txn.gid.as_deref()));
            if group.records.len() >= GROUP_BYTES {
                self.append(std::mem::take(&mut group), now_ms)?;
            }
        }
        self.append(group, now_ms)
    }

    /// Writes records with one call of the system: there are thousands of them a second.
    fn append(&self, group: Group<'_>, now_ms: u64) -> io::Result<()> {
        if group.rows.is_empty() {
            return Ok(());
        }
        self.with(|inner| {
            self.make_room(inner, now_ms)?;
            let last = inner.segments.back_mut().expect("room was made");
            let (segment, base) = (last.number, last.length);
            last.append(&group.records, now_ms)?;
            for (begin, length, brief, gid) in group.rows {
                inner.index(Place { segment, offset: base + begin, length, brief }, gid);
            }
            Ok(())
        })
    }

    fn make_room(&self, inner: &mut Inner, now_ms: u64) -> io::Result<()> {
        let old = |segment: &Segment| segment.newest_ms + self.keep_ms < now_ms;
        while inner.segments.front().is_some_and(old)
            || inner.segments.iter().map(|segment| segment.length).sum::<u64>() > self.bytes_max
        {
            inner.drop_first()?;
        }
        if inner.segments.back().is_none_or(|last| last.length >= self.bytes_max / SEGMENTS) {
            let number = inner.segments.back().map_or(1, |last| last.number + 1);
            inner.segments.push_back(Segment::create(&self.directory, number)?);
        }
        Ok(())
    }

    /// Looks up an ended transaction.
    pub fn get(&self, xid: Xid) -> Option<Detail> {
        let body = self.with(|inner| {
            let place = inner.by_xid.get(&xid)?;
            let segment = inner.segments.iter().find(|segment| segment.number == place.segment)?;
            segment.read(place.offset, place.length).ok()
        })?;
        decode(&body)
    }

    /// The ended transaction that was begun under this id.
    pub fn find_gid(&self, gid: &str) -> Option<Xid> {
        self.with(|inner| inner.by_gid.get(&stable128(gid.as_bytes())).copied())
    }

    /// Ended transactions, those begun last first, from below `before` on; looks at `look_max` of them at most and
    /// returns where it stopped if there are more.
    pub fn page(
        &self,
        before: Option<Xid>,
        limit: usize,
        look_max: usize,
        wanted: impl Fn(&Brief) -> bool,
    ) -> (Vec<Brief>, Option<Xid>) {
        use std::ops::Bound::{Excluded, Unbounded};
        self.with(|inner| {
            let mut found = Vec::new();
            let upper = before.map_or(Unbounded, Excluded);
            for (looked, (xid, place)) in inner.by_xid.range((Unbounded, upper)).rev().enumerate() {
                if found.len() == limit || looked == look_max {
                    // The one before this was the last that was looked at.
                    return (found, Xid::from_number(xid.number() + 1));
                }
                if wanted(&place.brief) {
                    found.push(place.brief);
                }
            }
            (found, None)
        })
    }

    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn load(&mut self, directory: &Path, number: u64) -> io::Result<()> {
        let segment = Segment::open(directory, number, |offset, length, body| {
            let Some(Detail { txn, .. }) = decode(body) else { return };
            let Status::Ended(end) = txn.status else { return };
            let brief = Brief { xid: txn.xid, mode: txn.mode, end, begun_ms: txn.begun_ms };
            self.index(Place { segment: number, offset, length, brief }, txn.gid.as_deref());
        })?;
        self.segments.push_back(segment);
        Ok(())
    }

    fn index(&mut self, place: Place, gid: Option<&str>) {
        self.by_xid.insert(place.brief.xid, place);
        if let Some(gid) = gid {
            self.by_gid.insert(stable128(gid.as_bytes()), place.brief.xid);
        }
    }

    fn drop_first(&mut self) -> io::Result<()> {
        let Some(segment) = self.segments.pop_front() else { return Ok(()) };
        self.by_xid.retain(|_, place| place.segment != segment.number);
        let by_xid = &self.by_xid;
        self.by_gid.retain(|_, xid| by_xid.contains_key(xid));
        segment.remove()
    }
}

fn encode(txn: &Txn, attempts: &[Attempt]) -> Vec<u8> {
    let txn = encode_txn(txn);
    let mut body = Vec::with_capacity(txn.len() + 64 * attempts.len() + 8);
    body.extend_from_slice(&(txn.len() as u32).to_le_bytes());
    body.extend_from_slice(&txn);
    attempts::write(&mut body, attempts);
    body
}

fn decode(body: &Bytes) -> Option<Detail> {
    let length = u32::from_le_bytes(body.get(..4)?.try_into().ok()?) as usize;
    let txn = decode_txn(&body.get(4..4 + length).map(|txn| body.slice_ref(txn))?).ok()?;
    Some(Detail { txn, attempts: attempts::read(&body[4 + length..]).unwrap_or_default() })
}
