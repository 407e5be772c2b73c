//! XA.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use synod_client::Xid;
use synod_client::rm::EndError;
use synod_client::sql::Barrier;
use synod_client::sql::xa::{Error, TwoPhase, Xa};

use crate::coordinator::Coordinator;
use crate::kit::{self, Kit, do_work, prepared, until_waiting, work};

/// Long enough for what waits for nobody.
const PROMPT: Duration = Duration::from_secs(10);

pub(crate) async fn all<DB: Kit + TwoPhase>(pool: &Pool<DB>, single: &Pool<DB>) {
    let coordinator = Coordinator::new();
    let xa = Xa::register("bank", pool.clone(), coordinator.clone()).await.unwrap();
    ends_both_ways(pool, &xa, &coordinator).await;
    ends_before_it_has_come(pool, &xa, &coordinator).await;
    long_ids_do_not_join(&xa, &coordinator).await;
    a_rollback_waits_for_the_work(pool, &xa, &coordinator).await;
    // One connection: whoever leaves it in a bad state is found out by the next.
    let xa = Xa::register("bank", single.clone(), coordinator.clone()).await.unwrap();
    failed_work_is_undone(pool, &xa, &coordinator).await;
    abandoned_work_is_undone(pool, single, &xa, &coordinator).await;
    connections_come_back_clean(single, &xa, &coordinator).await;
    a_branch_ends_although_all_connections_wait(&xa, &coordinator).await;
}

/// Work that is a row with the XID's text; in a task of its own, as servers run it.
pub(crate) async fn prepare<DB: Kit + TwoPhase>(xa: &Xa<DB>, xid: &Xid) -> Result<(), Error<sqlx::Error>> {
    let (xa, xid) = (xa.clone(), xid.clone());
    let task =
        tokio::spawn(
            async move { xa.run(&xid, async |tx| DB::exec(tx, &do_work(xid.as_str())).await).await },
        );
    task.await.unwrap()
}

async fn ends_both_ways<DB: Kit + TwoPhase>(pool: &Pool<DB>, xa: &Xa<DB>, coordinator: &Arc<Coordinator>) {
    for commits in [true, false] {
        let xid = coordinator.xid();
        prepare(xa, &xid).await.unwrap();
        assert_eq!((prepared(pool).await, work(pool, xid.as_str()).await), (1, 0));
        // A service that starts meanwhile waits for nobody: perhaps it is the one who is to end this.
        let starting = tokio::time::timeout(PROMPT, Barrier::create_table(pool));
        starting.await.expect("the table is there").unwrap();
        let branch = coordinator.branch(&xid);
        for _ in 0..2 {
            let ended =
                if commits { coordinator.commit(&branch).await } else { coordinator.rollback(&branch).await };
            ended.unwrap();
            assert_eq!((prepared(pool).await, work(pool, xid.as_str()).await), (0, i64::from(commits)));
        }
        let other =
            if commits { coordinator.rollback(&branch).await } else { coordinator.commit(&branch).await };
        assert!(matches!(other, Err(EndError::Never(_))), "{other:?}");
        assert!(!coordinator.has_failed(&xid));
    }
}

async fn ends_before_it_has_come<DB: Kit + TwoPhase>(
    pool: &Pool<DB>,
    xa: &Xa<DB>,
    coordinator: &Arc<Coordinator>,
) {
    let branch = coordinator.join(&coordinator.xid());
    for _ in 0..2 {
        coordinator.rollback(&branch).await.unwrap();
    }
    let branch = coordinator.join(&coordinator.xid());
    for _ in 0..2 {
        let ended = coordinator.commit(&branch).await;
        assert!(matches!(ended, Err(EndError::Never(_))), "{ended:?}");
    }
    coordinator.rollback(&branch).await.unwrap();
    // A rollback that overtakes the work: it comes when the branch has joined and done nothing yet.
    let xid = coordinator.xid();
    let name = xid.to_string();
    let next = coordinator.branch_to_come(&xid);
    coordinator.rollback(&next).await.unwrap();
    let refused = prepare(xa, &xid).await;
    assert!(matches!(refused, Err(Error::RolledBack)), "{refused:?}");
    assert_eq!((prepared(pool).await, work(pool, &name).await), (0, 0));
}

async fn long_ids_do_not_join<DB: Kit + TwoPhase>(xa: &Xa<DB>, coordinator: &Arc<Coordinator>) {
    let xid = coordinator.xid_at(&format!("{}:8091", "a".repeat(60)));
    let refused = prepare(xa, &xid).await;
    assert!(matches!(refused, Err(Error::Name(_))), "{refused:?}");
    assert!(!coordinator.has_joined(&xid));
}

/// Work that waits for a row of a prepared branch may hold every connection there is; the end of that branch must not need one of them.
async fn a_branch_ends_although_all_connections_wait<DB: Kit + TwoPhase>(
    xa: &Xa<DB>,
    coordinator: &Arc<Coordinator>,
) {
    let xid = coordinator.xid();
    prepare(xa, &xid).await.unwrap();
    let branch = coordinator.branch(&xid);
    let other = coordinator.xid();
    let working = xa.run(&other, async |_| {
        // The only connection is held here.
        let ended = tokio::time::timeout(PROMPT, coordinator.commit(&branch)).await;
        ended.expect("the end needs none of these connections").unwrap();
        Ok::<(), sqlx::Error>(())
    });
    working.await.unwrap();
    coordinator.rollback(&coordinator.branch(&other)).await.unwrap();
}

