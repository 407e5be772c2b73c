//! A client as a state machine: frames in, frames out. It is transaction manager and resource manager over one connection, as
//! seata-go is; it has one transaction under way, and says yes at once to whatever its branches are told.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use synod_wire::seata::{
    self, Answer, BranchEnd, BranchEndAnswer, BranchStatus, Client as Reader, ClientVersion, ExceptionCode,
    FRAME_BYTES_MAX, Frame, GlobalEndAnswer, GlobalStatus, Header, Kind, Message, Outcome, Register, Request,
    Text,
};

use super::ledger::Ledger;
use super::work::{self, Work};
use crate::clock;

const VERSION: ClientVersion = ClientVersion::V2_0_0;
const READER: Reader = Reader { version: VERSION, is_go: false };
/// So often a client asks for a row (`client.rm.lock.retryTimes`), and so long it waits in between (`retryInterval`).
const LOCK_TRIES: u32 = 30;
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Transactions of one client; numbers of the next begin behind them.
const NUMBERS: u64 = 1 << 32;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    TmRegistered,
    RmRegistered,
    /// For nothing: the client is told to begin.
    Idle,
    Begun,
    /// The registration of the branch with this number.
    Enlisted(usize),
    Committed,
    RolledBack,
}

/// A client of one connection.
#[derive(Debug)]
pub(super) struct Client {
    work: Work,
    ledger: Rc<RefCell<Ledger>>,
    stage: Stage,
    /// Of the transaction under way, or the next.
    number: u64,
    frame: i32,
    xid: Text,
    began: Instant,
    lock_tries: u32,
    is_pausing: bool,
    /// Bytes to be sent.
    pub(super) output: BytesMut,
}

impl Client {
    /// The client with this index. Its output is its registration.
    ///
    /// # Errors
    /// Never, unless the codec is broken.
    pub(super) fn new(index: usize, work: Work, ledger: Rc<RefCell<Ledger>>) -> Result<Self> {
        let mut client = Self {
            work,
            ledger,
            stage: Stage::TmRegistered,
            number: NUMBERS * index as u64,
            frame: 0,
            xid: Text::EMPTY,
            began: clock::now(),
            lock_tries: 0,
            is_pausing: false,
            output: BytesMut::new(),
        };
        client.send(Kind::Request, &Message::RegisterTm(registration(Text::EMPTY)))?;
        Ok(client)
    }

