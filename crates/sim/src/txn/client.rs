//! An initiator: one transaction each, step by step, until it is over or the initiator dies.

use synod_base::rng::Rng;
use synod_base::xid::Xid;
use synod_core::txn::{Begin, Enrolment, Mode, Options, Protocol, Rows, Target, Way};

use super::database::{ROWS, RowSet};
use super::participant::Op;
use super::plan::Plan;

/// Somebody else has the rows: a client gives up after so many tries.
const LOCK_TRIES: u32 = 6;

/// What the initiator of a message knows of its own local transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// Under way.
    Open,
    /// Committed.
    Committed,
    /// Rolled back, for good.
    Aborted,
}

/// What a client does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Begins.
    Begin,
    /// Enlists branch number so.
    Enlist(usize),
    /// Calls the participant of a branch itself.
    Ask(usize, Op),
    /// Notes a step of its workflow: branch, which way, whether it was refused.
    Note(usize, Way, bool),
    /// Commits or rolls back its local transaction.
    Local,
    /// Decides.
    Decide(Way),
    /// Asks how it stands.
    Query,
    /// Has read the rows of a branch for a change, and asks whether another transaction has changed them.
    Look(usize),
    /// Says that a branch has done nothing.
    Withdraw(usize),
    /// Nothing any more.
    Rest,
}

/// A step of a workflow that is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Which branch.
    pub branch: usize,
    /// Which way.
    pub way: Way,
    /// Whether the participant refused.
    pub refused: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Client {
    /// Its number.
    pub number: usize,
    /// The kind of its transaction.
    pub mode: Mode,
    /// Whether it begins without submitting, and enlists branch by branch.
    pub in_steps: bool,
    /// Begins without an id of its own.
    pub nameless: bool,
    /// Has branches tried before it enlists them. Whoever is asked about a begin that got lost has to say that it did not
    /// commit.
    pub hasty: bool,
    /// The participant of each branch.
    pub branches: Vec<usize>,
    /// The rows that each branch changes, where it does.
    pub rows: Vec<Option<RowSet>>,
    /// The numbers under which branches have joined.
    pub numbers: Vec<u16>,
    /// The branches whose rows it did not get, and whose local transactions it has rolled back. They may have joined for all
    /// that, when a request that it did not wait for any more came late.
    pub given_up: Vec<usize>,
    /// Asks for rows that it is about to change whether another transaction has changed them.
    pub careful: bool,
    /// Goes on without a branch that has done nothing.
    pub modest: bool,
    /// Its wishes.
    pub options: Options,
    /// What each step waits for.
    pub after: Vec<Vec<u16>>,
    /// Its transaction, once it knows.
    pub xid: Option<Xid>,
    /// Whether it lives.
    pub alive: bool,
    /// The request it waits for; others' answers are late.
    pub waits: u64,
    /// How far it is.
    pub next: Deed,
    /// Its local transaction.
    pub local: Local,
    /// Steps that are noted, of a workflow.
    pub noted: Vec<Noted>,
    /// Tries of the present step.
    pub tries: u32,
}

