//! Global transactions as simply as they can be put: lists, and rules that are read off DESIGN section 5.

use std::collections::BTreeMap;

use synod_core::txn::{
    Amend, Begin, Command, Done, End, Enrolment, Mode, Outcome, Refusal, Rows, Status, Step, Way,
};

/// Ids whose outcomes are forgotten together.
const PAGE: u64 = 4_096;

/// A branch: what it was enlisted with, and how far its two legs are.
#[derive(Clone, Debug)]
struct Branch {
    enrolled: Enrolment,
    forward: Step,
    backward: Step,
}

#[derive(Clone, Debug)]
struct Txn {
    begin: Begin,
    status: Status,
    branches: Vec<Branch>,
}

#[derive(Clone, Debug)]
struct Ended {
    begin: Begin,
    end: End,
    at_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    open: BTreeMap<u64, Txn>,
    ended: BTreeMap<u64, Ended>,
    forgotten: Vec<u64>,
    /// What ended under an id of the client's own; remembered longer or shorter than the rest.
    ended_gids: BTreeMap<Box<str>, (u64, Ended)>,
    greatest: u64,
}

fn joined(enrolled: &Enrolment) -> Branch {
    let first = |somebody: bool| if somebody { Step::Pending } else { Step::Done };
    let forward = if enrolled.refused { Step::Refused } else { first(enrolled.forward.is_some()) };
    Branch { enrolled: enrolled.clone(), forward, backward: first(enrolled.backward.is_some()) }
}

/// The names of rows: `resource/table/key`.
pub(crate) fn names(rows: &Rows) -> Vec<String> {
    let mut names = Vec::new();
    for part in rows.keys.split(';') {
        let Some((table, keys)) = part.split_once(':') else { break };
        names.extend(keys.split(',').map(|key| format!("{}/{table}/{key}", rows.resource)));
    }
    names
}

/// The same content: everything but the number.
fn same(a: &Begin, b: &Begin) -> bool {
    Begin { xid: b.xid, ..a.clone() } == *b
}

impl Txn {
    fn through(&self, way: Way) -> bool {
        let leg = |branch: &Branch| if way == Way::Forward { branch.forward } else { branch.backward };
        self.branches.iter().all(|branch| leg(branch) != Step::Pending)
    }

    /// Whether a participant will not do what was decided.
    fn refused(&self) -> bool {
        let legs = |branch: &Branch| match self.status {
            Status::Committing => branch.forward == Step::Refused,
            Status::RollingBack => branch.backward == Step::Refused,
            _ => false,
        };
        self.begin.mode == Mode::Mixed && self.branches.iter().any(legs)
    }

    fn end(&self) -> Option<End> {
        if self.refused() {
            return None;
        }
        let by_itself = self.begin.mode == Mode::Workflow;
        let nobody_to_tell = matches!(self.begin.mode, Mode::Message | Mode::Notification);
        match self.status {
            Status::Committing if by_itself || self.through(Way::Forward) => Some(End::Committed),
            Status::RollingBack if by_itself || nobody_to_tell || self.through(Way::Backward) => {
                Some(End::RolledBack)
            }
            _ => None,
        }
    }

    /// Whether step `number` may have been called by now.
    fn come_to(&self, number: usize) -> bool {
        let settled = |at: usize| self.branches[at].forward != Step::Pending;
        let called = |at: usize| settled(at) && self.branches[at].enrolled.forward.is_some();
        if called(number) {
            return true;
        }
        if self.begin.options.concurrent {
            let after = self.branches[number].enrolled.after.iter();
            return after.map(|at| usize::from(*at)).all(|at| settled(at) && self.come_to(at));
        }
        (0..number).all(settled) || (number..self.branches.len()).any(called)
    }

    fn turn(&mut self, refused: Option<u16>, unsure: bool) {
        let come: Vec<bool> = (0..self.branches.len()).map(|number| self.come_to(number)).collect();
        for (branch, come) in self.branches.iter_mut().zip(come) {
            if !unsure && !come && branch.backward == Step::Pending {
                branch.backward = Step::Skipped;
            }
        }
        if let Some(refused) = refused {
            self.branches[usize::from(refused)].forward = Step::Refused;
        }
        self.status = Status::RollingBack;
    }

    /// Rolled back while it was active.
    fn drop_early(&mut self) {
        self.status = Status::RollingBack;
        for branch in &mut self.branches {
            if self.begin.mode == Mode::Saga && branch.backward == Step::Pending {
                branch.backward = Step::Skipped;
            }
        }
    }
}

