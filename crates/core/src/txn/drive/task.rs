//! One transaction under way: what is known of it, who is being called, what pauses.

use std::sync::Arc;

use smallvec::SmallVec;
use synod_base::time::Now;

use super::super::command::Report;
use super::super::mode::{CallResult, Errand, Next};
use super::super::model::{Status, Step, Txn, Way};
use super::CallId;
use super::gate::Places;

/// Attempts remembered of one transaction.
const ATTEMPTS_MAX: usize = 50;
/// Bytes of an error that are remembered.
const ERROR_BYTES_MAX: usize = 500;

/// A call that waits for its next attempt.
#[derive(Clone, Debug)]
pub struct Pause {
    /// Which call.
    pub errand: Errand,
    /// Failed attempts in a row.
    pub failures: u32,
    /// When it is due, on the monotonic clock.
    pub due_mono: u64,
    /// What the last attempt came to.
    pub error: Box<str>,
}

/// One attempt of a call.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which call.
    pub errand: Errand,
    /// When it left, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// How it ended; errors are cut short.
    pub result: CallResult,
}

impl Attempt {
    pub(super) fn new(errand: Errand, since: Now, now: Now, result: &CallResult) -> Self {
        let cut = |text: &str| {
            let end = (0..=ERROR_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            text[..end.unwrap_or(0)].into()
        };
        let result = match result {
            CallResult::Refused(text) => CallResult::Refused(cut(text)),
            CallResult::Failed(text) => CallResult::Failed(cut(text)),
            other => other.clone(),
        };
        Self { errand, at_ms: since.wall_ms, took_ms: now.mono_ms - since.mono_ms, result }
    }
}

#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    branch: u16,
    way: Way,
    /// When it was proposed, on the monotonic clock.
    at_mono: u64,
}

#[derive(Debug)]
pub(super) struct Task {
    /// As applied, with the acknowledgements that are proposed but not applied yet.
    pub(super) txn: Arc<Txn>,
    acknowledged: SmallVec<[Acknowledged; 2]>,
    pub(super) flights: SmallVec<[(Errand, CallId); 4]>,
    pub(super) pauses: Vec<Pause>,
    /// Where calls have failed, as [`super::hurry::Failed`] has it.
    pub(super) failed_at: Vec<Arc<str>>,
    pub(super) attempts: Vec<Attempt>,
    /// A proposal is under way that decides how it goes on, made when it stood like this.
    pub(super) deciding: Option<Status>,
    /// Nothing is done before this moment on the monotonic clock.
    pub(super) held_until: u64,
    /// Actions may have been called that are not known here: somebody else drove it before.
    pub(super) unsure: bool,
    /// Somebody wants every call tried at once: what is under way now is tried again at once should it fail.
    pub(super) hurried: SmallVec<[Errand; 1]>,
    /// Where it stands in line.
    pub(super) places: Places,
    pub(super) timer_mono: Option<u64>,
    /// That its initiator need not wait any more has been told, of this way.
    pub(super) told: Option<Way>,
}

impl Task {
    pub(super) fn new(txn: Arc<Txn>, unsure: bool) -> Self {
        Self {
            txn,
            acknowledged: SmallVec::new(),
            flights: SmallVec::new(),
            pauses: Vec::new(),
            failed_at: Vec::new(),
            attempts: Vec::new(),
            deciding: None,
            held_until: 0,
            unsure,
            hurried: SmallVec::new(),
            places: Places::new(),
            timer_mono: None,
            told: None,
        }
    }

    /// The transaction changed.
    pub(super) fn update(&mut self, txn: &Arc<Txn>) {
        let applied = |ack: &Acknowledged| {
            txn.branches.get(usize::from(ack.branch)).is_none_or(|branch| !branch.leg(ack.way).is_pending())
        };
        self.acknowledged.retain(|ack| !applied(ack));
        let mut copy = Arc::clone(txn);
        for Acknowledged { branch, way, .. } in &self.acknowledged {
            Arc::make_mut(&mut copy).branches[usize::from(*branch)].leg_mut(*way).step = Step::Done;
        }
        // What is not wanted any more does not pause any more.
        let turned = self.txn.status != copy.status;
        self.txn = copy;
        if turned {
            self.pauses.clear();
        }
    }

