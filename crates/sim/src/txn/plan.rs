//! What a seed stands for.

use synod_base::rng::Rng;

/// Within so long of virtual time everything has to end once nothing goes wrong any more.
pub const HEAL_MS: u64 = 180_000;
/// How long the coordinator waits for the answer to a call.
pub const CALL_MS: u64 = 2_000;
/// How long a client waits for an answer before it asks again.
pub const REQUEST_MS: u64 = 1_500;
/// A participant in doubt asks after so long.
pub const DOUBT_MS: u64 = 9_000;

/// Something that is broken on purpose, to see whether it is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breakage {
    /// Nothing.
    #[default]
    None,
    /// Applied and answered before it is flushed.
    AnswersBeforeFlush,
    /// Of an unknown transaction it is said that it committed.
    UnknownIsCommitted,
    /// Of an ended transaction it is said that it never was.
    ForgetsOutcomes,
    /// One answer in ten to a call, or its absence, is never heard of.
    LosesReturns,
    /// Whoever takes over behaves as if it had called everything itself.
    IsSureAfterTakeOver,
    /// Ids are given out again after a restart.
    ReusesIds,
    /// The snapshot is older than what is cut off the log.
    CutsLogTooFar,
    /// The log says that it has flushed, and has not.
    SkipsFlushes,
    /// Whoever asks for rows that another transaction holds is told that it has got them.
    IgnoresLocks,
    /// Snapshots say nothing of rows.
    ForgetsRows,
}

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AnswersBeforeFlush,
        Self::UnknownIsCommitted,
        Self::ForgetsOutcomes,
        Self::LosesReturns,
        Self::IsSureAfterTakeOver,
        Self::ReusesIds,
        Self::CutsLogTooFar,
        Self::SkipsFlushes,
        Self::IgnoresLocks,
        Self::ForgetsRows,
    ];
}

/// The makings of one run. All times are virtual; `…_percent` are chances of 100.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which run it is.
    pub seed: u64,
    /// Who takes part.
    pub participants: usize,
    /// How many transactions are begun.
    pub transactions: usize,
    /// That a transaction is a mixed one, apart from those that are so by chance.
    pub mixed_percent: u64,
    /// The longest that a client pauses between one thing and the next.
    pub think_ms_max: u64,
    /// How long things go wrong.
    pub storm_ms: u64,
    /// Messages lost.
    pub loss_percent: u64,
    /// Messages that arrive twice.
    pub duplicate_percent: u64,
    /// The longest a message is on its way.
    pub delay_ms_max: u64,
    /// The longest a flush takes.
    pub flush_ms_max: u64,
    /// How long a lazy command waits for company.
    pub linger_ms: u64,
    /// From one crash of the coordinator to the next, on average; 0 for none.
    pub crash_every_ms: u64,
    /// Of a participant, likewise.
    pub participant_crash_every_ms: u64,
    /// That a client dies before its next step.
    pub client_crash_percent: u64,
    /// That a participant refuses.
    pub refuse_percent: u64,
    /// That it fails, before or after it has done its part.
    pub fail_percent: u64,
    /// That it says "ongoing".
    pub ongoing_percent: u64,
    /// That it takes longer than anybody waits.
    pub slow_percent: u64,
    /// From one snapshot to the next; 0 for none.
    pub snapshot_every_ms: u64,
    /// From one spell without room on the disk to the next; 0 for none.
    pub full_every_ms: u64,
    /// From one act of an operator to the next; 0 for none.
    pub operator_every_ms: u64,
    /// That a flush fails, which ends the coordinator.
    pub flush_fails_percent: u64,
    /// That the power goes while a snapshot is written.
    pub snapshot_fails_percent: u64,
    /// That after a crash a bit of a copy of the log is flipped.
    pub flip_percent: u64,
    /// Begins are answered before they are in the log, as DESIGN section 5 allows.
    pub early_begin: bool,
    /// Commands in a batch at most.
    pub batch_commands_max: usize,
    /// Calls to one destination at most.
    pub per_destination_max: usize,
    /// What is broken on purpose.
    pub breakage: Breakage,
}

impl Plan {
    /// The run of this seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x0007_c51d);
        let mut pick = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        Self {
            seed,
            participants: pick(&[2, 3, 4]) as usize,
            transactions: pick(&[3, 8, 14]) as usize,
            mixed_percent: pick(&[0, 0, 30, 90]),
            think_ms_max: pick(&[30, 300, 1_000]),
            storm_ms: pick(&[8_000, 15_000, 30_000]),
            loss_percent: pick(&[0, 5, 20]),
            duplicate_percent: pick(&[0, 5, 20]),
            delay_ms_max: pick(&[3, 50, 800]),
            flush_ms_max: pick(&[2, 10, 60]),
            linger_ms: pick(&[1, 10, 200, 1_500]),
            crash_every_ms: pick(&[0, 700, 2_000, 6_000]),
            participant_crash_every_ms: pick(&[0, 2_000, 8_000]),
            client_crash_percent: pick(&[0, 3, 10]),
            refuse_percent: pick(&[0, 5, 20]),
            fail_percent: pick(&[0, 5, 30]),
            ongoing_percent: pick(&[0, 5, 15]),
            slow_percent: pick(&[0, 3, 10]),
            snapshot_every_ms: pick(&[0, 500, 3_000]),
            full_every_ms: pick(&[0, 0, 5_000]),
            operator_every_ms: pick(&[0, 0, 3_000]),
            early_begin: pick(&[0, 1]) == 1,
            batch_commands_max: pick(&[1, 3, 4_096]) as usize,
            per_destination_max: pick(&[1, 2, 1_000]) as usize,
            flush_fails_percent: pick(&[0, 0, 1, 5]),
            snapshot_fails_percent: pick(&[0, 0, 10, 50]),
            flip_percent: pick(&[0, 20]),
            breakage: Breakage::None,
        }
    }
}
