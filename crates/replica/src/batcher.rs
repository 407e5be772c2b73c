//! Commands of all connections, in order, into batches: one is under way, the rest waits. Without this, consensus would make
//! one flush per command.

use std::collections::VecDeque;

use synod_base::time::Now;
use synod_core::txn::codec::v1;
use synod_core::txn::drive::Urgency;
use synod_core::txn::{Batch, Command};
use thiserror::Error;

use crate::replicator::Room;

/// Bytes of a batch beside its commands, at most.
const HEAD: usize = 1 + 10 + 10;

/// Limits of a [`Batcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Commands in a batch.
    pub batch_commands_max: usize,
    /// Bytes of a batch.
    pub batch_bytes_max: usize,
    /// Commands that wait. A quarter of this and of the bytes is kept for those that finish accepted work.
    pub queue_commands_max: usize,
    /// Bytes that wait.
    pub queue_bytes_max: usize,
    /// How long a lazy command waits for company.
    pub linger_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_commands_max: 4_096,
            batch_bytes_max: 1 << 20,
            queue_commands_max: 65_536,
            queue_bytes_max: 64 << 20,
            linger_ms: 10,
        }
    }
}

/// Why a command is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Cause {
    /// Too many wait already, or the disk has no room for new work. Later it may be taken.
    #[error("too much to do")]
    Full,
    /// It fits in no batch.
    #[error("a command of {0} bytes is too large")]
    TooLarge(usize),
}

/// A command that was not taken, or not proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<T> {
    /// It.
    pub command: Command,
    /// Whoever waits for it.
    pub ticket: T,
    /// Why.
    pub cause: Cause,
}

/// What is to be proposed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<T> {
    /// The batch.
    pub batch: Batch,
    /// Whoever waits for its outcomes, in the same order.
    pub tickets: Vec<T>,
}

#[derive(Debug)]
struct Waiting<T> {
    command: Command,
    ticket: T,
    urgency: Urgency,
    bytes: usize,
    since_mono: u64,
}

/// See the module. `T` is a ticket: whatever the caller needs to pass an outcome on.
#[derive(Debug)]
pub struct Batcher<T> {
    settings: Settings,
    queue: VecDeque<Waiting<T>>,
    /// Of the queue.
    bytes: usize,
    /// How many of the queue somebody waits for.
    urgent: usize,
    in_flight: bool,
    /// Of the last batch.
    stamp_ms: u64,
}

impl<T> Batcher<T> {
    /// Nothing waits.
    pub fn new(settings: Settings) -> Self {
        Self { settings, queue: VecDeque::new(), bytes: 0, urgent: 0, in_flight: false, stamp_ms: 0 }
    }

    /// Takes a command, to go out behind all that were taken before.
    ///
    /// # Errors
    /// When there is no place for it. It is given back, and nothing has happened.
    pub fn push(
        &mut self,
        command: Command,
        ticket: T,
        urgency: Urgency,
        now: Now,
    ) -> Result<(), Box<Refused<T>>> {
        let bytes = v1::size(&command);
        if let Some(cause) = self.objection(&command, bytes) {
            return Err(Box::new(Refused { command, ticket, cause }));
        }
        self.bytes += bytes;
        self.urgent += usize::from(urgency == Urgency::Now);
        self.queue.push_back(Waiting { command, ticket, urgency, bytes, since_mono: now.mono_ms });
        Ok(())
    }

    fn objection(&self, command: &Command, bytes: usize) -> Option<Cause> {
        let Settings { queue_commands_max, queue_bytes_max, batch_bytes_max, .. } = self.settings;
        if bytes + HEAD > batch_bytes_max {
            return Some(Cause::TooLarge(bytes));
        }
        let share = |max: usize| if command.is_new_work() { max - max / 4 } else { max };
        let full =
            self.queue.len() >= share(queue_commands_max) || self.bytes + bytes > share(queue_bytes_max);
        full.then_some(Cause::Full)
    }

    /// What is to be proposed now, if anything; [`done`](Self::done) has to follow. `applied_ms` is the stamp of the last batch
    /// that was applied.
    pub fn next(&mut self, now: Now, applied_ms: u64) -> Option<Gathered<T>> {
        if self.in_flight || self.due_mono().is_none_or(|due| due > now.mono_ms) {
            return None;
        }
        let mut commands = Vec::with_capacity(self.queue.len().min(self.settings.batch_commands_max));
        let mut tickets = Vec::with_capacity(commands.capacity());
        let mut room = self.settings.batch_bytes_max - HEAD;
        while commands.len() < self.settings.batch_commands_max
            && let Some(first) = self.queue.pop_front_if(|first| first.bytes <= room)
        {
            room -= first.bytes;
            self.forget(first.bytes, first.urgency);
            commands.push(first.command);
            tickets.push(first.ticket);
        }
        self.in_flight = true;
        // Several batches may have the same stamp: were each greater, a thousand a second would run ahead of the clock.
        self.stamp_ms = now.wall_ms.max(applied_ms).max(self.stamp_ms);
        Some(Gathered { batch: Batch { at_ms: self.stamp_ms, commands }, tickets })
    }

