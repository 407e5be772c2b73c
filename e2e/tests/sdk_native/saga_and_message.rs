//! What the coordinator drives: sagas, messages, notifications.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use synod_client::native::{
    Asked, Checked, Message, Notification, Payload, Saga, SagaStep, Standing, Subscriber, Transaction,
};
use synod_client::rm::saga::{Saga as Compensated, Step, StepError};
use synod_client::rm::{Branch, EndError};
use synod_client::tm::{TxError, global_tx};

use crate::house::{Diary, House, MINUTE, Order};

const SOON: Duration = Duration::from_millis(100);
const END: Duration = Duration::from_secs(30);

/// Steps of several names that share a diary: what happened in which order.
#[derive(Clone)]
struct Stage {
    name: &'static str,
    diary: Diary,
    /// So many attempts fail first.
    failures: Arc<AtomicU32>,
}

impl Step for Stage {
    type Input = Order;

    async fn action(&self, branch: &Branch, order: &Order) -> Result<(), StepError> {
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            return Err(StepError::Failed("not yet, as the test wants".to_owned()));
        }
        self.diary.write(branch, format!("{} {}", self.name, order.amount));
        if order.amount > 100 { Err(StepError::Refused("too much".to_owned())) } else { Ok(()) }
    }

    async fn compensate(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        self.diary.write(branch, format!("undo {} {}", self.name, order.amount));
        Ok(())
    }
}

fn stage(name: &'static str, diary: &Diary, failures: u32) -> Stage {
    Stage { name, diary: diary.clone(), failures: Arc::new(AtomicU32::new(failures)) }
}

fn step(house: &House, name: &str, amount: u32) -> SagaStep {
    let url = house.participants.url(name);
    let payload = Payload::json(&Order { amount }).expect("JSON");
    SagaStep::new(url.as_str()).compensate(url).payload(payload)
}