impl Naive {
    pub(crate) fn apply(&mut self, command: &Command, at_ms: u64) -> Outcome {
        match command {
            Command::Begin(begin) => self.begin(begin, at_ms),
            Command::Enlist(enlist) => self.enlist(enlist.xid.number(), &enlist.branch),
            Command::Decide(decision) => self.decide(decision.xid.number(), decision.way, at_ms),
            Command::Report(report) => {
                self.report(report.xid.number(), usize::from(report.branch), report.way, at_ms)
            }
            Command::Turn(turn) => self.turn(turn.xid.number(), turn.refused, turn.unsure, at_ms),
            Command::TimeOut { xid, unsure } => self.time_out(xid.number(), *unsure, at_ms),
            Command::GiveUp { xid } => {
                self.notification(xid.number(), Status::Committing, Status::GivenUp, at_ms)
            }
            Command::Refuse(report) => {
                self.refuse(report.xid.number(), usize::from(report.branch), report.way)
            }
            Command::Amend(amend) => self.amend(amend, at_ms),
            Command::Resend { xid } if self.open.get(&xid.number()).is_some_and(Txn::refused) => {
                let txn = self.open(xid.number())?;
                for branch in &mut txn.branches {
                    for leg in [&mut branch.forward, &mut branch.backward] {
                        *leg = if *leg == Step::Refused { Step::Pending } else { *leg };
                    }
                }
                Ok(Done::Decided(txn.status))
            }
            Command::Resend { xid } => {
                self.notification(xid.number(), Status::GivenUp, Status::Committing, at_ms)
            }
            Command::Stop { xid, .. } => {
                if matches!(self.ended.get(&xid.number()), Some(ended) if ended.end == End::Stopped) {
                    return Ok(Done::Decided(Status::Ended(End::Stopped)));
                }
                self.open(xid.number())?.status = Status::Ended(End::Stopped);
                Ok(Done::Decided(self.settle(xid.number(), at_ms)))
            }
            Command::Forget { before_ms } => {
                self.forget(*before_ms);
                Ok(Done::Recorded)
            }
            other => panic!("not modelled: {other:?}"),
        }
    }

    fn refusal(&self, number: u64) -> Refusal {
        match self.ended.get(&number) {
            Some(ended) => Refusal::Ended(ended.end),
            None if self.forgotten.contains(&(number / PAGE)) => Refusal::Forgotten,
            None => Refusal::Unknown,
        }
    }

    fn open(&mut self, number: u64) -> Result<&mut Txn, Refusal> {
        let refusal = self.refusal(number);
        self.open.get_mut(&number).ok_or(refusal)
    }

    /// Sees whether that was the end.
    fn settle(&mut self, number: u64, at_ms: u64) -> Status {
        let txn = &self.open[&number];
        let end = match txn.status {
            Status::Ended(end) => Some(end),
            _ => txn.end(),
        };
        let Some(end) = end else { return txn.status };
        let begin = self.open.remove(&number).expect("just seen").begin;
        let ended = Ended { begin, end, at_ms };
        if let Some(gid) = &ended.begin.gid {
            self.ended_gids.insert(gid.clone(), (number, ended.clone()));
        }
        self.ended.insert(number, ended);
        Status::Ended(end)
    }

    fn begin(&mut self, begin: &Begin, at_ms: u64) -> Outcome {
        if let Some(gid) = &begin.gid {
            let open = self.open.iter().find(|(_, txn)| txn.begin.gid.as_ref() == Some(gid));
            let open = open.map(|(number, txn)| (*number, &txn.begin, txn.status));
            let ended =
                self.ended_gids.get(gid).map(|(n, ended)| (*n, &ended.begin, Status::Ended(ended.end)));
            if let Some((number, before, status)) = open.or(ended) {
                let xid = super::support::xid(number);
                let same = same(before, begin);
                return if same { Ok(Done::Begun(xid, status)) } else { Err(Refusal::Conflict(xid)) };
            }
        }
        let number = begin.xid.number();
        if self.open.contains_key(&number) || self.refusal(number) != Refusal::Unknown {
            return Err(Refusal::Conflict(begin.xid));
        }
        let status = if begin.submit { Status::Committing } else { Status::Active };
        let branches = begin.branches.iter().map(joined).collect();
        self.open.insert(number, Txn { begin: begin.clone(), status, branches });
        self.greatest = self.greatest.max(number);
        Ok(Done::Begun(begin.xid, self.settle(number, at_ms)))
    }

