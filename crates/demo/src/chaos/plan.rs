//! A transfer: who pays whom, how much, and how the two banks agree on it.

use crate::bank::Posting;
use crate::mode::Mode;

/// At each bank. The second half is for AT, whose rows nobody may change who does not ask for its locks.
pub(super) const ACCOUNTS: i64 = 32;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Our own name for it, where it is ours to choose.
    pub(super) id: String,
    pub(super) mode: Mode,
    /// The bank that pays: 0 or 1. The other one is paid.
    pub(super) from: usize,
    pub(super) take: Vec<Part>,
    pub(super) bring: Part,
}

/// What one bank is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// How, where the two ends differ or there are several.
    pub(super) way: &'static str,
    pub(super) posting: Posting,
}

/// One in so many asks for more than there is.
const TOO_MUCH: u32 = 20;

impl Plan {
    pub(super) fn random(random: &mut fastrand::Rng, modes: &[Mode]) -> Self {
        let mode = modes[random.usize(..modes.len())];
        let half = ACCOUNTS / 2;
        let amount = if random.u32(..TOO_MUCH) == 0 { 1_000_000 } else { random.i64(2..50) };
        let mut part = |way, amount| {
            let account = random.i64(0..half) + if way == "at" { half } else { 0 };
            Part { way, posting: Posting { account, amount } }
        };
        let (take, bring) = match mode {
            Mode::Mixed | Mode::MixedNative => {
                let one = amount / 2;
                (vec![part("tcc", one), part("dtm", amount - one)], part("at", amount))
            }
            mode => (vec![part(mode.as_str(), amount)], part(mode.as_str(), amount)),
        };
        let id = format!("chaos-{:016x}", random.u64(..));
        Self { id, mode, from: random.usize(..2), take, bring }
    }

    pub(super) const fn to(&self) -> usize {
        1 - self.from
    }
}
