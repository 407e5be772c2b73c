//! The barrier.

use std::time::Duration;

use sqlx::Pool;
use synod_client::sql::{Barrier, Entry, Key, Op, Ran};

use crate::kit::{self, Kit, do_work, until_waiting, work};

pub(crate) async fn all<DB: Kit>(pool: &Pool<DB>) {
    a_step_happens_once(pool).await;
    what_has_not_come_is_undone_and_kept_out(pool).await;
    what_fails_has_not_happened(pool).await;
    ids_are_told_apart(pool).await;
    a_check_is_final(pool).await;
    races_end_right(pool).await;
    old_rows_are_cleaned(pool).await;
}

/// Cases in which one has to wait for the other; SQLite does not say who waits.
pub(crate) async fn with_locks<DB: Kit>(pool: &Pool<DB>) {
    cancel_waits_for_try(pool).await;
    try_waits_for_cancel(pool).await;
    a_check_waits_for_the_sender(pool).await;
    what_committed_after_the_first_read_counts(pool).await;
}

/// A step whose work is a row; in a task of its own, as servers run it.
async fn step<DB: Kit>(pool: &Pool<DB>, xid: &str, op: Op) -> sqlx::Result<Ran<()>> {
    let (pool, xid) = (pool.clone(), xid.to_owned());
    let task = tokio::spawn(async move {
        let name = format!("{xid} {}", op.as_str());
        Barrier.run(&pool, Key::branch(&xid, "b"), op, async |tx| DB::exec(tx, &do_work(&name)).await).await
    });
    task.await.unwrap()
}

async fn a_step_happens_once<DB: Kit>(pool: &Pool<DB>) {
    assert_eq!(step(pool, "once", Op::Try).await.unwrap(), Ran::Done(()));
    assert_eq!(step(pool, "once", Op::Try).await.unwrap(), Ran::Skipped(Entry::Repeated));
    assert_eq!(step(pool, "once", Op::Cancel).await.unwrap(), Ran::Done(()));
    assert_eq!(step(pool, "once", Op::Cancel).await.unwrap(), Ran::Skipped(Entry::Repeated));
    assert_eq!((work(pool, "once try").await, work(pool, "once cancel").await), (1, 1));
}

async fn what_has_not_come_is_undone_and_kept_out<DB: Kit>(pool: &Pool<DB>) {
    for (forward, back) in [(Op::Try, Op::Cancel), (Op::Action, Op::Compensate), (Op::Prepare, Op::Rollback)]
    {
        assert_eq!(step(pool, "empty", back).await.unwrap(), Ran::Skipped(Entry::Empty));
        assert_eq!(step(pool, "empty", back).await.unwrap(), Ran::Skipped(Entry::Repeated));
        assert_eq!(step(pool, "empty", forward).await.unwrap(), Ran::Skipped(Entry::TooLate));
        assert_eq!(step(pool, "empty", forward).await.unwrap(), Ran::Skipped(Entry::TooLate));
    }
    assert_eq!(kit::number(pool, "select count(*) from work where name like 'empty%'").await, 0);
}

async fn what_fails_has_not_happened<DB: Kit>(pool: &Pool<DB>) {
    let key = Key::branch("fails", "b");
    let ran = Barrier.run(pool, key, Op::Action, async |tx| {
        DB::exec(tx, &do_work("fails")).await?;
        Err::<(), sqlx::Error>(sqlx::Error::RowNotFound)
    });
    assert!(matches!(ran.await, Err(sqlx::Error::RowNotFound)));
    assert_eq!(work(pool, "fails").await, 0);
    assert_eq!(step(pool, "fails", Op::Action).await.unwrap(), Ran::Done(()));
}

async fn ids_are_told_apart<DB: Kit>(pool: &Pool<DB>) {
    for id in ["ids", "IDS", "ids ", "idś"] {
        assert_eq!(step(pool, id, Op::Deliver).await.unwrap(), Ran::Done(()), "{id:?}");
    }
    let mut tx = pool.begin().await.unwrap();
    for receiver in ["mail", "stock"] {
        let entry = Barrier.enter(&mut tx, Key::message("ids", receiver), Op::Deliver).await;
        assert_eq!(entry.unwrap(), Entry::Fresh);
    }
    tx.rollback().await.unwrap();
    let long = "x".repeat(256);
    for (xid, branch) in [("", "b"), ("x", ""), (&long, "b"), ("x", &long)] {
        let mut tx = pool.begin().await.unwrap();
        let entry = Barrier.enter(&mut tx, Key::branch(xid, branch), Op::Try).await;
        assert!(matches!(entry, Err(sqlx::Error::InvalidArgument(_))));
    }
    assert_eq!(step(pool, &long[1..], Op::Try).await.map(|_| ()).unwrap_or(()), ());
}

async fn a_check_is_final<DB: Kit>(pool: &Pool<DB>) {
    let was_sent = async |id| Barrier.was_sent(pool, Key::message(id, "b")).await.unwrap();
    assert_eq!(step(pool, "sent", Op::Send).await.unwrap(), Ran::Done(()));
    assert!(was_sent("sent").await && was_sent("sent").await);
    assert!(!was_sent("unsent").await && !was_sent("unsent").await);
    assert_eq!(step(pool, "unsent", Op::Send).await.unwrap(), Ran::Skipped(Entry::TooLate));
}

