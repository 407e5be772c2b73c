//! Keeps a spare segment ready and deletes segments that are not needed, beside the writer.
//!
//! With a thread of its own, or within the writer's calls ([`Helper::Inline`]). Only the keeper changes the range of the
//! manifest. A disk that has no room for the spare is told here, while the segment in use still has room for what was
//! accepted already.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::disk::{self, Disk};
use crate::error::{Fatal, WriteError};
use crate::manifest::{Manifest, Range};
use crate::segment::{self, Segment};
use crate::settings::{Helper, Settings};

#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    manifest: Arc<Manifest>,
    settings: Settings,
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug)]
struct Work {
    range: Range,
    spares: VecDeque<Arc<Segment>>,
    /// Segments before this one can go.
    needed: u32,
    /// The last attempt to make a spare found no room.
    full: bool,
    /// Counts attempts that found no room.
    refusals: u64,
    /// An attempt is wanted although the last one found no room.
    again: bool,
    failed: Option<Fatal>,
    stop: bool,
}

/// What there is to do.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Name the segments from this one on, and delete those before.
    Delete { needed: u32 },
    /// Make this segment.
    Make { number: u32 },
}

impl Work {
    fn task(&self) -> Option<Task> {
        if self.failed.is_some() {
            None
        } else if self.needed > self.range.first {
            Some(Task::Delete { needed: self.needed })
        } else if self.spares.is_empty() && (!self.full || self.again) {
            Some(Task::Make { number: self.range.last + 1 })
        } else {
            None
        }
    }
}

impl Keeper {
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        manifest: Arc<Manifest>,
        settings: Settings,
        range: Range,
        spares: VecDeque<Arc<Segment>>,
    ) -> Result<Self, Fatal> {
        let work = Work {
            range,
            spares,
            needed: range.first,
            full: false,
            refusals: 0,
            again: false,
            failed: None,
            stop: false,
        };
        let inline = settings.helper == Helper::Inline;
        let place = disk.place("");
        let shared =
            Arc::new(Shared { disk, manifest, settings, work: Mutex::new(work), changed: Condvar::new() });
        let thread = if inline {
            None
        } else {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("log-keeper".to_owned());
            let thread = thread.spawn(move || shared.keep());
            Some(thread.map_err(Fatal::of("start a thread for", place))?)
        };
        Ok(Self { shared, thread })
    }

    /// The next segment to write to; waits while it is being made.
    ///
    /// # Errors
    /// When there is no room for it, or the keeper has failed.
    pub(crate) fn take(&self) -> Result<Arc<Segment>, WriteError> {
        let mut work = self.shared.work();
        let refusals = work.refusals;
        work.again = true;
        self.shared.changed.notify_all();
        loop {
            if let Some(error) = &work.failed {
                return Err(error.clone().into());
            }
            if let Some(spare) = work.spares.pop_front() {
                work.again = false;
                self.shared.changed.notify_all();
                return Ok(spare);
            }
            if work.full && work.refusals > refusals {
                return Err(WriteError::Full);
            }
            work = self.shared.advance(work, self.thread.is_none());
        }
    }

    /// Waits until there is a spare or it is known that there is no room for one.
    pub(crate) fn settle(&self) {
        let mut work = self.shared.work();
        while work.spares.is_empty() && !work.full && work.failed.is_none() {
            work = self.shared.advance(work, self.thread.is_none());
        }
    }

    /// Does what there is to do, unless there is a thread for it. `again`: also what found no room before.
    pub(crate) fn run(&self, again: bool) {
        let mut work = self.shared.work();
        work.again |= again;
        if self.thread.is_some() {
            self.shared.changed.notify_all();
            return;
        }
        while let Some(task) = work.task() {
            work = self.shared.perform(work, task);
        }
    }

    /// Segments before `needed` can go.
    pub(crate) fn release(&self, needed: u32) {
        let mut work = self.shared.work();
        if needed > work.needed {
            work.needed = needed;
            self.shared.changed.notify_all();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let work = self.shared.work();
        work.full && work.spares.is_empty()
    }

    /// Why the keeper does nothing any more.
    pub(crate) fn failure(&self) -> Option<Fatal> {
        self.shared.work().failed.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.work().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // If it panicked there is nothing left to stop.
            thread.join().ok();
        }
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the work go on: waits for the thread, or does it here.
    fn advance<'a>(&'a self, work: MutexGuard<'a, Work>, inline: bool) -> MutexGuard<'a, Work> {
        match work.task() {
            Some(task) if inline => self.perform(work, task),
            _ => self.changed.wait(work).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The thread.
    fn keep(&self) {
        let retry = Duration::from_millis(self.settings.retry_ms);
        let mut work = self.work();
        while !work.stop {
            if let Some(task) = work.task() {
                work = self.perform(work, task);
            } else if work.full {
                let (guard, timeout) =
                    self.changed.wait_timeout(work, retry).unwrap_or_else(PoisonError::into_inner);
                work = guard;
                work.again |= timeout.timed_out();
            } else {
                work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Does a task without the lock; nobody else does any.
    fn perform<'a>(&'a self, work: MutexGuard<'a, Work>, task: Task) -> MutexGuard<'a, Work> {
        let mut range = work.range;
        drop(work);
        range.generation += 1;
        let done = match task {
            Task::Delete { needed } => self.delete(range, needed).map(|()| None),
            Task::Make { number } => self.make(range, number),
        };
        let mut work = self.work();
        match (done, task) {
            (Err(error), _) => work.failed = Some(error),
            (Ok(_), Task::Delete { needed }) => {
                work.range = Range { first: needed, ..range };
                // There may be room now.
                work.again |= work.full;
            }
            (Ok(Some(segment)), Task::Make { number }) => {
                work.range = Range { last: number, ..range };
                work.spares.push_back(segment);
                work.full = false;
                work.again = false;
            }
            (Ok(None), Task::Make { .. }) => {
                work.full = true;
                work.again = false;
                work.refusals += 1;
            }
        }
        self.changed.notify_all();
        work
    }

    fn delete(&self, range: Range, needed: u32) -> Result<(), Fatal> {
        self.manifest.set(Range { first: needed, ..range })?;
        for number in range.first..needed {
            let name = segment::name(number);
            self.disk.unlink(&name).map_err(Fatal::of("delete", self.disk.place(&name)))?;
        }
        self.disk.sync_dir().map_err(Fatal::of("sync", self.disk.place("")))
    }

    /// A new segment, or none if there is no room.
    fn make(&self, range: Range, number: u32) -> Result<Option<Arc<Segment>>, Fatal> {
        let place = self.disk.place(&segment::name(number));
        let size = self.settings.segment_bytes;
        match segment::create(&*self.disk, self.settings.id, number, size) {
            Ok(segment) => {
                self.manifest.set(Range { last: number, ..range })?;
                Ok(Some(segment))
            }
            // Nothing relies on the file yet, so that an error of its first sync is one among others.
            Err(error) if disk::is_full(&error) => {
                segment::remove_remains(&*self.disk, number).map_err(Fatal::of("delete", place))?;
                Ok(None)
            }
            // Somebody has taken the directory away. What is open can be written to, but there is no place for more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fatal::of("make", place)(error)),
        }
    }
}