    /// The batch that was under way is no more: there are outcomes, or will be none.
    pub fn done(&mut self) {
        self.in_flight = false;
    }

    /// When [`next`](Self::next) will have something if nothing else is pushed, on the monotonic clock; none while a batch is
    /// under way or nothing waits.
    pub fn next_wake(&self) -> Option<u64> {
        if self.in_flight { None } else { self.due_mono() }
    }

    fn due_mono(&self) -> Option<u64> {
        let first = self.queue.front()?;
        let full = self.queue.len() >= self.settings.batch_commands_max
            || self.bytes >= self.settings.batch_bytes_max;
        // The first one is the oldest, and whatever goes out takes it along.
        let linger = if full || self.urgent > 0 { 0 } else { self.settings.linger_ms };
        Some(first.since_mono + linger)
    }

    /// Takes out what must not be proposed while the disk has room for `room` only.
    pub fn refuse(&mut self, room: Room) -> Vec<Refused<T>> {
        let goes = |waiting: &Waiting<T>| match room {
            Room::Any => false,
            Room::Reserve => waiting.command.is_new_work(),
            Room::Nothing => true,
        };
        self.take_out(goes)
    }

    /// Takes out everything that waits: this node does not lead any more.
    pub fn drain(&mut self) -> Vec<Refused<T>> {
        self.take_out(|_| true)
    }

    fn take_out(&mut self, goes: impl Fn(&Waiting<T>) -> bool) -> Vec<Refused<T>> {
        if !self.queue.iter().any(&goes) {
            return Vec::new();
        }
        let mut refused = Vec::new();
        for waiting in std::mem::take(&mut self.queue) {
            if goes(&waiting) {
                self.forget(waiting.bytes, waiting.urgency);
                let Waiting { command, ticket, .. } = waiting;
                refused.push(Refused { command, ticket, cause: Cause::Full });
            } else {
                self.queue.push_back(waiting);
            }
        }
        refused
    }

    fn forget(&mut self, bytes: usize, urgency: Urgency) {
        self.bytes -= bytes;
        self.urgent -= usize::from(urgency == Urgency::Now);
    }