    /// Notes an acknowledgement and says what to propose.
    pub(super) fn acknowledge(&mut self, errand: Errand, at_mono: u64) -> Option<Report> {
        let Errand::Leg(branch, way) = errand else { return None };
        let at = usize::from(branch);
        if !self.txn.branches.get(at).is_some_and(|branch| branch.leg(way).is_pending()) {
            return None;
        }
        Arc::make_mut(&mut self.txn).branches[at].leg_mut(way).step = Step::Done;
        self.acknowledged.push(Acknowledged { branch, way, at_mono });
        Some(Report { xid: self.txn.xid, branch, way })
    }

    /// What was acknowledged and is not applied.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = Report> {
        self.acknowledged.iter().map(|ack| Report { xid: self.txn.xid, branch: ack.branch, way: ack.way })
    }

    /// Of this what was proposed at `until_mono` or before; it counts as proposed now.
    pub(super) fn late(&mut self, until_mono: u64, now_mono: u64) -> Vec<Report> {
        let xid = self.txn.xid;
        let late = self.acknowledged.iter_mut().filter(|ack| ack.at_mono <= until_mono);
        late.map(|ack| {
            ack.at_mono = now_mono;
            Report { xid, branch: ack.branch, way: ack.way }
        })
        .collect()
    }

    /// Whether nothing is left to do once all acknowledgements are applied.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.txn.mode.rules().next(&self.txn, u64::MAX), Next::Finish(_))
    }

    /// Whether its initiator need not wait any more and has not been told so. Of a mode that does not end quietly it is told the end.
    pub(super) fn is_newly_told(&mut self) -> bool {
        let Some(way) = self.txn.status.way() else { return false };
        let quiet = self.txn.mode.rules().ends_quietly();
        let new = quiet && self.told != Some(way) && self.txn.is_told(way) && !self.txn.is_refused();
        if new {
            self.told = Some(way);
        }
        new
    }

    /// Whether the last acknowledgement is one that somebody waits for.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_finished() && !self.txn.mode.rules().ends_quietly()
    }

    /// A proposal is made that decides how it goes on. What was wanted at once has been answered: should the proposal come to
    /// nothing, there is no hurry any more.
    pub(super) fn decides(&mut self) {
        self.deciding = Some(self.txn.status);
        self.hurried.clear();
    }

    /// Whether the result of a call still counts.
    pub(super) fn wants(&self, errand: Errand) -> bool {
        let way = match errand {
            _ if self.deciding.is_some() => return false,
            Errand::BackCheck => return self.txn.status == Status::Active,
            Errand::Leg(_, way) => way,
        };
        self.txn.status.way() == Some(way)
    }

    pub(super) fn is_flying(&self, errand: Errand) -> bool {
        self.flights.iter().any(|(other, _)| *other == errand)
    }

    /// A branch is not sent back while it may still be going forward.
    pub(super) fn is_blocked(&self, errand: Errand) -> bool {
        match errand {
            Errand::Leg(branch, way) => self.is_flying(Errand::Leg(branch, way.opposite())),
            Errand::BackCheck => false,
        }
    }

    pub(super) fn paused_until(&self, errand: Errand, now_mono: u64) -> Option<u64> {
        let pause = self.pauses.iter().find(|pause| pause.errand == errand)?;
        (pause.due_mono > now_mono).then_some(pause.due_mono)
    }

    /// Failed attempts of a call so far.
    pub(super) fn failures(&self, errand: Errand) -> u32 {
        let counted = match errand {
            Errand::Leg(branch, way) => {
                self.txn.branches.get(usize::from(branch)).map_or(0, |branch| branch.leg(way).attempts)
            }
            Errand::BackCheck => 0,
        };
        let here = self.pauses.iter().find(|pause| pause.errand == errand);
        here.map_or(counted, |pause| pause.failures.max(counted))
    }

    pub(super) fn pause(&mut self, pause: Pause) {
        match self.pauses.iter_mut().find(|known| known.errand == pause.errand) {
            Some(known) => *known = pause,
            None => self.pauses.push(pause),
        }
    }

    /// A call has succeeded. Returns whether nothing is left that somebody should look at.
    pub(super) fn forgive(&mut self, errand: Errand, attention_after: u32) -> bool {
        self.pauses.retain(|pause| pause.errand != errand);
        self.pauses.iter().all(|pause| pause.failures < attention_after)
    }

    pub(super) fn note(&mut self, attempt: Attempt) {
        if self.attempts.len() >= ATTEMPTS_MAX {
            // The beginning and the end are what people look for.
            self.attempts.remove(ATTEMPTS_MAX / 2);
        }
        self.attempts.push(attempt);
    }
}