impl Client {
    /// A client with a transaction of some kind.
    pub fn new(number: usize, plan: &Plan, rng: &mut Rng) -> Self {
        // Sagas have the most ways to go.
        let kind = rng.below(Mode::ALL.len() as u64 + 2) as usize;
        let mixed = rng.percent(plan.mixed_percent);
        let mode = if mixed { Mode::Mixed } else { Mode::ALL.get(kind).copied().unwrap_or(Mode::Saga) };
        let count = if mode == Mode::Notification { 1 } else { 1 + rng.below(4) as usize };
        let mut pick = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        let options = Options {
            timeout_ms: pick(&[3_000, 6_000, 15_000]),
            retry_ms: pick(&[200, 1_000]),
            retry_limit: if mode == Mode::Saga { pick(&[0, 0, 2]) as u32 } else { 0 },
            delay_ms: if mode == Mode::Message { pick(&[0, 0, 2_000]) } else { 0 },
            concurrent: pick(&[0, 0, 1]) == 1,
            forward_only: mode == Mode::Saga && pick(&[0, 0, 0, 0, 1]) == 1,
            schedule_ms: if mode == Mode::Notification { vec![300, 700, 1_500] } else { vec![] },
            call_timeout_ms: 0,
        };
        let (in_steps, nameless) = (pick(&[0, 0, 1]) == 1, pick(&[0, 1]) == 1);
        let hasty = pick(&[0, 1]) == 1 && matches!(mode, Mode::Xa | Mode::Tcc | Mode::Mixed);
        let (careful, modest) = (pick(&[0, 1]) == 1, pick(&[0, 0, 1]) == 1);
        let mut rows = |_| {
            // One that many want, or any of them.
            let some = if rng.percent(50) { 1 } else { 1 + rng.below((1 << ROWS) - 1) as u8 };
            (mode == Mode::Mixed && rng.percent(70)).then_some(RowSet(some))
        };
        let rows: Vec<Option<RowSet>> = (0..count).map(&mut rows).collect();
        let mut somebody = |rows: &Option<RowSet>| match rows {
            Some(_) if rng.percent(50) => 0,
            _ => rng.below(plan.participants as u64) as usize,
        };
        let branches = rows.iter().map(&mut somebody).collect();
        let mut after = |at: usize| (0..at as u16).filter(|_| rng.percent(40)).collect::<Vec<_>>();
        let after = (0..count).map(|at| if mode == Mode::Saga { after(at) } else { vec![] }).collect();
        Self {
            number,
            mode,
            in_steps: in_steps && mode == Mode::Saga,
            nameless: nameless && matches!(mode, Mode::Xa | Mode::Tcc | Mode::Mixed),
            // What has changed rows has joined before it commits them.
            hasty: hasty && rows.iter().all(Option::is_none),
            numbers: vec![0; count],
            rows,
            given_up: Vec::new(),
            careful,
            modest,
            branches,
            options,
            after,
            xid: None,
            alive: true,
            waits: 0,
            next: Deed::Begin,
            local: Local::Open,
            noted: Vec::new(),
            tries: 0,
        }
    }

    /// Its own id: each begins like others.
    pub fn gid(&self) -> String {
        format!("order-{}", self.number)
    }

    /// The id of a branch that joins too late.
    pub const LATE: &str = "late";

    /// The id of a branch.
    pub fn branch_id(at: usize) -> String {
        format!("{:02}", at + 1)
    }

    fn target(participant: usize, word: &str) -> Option<Target> {
        Some(Target { protocol: Protocol::Http, url: format!("http://p{participant}/{word}").into() })
    }

    /// A branch as it is enlisted.
    pub fn branch(&self, at: usize) -> Enrolment {
        let (participant, after) = (self.branches[at], self.after[at].iter().copied().collect());
        let called = self.mode != Mode::Workflow;
        let undone = matches!(self.mode, Mode::Xa | Mode::Tcc | Mode::Mixed | Mode::Saga);
        Enrolment {
            id: Self::branch_id(at).into(),
            label: "".into(),
            forward: Self::target(participant, "forward").filter(|_| called),
            backward: Self::target(participant, "backward").filter(|_| undone),
            payload: "payload".into(),
            after,
            refused: false,
            rows: self.named_rows(at).map(Box::new),
        }
    }

    /// The rows of a branch.
    pub fn named_rows(&self, at: usize) -> Option<Rows> {
        self.rows[at].map(|rows| rows.named(self.branches[at]))
    }

    /// A step of a workflow as it is noted.
    pub fn note(&self, at: usize, way: Way, refused: bool) -> Enrolment {
        let label = if way == Way::Forward { "action" } else { "rollback" };
        Enrolment { label: label.into(), refused, ..self.branch(at) }
    }

    /// How it begins, with an id to be put in.
    pub fn begin(&self, xid: Xid) -> Begin {
        let given = match self.mode {
            Mode::Saga => !self.in_steps,
            Mode::Message | Mode::Notification => true,
            Mode::Xa | Mode::Tcc | Mode::Mixed | Mode::Workflow => false,
        };
        let submit = matches!(self.mode, Mode::Notification) || self.mode == Mode::Saga && !self.in_steps;
        let asked = matches!(self.mode, Mode::Message | Mode::Workflow);
        let url = format!("http://c{}/check", self.number).into();
        Begin {
            xid,
            gid: (!self.nameless).then(|| self.gid().into()),
            mode: self.mode,
            name: "".into(),
            options: self.options.clone(),
            headers: vec![],
            back_check: asked.then_some(Target { protocol: Protocol::Http, url }),
            note: "".into(),
            branches: (0..self.branches.len()).filter(|_| given).map(|at| self.branch(at)).collect(),
            submit,
        }
    }

