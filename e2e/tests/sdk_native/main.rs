//! The Rust SDK over Synod's native API: transactions of every kind against the real binary, with answers that are lost, futures that are
//! dropped, and the coordinator killed in between. What happened is judged by what the participants were called for.

mod house;
mod lossy;
mod saga_and_message;

use std::time::Duration;

use house::{Account, House, MINUTE, Order, lists};
use lossy::Lossy;
use synod_client::native::{Client, Standing};
use synod_client::rm::CallError;
use synod_client::tm::{self, GlobalTx, Options, Propagation, Status, Tx, TxError, global_tx};
use synod_e2e::Synod;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_committed_is_confirmed_and_what_fails_is_cancelled() {
    let house = House::start().await;
    let (stock, purse) = (house.account("stock").await, house.account("purse").await);
    let xid = global_tx(&house.client, "order", MINUTE, async |tx: Tx| {
        assert_eq!(stock.call(7).await?, 7);
        purse.call(8).await?;
        Ok::<_, CallError<String>>(tx.xid().expect("it was begun").clone())
    });
    let xid = xid.await.expect("committed");
    assert_eq!(house.end(&xid).await, Standing::Committed);
    assert_eq!(stock.steps(&xid), ["try 7", "confirm 7"]);
    assert_eq!(purse.steps(&xid), ["try 8", "confirm 8"]);

    // The second one refuses: both are cancelled, in the reverse order.
    let order = global_tx(&house.client, "order", MINUTE, async |_| {
        stock.call(1).await?;
        purse.call(101).await
    });
    let error = order.await.expect_err("refused");
    let TxError::RolledBack { xid, error: CallError::Failed(why) } = error else { panic!("{error:?}") };
    assert_eq!(why, "101 is too much");
    assert_eq!(house.end(&xid).await, Standing::RolledBack);
    assert_eq!(stock.steps(&xid), ["try 1", "cancel 1"]);
    assert_eq!(purse.steps(&xid), ["try 101", "cancel 101"]);
    let branches =
        house.client.look(xid.as_str()).await.expect("it is there").details.expect("all of it").branches;
    assert_eq!(branches.len(), 2);
    assert!(branches.iter().all(|branch| branch.backward.step == "done"), "{branches:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rollback_by_time_out_or_by_others_is_no_success() {
    let house = House::start().await;
    let stock = house.account("stock").await;
    let late = global_tx(&house.client, "late", Duration::from_secs(1), async |tx: Tx| {
        stock.call(3).await?;
        // The work takes until the coordinator has given up.
        assert_eq!(house.end(tx.xid().expect("it was begun")).await, Standing::RolledBack);
        Ok::<_, CallError<String>>(())
    });
    let error = late.await.expect_err("too late");
    let TxError::Undone { xid, status: Status::RolledBack } = error else { panic!("{error:?}") };
    assert_eq!(stock.steps(&xid), ["try 3", "cancel 3"]);

    let other = Client::new([house.url()]).expect("a URL");
    let undone = global_tx(&house.client, "meddled", MINUTE, async |tx: Tx| {
        stock.call(4).await?;
        let xid = tx.xid().expect("it was begun");
        assert_eq!(other.rollback(xid.as_str(), "somebody else").await.expect("decided").xid, *xid);
        // Also nobody can join any more.
        let error = stock.call(5).await.expect_err("decided");
        assert!(matches!(error, CallError::NotJoined(_)), "{error}");
        Ok::<_, CallError<String>>(())
    });
    let error = undone.await.expect_err("meddled with");
    let TxError::Undone { xid, .. } = error else { panic!("{error:?}") };
    house.end(&xid).await;
    assert_eq!(stock.steps(&xid), ["try 4", "cancel 4"]);

    // And the reverse: a failure does not claim a rollback where somebody has committed.
    let committed = global_tx(&house.client, "meddled", MINUTE, async |tx: Tx| {
        let xid = tx.xid().expect("it was begun");
        assert_eq!(other.commit(xid.as_str()).await.expect("decided").xid, *xid);
        Err::<(), _>("the work failed")
    });
    let error = committed.await.expect_err("failed");
    let TxError::NotRolledBack { cause: tm::Error::Otherwise(status), .. } = error else {
        panic!("{error:?}")
    };
    assert!(matches!(status, Status::Committing | Status::Committed), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lost_answers_are_asked_for_again_and_nothing_is_doubled() {
    let mut house = House::start().await;
    let proxy = Lossy::start(house.synod().address());
    house.speak_through(&proxy.url());
    let stock = house.account("stock").await;
    for path in ["/v1/transactions", "/branches", "/commit"] {
        let lost = proxy.lose(path, 2);
        let name = format!("lost{}", path.replace('/', "-"));
        let xid = global_tx(&house.client, &name, MINUTE, async |tx: Tx| {
            stock.call(2).await?;
            Ok::<_, CallError<String>>(tx.xid().expect("it was begun").clone())
        });
        let xid = xid.await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(lost(), 2, "{path}: the answers were lost");
        assert_eq!(house.end(&xid).await, Standing::Committed);
        assert_eq!(stock.steps(&xid), ["try 2", "confirm 2"], "{path}");
        assert_eq!(lists(house.synod(), &name), [xid.to_string()], "{path}: there is one of that name");
    }

    // All answers to the commit are lost, and to what is asked afterwards: it has committed, but nobody knows here.
    let options = Options::new("doubt").timeout(Duration::from_secs(3));
    let doubt = options.run(&house.client, async |_| {
        stock.call(6).await?;
        drop(proxy.lose("", u32::MAX));
        Ok::<_, CallError<String>>(())
    });
    let error = doubt.await.expect_err("nobody has said so");
    let TxError::InDoubt { xid, .. } = error else { panic!("{error:?}") };
    assert_eq!(house.end(&xid).await, Standing::Committed);
    assert_eq!(stock.steps(&xid), ["try 6", "confirm 6"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_coordinator_is_killed_before_and_after_the_decision() {
    let mut house = House::start().await;
    let (stock, purse) = (house.account("stock").await, house.account("purse").await);
    // Before: tried, killed, and the commit waits for it to come back.
    let tx = GlobalTx::begin(&house.client, "order", MINUTE).await.expect("begun");
    let xid = tx.xid().clone();
    tx.scope(async { (stock.call(1).await, purse.call(2).await) }).await.0.expect("tried");
    house.kill9();
    let (committed, ()) = tokio::join!(tx.commit(), house.restart());
    committed.expect("it is told when it is back");
    assert_eq!(house.end(&xid).await, Standing::Committed);
    assert_eq!((stock.steps(&xid), purse.steps(&xid)), (lines("try 1,confirm 1"), lines("try 2,confirm 2")));

    // After: decided, but a participant cannot be confirmed yet.
    for (verb, decide) in [("confirm", true), ("cancel", false)] {
        let tx = GlobalTx::begin(&house.client, "order", MINUTE).await.expect("begun");
        let xid = tx.xid().clone();
        tx.scope(async { (stock.call(1).await, purse.call(2).await) }).await.0.expect("tried");
        stock.hold(true);
        purse.hold(true);
        if decide {
            tx.commit().await.expect("decided");
        } else {
            tx.rollback().await.expect("decided");
        }
        house.kill9();
        house.restart().await;
        stock.hold(false);
        purse.hold(false);
        let end = if decide { Standing::Committed } else { Standing::RolledBack };
        assert_eq!(house.end(&xid).await, end);
        assert_eq!(stock.steps(&xid), lines(&format!("try 1,{verb} 1")));
        assert_eq!(purse.steps(&xid), lines(&format!("try 2,{verb} 2")));
    }
}

fn lines(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_dropped_future_is_rolled_back_long_before_its_time_out() {
    let house = House::start().await;
    let stock = house.account("stock").await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let work = global_tx(&house.client, "dropped", 10 * MINUTE, async |tx: Tx| {
        stock.call(9).await?;
        tell.send(tx.xid().expect("it was begun").clone()).expect("somebody listens");
        std::future::pending::<Result<(), CallError<String>>>().await
    });
    let xid = tokio::select! {
        _ = work => panic!("it never ends"),
        xid = told => xid.expect("it was told"),
    };
    assert_eq!(house.end(&xid).await, Standing::RolledBack);
    assert_eq!(stock.steps(&xid), ["try 9", "cancel 9"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn inner_work_joins_or_goes_its_own_way() {
    let house = House::start().await;
    let (stock, purse) = (house.account("stock").await, house.account("purse").await);
    let inner = async |propagation| {
        let options = Options::new("inner").timeout(MINUTE).propagation(propagation);
        options
            .run(&house.client, async |tx: Tx| {
                purse.call(2).await?;
                Ok::<_, CallError<String>>(tx.xid().expect("it is in one").clone())
            })
            .await
    };
    for (propagation, joins) in
        [(Propagation::Required, true), (Propagation::Mandatory, true), (Propagation::RequiresNew, false)]
    {
        let mut own = None;
        let outer = global_tx(&house.client, "outer", MINUTE, async |_| {
            stock.call(1).await.map_err(|error| error.to_string())?;
            own = Some(inner(propagation).await.map_err(|error| error.to_string())?);
            Err::<(), _>("the outer one fails".to_owned())
        });
        let TxError::RolledBack { xid, .. } = outer.await.expect_err("it fails") else {
            panic!("{propagation:?}")
        };
        let own = own.expect("it ran");
        assert_eq!(own == xid, joins, "{propagation:?}");
        assert_eq!(house.end(&xid).await, Standing::RolledBack);
        assert_eq!(stock.steps(&xid), ["try 1", "cancel 1"]);
        let end = if joins { "cancel 2" } else { "confirm 2" };
        house.end(&own).await;
        assert_eq!(purse.steps(&own), ["try 2", end], "{propagation:?}");
    }
    // Without one there is nothing to join.
    let outside = inner(Propagation::Supports).await;
    assert!(outside.is_err(), "the action needs a transaction");
    for propagation in [Propagation::NotSupported, Propagation::Never] {
        let options = Options::new("none").propagation(propagation);
        let without = options.run(&house.client, async |tx: Tx| {
            assert_eq!(tx.xid(), None);
            purse.call(2).await.map(drop)
        });
        let error = without.await.expect_err("the action needs a transaction");
        assert!(matches!(error, TxError::Failed { xid: None, error: CallError::NoTransaction }), "{error:?}");
    }
    assert_eq!(lists(house.synod(), "none"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_participant_that_is_found_by_the_registry() {
    let synod = Synod::start(&["call.timeout=2s"]);
    let house = House::start_as(synod, Some("bank")).await;
    let stock: Account = house.account("stock").await;
    house.announce("bank");
    let done = global_tx(&house.client, "order", MINUTE, async |tx: Tx| {
        stock.call(Order::AMOUNT).await?;
        Ok::<_, CallError<String>>(tx.xid().expect("it was begun").clone())
    });
    let xid = done.await.expect("committed");
    assert_eq!(house.end(&xid).await, Standing::Committed);
    assert_eq!(stock.steps(&xid), ["try 5", "confirm 5"]);
    let branches =
        house.client.look(xid.as_str()).await.expect("it is there").details.expect("all of it").branches;
    assert_eq!(branches[0].forward.url.as_deref(), Some("synod://bank/synod/stock"));
}