async fn ended(house: &House, begun: Transaction) -> Transaction {
    let end = house.client.wait(begun.xid.as_str(), END).await.expect("it is known");
    assert!(end.ended, "{end:?}");
    end
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sagas_go_forward_and_turn_back() {
    let house = House::start().await;
    let (debit, credit) = (Diary::default(), Diary::default());
    house.participants.step("debit", stage("debit", &debit, 0));
    house.participants.step("credit", stage("credit", &credit, 2));
    let saga = Saga::new("transfer").gid("transfer-1").retry_interval(SOON);
    let saga = saga.step(step(&house, "debit", 30)).step(step(&house, "credit", 30));
    let end = ended(&house, saga.submit(&house.client).await.expect("submitted")).await;
    assert_eq!((end.standing, end.gid.as_deref()), (Standing::Committed, Some("transfer-1")));
    assert_eq!(
        (debit.steps(&end.xid), credit.steps(&end.xid)),
        (vec!["debit 30".into()], vec!["credit 30".into()])
    );
    // Once more: the same one.
    let again = saga.submit(&house.client).await.expect("submitted");
    assert_eq!((again.xid, again.standing), (end.xid.clone(), Standing::Committed));
    let other = Saga::new("transfer").gid("transfer-1").step(step(&house, "debit", 31));
    assert_eq!(other.submit(&house.client).await.expect_err("another one").code(), Some("E2003"));

    let saga = Saga::new("transfer").retry_interval(SOON);
    let saga = saga.step(step(&house, "debit", 30)).step(step(&house, "credit", 101));
    let end = ended(&house, saga.submit(&house.client).await.expect("submitted")).await;
    assert_eq!((end.standing, end.reason.contains("too much")), (Standing::RolledBack, true), "{end:?}");
    assert_eq!(debit.steps(&end.xid), ["debit 30", "undo debit 30"]);
    assert_eq!(credit.steps(&end.xid), ["credit 101", "undo credit 101"]);

    // So many failures, and it turns.
    house.participants.step("credit", stage("credit", &credit, 9));
    let saga = Saga::new("transfer").retry_interval(SOON).retry_limit(2).concurrent();
    let saga = saga.step(step(&house, "debit", 1)).step(step(&house, "credit", 1).after("01"));
    let end = ended(&house, saga.submit(&house.client).await.expect("submitted")).await;
    assert_eq!(end.standing, Standing::RolledBack);
    assert_eq!(debit.steps(&end.xid), ["debit 1", "undo debit 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_step_within_a_transaction_is_compensated() {
    let house = House::start().await;
    let (diary, account) = (Diary::default(), house.account("account").await);
    let mail = Compensated::register(Arc::clone(&house.client) as _, "mail", stage("mail", &diary, 0));
    let mail = mail.await.expect("registered");
    for (fails, end, steps) in [
        (false, Standing::Committed, vec!["mail 1"]),
        (true, Standing::RolledBack, vec!["mail 1", "undo mail 1"]),
    ] {
        let mut seen = None;
        let done = global_tx(&house.client, "mixed", MINUTE, async |tx| {
            seen = tx.xid().cloned();
            account.call(2).await.map_err(|error| error.to_string())?;
            mail.call(&Order { amount: 1 }).await.map_err(|error| error.to_string())?;
            if fails { Err("no".to_owned()) } else { Ok(()) }
        });
        match done.await {
            Ok(()) => assert!(!fails),
            Err(TxError::RolledBack { error, .. }) => assert_eq!((fails, error.as_str()), (true, "no")),
            Err(error) => panic!("{error:?}"),
        }
        let xid = seen.expect("it ran");
        assert_eq!(house.end(&xid).await, end);
        assert_eq!(diary.steps(&xid), steps);
        assert_eq!(account.steps(&xid), ["try 2", if fails { "cancel 2" } else { "confirm 2" }]);
    }
}

/// Messages as they came: the gid and what it says.
type Inbox = Arc<Mutex<Vec<String>>>;

fn receive(house: &House, name: &str) -> Inbox {
    let inbox = Inbox::default();
    let kept = Arc::clone(&inbox);
    house.participants.on_message(name, move |asked: Asked| {
        let line = format!("{} {}", asked.gid.unwrap_or_default(), String::from_utf8_lossy(&asked.payload));
        let mut all = kept.lock().expect("nobody panics");
        if !all.contains(&line) {
            all.push(line);
        }
        async { Ok(()) }
    });
    inbox
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_go_out_if_the_local_transaction_has_committed() {
    let house = House::start().await;
    let inbox = receive(&house, "on-order");
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    // What the local database would say.
    house.participants.on_check("was-it-paid", move |asked: Asked| {
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            match asked.gid.as_deref() {
                _ if is_first => Ok(Checked::Undecided),
                Some("silent-paid") => Ok(Checked::Committed),
                Some("silent-unpaid") => Ok(Checked::RolledBack),
                gid => Err(format!("{gid:?} is not known")),
            }
        }
    });
    let subscriber = Subscriber { url: house.participants.url("on-order"), remark: "test".to_owned() };
    assert_eq!(house.client.subscribe("orders", &subscriber).await.expect("done").subscribers, [subscriber]);
    let message = |gid: &str| {
        let message = Message::to_topic("orders").gid(gid).payload(format!("\"{gid}\"")).retry_interval(SOON);
        message.back_check(house.participants.url("was-it-paid")).timeout(Duration::from_secs(1))
    };
    let standing = async |transaction: Transaction| ended(&house, transaction).await.standing;

    let half = message("told").begin(&house.client).await.expect("begun");
    assert_eq!(half.xid(), message("told").begin(&house.client).await.expect("the same").xid());
    assert_eq!(standing(half.submit().await.expect("submitted")).await, Standing::Committed);
    let half = message("aborted").begin(&house.client).await.expect("begun");
    assert_eq!(standing(half.abort("no money").await.expect("aborted")).await, Standing::RolledBack);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody was silent yet");
    for (gid, end) in [("silent-paid", Standing::Committed), ("silent-unpaid", Standing::RolledBack)] {
        drop(message(gid).begin(&house.client).await.expect("begun"));
        assert_eq!(house.client.wait(gid, END).await.expect("it is known").standing, end, "{gid}");
    }
    assert!(asked.load(Ordering::SeqCst) >= 3, "also asked again where it was undecided");
    assert_eq!(*inbox.lock().expect("nobody panics"), ["told \"told\"", "silent-paid \"silent-paid\""]);

    house.client.delete_topic("orders").await.expect("gone");
    house.client.delete_topic("orders").await.expect("gone is gone");
    assert_eq!(message("late").begin(&house.client).await.expect_err("nobody").code(), Some("E2010"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn notifications_are_told_until_given_up_and_can_be_sent_again() {
    let house = House::start().await;
    let url = house.participants.url("bill");
    let notification = Notification::to(url).gid("bill-9").payload("{}").schedule([SOON, SOON]);
    let begun = notification.send(&house.client).await.expect("sent");
    let given_up = async {
        while house.client.look("bill-9").await.expect("it is known").standing != Standing::GivenUp {
            tokio::time::sleep(SOON).await;
        }
    };
    tokio::time::timeout(END, given_up).await.expect("nobody receives it");
    let inbox = receive(&house, "bill");
    assert_eq!(house.client.resend("bill-9").await.expect("sent again").xid, begun.xid);
    assert_eq!(ended(&house, begun).await.standing, Standing::Committed);
    assert_eq!(*inbox.lock().expect("nobody panics"), ["bill-9 {}"]);
}