    fn enlist(&mut self, number: u64, branch: &Enrolment) -> Outcome {
        let txn = self.open(number)?;
        let known =
            |known: &Branch| (&known.enrolled.id, &known.enrolled.label) == (&branch.id, &branch.label);
        if let Some(at) = txn.branches.iter().position(known) {
            let same = txn.branches[at].enrolled == *branch;
            return if same {
                Ok(Done::Enlisted(at as u16))
            } else {
                Err(Refusal::BranchConflict(branch.id.clone()))
            };
        }
        if txn.status != Status::Active {
            return Err(Refusal::Not(txn.status));
        }
        if let Some(rows) = &branch.rows {
            let locks = self.locks();
            let others = |row: String| locks.get(&row).copied().filter(|holder| *holder != number);
            if let Some(holder) = names(rows).into_iter().find_map(others) {
                let rolling_back = self.open[&holder].status == Status::RollingBack;
                let holder = self.open[&holder].begin.xid;
                return Err(Refusal::Locked { holder, rolling_back });
            }
        }
        let txn = self.open(number)?;
        txn.branches.push(joined(branch));
        Ok(Done::Enlisted(txn.branches.len() as u16 - 1))
    }

    fn decide(&mut self, number: u64, way: Way, at_ms: u64) -> Outcome {
        let (going, end) = match way {
            Way::Forward => (Status::Committing, End::Committed),
            Way::Backward => (Status::RollingBack, End::RolledBack),
        };
        if matches!(self.ended.get(&number), Some(ended) if ended.end == end) {
            return Ok(Done::Decided(Status::Ended(end)));
        }
        let txn = self.open(number)?;
        match txn.status {
            Status::Active if way == Way::Forward => txn.status = going,
            Status::Active => txn.drop_early(),
            status if status == going => {}
            status => return Err(Refusal::Not(status)),
        }
        Ok(Done::Decided(self.settle(number, at_ms)))
    }

    fn report(&mut self, number: u64, branch: usize, way: Way, at_ms: u64) -> Outcome {
        let txn = self.open(number)?;
        let status = txn.status;
        let branch = txn.branches.get_mut(branch).ok_or(Refusal::NoSuchBranch)?;
        let leg = if way == Way::Forward { &mut branch.forward } else { &mut branch.backward };
        let asked = status == Status::RollingBack || status == Status::Committing && way == Way::Forward;
        match *leg {
            Step::Pending if asked => *leg = Step::Done,
            Step::Pending => return Err(Refusal::Not(status)),
            _ => {}
        }
        self.settle(number, at_ms);
        Ok(Done::Recorded)
    }

    fn refuse(&mut self, number: u64, branch: usize, way: Way) -> Outcome {
        let txn = self.open(number)?;
        let (mode, status) = (txn.begin.mode, txn.status);
        let branch = txn.branches.get_mut(branch).ok_or(Refusal::NoSuchBranch)?;
        let leg = if way == Way::Forward { &mut branch.forward } else { &mut branch.backward };
        let asked = (status == Status::Committing && way == Way::Forward)
            || (status == Status::RollingBack && way == Way::Backward);
        match *leg {
            _ if mode != Mode::Mixed => {
                return Err(Refusal::Invalid("only branches of mixed transactions refuse"));
            }
            Step::Pending if asked => *leg = Step::Refused,
            Step::Pending => return Err(Refusal::Not(status)),
            _ => {}
        }
        Ok(Done::Recorded)
    }

    fn amend(&mut self, amend: &Amend, at_ms: u64) -> Outcome {
        let txn = self.open(amend.xid.number())?;
        let mode = txn.begin.mode;
        let branch = txn.branches.get_mut(usize::from(amend.branch)).ok_or(Refusal::NoSuchBranch)?;
        if mode != Mode::Mixed {
            return Err(Refusal::Invalid("only a branch of a mixed transaction changes"));
        }
        if let Some(payload) = &amend.payload {
            branch.enrolled.payload = payload.clone();
        }
        if amend.withdraw {
            for leg in [&mut branch.forward, &mut branch.backward] {
                *leg = if *leg == Step::Pending { Step::Skipped } else { *leg };
            }
        }
        self.settle(amend.xid.number(), at_ms);
        Ok(Done::Recorded)
    }