    /// Begins a transaction if none is under way.
    ///
    /// # Errors
    /// Never, unless the codec is broken.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.stage == Stage::Idle {
            self.number += 1;
            self.began = clock::now();
            self.stage = Stage::Begun;
            self.ask(Work::begin())?;
        }
        Ok(())
    }

    /// Whether it can begin one.
    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Whether it waits for [`LOCK_PAUSE`] to pass, and then for [`Self::resume`].
    pub(super) fn is_pausing(&self) -> bool {
        self.is_pausing
    }

    /// Asks for a row again.
    ///
    /// # Errors
    /// Never, unless the codec is broken.
    pub(super) fn resume(&mut self) -> Result<()> {
        self.is_pausing = false;
        match self.stage {
            Stage::Enlisted(branch) => self.enlist(branch),
            other => bail!("resumed in stage {other:?}"),
        }
    }

    /// Keeps the connection from being taken for dead.
    pub(super) fn ping(&mut self) {
        seata::write_heartbeat(Header::ping(self.frame), &mut self.output);
    }

    /// Takes every whole frame from the front of what was received.
    ///
    /// # Errors
    /// With what must not be answered.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<()> {
        while let Some(frame) = Frame::decode(input, FRAME_BYTES_MAX)? {
            if !matches!(frame.header.kind, Kind::Ping | Kind::Pong) {
                let message = seata::read(&frame, READER)?;
                self.on(frame.header, message).with_context(|| format!("transaction {}", self.number))?;
            }
            if input.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn on(&mut self, header: Header, message: Message) -> Result<()> {
        match (message, self.stage) {
            (Message::BranchCommit(branch), _) => {
                self.ledger.borrow_mut().committed(branch.branch_id);
                let answer = done(branch, BranchStatus::PhaseTwoCommitted);
                self.write(header.answer(), &Message::BranchCommitAnswer(answer))
            }
            (Message::BranchRollback(branch), _) => {
                self.ledger.borrow_mut().undone(branch.branch_id);
                let answer = done(branch, BranchStatus::PhaseTwoRollbacked);
                self.write(header.answer(), &Message::BranchRollbackAnswer(answer))
            }
            (Message::UndoLogDelete(_), _) => Ok(()),
            (Message::RegisterTmAnswer(answer), Stage::TmRegistered) => {
                ensure!(answer.is_identified, "refused as a TM");
                self.stage = Stage::RmRegistered;
                self.send(Kind::Request, &Message::RegisterRm(registration(work::resources())))
            }
            (Message::RegisterRmAnswer(answer), Stage::RmRegistered) => {
                ensure!(answer.is_identified, "refused as an RM");
                self.stage = Stage::Idle;
                Ok(())
            }
            (Message::Answer(answer), _) => {
                ensure!(header.id == self.frame, "answered request {} after {}", header.id, self.frame);
                self.on_answer(answer)
            }
            (other, stage) => bail!("in stage {stage:?} came {other:?}"),
        }
    }

    fn on_answer(&mut self, answer: Answer) -> Result<()> {
        match (answer, self.stage) {
            (Answer::GlobalBegin(begun), Stage::Begun) => {
                succeeded(begun.outcome)?;
                // A copy: the buffer is to be used again.
                self.xid = Text::from(begun.xid.as_str());
                self.after_branches(0)
            }
            (Answer::BranchRegister(branch), Stage::Enlisted(at)) => match branch.outcome {
                Err(failure) if failure.code == ExceptionCode::LockKeyConflict => self.on_conflict(),
                outcome => {
                    succeeded(outcome)?;
                    self.ledger.borrow_mut().registered(self.number, branch.branch_id);
                    self.after_branches(at + 1)
                }
            },
            (Answer::GlobalCommit(answer), Stage::Committed) => {
                ended(answer, &[GlobalStatus::Committed])?;
                self.stage = Stage::Idle;
                self.ledger.borrow_mut().acknowledged(self.number, self.began.elapsed());
                Ok(())
            }
            (Answer::GlobalRollback(answer), Stage::RolledBack) => {
                ended(answer, &[GlobalStatus::Rollbacked, GlobalStatus::Rollbacking])?;
                self.stage = Stage::Idle;
                self.ledger.borrow_mut().rolled_back(self.number);
                Ok(())
            }
            (other, stage) => bail!("in stage {stage:?} came {other:?}"),
        }
    }

    fn on_conflict(&mut self) -> Result<()> {
        ensure!(self.work.may_roll_back(), "somebody else has a row that is nobody's");
        self.ledger.borrow_mut().counts.conflicts += 1;
        self.lock_tries += 1;
        if self.lock_tries < LOCK_TRIES {
            self.is_pausing = true;
            return Ok(());
        }
        self.stage = Stage::RolledBack;
        self.ask(Request::GlobalRollback(Work::end(self.xid.clone())))
    }

    /// With so many branches enlisted, the next one or the commit.
    fn after_branches(&mut self, count: usize) -> Result<()> {
        self.lock_tries = 0;
        if count < self.work.branches() {
            self.stage = Stage::Enlisted(count);
            return self.enlist(count);
        }
        self.stage = Stage::Committed;
        self.ask(Request::GlobalCommit(Work::end(self.xid.clone())))
    }

    fn enlist(&mut self, branch: usize) -> Result<()> {
        self.ask(self.work.branch(branch, self.number, self.xid.clone()))
    }

    fn ask(&mut self, request: Request) -> Result<()> {
        self.send(Kind::Request, &Message::Request(request))
    }

    fn send(&mut self, kind: Kind, message: &Message) -> Result<()> {
        self.frame = self.frame.wrapping_add(1) & i32::MAX;
        let header = Header { version: 1, kind, codec: seata::CODEC_SEATA, compressor: 0, id: self.frame };
        self.write(header, message)
    }

    fn write(&mut self, header: Header, message: &Message) -> Result<()> {
        Ok(seata::write(header, message, READER, &mut self.output)?)
    }
}

