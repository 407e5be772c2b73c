//! openraft's log storage over our log: entries, and as slots the vote, what is committed and what was purged.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AnyError, OptionalSend, StorageIOError};
use synod_log::{Log, ReadError, Reader};
use synod_replica::Room;
use tokio::sync::oneshot;

use super::codec;
use super::types::{Entry, LogId, Payload, StorageError, StorageIoError, Types, Vote};
use super::window::Window;
use super::writer::{Done, Op, Writer};
use crate::task::{self, OnFatal};

pub(super) const VOTE: usize = 0;
pub(super) const COMMITTED: usize = 1;
pub(super) const PURGED: usize = 2;

/// Operations that wait for the log's thread; openraft waits for each but the last.
const QUEUE: usize = 1_024;

/// What the log's thread and those who read share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) reader: Reader,
    pub(super) stopping: AtomicBool,
    room: AtomicU8,
    now: Mutex<Now>,
}

/// The log as openraft sees it: including what is not durable yet.
#[derive(Debug)]
struct Now {
    window: Window,
    vote: Option<Vote>,
    committed: Option<LogId>,
    /// Whether `committed` has to be written.
    fresh: bool,
    purged: Option<LogId>,
    last: Option<LogId>,
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the disk has room for.
    pub(super) fn room(&self) -> Room {
        match self.room.load(Ordering::Acquire) {
            0 => Room::Any,
            1 => Room::Reserve,
            _ => Room::Nothing,
        }
    }

    /// Takes note of it; what it was.
    pub(super) fn set_room(&self, room: Room) -> Room {
        let before = self.room();
        self.room.store(room as u8, Ordering::Release);
        before
    }

    pub(super) fn set_durable(&self) {
        let next = self.reader.range().end;
        self.now().window.set_durable(next);
    }

    /// What is committed, if that is not in the log yet.
    pub(super) fn take_committed(&self) -> Option<LogId> {
        let mut now = self.now();
        if std::mem::take(&mut now.fresh) { now.committed } else { None }
    }
}

/// The storage, and the readers that openraft wants of it.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) shared: Arc<Shared>,
    queue: SyncSender<Op>,
    read_bytes_max: usize,
}

/// Why a log that opened is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenStoreError {
    #[error("the log was written by another version: {0}")]
    Unreadable(#[from] codec::Unreadable),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot start the log's thread")]
    Thread(#[from] io::Error),
}

impl Store {
    /// Starts the thread of a log. `memory` is how many bytes of recent entries are kept, `read` how many are read for a
    /// follower at once.
    pub(super) fn start(
        log: Log,
        memory: usize,
        read: usize,
        on_fatal: OnFatal,
    ) -> Result<(Self, JoinHandle<()>), OpenStoreError> {
        let reader = log.reader().clone();
        let range = reader.range();
        let slot = |slot| reader.slot(slot).map(codec::read_log_id_slot).transpose();
        let purged = slot(PURGED)?.flatten();
        let last = match range.end.checked_sub(1) {
            Some(last) if last >= range.start => entries_of(&reader, last..range.end, usize::MAX)?.pop(),
            _ => None,
        };
        let now = Now {
            window: Window::new(range.end, memory),
            vote: reader.slot(VOTE).map(codec::read_vote).transpose()?,
            committed: slot(COMMITTED)?.flatten(),
            fresh: false,
            purged,
            last: last.map(|entry| entry.log_id).or(purged),
        };
        let shared = Arc::new(Shared {
            reader,
            stopping: AtomicBool::new(false),
            room: AtomicU8::new(Room::Any as u8),
            now: Mutex::new(now),
        });
        let (queue, receiver) = sync_channel(QUEUE);
        let writer = Writer { log, queue: receiver, shared: Arc::clone(&shared), on_fatal };
        let thread = std::thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || task::or_end("log", || writer.run()))?;
        Ok((Self { shared, queue, read_bytes_max: read }, thread))
    }

    /// Lets the thread write what it has and end.
    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        // When the queue is full or closed the thread is about to end anyway.
        drop(self.queue.try_send(Op::Stop));
    }

    fn send(&self, op: Op) -> io::Result<()> {
        self.queue.try_send(op).map_err(|_| io::Error::other("the log's thread takes nothing more"))
    }

    /// Sends an operation and waits until it is durable.
    async fn perform(&self, op: impl FnOnce(Done) -> Op) -> Result<(), StorageError> {
        let (done, written) = oneshot::channel();
        self.send(op(done)).map_err(|error| write_error(&error))?;
        let written = written.await.unwrap_or_else(|_| Err(io::Error::other("the log's thread has ended")));
        written.map_err(|error| write_error(&error))
    }

    /// The entries of `range`, up to the one with which they exceed `bytes_max`.
    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, StorageError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut start = range.start;
        loop {
            let base = {
                let now = self.shared.now();
                if start >= now.window.base() {
                    now.window.read(start..range.end, bytes_max, &mut entries);
                    return Ok(entries);
                }
                now.window.base()
            };
            let (reader, wanted) = (self.shared.reader.clone(), start..base.min(range.end));
            let read = move || entries_of(&reader, wanted, bytes_max);
            let read = tokio::task::spawn_blocking(read).await.map_err(|error| read_error(&error))?;
            match read {
                Ok(read) => entries.extend(read),
                // Not what openraft asks for, but some of its checks do.
                Err(OpenStoreError::Read(ReadError::Purged { first, .. })) if entries.is_empty() => {
                    start = first;
                    if start >= range.end {
                        return Ok(entries);
                    }
                    continue;
                }
                Err(error) => return Err(read_error(&error)),
            }
            start = entries.last().map_or(base, |last| last.log_id.index + 1);
            if start >= range.end || start < base {
                return Ok(entries);
            }
        }
    }

    fn range_of(&self, range: impl RangeBounds<u64>) -> Range<u64> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.shared.now().window.next(),
        };
        start..end.max(start)
    }
}