    /// Who holds which row: whoever has changed it, and neither committed nor undone that.
    pub(crate) fn locks(&self) -> BTreeMap<String, u64> {
        let mut locks = BTreeMap::new();
        for (number, txn) in &self.open {
            let undecided = matches!(txn.status, Status::Active | Status::RollingBack);
            let undone = |branch: &&Branch| matches!(branch.backward, Step::Done | Step::Skipped);
            for branch in txn.branches.iter().filter(|branch| undecided && !undone(branch)) {
                for name in branch.enrolled.rows.iter().flat_map(|rows| names(rows)) {
                    let before = locks.insert(name, *number);
                    assert!(before.is_none_or(|before| before == *number), "two hold a row");
                }
            }
        }
        locks
    }

    /// Who holds a row, and whether it is being rolled back.
    pub(crate) fn holder(&self, row: &str) -> Option<(u64, bool)> {
        let holder = *self.locks().get(row)?;
        Some((holder, self.open[&holder].status == Status::RollingBack))
    }

    fn turn(&mut self, number: u64, refused: Option<u16>, unsure: bool, at_ms: u64) -> Outcome {
        let txn = self.open(number)?;
        if txn.begin.mode != Mode::Saga {
            return Err(Refusal::Invalid("only a saga turns"));
        }
        if refused.is_some_and(|branch| usize::from(branch) >= txn.branches.len()) {
            return Err(Refusal::NoSuchBranch);
        }
        match txn.status {
            Status::Committing => txn.turn(refused, unsure),
            Status::RollingBack => {}
            status => return Err(Refusal::Not(status)),
        }
        Ok(Done::Decided(self.settle(number, at_ms)))
    }

    fn time_out(&mut self, number: u64, unsure: bool, at_ms: u64) -> Outcome {
        let txn = self.open(number)?;
        match (txn.begin.mode, txn.status) {
            (Mode::Xa | Mode::Tcc | Mode::Saga | Mode::Mixed, Status::Active) => txn.drop_early(),
            (Mode::Saga, Status::Committing) if !txn.begin.options.forward_only => txn.turn(None, unsure),
            (_, status) => return Err(Refusal::Not(status)),
        }
        Ok(Done::Decided(self.settle(number, at_ms)))
    }

    fn notification(&mut self, number: u64, from: Status, to: Status, at_ms: u64) -> Outcome {
        let txn = self.open(number)?;
        if txn.begin.mode != Mode::Notification {
            return Err(Refusal::Invalid("only a notification is given up and sent again"));
        }
        if txn.status != from {
            return Err(Refusal::Not(txn.status));
        }
        txn.status = to;
        Ok(Done::Decided(self.settle(number, at_ms)))
    }

    fn forget(&mut self, before_ms: u64) {
        let pages: Vec<u64> = self.ended.keys().map(|number| number / PAGE).collect();
        for page in pages {
            let of = |number: &u64| *number / PAGE == page;
            let over = self.greatest / PAGE > page && !self.open.keys().any(of);
            let mut ended = self.ended.iter().filter(|(number, _)| of(number));
            if over && ended.all(|(_, ended)| ended.at_ms < before_ms) {
                self.ended.retain(|number, _| !of(number));
                self.forgotten.push(page);
            }
        }
        // By whole minutes.
        self.ended_gids.retain(|_, (_, ended)| ended.at_ms / 60_000 >= before_ms / 60_000);
    }

    /// All that is open, as [`super::support::show`] shows it.
    pub(crate) fn shown(&self) -> BTreeMap<u64, String> {
        let letter = |step: &Step| match step {
            Step::Pending => '-',
            Step::Done => 'd',
            Step::Refused => 'r',
            Step::Skipped => 's',
        };
        let one = |txn: &Txn| {
            let legs = txn.branches.iter().map(|b| format!(" {}{}", letter(&b.forward), letter(&b.backward)));
            txn.status.as_str().to_owned() + &legs.collect::<String>()
        };
        self.open.iter().map(|(number, txn)| (*number, one(txn))).collect()
    }

    /// What is known of an id that is not open.
    pub(crate) fn past(&self, number: u64) -> String {
        match self.refusal(number) {
            Refusal::Ended(end) => end.as_str().to_owned(),
            Refusal::Forgotten => "forgotten".to_owned(),
            _ => "unknown".to_owned(),
        }
    }
}