    /// What comes after its begin.
    pub fn first(&self) -> Deed {
        match self.mode {
            Mode::Xa | Mode::Tcc | Mode::Mixed if self.hasty => Deed::Ask(0, Op::Try),
            Mode::Xa | Mode::Tcc | Mode::Mixed => self.branch_begins(0),
            Mode::Saga if self.in_steps => Deed::Enlist(0),
            Mode::Saga | Mode::Notification => Deed::Query,
            Mode::Message => Deed::Local,
            Mode::Workflow => self.workflow(),
        }
    }

    /// What comes first of branch `at`; there may be none any more.
    fn branch_begins(&self, at: usize) -> Deed {
        match self.rows.get(at) {
            Some(Some(rows)) => Deed::Ask(at, Op::Change(*rows)),
            Some(None) => Deed::Enlist(at),
            None => Deed::Decide(Way::Forward),
        }
    }

    /// What comes after branch `at` has changed its rows and found, if it has looked, that it may.
    fn changed(&self, at: usize, looked: bool) -> Deed {
        if self.careful && !looked { Deed::Look(at) } else { Deed::Enlist(at) }
    }

    /// What comes after another transaction was found to hold the rows of branch `at`, for so often.
    pub fn after_conflict(&self, at: usize, rolling_back: bool, tries: u32) -> Deed {
        // To go on waiting would be in the way of those who put them back.
        if rolling_back || tries >= LOCK_TRIES { Deed::Ask(at, Op::Abandon) } else { self.next.clone() }
    }

    /// What comes after the rows of branch `at` were found to be free.
    pub fn after_look(&self, at: usize) -> Deed {
        self.changed(at, true)
    }

    /// What comes after branch `at` has turned out to have done nothing.
    pub fn without(&self, at: usize) -> Deed {
        if self.modest { self.branch_begins(at + 1) } else { Deed::Decide(Way::Backward) }
    }

    /// What comes after branch `at` has joined.
    pub fn after_enlist(&self, at: usize) -> Deed {
        match self.mode {
            Mode::Xa | Mode::Tcc | Mode::Mixed if !self.hasty => Deed::Ask(at, Op::Try),
            _ if self.hasty && at + 1 < self.branches.len() => Deed::Ask(at + 1, Op::Try),
            _ if at + 1 < self.branches.len() => Deed::Enlist(at + 1),
            _ => Deed::Decide(Way::Forward),
        }
    }

    /// What comes after a participant did, or refused, what it was asked.
    pub fn after_ask(&self, at: usize, op: Op, done: bool) -> Deed {
        match op {
            Op::Change(_) if done => self.changed(at, false),
            Op::Change(_) | Op::Abandon => self.without(at),
            Op::Try if !done && self.rows[at].is_some() => Deed::Withdraw(at),
            Op::Try if !done => Deed::Decide(Way::Backward),
            Op::Try if self.hasty => Deed::Enlist(at),
            Op::Try => self.branch_begins(at + 1),
            Op::Forward => Deed::Note(at, Way::Forward, !done),
            Op::Backward => Deed::Note(at, Way::Backward, false),
        }
    }

    /// Where a workflow goes on, from what is noted and nothing else.
    pub fn workflow(&self) -> Deed {
        let noted = |at: usize, way: Way| self.noted.iter().find(|note| (note.branch, note.way) == (at, way));
        for at in 0..self.branches.len() {
            match noted(at, Way::Forward) {
                Some(note) if note.refused => {
                    let undone = |at: &usize| noted(*at, Way::Backward).is_some();
                    // The refused one too: an earlier run may have had it done.
                    let left = (0..=at).rev().find(|at| !undone(at));
                    return left.map_or(Deed::Decide(Way::Backward), |at| Deed::Ask(at, Op::Backward));
                }
                Some(_) => {}
                None => return Deed::Ask(at, Op::Forward),
            }
        }
        Deed::Decide(Way::Forward)
    }
}
