//! What clients are told when a request could not be put into the log, or nobody knows whether it was: no more than is known.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use synod_core::txn::{Batch, Command};
use synod_replica::{Applied, Later, Metrics, ProposeError, ReadError, Replicator, Role, Solo};
use synod_server::call::{Caller, Settings};
use synod_server::face::seata::{Front, limits};
use synod_server::net;
use synod_server::task::{self, Stop};
use synod_server::txn::{Coordinator, Prepared};
use synod_wire::seata::{BranchStatus, ExceptionCode, GlobalStatus, Kind, Message, Request};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::TestNode;
use super::client::{Line, end, tcc};

/// Long enough for an answer to come.
const SOON: Duration = Duration::from_millis(500);

/// What becomes of a batch.
#[derive(Clone, Debug)]
enum Fate {
    /// It is applied, and nobody hears of it.
    Silent,
    /// It is not applied.
    Not(ProposeError),
}

/// A replicator that fails as a test says, where something is proposed that a client waits for.
#[derive(Debug)]
struct Fateful {
    solo: Solo,
    fates: Mutex<VecDeque<Fate>>,
}

impl Fateful {
    fn next(&self, fate: Fate) {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner).push_back(fate);
    }

    fn fate_of(&self, batch: &Batch) -> Option<Fate> {
        let waits = |command: &Command| {
            matches!(command, Command::Enlist(_) | Command::Decide(_) | Command::Amend(_))
        };
        let is_awaited = batch.commands.iter().any(waits);
        is_awaited.then(|| self.fates.lock().unwrap_or_else(PoisonError::into_inner).pop_front()).flatten()
    }
}

impl Replicator for Fateful {
    fn propose(&self, batch: Batch) -> Later<'_, Result<Applied, ProposeError>> {
        match self.fate_of(&batch) {
            None => self.solo.propose(batch),
            Some(Fate::Silent) => {
                Box::pin(async { self.solo.propose(batch).await.and(Err(ProposeError::Unknown)) })
            }
            Some(Fate::Not(error)) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn read_barrier(&self) -> Later<'_, Result<(), ReadError>> {
        self.solo.read_barrier()
    }

    fn role(&self) -> Role {
        self.solo.role()
    }

    fn role_after(&self, seen: Role) -> Later<'_, Role> {
        self.solo.role_after(seen)
    }

    fn metrics(&self) -> Metrics {
        self.solo.metrics()
    }
}

/// A second Seata listener on a node, over a replicator that fails.
struct Stage {
    replicator: Arc<Fateful>,
    seata: SocketAddr,
    node: TestNode,
    _stop: Stop,
}

impl Stage {
    async fn set() -> Self {
        let node = TestNode::start(&[]).await;
        let shared = &node.running.node;
        let settings = synod_server::txn::settings::Settings::from(&shared.config.txn);
        let prepared = Prepared::default();
        let solo = Solo::new(settings.limits, prepared.sink());
        let machine = Arc::clone(solo.machine());
        let replicator = Arc::new(Fateful { solo, fates: Mutex::default() });
        let caller = Caller::new(
            Settings::new(&shared.config, &shared.xid_address).unwrap(),
            Arc::clone(&shared.registry),
            Arc::clone(&shared.tls),
            shared.clock.clone(),
            shared.calls.clone(),
        );
        let channels = caller.channels().clone();
        let (stop, stopping) = Stop::new();
        let (coordinator, _) = Coordinator::start(
            &settings,
            &node.dir.path().join("other-details"),
            prepared,
            Arc::clone(&replicator) as _,
            machine,
            caller,
            shared.clock.clone(),
            1,
            shared.transactions.clone(),
            &stopping,
        )
        .unwrap();
        coordinator.ready().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let seata = listener.local_addr().unwrap();
        let front = Front::new(shared, coordinator, channels);
        let limits = limits(&shared.config.face.seata);
        let serving = net::serve(listener, front, limits, shared.seata.net.clone(), stopping);
        task::spawn("seata-of-the-test", serving);
        Self { replicator, seata, node, _stop: stop }
    }

    async fn lines(&self) -> [Line; 2] {
        [Line::tm(self.seata, "2.6.0").await, Line::rm(self.seata, "2.6.0", "app", "pay").await]
    }
}