    /// How many commands wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a batch is under way.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use synod_base::xid::Xid;
    use synod_core::txn::{Report, Way};

    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { wall_ms: 1_000 + mono_ms, mono_ms }
    }

    fn report(number: u64) -> Command {
        Command::Report(Report { xid: Xid::from_number(number).unwrap(), branch: 0, way: Way::Forward })
    }

    /// New work of about `bytes`.
    fn subscribe(bytes: usize) -> Command {
        Command::Subscribe { topic: "t".repeat(bytes).into(), url: "u".into(), remark: "".into() }
    }

    fn batcher(settings: Settings) -> Batcher<u32> {
        Batcher::new(settings)
    }

    fn tickets(gathered: Option<Gathered<u32>>) -> Vec<u32> {
        gathered.map_or(Vec::new(), |gathered| gathered.tickets)
    }

    fn push(batcher: &mut Batcher<u32>, ticket: u32, urgency: Urgency, mono_ms: u64) {
        batcher.push(report(u64::from(ticket) + 1), ticket, urgency, at(mono_ms)).unwrap();
    }

    #[test]
    fn one_batch_is_under_way_and_the_rest_waits_in_order() {
        let mut batcher = batcher(Settings::default());
        assert_eq!((batcher.next(at(0), 0), batcher.next_wake()), (None, None));
        push(&mut batcher, 0, Urgency::Now, 0);
        push(&mut batcher, 1, Urgency::Now, 0);
        assert_eq!(batcher.next_wake(), Some(0));
        assert_eq!(tickets(batcher.next(at(0), 0)), [0, 1]);
        push(&mut batcher, 2, Urgency::Now, 0);
        push(&mut batcher, 3, Urgency::Lazy, 1);
        push(&mut batcher, 4, Urgency::Now, 2);
        assert_eq!((batcher.next(at(50), 0), batcher.next_wake()), (None, None));
        batcher.done();
        assert_eq!(tickets(batcher.next(at(50), 0)), [2, 3, 4]);
        assert!(batcher.is_empty() && batcher.bytes() == 0 && batcher.is_in_flight());
    }

    #[test]
    fn a_lazy_command_waits_for_company_but_not_for_long() {
        let mut batcher = batcher(Settings::default());
        push(&mut batcher, 0, Urgency::Lazy, 5);
        push(&mut batcher, 1, Urgency::Lazy, 9);
        assert_eq!(batcher.next_wake(), Some(15));
        assert_eq!(batcher.next(at(14), 0), None);
        assert_eq!(tickets(batcher.next(at(15), 0)), [0, 1], "the younger one goes along");
        batcher.done();
        push(&mut batcher, 2, Urgency::Lazy, 20);
        push(&mut batcher, 3, Urgency::Now, 21);
        assert_eq!(tickets(batcher.next(at(21), 0)), [2, 3], "and never behind a later one");
        batcher.done();
        push(&mut batcher, 4, Urgency::Lazy, 30);
        assert_eq!(batcher.next(at(30), 0), None, "the hurry is over");
    }

    #[test]
    fn a_batch_is_bounded_in_number_and_bytes() {
        let mut few = batcher(Settings { batch_commands_max: 3, ..Settings::default() });
        (0..7).for_each(|n| push(&mut few, n, Urgency::Lazy, 0));
        let mut sizes = Vec::new();
        while let Some(gathered) = few.next(at(0), 0) {
            sizes.push(gathered.tickets.len());
            few.done();
        }
        assert_eq!(sizes, [3, 3], "full batches do not linger, the rest does");
        assert_eq!(tickets(few.next(at(10), 0)), [6]);

        let mut small = batcher(Settings { batch_bytes_max: 1_000, ..Settings::default() });
        for n in 0..5 {
            small.push(subscribe(400), n, Urgency::Now, at(0)).unwrap();
        }
        let mut taken = Vec::new();
        while let Some(gathered) = small.next(at(0), 0) {
            assert!(v1::encode(&gathered.batch).len() <= 1_000);
            taken.push(gathered.tickets);
            small.done();
        }
        assert_eq!(taken, [vec![0, 1], vec![2, 3], vec![4]]);
        let refused = small.push(subscribe(1_000), 9, Urgency::Now, at(0)).unwrap_err();
        assert!(matches!(refused.cause, Cause::TooLarge(1_005..)), "{refused:?}");
    }

    #[test]
    fn a_full_queue_refuses_new_work_first() {
        let settings = Settings { queue_commands_max: 8, queue_bytes_max: 10_000, ..Settings::default() };
        let mut batcher = batcher(settings);
        for n in 0..6 {
            batcher.push(subscribe(10), n, Urgency::Now, at(0)).unwrap();
        }
        let refused = batcher.push(subscribe(10), 6, Urgency::Now, at(0)).unwrap_err();
        assert_eq!((refused.cause, refused.ticket, &refused.command), (Cause::Full, 6, &subscribe(10)));
        push(&mut batcher, 7, Urgency::Lazy, 0);
        push(&mut batcher, 8, Urgency::Lazy, 0);
        assert_eq!(batcher.push(report(9), 9, Urgency::Now, at(0)).unwrap_err().cause, Cause::Full);
        assert_eq!(tickets(batcher.next(at(0), 0)).len(), 8);
        batcher.done();
        batcher.push(subscribe(7_000), 0, Urgency::Now, at(0)).unwrap();
        assert_eq!(batcher.push(subscribe(1_000), 1, Urgency::Now, at(0)).unwrap_err().cause, Cause::Full);
    }

    #[test]
    fn without_room_on_the_disk_what_was_accepted_goes_on() {
        let mut batcher = batcher(Settings::default());
        push(&mut batcher, 0, Urgency::Lazy, 0);
        batcher.push(subscribe(10), 1, Urgency::Now, at(0)).unwrap();
        push(&mut batcher, 2, Urgency::Lazy, 0);
        assert_eq!(batcher.refuse(Room::Any), []);
        let refused: Vec<_> =
            batcher.refuse(Room::Reserve).into_iter().map(|refused| refused.ticket).collect();
        assert_eq!(refused, [1]);
        assert_eq!(batcher.next_wake(), Some(10), "nobody waits for what is left");
        assert_eq!(tickets(batcher.next(at(10), 0)), [0, 2]);
        push(&mut batcher, 3, Urgency::Now, 11);
        assert_eq!(batcher.refuse(Room::Nothing).len(), 1);
        assert!(batcher.drain().is_empty() && batcher.bytes() == 0);
    }

    #[test]
    fn stamps_never_fall_whatever_the_clock_does() {
        let mut batcher = batcher(Settings::default());
        let mut stamp = |now: Now, applied_ms: u64| {
            push(&mut batcher, 0, Urgency::Now, 0);
            let stamp = batcher.next(now, applied_ms).unwrap().batch.at_ms;
            batcher.done();
            stamp
        };
        assert_eq!(stamp(at(0), 0), 1_000);
        assert_eq!(stamp(at(0), 1_000), 1_000, "however many there are in one millisecond");
        assert_eq!(
            stamp(Now { wall_ms: 10, mono_ms: 1 }, 1_000),
            1_000,
            "set back, and the last outcome unknown"
        );
        assert_eq!(stamp(at(2), 5_000), 5_000, "an earlier leader's clock was ahead");
        assert_eq!(stamp(at(9_000), 5_000), 10_000);
    }
}
