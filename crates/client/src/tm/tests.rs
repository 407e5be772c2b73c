//! What work in a global transaction comes to, over a coordinator that answers what it is told.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::context::{self, Context};
use crate::rm::BoxFuture;
use crate::{Xid, clock};

const NAME: &str = "order";
const TIMEOUT: Duration = Duration::from_secs(30);

fn xid(number: u64) -> Xid {
    Xid::parse(&format!("127.0.0.1:8091:{number}")).unwrap()
}

/// What it is asked is written down; what it answers is scripted. Where the script ends, all goes well.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<String>>,
    begin: Mutex<VecDeque<Error>>,
    decide: Mutex<VecDeque<Result<Status, Error>>>,
    stand: Mutex<Option<Status>>,
}

impl Fake {
    fn deciding(answers: impl IntoIterator<Item = Result<Status, Error>>) -> Arc<Self> {
        Arc::new(Self { decide: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    /// Never to be reached when asked to decide.
    fn deaf(stand: Option<Status>) -> Arc<Self> {
        let fake = Self::deciding(std::iter::repeat_n(Err(lost()), 1_000));
        *fake.stand.lock().unwrap() = stand;
        fake
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn note(&self, what: String) -> usize {
        let mut asked = self.asked.lock().unwrap();
        asked.push(what);
        asked.len()
    }

    fn answer(&self, usual: Status) -> Result<Status, Error> {
        self.decide.lock().unwrap().pop_front().unwrap_or(Ok(usual))
    }
}

fn lost() -> Error {
    Error::Unreachable("lost".to_owned())
}

impl Backend for Fake {
    fn begin<'a>(&'a self, name: &'a str, timeout: Duration) -> BoxFuture<'a, Result<Xid, Error>> {
        Box::pin(async move {
            let number = self.note(format!("begin {name} {timeout:?}"));
            self.begin.lock().unwrap().pop_front().map_or_else(|| Ok(xid(number as u64)), Err)
        })
    }

    fn commit<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>> {
        self.note(format!("commit {xid}"));
        Box::pin(async { self.answer(Status::Committing) })
    }

    fn rollback<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>> {
        self.note(format!("rollback {xid}"));
        Box::pin(async { self.answer(Status::RollingBack) })
    }

    fn decision<'a>(&'a self, _xid: &'a Xid) -> BoxFuture<'a, Result<Decision, Error>> {
        Box::pin(async { Err(lost()) })
    }

    fn status<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>> {
        self.note(format!("status {xid}"));
        Box::pin(async { self.stand.lock().unwrap().ok_or_else(lost) })
    }
}

const BEGIN: &str = "begin order 30s";
const COMMIT_1: &str = "commit 127.0.0.1:8091:1";
const ROLLBACK_1: &str = "rollback 127.0.0.1:8091:1";
const STATUS_1: &str = "status 127.0.0.1:8091:1";

async fn run(fake: &Arc<Fake>, result: Result<u8, &'static str>) -> Result<u8, TxError<&'static str>> {
    global_tx(fake, NAME, TIMEOUT, async move |tx| {
        assert_eq!((tx.xid(), tx.is_ours()), (Some(&xid(1)), true));
        assert_eq!(context::current().xid, Some(xid(1)));
        assert!(context::current().deadline.is_some_and(|deadline| deadline <= clock::now() + TIMEOUT));
        result
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn success_is_committed_and_failure_rolled_back() {
    let fake = Arc::new(Fake::default());
    assert_eq!(run(&fake, Ok(7)).await.unwrap(), 7);
    assert_eq!(fake.asked(), [BEGIN, COMMIT_1]);

    let fake = Arc::new(Fake::default());
    let error = run(&fake, Err("no money")).await.unwrap_err();
    assert!(matches!(&error, TxError::RolledBack { error: "no money", .. }), "{error:?}");
    assert_eq!(error.into_work(), Some("no money"));
    assert_eq!(fake.asked(), [BEGIN, ROLLBACK_1]);
    assert_eq!(context::current(), Context::default());
}

#[tokio::test]
async fn without_a_begin_there_is_no_work() {
    let fake = Fake { begin: Mutex::new([lost()].into()), ..Fake::default() };
    let error = run(&Arc::new(fake), Ok(1)).await.unwrap_err();
    assert!(matches!(error, TxError::NotBegun(Error::Unreachable(_))), "{error:?}");
}

/// Each answer to a commit, and what it means for whoever wanted it.
#[tokio::test(start_paused = true)]
async fn only_a_decided_commit_is_a_success() {
    use Status::{Active, Committed, Committing, NeedsAttention, RolledBack, RollingBack, Unknown};
    let otherwise = |status| Err(Error::Otherwise(status));
    let refused = || Err(Error::Refused("what?".to_owned()));
    for (answer, told) in [
        (Ok(Committing), "done"),
        (Ok(Committed), "done"),
        (Ok(RollingBack), "undone"),
        (Ok(RolledBack), "undone"),
        (Ok(NeedsAttention), "in doubt"),
        (Ok(Active), "in doubt"),
        (Ok(Unknown), "in doubt"),
        (otherwise(RollingBack), "undone"),
        (otherwise(RolledBack), "undone"),
        (otherwise(NeedsAttention), "in doubt"),
        (otherwise(Unknown), "in doubt"),
        (refused(), "in doubt"),
    ] {
        let fake = Fake::deciding([answer.clone()]);
        let is = match run(&fake, Ok(1)).await {
            Ok(_) => "done",
            Err(TxError::Undone { .. }) => "undone",
            Err(TxError::InDoubt { .. }) => "in doubt",
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(is, told, "{answer:?}");
        assert_eq!(fake.asked(), [BEGIN, COMMIT_1], "{answer:?}: decided once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    let fake = Fake::deciding([Err(lost()), Err(lost()), Ok(Status::Committed)]);
    assert_eq!(run(&fake, Ok(3)).await.unwrap(), 3);
    assert_eq!(fake.asked(), [BEGIN, COMMIT_1, COMMIT_1, COMMIT_1]);

    let fake = Fake::deciding([Err(lost()), Err(Error::Otherwise(Status::RolledBack))]);
    let error = run(&fake, Ok(3)).await.unwrap_err();
    assert!(matches!(error, TxError::Undone { status: Status::RolledBack, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_tried_until_the_time_out_and_then_looked_for() {
    for (stand, told) in [
        (Some(Status::Committing), "done"),
        (Some(Status::RolledBack), "undone"),
        (Some(Status::Active), "in doubt"),
        (Some(Status::Unknown), "in doubt"),
        (None, "in doubt"),
    ] {
        let (fake, began) = (Fake::deaf(stand), clock::now());
        let is = match run(&fake, Ok(1)).await {
            Ok(_) => "done",
            Err(TxError::Undone { .. }) => "undone",
            Err(TxError::InDoubt { .. }) => "in doubt",
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(is, told, "{stand:?}");
        let took = began.elapsed();
        assert!((TIMEOUT - Duration::from_secs(3)..=TIMEOUT).contains(&took), "{took:?}");
        assert_eq!(fake.asked().last().map(String::as_str), Some(STATUS_1));
        assert!(fake.asked().len() < 30, "pauses grow: {}", fake.asked().len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_waits_little_for_its_rollback_and_says_what_is_not_known() {
    let (fake, began) = (Fake::deaf(None), clock::now());
    let error = run(&fake, Err("no")).await.unwrap_err();
    let TxError::NotRolledBack { error: "no", cause: Error::Unreachable(_), .. } = error else {
        panic!("{error:?}")
    };
    assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());

    let fake = Fake::deciding([Err(Error::Otherwise(Status::Committed))]);
    let error = run(&fake, Err("no")).await.unwrap_err();
    let cause = Error::Otherwise(Status::Committed);
    assert!(
        matches!(&error, TxError::NotRolledBack { cause: is, .. } if is.to_string() == cause.to_string())
    );
}

/// All kinds, inside a transaction and outside of one, for work that succeeds and work that fails.
#[tokio::test(start_paused = true)]
async fn every_propagation() {
    use Propagation::{Mandatory, Never, NotSupported, Required, RequiresNew, Supports};
    // The outer transaction is number 99; a new one is number 1.
    for (propagation, outer, course) in [
        (Required, false, "begin"),
        (Required, true, "join"),
        (RequiresNew, false, "begin"),
        (RequiresNew, true, "begin"),
        (NotSupported, false, "without"),
        (NotSupported, true, "without"),
        (Supports, false, "without"),
        (Supports, true, "join"),
        (Mandatory, false, "refuse"),
        (Mandatory, true, "join"),
        (Never, false, "without"),
        (Never, true, "refuse"),
    ] {
        for result in [Ok(5), Err("no")] {
            let case = format!("{propagation:?}, outer {outer}, {result:?}");
            let fake = Arc::new(Fake::default());
            let context = Context::default().with_xid(outer.then(|| xid(99)));
            let mut ran = None;
            let all = async {
                let options = Options::new(NAME).timeout(TIMEOUT).propagation(propagation);
                let end = options.run(&fake, async |tx: Tx| {
                    assert_eq!(context::current().xid.as_ref(), tx.xid(), "{case}");
                    ran = Some((tx.xid().cloned(), tx.is_ours()));
                    result
                });
                let end = end.await;
                assert_eq!(context::current().xid, outer.then(|| xid(99)), "{case}: restored");
                end
            };
            let end = context::scope(context, all).await;
            let (begun, decided) =
                (!fake.asked().is_empty(), fake.asked().get(1).cloned().unwrap_or_default());
            match course {
                "begin" => {
                    assert_eq!(ran, Some((Some(xid(1)), true)), "{case}");
                    assert_eq!(decided, if result.is_ok() { COMMIT_1 } else { ROLLBACK_1 }, "{case}");
                }
                "refuse" => {
                    assert_eq!(ran, None, "{case}");
                    assert!(matches!(end, Err(TxError::Misplaced(..))) && !begun, "{case}");
                    continue;
                }
                _ => {
                    let inside = (course == "join").then(|| xid(99));
                    assert_eq!(ran, Some((inside, false)), "{case}");
                    assert!(!begun, "{case}: who joins neither begins nor decides");
                }
            }
            match (end, result) {
                (Ok(value), Ok(5)) => assert_eq!(value, 5, "{case}"),
                (Err(error), Err(_)) => assert_eq!(error.into_work(), Some("no"), "{case}"),
                (end, _) => panic!("{case}: {end:?}"),
            }
        }
    }
}

async fn until_asked(fake: &Fake, what: &str) {
    let asked = async {
        while !fake.asked().iter().any(|asked| asked == what) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), asked)
        .await
        .unwrap_or_else(|_| panic!("{what} was not asked: {:?}", fake.asked()));
}

#[tokio::test(start_paused = true)]
async fn dropped_work_is_rolled_back() {
    let fake = Arc::new(Fake::default());
    let work = global_tx(&fake, NAME, TIMEOUT, async |_| std::future::pending::<Result<(), ()>>().await);
    assert!(timeout(Duration::from_secs(1), work).await.is_err());
    until_asked(&fake, ROLLBACK_1).await;
    assert_eq!(fake.asked(), [BEGIN, ROLLBACK_1]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_rolled_back_and_goes_on() {
    let fake = Arc::new(Fake::default());
    let shared = Arc::clone(&fake);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        global_tx(&shared, NAME, TIMEOUT, async |_| -> Result<(), ()> { panic!("as the test wants") }).await
    });
    assert!(tasks.join_next().await.unwrap().unwrap_err().is_panic());
    until_asked(&fake, ROLLBACK_1).await;
    // And where there is no runtime: no second panic.
    let tx = GlobalTx::begin(&fake, NAME, TIMEOUT).await.unwrap();
    std::thread::spawn(move || std::panic::catch_unwind(AssertUnwindSafe(move || drop(tx))).unwrap())
        .join()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_dropped_half_way_is_not_turned_into_a_rollback() {
    let fake = Fake::deaf(None);
    let tx = GlobalTx::begin(&fake, NAME, TIMEOUT).await.unwrap();
    assert!(timeout(Duration::from_millis(10), tx.commit()).await.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fake.asked(), [BEGIN, COMMIT_1]);
    // A rollback is still one.
    let tx = GlobalTx::begin(&fake, NAME, TIMEOUT).await.unwrap();
    assert!(timeout(Duration::from_millis(10), tx.rollback()).await.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fake.asked().iter().filter(|asked| asked.starts_with("rollback")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_transaction_can_be_left_and_taken_along() {
    let fake = Arc::new(Fake::default());
    let seen = global_tx(&fake, NAME, TIMEOUT, async |tx: Tx| {
        let xid = || async { context::current().xid };
        let outside = suspend(xid()).await;
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(xid());
        let spawned = tasks.join_next().await.unwrap().unwrap();
        tasks.spawn(tx.scope(xid()));
        let taken = tasks.join_next().await.unwrap().unwrap();
        Ok::<_, ()>((outside, spawned, taken, xid().await))
    });
    assert_eq!(seen.await.unwrap(), (None, None, Some(xid(1)), Some(xid(1))));
}

/// Work that joins, in the way that is said, inside of a transaction that does not mind; whether that is committed then.
async fn outcome(inner: impl AsyncFnOnce(Arc<Fake>, Tx)) -> &'static str {
    let fake = Arc::new(Fake::default());
    let end = global_tx(&fake, NAME, TIMEOUT, async |tx: Tx| {
        inner(Arc::clone(&fake), tx).await;
        Ok::<_, ()>(())
    });
    let (told, asked) = match end.await {
        Ok(()) => ("committed", COMMIT_1),
        Err(TxError::RollbackOnly { xid: is }) if is == xid(1) => ("rolled back", ROLLBACK_1),
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(fake.asked().iter().filter(|what| what.ends_with(":1")).collect::<Vec<_>>(), [asked]);
    assert_eq!(context::current(), Context::default());
    told
}

async fn fails(fake: &Arc<Fake>, propagation: Propagation) {
    let options = Options::new(NAME).timeout(TIMEOUT).propagation(propagation);
    let failed = options.run(fake, async |_| Err::<(), _>("no")).await.unwrap_err();
    assert_eq!(failed.into_work(), Some("no"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_swallowed_rolls_back_all_the_same() {
    use Propagation::{Mandatory, NotSupported, Required, RequiresNew, Supports};
    for (propagation, told) in [
        (Required, "rolled back"),
        (Supports, "rolled back"),
        (Mandatory, "rolled back"),
        (RequiresNew, "committed"),
        (NotSupported, "committed"),
    ] {
        assert_eq!(outcome(async |fake, _| fails(&fake, propagation).await).await, told, "{propagation:?}");
    }
    let handled = outcome(async |fake, _| {
        let inner = global_tx(&fake, NAME, TIMEOUT, async |_| Ok::<_, ()>(Err::<(), _>("no")));
        assert_eq!(inner.await.unwrap(), Err("no"));
    });
    assert_eq!(handled.await, "committed", "what is returned as a value is no failure");
    let dropped = outcome(async |fake, _| {
        let inner = global_tx(&fake, NAME, TIMEOUT, async |_| std::future::pending::<Result<(), ()>>().await);
        assert!(timeout(Duration::from_secs(1), inner).await.is_err());
    });
    assert_eq!(dropped.await, "rolled back");
    assert_eq!(outcome(async |_, tx| tx.set_rollback_only()).await, "rolled back");
    assert_eq!(outcome(async |_, _| {}).await, "committed", "the next transaction is another one");
}

#[tokio::test(start_paused = true)]
async fn a_failure_on_another_task_counts_too() {
    let join = async |mut tasks: tokio::task::JoinSet<()>| tasks.join_next().await.unwrap();
    let carried = outcome(async |fake, _| {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(context::carry(async move { fails(&fake, Propagation::Required).await }));
        join(tasks).await.unwrap();
    });
    assert_eq!(carried.await, "rolled back");
    let panicked = outcome(async |fake, tx| {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(tx.scope(async move {
            let inner = async |_| -> Result<(), ()> { panic!("as the test wants") };
            global_tx(&fake, NAME, TIMEOUT, inner).await.unwrap();
        }));
        assert!(join(tasks).await.unwrap_err().is_panic());
    });
    assert_eq!(panicked.await, "rolled back");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_decided_by_hand_heeds_the_mark() {
    let (fake, inner) = (Arc::new(Fake::default()), Arc::new(Fake::default()));
    let tx = GlobalTx::begin(&fake, NAME, TIMEOUT).await.unwrap();
    tx.scope(async {
        fails(&inner, Propagation::Required).await;
        assert!(context::current().rollback_only.is_set());
        suspend(async { assert!(!context::current().rollback_only.is_set()) }).await;
    })
    .await;
    assert!(matches!(tx.commit().await, Err(CommitError::RollbackOnly)));
    assert_eq!((fake.asked(), inner.asked()), (vec![BEGIN.to_owned(), ROLLBACK_1.to_owned()], vec![]));

    // One that somebody has committed in spite of it is not said to be rolled back.
    let fake = Fake::deciding([Err(Error::Otherwise(Status::Committed))]);
    let tx = GlobalTx::begin(&fake, NAME, TIMEOUT).await.unwrap();
    tx.scope(fails(&inner, Propagation::Required)).await;
    assert!(matches!(tx.commit().await, Err(CommitError::InDoubt(_))));

    // One that others have begun is theirs.
    let theirs = Context::default().with_xid(Some(xid(99)));
    let is_set = context::scope(theirs, async {
        fails(&inner, Propagation::Required).await;
        context::current().rollback_only.is_set()
    });
    assert!(!is_set.await);
}

#[test]
fn work_can_be_spawned() {
    fn is_send(_: &impl Send) {}
    let fake = Arc::new(Fake::default());
    is_send(&global_tx(&fake, NAME, TIMEOUT, async |_| Ok::<_, ()>(())));
    let object: Arc<dyn Backend> = fake;
    is_send(&global_tx(&object, NAME, TIMEOUT, async |_| Ok::<_, ()>(())));
}