/// Every step is called twice and all at once, and again after an error, as a coordinator does it.
async fn races_end_right<DB: Kit>(pool: &Pool<DB>) {
    let mut tasks = Vec::new();
    for number in 0..30 {
        for op in [Op::Try, Op::Cancel, Op::Cancel, Op::Try] {
            let pool = pool.clone();
            tasks.push(tokio::spawn(async move {
                loop {
                    match step(&pool, &format!("race-{number}"), op).await {
                        Ok(ran) => return (op, ran),
                        Err(error) => assert!(error.as_database_error().is_some(), "{error}"),
                    }
                }
            }));
        }
    }
    let (mut done, mut late) = ([0, 0], 0);
    for task in tasks {
        match task.await.unwrap() {
            (op, Ran::Done(())) => done[usize::from(op == Op::Cancel)] += 1,
            (Op::Try, Ran::Skipped(Entry::TooLate)) => late += 1,
            (Op::Try, Ran::Skipped(Entry::Repeated)) => {}
            (Op::Cancel, Ran::Skipped(Entry::Repeated | Entry::Empty)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(done[0], done[1], "each try that was done is cancelled, and nothing else");
    assert_eq!(kit::number(pool, "select count(*) from work where name like 'race-% try'").await, done[0]);
    assert_eq!(late % 2, 0, "both tries of a branch come too late, or none");
    assert_eq!(done[0] + late / 2, 30);
}

async fn old_rows_are_cleaned<DB: Kit>(pool: &Pool<DB>) {
    let rows = async || kit::number(pool, "select count(*) from synod_barrier").await;
    let before = rows().await;
    assert_eq!(Barrier.clean(pool, Duration::from_secs(3600), 100).await.unwrap(), 0);
    assert_eq!(Barrier.clean(pool, Duration::from_secs(u64::MAX), 100).await.unwrap(), 0);
    assert_eq!(Barrier.clean(pool, Duration::ZERO, 3).await.unwrap(), 3);
    assert_eq!(rows().await, before - 3);
    kit::exec(pool, "update synod_barrier set entered_ms = entered_ms - 3600000 where xid = 'unsent'").await;
    assert_eq!(Barrier.clean(pool, Duration::from_secs(1800), 100).await.unwrap(), 2);
}

async fn cancel_waits_for_try<DB: Kit>(pool: &Pool<DB>) {
    for commits in [true, false] {
        let xid = format!("cancel waits {commits}");
        let mut tx = pool.begin().await.unwrap();
        assert_eq!(Barrier.enter(&mut tx, Key::branch(&xid, "b"), Op::Try).await.unwrap(), Entry::Fresh);
        let (other, id) = (pool.clone(), xid.clone());
        let cancel = tokio::spawn(async move { step(&other, &id, Op::Cancel).await });
        until_waiting(pool).await;
        assert!(!cancel.is_finished());
        if commits {
            tx.commit().await.unwrap();
            assert_eq!(cancel.await.unwrap().unwrap(), Ran::Done(()));
        } else {
            tx.rollback().await.unwrap();
            assert_eq!(cancel.await.unwrap().unwrap(), Ran::Skipped(Entry::Empty));
            assert_eq!(step(pool, &xid, Op::Try).await.unwrap(), Ran::Skipped(Entry::TooLate));
        }
    }
}

async fn try_waits_for_cancel<DB: Kit>(pool: &Pool<DB>) {
    for commits in [true, false] {
        let xid = format!("try waits {commits}");
        let mut tx = pool.begin().await.unwrap();
        assert_eq!(Barrier.enter(&mut tx, Key::branch(&xid, "b"), Op::Cancel).await.unwrap(), Entry::Empty);
        let other = pool.clone();
        let forward = tokio::spawn(async move { step(&other, &xid, Op::Try).await });
        until_waiting(pool).await;
        assert!(!forward.is_finished());
        if commits {
            tx.commit().await.unwrap();
            assert_eq!(forward.await.unwrap().unwrap(), Ran::Skipped(Entry::TooLate));
        } else {
            tx.rollback().await.unwrap();
            assert_eq!(forward.await.unwrap().unwrap(), Ran::Done(()));
        }
    }
}

async fn a_check_waits_for_the_sender<DB: Kit>(pool: &Pool<DB>) {
    for commits in [true, false] {
        let id = format!("check waits {commits}");
        let mut tx = pool.begin().await.unwrap();
        assert_eq!(Barrier.enter(&mut tx, Key::message(&id, "b"), Op::Send).await.unwrap(), Entry::Fresh);
        let other = pool.clone();
        let check = tokio::spawn(async move { Barrier.was_sent(&other, Key::message(&id, "b")).await });
        until_waiting(pool).await;
        assert!(!check.is_finished());
        if commits {
            tx.commit().await.unwrap()
        } else {
            tx.rollback().await.unwrap()
        }
        assert_eq!(check.await.unwrap().unwrap(), commits);
    }
}

/// MySQL has a transaction see what was there at its first read.
async fn what_committed_after_the_first_read_counts<DB: Kit>(pool: &Pool<DB>) {
    let mut tx = pool.begin().await.unwrap();
    DB::count(&mut tx, "select count(*) from synod_barrier").await;
    assert_eq!(step(pool, "snapshot", Op::Cancel).await.unwrap(), Ran::Skipped(Entry::Empty));
    let entry = Barrier.enter(&mut tx, Key::branch("snapshot", "b"), Op::Try).await;
    assert_eq!(entry.unwrap(), Entry::TooLate);
    tx.rollback().await.unwrap();
}
