//! The thread that owns the log. Everything that has to become durable goes through its queue, votes too, and so in one
//! order; what has gathered meanwhile is written together, with one flush.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use openraft::storage::LogFlushed;
use synod_log::{Batch, Log, WriteError};
use synod_replica::Room;
use tokio::sync::oneshot;

use super::codec;
use super::store::{COMMITTED, PURGED, Shared, VOTE};
use super::types::{Entry, LogId, Types, Vote};
use crate::task::OnFatal;

/// Operations in one flush at most.
const GROUP_MAX: usize = 256;
/// A group is written in several batches when it is larger than this.
const BATCH_BYTES: usize = 8 << 20;
/// How often an idle thread looks whether the log is well.
const LOOK: Duration = Duration::from_secs(1);
/// The same while the disk is full.
const LOOK_FULL: Duration = Duration::from_millis(100);

/// Something that has to become durable.
pub(super) enum Op {
    Append {
        entries: Vec<Entry>,
        /// The log is empty and may begin with any index.
        begin: bool,
        flushed: LogFlushed<Types>,
    },
    Vote(Vote, Done),
    Truncate(u64, Done),
    Purge(LogId, Done),
    /// Write what is left and end.
    Stop,
}

pub(super) type Done = oneshot::Sender<io::Result<()>>;

/// Somebody who waits for a flush.
enum Waiter {
    Append(LogFlushed<Types>),
    Other(Done),
}

/// Why the thread ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The node stops while the disk is full.
    #[error("there was no room on the disk until the end")]
    GivenUp,
}

impl From<synod_log::Refusal> for Failure {
    fn from(refusal: synod_log::Refusal) -> Self {
        Self::Write(refusal.into())
    }
}

/// See the module.
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) queue: Receiver<Op>,
    pub(super) shared: Arc<Shared>,
    pub(super) on_fatal: OnFatal,
}

impl Writer {
    /// The thread.
    pub(super) fn run(mut self) {
        let mut group = Vec::new();
        let mut stop = false;
        while !stop {
            let look = if self.shared.room() == Room::Any { LOOK } else { LOOK_FULL };
            match self.queue.recv_timeout(look) {
                Ok(op) => group.push(op),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stop = true,
            }
            while group.len() < GROUP_MAX
                && let Ok(op) = self.queue.try_recv()
            {
                group.push(op);
            }
            stop |= group.iter().any(|op| matches!(op, Op::Stop));
            if self.write(&mut group).is_err() {
                return;
            }
        }
        self.leave();
    }

    /// Writes a group and tells those who wait for it.
    fn write(&mut self, group: &mut Vec<Op>) -> Result<(), Failure> {
        if group.is_empty() {
            // The keeper of the log has a thread of its own; what happens to it shows here.
            self.look();
            let Some(fatal) = self.log.failure() else { return Ok(()) };
            let failure = Failure::from(WriteError::Fatal(fatal));
            self.tell(&failure);
            return Err(failure);
        }
        let mut waiters = Vec::with_capacity(group.len());
        let written = self.write_all(group, &mut waiters);
        if let Err(failure) = &written {
            // Before anybody else draws conclusions from it.
            self.tell(failure);
        }
        for waiter in waiters {
            let told = match &written {
                Ok(()) => Ok(()),
                Err(failure) => Err(io::Error::other(failure.to_string())),
            };
            match waiter {
                Waiter::Append(flushed) => flushed.log_io_completed(told),
                // Whoever asked may be gone.
                Waiter::Other(done) => drop(done.send(told)),
            }
        }
        written
    }