fn registration(resource_ids: Text) -> Register {
    Register {
        version: VERSION.to_string().into(),
        application_id: Text::from_static("synod-bench"),
        transaction_service_group: Text::from_static("bench"),
        extra_data: Text::EMPTY,
        resource_ids,
    }
}

fn done(branch: BranchEnd, status: BranchStatus) -> BranchEndAnswer {
    BranchEndAnswer { outcome: Ok(()), xid: branch.xid, branch_id: branch.branch_id, status }
}

fn succeeded(outcome: Outcome) -> Result<()> {
    outcome.map_err(|failure| anyhow::anyhow!("failed: {:?}, {}", failure.code, failure.text))
}

fn ended(answer: GlobalEndAnswer, expected: &[GlobalStatus]) -> Result<()> {
    ensure!(expected.contains(&answer.status), "answered {:?} {:?}", answer.status, answer.outcome);
    succeeded(answer.outcome)
}

#[cfg(test)]
mod tests {
    use synod_wire::seata::{
        BranchRegisterAnswer, BranchType, Failure, GlobalBeginAnswer, MergedWarp, RegisterAnswer,
        UndoLogDelete,
    };

    use super::*;

    /// Plays the server by hand.
    struct Peer {
        client: Client,
        ledger: Rc<RefCell<Ledger>>,
    }

    impl Peer {
        fn new(work: Work) -> Self {
            let ledger = Rc::default();
            let client = Client::new(0, work, Rc::clone(&ledger)).unwrap();
            let mut peer = Self { client, ledger };
            let yes = RegisterAnswer { is_identified: true, version: Text::EMPTY, reason: Text::EMPTY };
            let (header, message) = peer.sent();
            assert!(matches!(message, Message::RegisterTm(_)), "{message:?}");
            peer.say(header.answer(), &Message::RegisterTmAnswer(yes.clone())).unwrap();
            let (header, message) = peer.sent();
            assert!(matches!(&message, Message::RegisterRm(rm) if rm.resource_ids.contains("benchDebit,")));
            assert!(!peer.client.is_idle());
            peer.say(header.answer(), &Message::RegisterRmAnswer(yes)).unwrap();
            assert!(peer.client.is_idle());
            peer
        }

        /// The only frame that the client sent.
        fn sent(&mut self) -> (Header, Message) {
            let frame = Frame::decode(&mut self.client.output, FRAME_BYTES_MAX).unwrap().unwrap();
            assert!(self.client.output.is_empty(), "one frame");
            let message = seata::read(&frame, READER).unwrap();
            (frame.header, message)
        }

        fn say(&mut self, header: Header, message: &Message) -> Result<()> {
            let mut input = BytesMut::new();
            seata::write(header, message, READER, &mut input).unwrap();
            self.client.take(&mut input)
        }

        /// Takes a request and answers it.
        fn exchange(&mut self, answer: Answer) -> Request {
            let (header, message) = self.sent();
            self.say(header.answer(), &Message::Answer(answer)).unwrap();
            match message {
                Message::Request(request) => request,
                other => panic!("{other:?}"),
            }
        }

        fn begin(&mut self) {
            self.client.begin().unwrap();
            let begun = GlobalBeginAnswer { outcome: Ok(()), xid: "1:2:3".into(), extra_data: Text::EMPTY };
            assert!(matches!(self.exchange(Answer::GlobalBegin(begun)), Request::GlobalBegin(_)));
        }

        fn enlist(&mut self, outcome: Outcome, branch_id: i64) {
            let request = self.exchange(Answer::BranchRegister(BranchRegisterAnswer { outcome, branch_id }));
            assert!(
                matches!(&request, Request::BranchRegister(branch) if branch.xid == "1:2:3"),
                "{request:?}"
            );
        }

        /// Tells a branch to commit.
        fn tell(&mut self, id: i32, branch_id: i64) {
            let header = Header { kind: Kind::Request, ..Header::ping(id) };
            let end = BranchEnd {
                xid: "1:2:3".into(),
                branch_id,
                branch_type: BranchType::At,
                resource_id: "r".into(),
                application_data: Text::EMPTY,
            };
            self.say(header, &Message::BranchCommit(end)).unwrap();
            let (header, message) = self.sent();
            assert_eq!((header.id, header.kind), (id, Kind::Response));
            assert!(matches!(message, Message::BranchCommitAnswer(answer) if answer.branch_id == branch_id));
        }
    }