/// The trap: to a database, a branch that is still at work looks like one that never was.
async fn a_rollback_waits_for_the_work<DB: Kit + TwoPhase>(
    pool: &Pool<DB>,
    xa: &Xa<DB>,
    coordinator: &Arc<Coordinator>,
) {
    let xid = coordinator.xid();
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let (go, may_go) = tokio::sync::oneshot::channel();
    let (worker, id) = (xa.clone(), xid.clone());
    let running = tokio::spawn(async move {
        let work = worker.run(&id, async |tx| {
            DB::exec(tx, &do_work(id.as_str())).await?;
            began.send(()).unwrap();
            may_go.await.unwrap();
            Ok::<(), sqlx::Error>(())
        });
        work.await
    });
    has_begun.await.unwrap();
    let branch = coordinator.branch(&xid);
    let (caller, called) = (coordinator.clone(), branch.clone());
    let rollback = tokio::spawn(async move { caller.rollback(&called).await });
    until_waiting(pool).await;
    assert!(!rollback.is_finished());
    go.send(()).unwrap();
    running.await.unwrap().unwrap();
    // It has been prepared under the eyes of the rollback, which cannot have it both ways.
    let ended = rollback.await.unwrap();
    assert!(matches!(ended, Err(EndError::Again(_))), "{ended:?}");
    assert_eq!(prepared(pool).await, 1);
    coordinator.rollback(&branch).await.unwrap();
    assert_eq!((prepared(pool).await, work(pool, xid.as_str()).await), (0, 0));
}

async fn failed_work_is_undone<DB: Kit + TwoPhase>(
    pool: &Pool<DB>,
    xa: &Xa<DB>,
    coordinator: &Arc<Coordinator>,
) {
    let xid = coordinator.xid();
    let ran = xa.run(&xid, async |tx| {
        DB::exec(tx, &do_work(xid.as_str())).await?;
        DB::exec(tx, "insert into nowhere values (1)").await
    });
    let failed = ran.await;
    assert!(matches!(failed, Err(Error::Work(_))), "{failed:?}");
    assert!(coordinator.has_failed(&xid));
    assert_eq!((prepared(pool).await, work(pool, xid.as_str()).await), (0, 0));
    coordinator.rollback(&coordinator.branch(&xid)).await.unwrap();
}

async fn abandoned_work_is_undone<DB: Kit + TwoPhase>(
    pool: &Pool<DB>,
    single: &Pool<DB>,
    xa: &Xa<DB>,
    coordinator: &Arc<Coordinator>,
) {
    let xid = coordinator.xid();
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let mut running = Box::pin(xa.run(&xid, async |tx| {
        DB::exec(tx, &do_work(xid.as_str())).await?;
        began.send(()).unwrap();
        std::future::pending::<Result<(), sqlx::Error>>().await
    }));
    tokio::select! {
        _ = &mut running => panic!("it cannot end"),
        begun = has_begun => begun.unwrap(),
    }
    drop(running);
    // The pool's only connection is another one now, and in no transaction.
    assert_eq!(work(single, xid.as_str()).await, 0);
    kit::exec(single, &do_work("after what was abandoned")).await;
    assert_eq!(work(pool, "after what was abandoned").await, 1);
    coordinator.rollback(&coordinator.branch(&xid)).await.unwrap();
    assert_eq!(prepared(pool).await, 0);
}

async fn connections_come_back_clean<DB: Kit + TwoPhase>(
    single: &Pool<DB>,
    xa: &Xa<DB>,
    coordinator: &Arc<Coordinator>,
) {
    for _ in 0..3 {
        let xid = coordinator.xid();
        prepare(xa, &xid).await.unwrap();
        let mut tx = single.begin().await.unwrap();
        DB::exec(&mut tx, &do_work("between")).await.unwrap();
        tx.commit().await.unwrap();
        coordinator.commit(&coordinator.branch(&xid)).await.unwrap();
        assert_eq!(work(single, xid.as_str()).await, 1);
    }
    assert_eq!(work(single, "between").await, 3);
}

/// PostgreSQL's `PREPARE TRANSACTION` succeeds in a transaction in which a statement has failed: by rolling back.
pub(crate) async fn what_failed_unseen_is_not_prepared<DB: Kit + TwoPhase>(pool: &Pool<DB>) {
    let coordinator = Coordinator::new();
    let xa = Xa::register("bank", pool.clone(), coordinator.clone()).await.unwrap();
    let xid = coordinator.xid();
    let ran = xa.run(&xid, async |tx| {
        DB::exec(tx, &do_work(xid.as_str())).await?;
        DB::exec(tx, "insert into nowhere values (1)").await.ok();
        Ok::<(), sqlx::Error>(())
    });
    let failed = ran.await;
    assert!(matches!(failed, Err(Error::Database(_))), "{failed:?}");
    coordinator.rollback(&coordinator.branch(&xid)).await.unwrap();
}
