//! Transaction ids out of durably reserved blocks.

use synod_base::xid::{SEQUENCE_MAX, Xid};
use synod_core::txn::Command;

/// 2020-01-01T00:00:00Z in milliseconds since 1970.
const EPOCH_MS: u64 = 1_577_836_800_000;
/// A new data directory begins behind everything that an earlier one can have given out, had it given out so many ids each
/// millisecond.
const PER_MS: u64 = 256;

/// Gives out ids. Each is given out once, ever: not before the block it comes from is durably reserved, and never again after a
/// restart, which begins behind all blocks that were reserved before.
#[derive(Debug)]
pub struct IdBlocks {
    group: u16,
    /// The next one to give out.
    next: u64,
    /// The first one that may not be given out.
    reserved: u64,
    /// What was asked for and not answered yet.
    asked: Option<u64>,
    block: u64,
}

impl IdBlocks {
    /// Ids in a block: what a restart wastes at most.
    pub const BLOCK: u64 = 1 << 16;

    /// The ids of a leader that takes over: `reserved` is [`State::reserved`] after it has applied everything; 0 in a new data
    /// directory, which begins at a number that follows from the wall clock.
    ///
    /// [`State::reserved`]: synod_core::txn::State::reserved
    pub fn take_over(group: u16, reserved: u64, wall_ms: u64) -> Self {
        let start = match reserved {
            0 => wall_ms.saturating_sub(EPOCH_MS).saturating_mul(PER_MS).clamp(1, SEQUENCE_MAX),
            reserved => reserved,
        };
        Self { group, next: start, reserved: start, asked: None, block: Self::BLOCK }
    }

    /// The same with blocks of another size.
    #[must_use]
    pub fn with_block(self, block: u64) -> Self {
        Self { block: block.max(1), ..self }
    }

    /// An id that was never given out before; none while no block is reserved ([`wanted`](Self::wanted) says which to reserve), or
    /// when all are used up.
    pub fn take(&mut self) -> Option<Xid> {
        if self.next >= self.reserved {
            return None;
        }
        let xid = Xid::new(self.group, self.next);
        self.next += 1;
        xid
    }

    /// How many can be given out right now.
    pub fn left(&self) -> u64 {
        self.reserved - self.next
    }

    /// What has to be proposed now so that ids do not run out: once per block, when half of the present one is used.
    pub fn wanted(&mut self) -> Option<Command> {
        if self.asked.is_some() || self.left() > self.block / 2 || self.reserved > SEQUENCE_MAX {
            return None;
        }
        let below = (self.reserved + self.block).min(SEQUENCE_MAX + 1);
        self.asked = Some(below);
        Some(Command::Reserve { below })
    }

    /// What [`wanted`](Self::wanted) returned last has been applied.
    pub fn granted(&mut self) {
        if let Some(below) = self.asked.take() {
            self.reserved = below;
        }
    }

    /// What [`wanted`](Self::wanted) returned last was refused, or its outcome is unknown: it has to be asked for again.
    /// Reserving the same block twice does no harm.
    pub fn failed(&mut self) {
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(command: Option<Command>) -> Option<u64> {
        command.map(|command| match command {
            Command::Reserve { below } => below,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_new_directory_begins_by_the_clock_and_a_takeover_where_the_last_block_ends() {
        let mut new = IdBlocks::take_over(0, 0, EPOCH_MS + 10);
        assert_eq!(below(new.wanted()), Some(2_560 + IdBlocks::BLOCK));
        new.granted();
        assert_eq!(new.take(), Xid::new(0, 2_560));
        let mut later = IdBlocks::take_over(0, 2_560 + IdBlocks::BLOCK, EPOCH_MS);
        assert_eq!(below(later.wanted()), Some(2_560 + 2 * IdBlocks::BLOCK));
        let mut unset = IdBlocks::take_over(3, 0, 5);
        unset.wanted();
        unset.granted();
        assert_eq!(unset.take(), Xid::new(3, 1), "a clock before 2020 gives no id 0");
    }

    #[test]
    fn nothing_is_given_out_that_is_not_reserved() {
        let mut ids = IdBlocks::take_over(0, 100, 0).with_block(10);
        assert_eq!(ids.take(), None);
        assert_eq!(below(ids.wanted()), Some(110));
        assert_eq!((ids.take(), below(ids.wanted())), (None, None), "asked once, not there yet");
        ids.granted();
        let mut asked = Vec::new();
        let given: Vec<_> = (0..12)
            .map(|n| {
                asked.extend(below(ids.wanted()).map(|below| (n, below)));
                ids.take().map(Xid::sequence)
            })
            .collect();
        assert_eq!(
            given,
            [100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 0, 0].map(|n| (n > 0).then_some(n))
        );
        assert_eq!(asked, [(5, 120)], "before the present block is used up");
        ids.failed();
        assert_eq!(below(ids.wanted()), Some(120));
        ids.granted();
        assert_eq!(ids.take().map(Xid::sequence), Some(110));
    }

    #[test]
    fn the_last_id_is_the_last() {
        let mut ids = IdBlocks::take_over(0, SEQUENCE_MAX - 1, 0).with_block(10);
        assert_eq!(below(ids.wanted()), Some(SEQUENCE_MAX + 1));
        ids.granted();
        let given: Vec<_> = (0..3).map(|_| ids.take().map(Xid::sequence)).collect();
        assert_eq!(given, [Some(SEQUENCE_MAX - 1), Some(SEQUENCE_MAX), None]);
        assert_eq!(below(ids.wanted()), None);
        let mut after = IdBlocks::take_over(0, SEQUENCE_MAX + 1, 0);
        assert_eq!((below(after.wanted()), after.take()), (None, None));
    }
}
