//! Prepared work that nobody ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::Pool;
use synod_client::sql::xa::{Orphans, Rules, TwoPhase, Xa};
use synod_client::tm::Decision;
use synod_scratch::Server;

use crate::coordinator::Coordinator;
use crate::kit::{Kit, prepared, until, work};
use crate::xa::prepare;

fn rules() -> Rules {
    Rules { grace: Duration::ZERO, every: Duration::from_millis(10), ..Rules::new([Coordinator::ADDRESS]) }
}

/// Beside so many that are somebody else's.
pub(crate) async fn all<DB: Kit + TwoPhase>(pool: &Pool<DB>, foreign: usize) {
    let coordinator = Coordinator::new();
    let xa = Xa::register("bank", pool.clone(), coordinator.clone()).await.unwrap();
    let mut xids = Vec::new();
    for _ in 0..5 {
        xids.push(coordinator.xid());
        prepare(&xa, &xids[xids.len() - 1]).await.unwrap();
    }
    let elsewhere = coordinator.xid_at("127.0.0.1:8092");
    prepare(&xa, &elsewhere).await.unwrap();
    let decisions = [Decision::Commit, Decision::Rollback, Decision::Undecided, Decision::Forgotten];
    for (xid, decision) in xids.iter().zip(decisions) {
        coordinator.decide(xid, decision);
    }

    let patient = Rules { grace: Duration::from_secs(3600), ..rules() };
    let mut reaper = xa.reaper(coordinator.clone(), patient);
    assert_eq!(reaper.pass().await.unwrap(), Orphans::default());
    assert_eq!(coordinator.asked.load(Ordering::Relaxed), 0);

    let mut reaper = xa.reaper(coordinator.clone(), rules());
    let found = reaper.pass().await.unwrap();
    let names = |found: &[synod_client::sql::xa::Prepared]| -> Vec<_> {
        let mut xids: Vec<_> = found.iter().map(|prepared| prepared.name.xid().clone()).collect();
        xids.sort();
        xids
    };
    assert_eq!(names(&found.committed), xids[..1]);
    assert_eq!(names(&found.rolled_back), xids[1..2]);
    assert_eq!(names(&found.waiting), [xids[2].clone(), xids[4].clone()]);
    assert_eq!(names(&found.forgotten), xids[3..4]);
    assert_eq!((work(pool, xids[0].as_str()).await, work(pool, xids[1].as_str()).await), (1, 0));
    // Three are left of ours, one of the other coordinator's, and what has nothing to do with us.
    assert_eq!(prepared(pool).await, 4 + foreign);

    // The coordinator comes too, later, and is told that all is well.
    coordinator.commit(&coordinator.branch(&xids[0])).await.unwrap();
    coordinator.rollback(&coordinator.branch(&xids[1])).await.unwrap();

    let reaping = reaper.start();
    coordinator.decide(&xids[2], Decision::Commit);
    coordinator.decide(&xids[4], Decision::Rollback);
    until(async || prepared(pool).await == 2 + foreign).await;
    until(async || names(&reaping.last().forgotten) == xids[3..4]).await;
    assert_eq!((work(pool, xids[2].as_str()).await, work(pool, xids[4].as_str()).await), (1, 0));
    drop(reaping);

    // By hand, as somebody would who has found out.
    coordinator.rollback(&coordinator.branch(&xids[3])).await.unwrap();
    coordinator.rollback(&coordinator.branch(&elsewhere)).await.unwrap();
    assert_eq!(prepared(pool).await, foreign);
}

/// The database is killed: what was prepared is still there, what was at work is not.
pub(crate) async fn survives_a_crash<DB: Kit + TwoPhase>(pool: &Pool<DB>, server: &mut Server) {
    let coordinator = Coordinator::new();
    let xa = Xa::register("bank", pool.clone(), coordinator.clone()).await.unwrap();
    let foreign = prepared(pool).await;
    let (commits, rolls_back, at_work) = (coordinator.xid(), coordinator.xid(), coordinator.xid());
    prepare(&xa, &commits).await.unwrap();
    prepare(&xa, &rolls_back).await.unwrap();
    let ran = xa.run(&at_work, async |tx| {
        DB::exec(tx, &crate::kit::do_work(at_work.as_str())).await.unwrap();
        server.kill();
        DB::exec(tx, "select 1").await
    });
    ran.await.unwrap_err();
    let branch = coordinator.branch(&commits);
    coordinator.commit(&branch).await.unwrap_err();

    server.restart().unwrap();
    assert_eq!(prepared(pool).await, foreign + 2);
    coordinator.decide(&commits, Decision::Commit);
    coordinator.decide(&rolls_back, Decision::Rollback);
    let reaping = xa.reaper(coordinator.clone(), rules()).start();
    until(async || prepared(pool).await == foreign).await;
    drop(reaping);
    let done = [&commits, &rolls_back, &at_work].map(|xid| xid.as_str().to_owned());
    assert_eq!(work(pool, &done[0]).await, 1);
    assert_eq!(work(pool, &done[1]).await + work(pool, &done[2]).await, 0);
    coordinator.commit(&branch).await.unwrap();
    coordinator.rollback(&coordinator.branch(&at_work)).await.unwrap();
}