    fn write_all(&mut self, group: &mut Vec<Op>, waiters: &mut Vec<Waiter>) -> Result<(), Failure> {
        let batch_bytes = BATCH_BYTES.min(self.log.batch_bytes_max() / 4);
        let mut batch = Batch::new();
        let mut failed = None;
        // All waiters are gathered, whatever happens.
        for op in group.drain(..) {
            let added = match op {
                Op::Append { entries, begin, flushed } => {
                    waiters.push(Waiter::Append(flushed));
                    self.append(&mut batch, &entries, begin, batch_bytes)
                }
                Op::Vote(vote, done) => {
                    waiters.push(Waiter::Other(done));
                    batch.slot(VOTE, &codec::vote(&vote)).map_err(Failure::from)
                }
                Op::Truncate(from, done) => {
                    waiters.push(Waiter::Other(done));
                    batch.truncate(from);
                    Ok(())
                }
                Op::Purge(up_to, done) => {
                    waiters.push(Waiter::Other(done));
                    batch.purge(up_to.index);
                    batch.slot(PURGED, &codec::log_id(Some(up_to))).map_err(Failure::from)
                }
                Op::Stop => Ok(()),
            };
            failed = failed.or(added.err());
        }
        match failed {
            Some(failure) => Err(failure),
            None => self.flush(&mut batch),
        }
    }

    fn append(
        &mut self,
        batch: &mut Batch,
        entries: &[Entry],
        begin: bool,
        batch_bytes: usize,
    ) -> Result<(), Failure> {
        if let Some(before) = entries.first().and_then(|first| first.log_id.index.checked_sub(1))
            && begin
        {
            batch.purge(before);
        }
        for entry in entries {
            if batch.bytes() >= batch_bytes {
                self.flush(batch)?;
            }
            batch.entry_with(entry.log_id.index, |bytes| codec::write_entry(bytes, entry))?;
        }
        Ok(())
    }

    fn flush(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        // What is committed is worth no flush of its own: it goes along.
        let committed = self.shared.take_committed();
        if let Some(committed) = committed {
            batch.slot(COMMITTED, &codec::log_id(Some(committed)))?;
        }
        while let Err(error) = self.log.write(batch) {
            if !matches!(error, WriteError::Full) {
                return Err(error.into());
            }
            self.wait_for_room()?;
        }
        self.shared.set_durable();
        self.look();
        Ok(())
    }

    /// Not even the room that is kept for accepted work was enough. Nothing is lost: the batch is tried again.
    fn wait_for_room(&mut self) -> Result<(), Failure> {
        if self.shared.set_room(Room::Nothing) != Room::Nothing {
            tracing::error!("no room on the disk: nothing can be accepted or finished until there is");
        }
        if self.shared.stopping.load(Ordering::Acquire) {
            return Err(Failure::GivenUp);
        }
        std::thread::sleep(LOOK_FULL);
        self.log.try_again();
        Ok(())
    }

    fn look(&self) {
        let room = if self.log.is_full() { Room::Reserve } else { Room::Any };
        match (self.shared.set_room(room), room) {
            (Room::Any, Room::Reserve) => {
                tracing::error!("the disk is full: new work is refused, what was accepted is finished");
            }
            (Room::Reserve | Room::Nothing, Room::Any) => {
                tracing::warn!("there is room on the disk again: new work is accepted");
            }
            _ => {}
        }
    }

    fn tell(&self, failure: &Failure) {
        if matches!(failure, Failure::GivenUp) {
            tracing::warn!(%failure, "the log ends");
            return;
        }
        let reason = match failure {
            // The source says what the system said.
            Failure::Write(WriteError::Fatal(fatal)) => format!("{fatal}: {}", fatal.source),
            other => other.to_string(),
        };
        self.on_fatal.tell("log", &reason);
    }

    /// A clean end: the next start need not find out again what was committed.
    fn leave(&mut self) {
        let Some(committed) = self.shared.take_committed() else { return };
        let mut batch = Batch::new();
        let written = match batch.slot(COMMITTED, &codec::log_id(Some(committed))) {
            Ok(()) => self.log.write(&mut batch),
            Err(refusal) => Err(refusal.into()),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the log could not be written a last time");
        }
    }
}
