//! What every test here needs: short ways to write commands down, a state that applies them, and a short way to show it.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::{
    Amend, Begin, Command, Decision, Enlist, Enrolment, Found, Limits, Mode, News, Options, Outcome,
    Protocol, Report, Rows, State, Status, Step, Target, Turn, Txn, Way,
};

/// The beginning of all tests, in milliseconds since 1970.
pub(crate) const BEGIN_MS: u64 = 1_700_000_000_000;
/// From one command to the next.
pub(crate) const STEP_MS: u64 = 10;

pub(crate) fn xid(number: u64) -> Xid {
    Xid::from_number(number).expect("a test's number")
}

/// Nobody is the empty URL.
pub(crate) fn target(url: &str) -> Option<Target> {
    (!url.is_empty()).then(|| Target { protocol: Protocol::Http, url: url.into() })
}

/// A branch that is called at these URLs.
pub(crate) fn step(id: &str, forward: &str, backward: &str) -> Enrolment {
    Enrolment {
        id: id.into(),
        label: "".into(),
        forward: target(forward),
        backward: target(backward),
        payload: Bytes::from_static(b"payload"),
        after: [].into_iter().collect(),
        refused: false,
        rows: None,
    }
}

/// `count` branches `01`, `02` and so on, each at a host of its own: `http://p0/forward`, `http://p0/backward`.
pub(crate) fn steps(count: usize) -> Vec<Enrolment> {
    (0..count).map(nth_step).collect()
}

/// One of [`steps`].
pub(crate) fn nth_step(at: usize) -> Enrolment {
    step(&format!("{:02}", at + 1), &format!("http://p{at}/forward"), &format!("http://p{at}/backward"))
}

/// The same with what each waits for.
pub(crate) fn ordered_steps(after: &[&[u16]]) -> Vec<Enrolment> {
    let mut steps = steps(after.len());
    for (step, after) in steps.iter_mut().zip(after) {
        step.after = after.iter().copied().collect();
    }
    steps
}

/// A transaction without branches.
pub(crate) fn begin(number: u64, mode: Mode) -> Begin {
    Begin {
        xid: xid(number),
        gid: None,
        mode,
        name: "test".into(),
        options: Options::default(),
        headers: Vec::new(),
        back_check: None,
        note: Bytes::new(),
        branches: Vec::new(),
        submit: false,
    }
}

/// A saga in one breath.
pub(crate) fn saga(number: u64, branches: Vec<Enrolment>) -> Begin {
    Begin { branches, submit: true, ..begin(number, Mode::Saga) }
}

pub(crate) fn with_gid(begin: Begin, gid: &str) -> Begin {
    Begin { gid: Some(gid.into()), ..begin }
}

pub(crate) fn with_options(begin: Begin, options: Options) -> Begin {
    Begin { options, ..begin }
}

impl Made for Begin {
    fn made(self) -> Command {
        Command::Begin(Box::new(self))
    }
}

/// What becomes a command.
pub(crate) trait Made {
    fn made(self) -> Command;
}

pub(crate) fn enlist(number: u64, branch: Enrolment) -> Command {
    Command::Enlist(Box::new(Enlist { xid: xid(number), branch }))
}

pub(crate) fn decide(number: u64, way: Way) -> Command {
    let (reason, result) = ("because".into(), Bytes::new());
    Command::Decide(Box::new(Decision { xid: xid(number), way, reason, result }))
}

pub(crate) fn report(number: u64, branch: u16, way: Way) -> Command {
    Command::Report(Report { xid: xid(number), branch, way })
}

pub(crate) fn attempted(number: u64, branch: u16, way: Way) -> Command {
    Command::Attempted(Report { xid: xid(number), branch, way })
}

pub(crate) fn refuse(number: u64, branch: u16, way: Way) -> Command {
    Command::Refuse(Report { xid: xid(number), branch, way })
}

pub(crate) fn withdraw(number: u64, branch: u16) -> Command {
    Command::Amend(Box::new(Amend { xid: xid(number), branch, payload: None, withdraw: true }))
}

pub(crate) fn resend(number: u64) -> Command {
    Command::Resend { xid: xid(number) }
}