    const COMMITTED: Answer =
        Answer::GlobalCommit(GlobalEndAnswer { outcome: Ok(()), status: GlobalStatus::Committed });

    fn conflict() -> Outcome {
        Err(Failure { code: ExceptionCode::LockKeyConflict, text: "held".into() })
    }

    #[test]
    fn a_transaction_is_begun_enlisted_and_committed_and_its_branches_are_told_later() {
        let mut peer = Peer::new(Work::At);
        peer.begin();
        peer.enlist(Ok(()), 11);
        peer.enlist(Ok(()), 12);
        assert!(matches!(peer.exchange(COMMITTED), Request::GlobalCommit(_)));
        assert!(peer.client.is_idle());
        peer.tell(7, 12);
        assert_eq!(peer.ledger.borrow().counts.backlog(), 1);
        peer.tell(8, 11);
        assert_eq!(peer.ledger.borrow().counts.finished, 1);
    }

    #[test]
    fn branches_may_be_told_before_the_commit_is_answered() {
        let mut peer = Peer::new(Work::Tcc);
        peer.begin();
        peer.enlist(Ok(()), 11);
        peer.enlist(Ok(()), 12);
        let (header, _) = peer.sent();
        peer.tell(7, 11);
        peer.tell(8, 12);
        peer.say(header.answer(), &Message::Answer(COMMITTED)).unwrap();
        assert_eq!(peer.ledger.borrow().counts.finished, 1);
    }

    #[test]
    fn a_contended_row_is_asked_for_again_and_in_the_end_given_up() {
        let mut peer = Peer::new(Work::Hot);
        peer.begin();
        peer.enlist(conflict(), 0);
        assert!(peer.client.is_pausing() && peer.client.output.is_empty());
        peer.client.resume().unwrap();
        peer.enlist(Ok(()), 11);
        for _ in 1..LOCK_TRIES {
            peer.enlist(conflict(), 0);
            peer.client.resume().unwrap();
        }
        peer.enlist(conflict(), 0);
        assert!(!peer.client.is_pausing());
        let end = GlobalEndAnswer { outcome: Ok(()), status: GlobalStatus::Rollbacked };
        assert!(matches!(peer.exchange(Answer::GlobalRollback(end)), Request::GlobalRollback(_)));
        let counts = peer.ledger.borrow().counts;
        assert_eq!((counts.rolled_back, counts.conflicts), (1, u64::from(LOCK_TRIES) + 1));
        assert!(peer.client.is_idle());
    }

    #[test]
    fn what_must_not_be_answered_is_an_error() {
        let mut peer = Peer::new(Work::At);
        peer.begin();
        let (header, _) = peer.sent();
        let answer = Answer::BranchRegister(BranchRegisterAnswer { outcome: conflict(), branch_id: 0 });
        let error = peer.say(header.answer(), &Message::Answer(answer)).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "somebody else has a row that is nobody's");

        let mut peer = Peer::new(Work::Empty);
        peer.begin();
        let (header, _) = peer.sent();
        let end = GlobalEndAnswer { outcome: Ok(()), status: GlobalStatus::Finished };
        assert!(peer.say(header.answer(), &Message::Answer(Answer::GlobalCommit(end))).is_err());
        let late = Header { id: header.id - 1, ..header.answer() };
        assert!(peer.say(late, &Message::Answer(COMMITTED)).is_err());
        assert!(peer.say(header, &Message::MergedWarp(MergedWarp::default())).is_err());
    }

    #[test]
    fn an_order_to_forget_is_not_answered() {
        let mut peer = Peer::new(Work::At);
        let branch_type = BranchType::At;
        let order = UndoLogDelete { branch_type, resource_id: "r".into(), save_days: 7 };
        let header = Header { kind: Kind::OneWay, ..Header::ping(1) };
        peer.say(header, &Message::UndoLogDelete(order)).unwrap();
        assert!(peer.client.output.is_empty());
    }
}