fn entries_of(reader: &Reader, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, OpenStoreError> {
    let read = reader.entries(range, bytes_max)?;
    Ok(read
        .into_iter()
        .map(|entry| codec::read_entry(entry.index, entry.payload))
        .collect::<Result<_, _>>()?)
}

fn write_error(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIoError::write_logs(AnyError::new(error)).into()
}

fn read_error(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIOError::read_logs(AnyError::new(error)).into()
}

impl RaftLogReader<Types> for Store {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        let range = self.range_of(range);
        self.read(range, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        self.read(start..end, self.read_bytes_max).await
    }
}

impl RaftLogStorage<Types> for Store {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let now = self.shared.now();
        Ok(LogState { last_purged_log_id: now.purged, last_log_id: now.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.perform(|done| Op::Vote(*vote, done)).await?;
        self.shared.now().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.shared.now().vote)
    }

    /// Written with whatever is written next: what is lost of it in a crash is found out again.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let mut now = self.shared.now();
        now.committed = committed;
        now.fresh = committed.is_some();
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.shared.now().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        let mut begin = false;
        {
            let mut now = self.shared.now();
            // What was purged is in a snapshot; openraft's suite appends it all the same.
            let purged = now.purged.map_or(0, |purged| purged.index + 1);
            entries.retain(|entry| entry.log_id.index >= purged);
            if let Some((first, last)) = entries.first().zip(entries.last()) {
                begin = now.last.is_none();
                if begin {
                    now.window.skip_to(first.log_id.index);
                }
                if now.window.next() != first.log_id.index {
                    let (want, got) = (now.window.next(), first.log_id.index);
                    return Err(write_error(&io::Error::other(format!("entry {got} cannot follow {want}"))));
                }
                entries.iter().for_each(|entry| now.window.push(entry.clone()));
                now.last = Some(last.log_id);
            }
        }
        for entry in &entries {
            if let Payload::Normal(proposal) = &entry.payload {
                proposal.mark_logged();
            }
        }
        self.send(Op::Append { entries, begin, flushed }).map_err(|error| write_error(&error))
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let from = log_id.index;
        self.perform(|done| Op::Truncate(from, done)).await?;
        let before = match from.checked_sub(1) {
            Some(before) => self.read(before..from, usize::MAX).await?.pop().map(|entry| entry.log_id),
            None => None,
        };
        let mut now = self.shared.now();
        now.window.truncate(from);
        now.last = before.or(now.purged);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        if self.shared.now().purged.is_some_and(|purged| purged.index >= log_id.index) {
            return Ok(());
        }
        self.perform(|done| Op::Purge(log_id, done)).await?;
        let mut now = self.shared.now();
        now.window.purge(log_id.index);
        now.purged = Some(log_id);
        now.last = now.last.filter(|last| last.index > log_id.index).or(now.purged);
        Ok(())
    }
}