/// Rows of the database that all of [`nth_at`] are in.
pub(crate) fn rows(keys: &str) -> Rows {
    Rows { resource: "db".into(), keys: keys.into() }
}

/// One of [`steps`] that has changed rows.
pub(crate) fn nth_at(at: usize, keys: &str) -> Enrolment {
    Enrolment { rows: Some(Box::new(rows(keys))), ..nth_step(at) }
}

/// A mixed transaction with these branches.
pub(crate) fn mixed(number: u64, branches: impl IntoIterator<Item = Enrolment>) -> Vec<Command> {
    let joins = branches.into_iter().map(|branch| enlist(number, branch));
    std::iter::once(begin(number, Mode::Mixed).made()).chain(joins).collect()
}

pub(crate) fn turn(number: u64, refused: Option<u16>) -> Command {
    Command::Turn(Box::new(Turn { xid: xid(number), refused, reason: "no".into(), unsure: false }))
}

pub(crate) fn unsure_turn(number: u64, refused: Option<u16>) -> Command {
    Command::Turn(Box::new(Turn { xid: xid(number), refused, reason: "no".into(), unsure: true }))
}

pub(crate) fn time_out(number: u64) -> Command {
    Command::TimeOut { xid: xid(number), unsure: false }
}

pub(crate) fn stop(number: u64) -> Command {
    Command::Stop { xid: xid(number), reason: "stopped".into() }
}

/// A state that applies one command per batch, each [`STEP_MS`] after the one before.
pub(crate) struct Bench {
    pub(crate) state: State,
    pub(crate) at_ms: u64,
    pub(crate) ended: Vec<Arc<Txn>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self { state: State::new(limits), at_ms: BEGIN_MS, ended: Vec::new() }
    }

    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        self.at_ms += STEP_MS;
        let mut news = News::default();
        self.state.begin_batch(self.at_ms);
        let outcome = self.state.apply(command, &mut news);
        self.ended.append(&mut news.ended);
        outcome
    }

    /// Applies all; none of them may be refused.
    pub(crate) fn all(&mut self, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            if let Err(refusal) = self.apply(&command) {
                panic!("{command:?}: {refusal}");
            }
        }
    }

    /// How transaction `number` stands, in short: see [`show`].
    pub(crate) fn show(&self, number: u64) -> String {
        match self.state.find(xid(number)) {
            Found::Open(txn) => show(&txn),
            Found::Ended(_, end) => match self.ended.iter().find(|txn| txn.xid == xid(number)) {
                Some(txn) => show(txn),
                None => end.as_str().to_owned(),
            },
            Found::Forgotten => "forgotten".to_owned(),
            Found::Unknown => "unknown".to_owned(),
        }
    }
}

/// Its status, and for each branch how far its forward and its backward leg are: `-` pending, `d` done, `r` refused,
/// `s` skipped.
pub(crate) fn show(txn: &Txn) -> String {
    let mut text = txn.status.as_str().to_owned();
    for branch in &txn.branches {
        let [forward, backward] = [branch.forward.step, branch.backward.step].map(letter);
        write!(text, " {forward}{backward}").expect("a string takes all");
    }
    text
}

fn letter(step: Step) -> char {
    match step {
        Step::Pending => '-',
        Step::Done => 'd',
        Step::Refused => 'r',
        Step::Skipped => 's',
    }
}

/// The status as dtm's clients are shown it.
pub(crate) fn dtm_status(status: Status) -> &'static str {
    match status {
        Status::Active => "prepared",
        Status::Committing => "submitted",
        Status::RollingBack => "aborting",
        Status::Ended(synod_core::txn::End::Committed) => "succeed",
        Status::GivenUp | Status::Ended(_) => "failed",
    }
}

/// The branches as dtm's clients are shown them: the way back before the way forward.
pub(crate) fn dtm_branches(txn: &Txn) -> Vec<&'static str> {
    let word = |step: Step| match step {
        Step::Pending | Step::Skipped => "prepared",
        Step::Done => "succeed",
        Step::Refused => "failed",
    };
    let legs = |branch: &synod_core::txn::Branch| [word(branch.backward.step), word(branch.forward.step)];
    txn.branches.iter().flat_map(legs).collect()
}
