//! One transaction, whole: its branches with both of their legs, what was tried, what is tried next.

use std::collections::BTreeMap;

use bytes::Bytes;
use synod_core::txn::drive::Attempt;
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Leg, Options, Protocol, Step, Txn, Way};

use super::{Code, Desk, Driven, Found, No, shown_url};

/// Bytes of a payload that are shown with the whole transaction; one branch is shown with all of its.
pub const PAYLOAD_SHOWN_MAX: usize = 4 << 10;
/// Headers whose values are nobody's business.
const SECRET: [&str; 5] = ["authorization", "cookie", "token", "secret", "key"];

/// What else is known of a transaction than how it stands.
#[derive(Clone, Debug)]
pub struct Details {
    /// What was wished of it.
    pub options: Options,
    /// Sent with every call; what may be a secret is not shown.
    pub headers: BTreeMap<String, String>,
    /// Whom to call when the initiator is silent.
    pub back_check: Option<LegView>,
    /// A workflow's input.
    pub payload: Bytes,
    /// Who takes part.
    pub branches: Vec<BranchView>,
    /// What was tried, oldest first; not all of it when that was much.
    pub attempts: Vec<AttemptView>,
}

/// A branch.
#[derive(Clone, Debug)]
pub struct BranchView {
    /// Its place, from 0 on.
    pub number: u16,
    /// The id by which the participant knows it.
    pub id: String,
    /// What of several things with one id it is.
    pub label: String,
    /// What it is called with.
    pub payload: Bytes,
    /// The branches, by id, that go first.
    pub after: Vec<String>,
    /// When it joined.
    pub joined_ms: u64,
    /// Action, confirm, commit, delivery.
    pub forward: LegView,
    /// Compensate, cancel, rollback.
    pub backward: LegView,
}

/// Somebody to call.
#[derive(Clone, Debug)]
pub struct LegView {
    /// Where and in which protocol; nobody.
    pub target: Option<(String, Protocol)>,
    /// How far it is.
    pub step: Step,
    /// Failed attempts, where they count towards a limit or a schedule.
    pub counted_failures: u32,
    /// Failed attempts in a row, since this node drives the transaction.
    pub failures: u32,
    /// What the last of them came to.
    pub last_error: Option<String>,
    /// When it is tried again.
    pub next_attempt_ms: Option<u64>,
    /// Since when it is being called.
    pub calling_since_ms: Option<u64>,
    /// When it reached its last step.
    pub at_ms: Option<u64>,
}

/// One attempt of a call.
#[derive(Clone, Debug)]
pub struct AttemptView {
    /// The branch, by its id; none for the initiator.
    pub branch: Option<String>,
    /// The branch's place, from 0 on; none for the initiator.
    pub number: Option<u16>,
    /// Which of its legs; none for the initiator.
    pub way: Option<Way>,
    /// When it left.
    pub at_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// What came of it.
    pub result: CallResult,
}

impl Desk<'_> {
    /// What else is known of a transaction; nothing when its details are gone.
    pub async fn details(&self, found: &Found) -> Option<Details> {
        match found {
            Found::Open(txn) => {
                let driven = self.driven(txn.xid).await;
                Some(Details::of(txn, &driven.attempts, &driven))
            }
            Found::Ended(_, _, detail) => {
                detail.as_ref().map(|detail| Details::of(&detail.txn, &detail.attempts, &Driven::default()))
            }
        }
    }

    /// The one branch of this id, if the transaction's details are still there.
    ///
    /// # Errors
    /// There is no such transaction, or no such branch in it.
    pub async fn branch(&self, id: &str, branch: &str) -> Result<BranchView, No> {
        self.arrived(id).await;
        let found = self.find(id)?;
        let driven = match &found {
            Found::Open(txn) => self.driven(txn.xid).await,
            Found::Ended(..) => Driven::default(),
        };
        let view = found.txn().and_then(|txn| {
            let at = txn.branches.iter().position(|known| *known.id == *branch)?;
            Some(BranchView::of(txn, at, &driven))
        });
        view.ok_or_else(|| {
            No::new(Code::NoBranch, format!("{id:?} has no branch {branch:?}, or its details are gone"))
        })
    }
}

impl Details {
    fn of(txn: &Txn, attempts: &[Attempt], driven: &Driven) -> Self {
        let back_check = txn.back_check.as_ref().map(|target| {
            let leg = Leg { step: Step::Pending, ..Leg::new(Some(target.clone())) };
            LegView::of(&leg, Errand::BackCheck, driven)
        });
        Self {
            options: txn.options.clone(),
            headers: headers(txn),
            back_check,
            payload: txn.note.clone(),
            branches: (0..txn.branches.len()).map(|at| BranchView::of(txn, at, driven)).collect(),
            attempts: attempts.iter().map(|attempt| AttemptView::of(txn, attempt)).collect(),
        }
    }
}

fn headers(txn: &Txn) -> BTreeMap<String, String> {
    let shown = |name: &str, value: &str| {
        let name = name.to_lowercase();
        if SECRET.iter().any(|secret| name.contains(secret)) { "…".into() } else { value.to_owned() }
    };
    txn.headers.iter().map(|(name, value)| (name.to_string(), shown(name, value))).collect()
}

impl BranchView {
    fn of(txn: &Txn, at: usize, driven: &Driven) -> Self {
        let branch = &txn.branches[at];
        // A transaction's branches are numbered in 16 bits.
        let number = at as u16;
        let leg = |way: Way| LegView::of(branch.leg(way), Errand::Leg(number, way), driven);
        Self {
            number,
            id: branch.id.to_string(),
            label: branch.label.to_string(),
            payload: branch.payload.clone(),
            after: branch.after.iter().filter_map(|at| branch_id(txn, *at)).collect(),
            joined_ms: branch.joined_ms,
            forward: leg(Way::Forward),
            backward: leg(Way::Backward),
        }
    }
}

fn branch_id(txn: &Txn, at: u16) -> Option<String> {
    txn.branches.get(usize::from(at)).map(|branch| branch.id.to_string())
}

impl LegView {
    fn of(leg: &Leg, errand: Errand, driven: &Driven) -> Self {
        let trouble = driven.troubles.iter().find(|trouble| trouble.errand == errand);
        let calling = driven.under_way.iter().find(|(under_way, _)| *under_way == errand);
        let error = trouble.map(|trouble| trouble.error.to_string());
        Self {
            target: leg.target.as_ref().map(|target| (shown_url(target), target.protocol)),
            step: leg.step,
            counted_failures: leg.attempts,
            failures: trouble.map_or(0, |trouble| trouble.failures),
            last_error: error.filter(|error| !error.is_empty()),
            next_attempt_ms: trouble.map(|trouble| trouble.next_ms),
            calling_since_ms: calling.map(|(_, since_ms)| *since_ms),
            at_ms: Some(leg.at_ms).filter(|ms| *ms > 0),
        }
    }
}

impl AttemptView {
    fn of(txn: &Txn, attempt: &Attempt) -> Self {
        let (number, way) = match attempt.errand {
            Errand::BackCheck => (None, None),
            Errand::Leg(at, way) => (Some(at), Some(way)),
        };
        let branch = number.and_then(|at| branch_id(txn, at));
        let Attempt { at_ms, took_ms, .. } = *attempt;
        Self { branch, number, way, at_ms, took_ms, result: attempt.result.clone() }
    }
}