/// Sends a request that is not answered, while the connection lives.
async fn is_left_without_answer(line: &mut Line, request: Request) {
    line.send(Kind::Request, &Message::Request(request)).await;
    if let Ok(frame) = timeout(SOON, line.frame()).await {
        panic!("told something: {frame:?}");
    }
    line.ping().await;
}

async fn commits(tm: &mut Line, rm: &mut Line, xid: &str) {
    let committing = tm.commit(xid);
    let told = async {
        let told = rm.told().await;
        assert!(told.1, "to commit");
        rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    };
    let (status, ()) = tokio::join!(committing, told);
    assert_eq!(status, GlobalStatus::Committed);
}

#[tokio::test]
async fn a_decision_of_which_nobody_knows_is_not_answered() {
    let stage = Stage::set().await;
    let [mut tm, mut rm] = stage.lines().await;
    for (fate, is_decided) in [(Fate::Silent, true), (Fate::Not(ProposeError::Unknown), false)] {
        let xid = tm.begin(60_000).await;
        rm.branch(tcc(&xid, "pay")).await.unwrap();
        stage.replicator.next(fate);
        is_left_without_answer(&mut tm, Request::GlobalCommit(end(&xid))).await;
        // Java's client asks again when its patience is over, and hears how it stands.
        if is_decided {
            let told = rm.told().await;
            assert!(told.1, "to commit");
            rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
            assert_eq!(tm.commit(&xid).await, GlobalStatus::Committed);
        } else {
            assert_eq!(tm.status(&xid).await, GlobalStatus::Begin);
            commits(&mut tm, &mut rm, &xid).await;
        }
    }
    stage.node.running.stop().await;
}

#[tokio::test]
async fn a_branch_of_which_nobody_knows_is_not_answered() {
    let stage = Stage::set().await;
    let [mut tm, mut rm] = stage.lines().await;
    let xid = tm.begin(60_000).await;
    stage.replicator.next(Fate::Silent);
    is_left_without_answer(&mut rm, Request::BranchRegister(tcc(&xid, "pay"))).await;
    // It may have joined, and then it is called: its participant takes that for an empty rollback.
    let rolling_back = tm.roll_back(&xid);
    let told = async {
        let told = rm.told().await;
        assert!(!told.1, "to roll back");
        rm.did(&told, BranchStatus::PhaseTwoRollbacked).await;
    };
    let (status, ()) = tokio::join!(rolling_back, told);
    assert_eq!(status, GlobalStatus::Rollbacked);
    stage.node.running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_now_has_not_happened() {
    let stage = Stage::set().await;
    let [mut tm, mut rm] = stage.lines().await;
    let xid = tm.begin(60_000).await;
    let branch_id = rm.branch(tcc(&xid, "pay")).await.unwrap();
    // A participant hears it, and undoes its own part.
    stage.replicator.next(Fate::Not(ProposeError::Full));
    let refused = rm.branch(tcc(&xid, "pay")).await.unwrap_err();
    assert_eq!(refused.code, ExceptionCode::FailedStore, "{refused:?}");
    assert!(refused.text.contains("the disk is full"), "{refused:?}");
    stage.replicator.next(Fate::Not(ProposeError::NotLeader { leader: None }));
    let refused = rm.report(&xid, branch_id, BranchStatus::PhaseOneFailed).await.unwrap_err();
    assert_eq!(refused.code, ExceptionCode::BranchReportFailed, "{refused:?}");
    // An initiator has no words for it: it tries again over a new connection.
    for (error, request) in [
        (ProposeError::Full, Request::GlobalCommit(end(&xid))),
        (ProposeError::NotLeader { leader: None }, Request::GlobalRollback(end(&xid))),
    ] {
        stage.replicator.next(Fate::Not(error));
        tm.send(Kind::Request, &Message::Request(request)).await;
        assert!(tm.frame().await.is_none(), "closed without a word");
        tm = Line::tm(stage.seata, "2.6.0").await;
        assert_eq!(tm.status(&xid).await, GlobalStatus::Begin);
    }
    commits(&mut tm, &mut rm, &xid).await;
    stage.node.running.stop().await;
}
