//! The outbox.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Pool;
use synod_client::sql::outbox::{Message, Outbox, Relay, Rules, Sink, Undelivered};
use synod_client::sql::{Barrier, BoxFuture, Entry, Key, Op, Ran};
use tokio::sync::Semaphore;

use crate::kit::{self, Kit, do_work, until, work};

pub(crate) async fn all<DB: Kit>(pool: &Pool<DB>) {
    what_commits_leaves(pool).await;
    several_relays_share(pool).await;
    what_fails_is_tried_again_and_parked(pool).await;
    what_a_relay_leaves_is_taken_by_another(pool).await;
    what_kills_its_relay_is_parked(pool).await;
    a_stopped_relay_gives_back(pool).await;
    what_comes_twice_is_taken_once(pool).await;
    bad_messages_are_refused(pool).await;
}

/// Keeps what it gets, after a permit for each, and says what the test has it say.
struct Inbox {
    got: Mutex<Vec<Message>>,
    permits: Semaphore,
    answer: Mutex<Result<(), Undelivered>>,
}

impl Inbox {
    fn open() -> Arc<Self> {
        Self::with(Semaphore::MAX_PERMITS)
    }

    fn with(permits: usize) -> Arc<Self> {
        Arc::new(Self { got: Mutex::default(), permits: Semaphore::new(permits), answer: Mutex::new(Ok(())) })
    }

    fn ids(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|message| message.id.clone()).collect()
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

impl Sink for Inbox {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            self.got.lock().unwrap().push(message.clone());
            self.permits.acquire().await.unwrap().forget();
            self.answer.lock().unwrap().clone()
        })
    }
}

fn quick() -> Rules {
    let ms = Duration::from_millis;
    Rules { interval: ms(5), pause: ms(1), pause_max: ms(5), attempts_max: 3, ..Rules::default() }
}

async fn put<DB: Kit>(pool: &Pool<DB>, outbox: &Outbox, ids: &[&str]) {
    let mut tx = pool.begin().await.unwrap();
    for &id in ids {
        outbox.put(&mut tx, &Message::new(id, "orders", id.to_owned())).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn waiting<DB: Kit>(pool: &Pool<DB>) -> u64 {
    Outbox::default().depth(pool).await.unwrap().waiting
}

async fn what_commits_leaves<DB: Kit>(pool: &Pool<DB>) {
    let (outbox, inbox) = (Outbox::default(), Inbox::open());
    // It does not look by itself before the test is over.
    let lazy = Rules { interval: Duration::from_secs(3600), ..Rules::default() };
    let relay = Relay::start(&outbox, pool.clone(), inbox.clone(), lazy);
    let mut tx = pool.begin().await.unwrap();
    outbox.put(&mut tx, &Message::new("never", "orders", "")).await.unwrap();
    tx.rollback().await.unwrap();

    let payload = bytes::Bytes::from((0..=255).collect::<Vec<u8>>());
    let headers = vec![("traceparent".to_owned(), "00-é".to_owned()), ("empty".to_owned(), String::new())];
    let message = Message { id: "first".to_owned(), topic: "ördérs".to_owned(), headers, payload };
    let mut tx = pool.begin().await.unwrap();
    outbox.put(&mut tx, &message).await.unwrap();
    outbox.put(&mut tx, &Message::new("second", "orders", "")).await.unwrap();
    tx.commit().await.unwrap();
    outbox.notify();
    until(async || waiting(pool).await == 0).await;
    assert_eq!(*inbox.got.lock().unwrap(), [message, Message::new("second", "orders", "")]);
    relay.stop().await;
}

async fn several_relays_share<DB: Kit>(pool: &Pool<DB>) {
    let (outbox, inbox) = (Outbox::default(), Inbox::open());
    let ids: Vec<String> = (0..120).map(|number| format!("shared-{number:03}")).collect();
    put(pool, &outbox, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rules = Rules { batch: 7, ..quick() };
    let relays: Vec<_> =
        (0..3).map(|_| Relay::start(&outbox, pool.clone(), inbox.clone(), rules.clone())).collect();
    until(async || waiting(pool).await == 0).await;
    let mut got = inbox.ids();
    got.sort();
    assert_eq!(got, ids, "each once");
    drop(relays);
}

async fn what_fails_is_tried_again_and_parked<DB: Kit>(pool: &Pool<DB>) {
    let (outbox, inbox) = (Outbox::default(), Inbox::open());
    *inbox.answer.lock().unwrap() = Err(Undelivered::Again("busy".to_owned()));
    put(pool, &outbox, &["poison"]).await;
    let relay = Relay::start(&outbox, pool.clone(), inbox.clone(), quick());
    until(async || !outbox.parked(pool, 10).await.unwrap().is_empty()).await;
    let parked = outbox.parked(pool, 10).await.unwrap();
    assert_eq!((parked.len(), parked[0].attempts, parked[0].problem.as_str()), (1, 3, "busy"));
    assert_eq!((parked[0].message.id.as_str(), inbox.count()), ("poison", 3));
    let depth = outbox.depth(pool).await.unwrap();
    assert_eq!((depth.waiting, depth.parked), (0, 1));

    *inbox.answer.lock().unwrap() = Err(Undelivered::Never("unknown topic".to_owned()));
    assert!(outbox.retry(pool, "poison").await.unwrap());
    until(async || outbox.depth(pool).await.unwrap().parked == 1).await;
    let parked = outbox.parked(pool, 10).await.unwrap();
    assert_eq!((parked[0].attempts, parked[0].problem.as_str()), (1, "unknown topic"));

    *inbox.answer.lock().unwrap() = Ok(());
    assert!(outbox.retry(pool, "poison").await.unwrap() && !outbox.retry(pool, "nothing").await.unwrap());
    until(async || waiting(pool).await == 0).await;
    assert_eq!(inbox.count(), 5);

    *inbox.answer.lock().unwrap() = Err(Undelivered::Never(String::new()));
    put(pool, &outbox, &["away"]).await;
    until(async || outbox.depth(pool).await.unwrap().parked == 1).await;
    assert!(outbox.discard(pool, "away").await.unwrap() && !outbox.discard(pool, "away").await.unwrap());
    relay.stop().await;
}

/// A relay that dies in the middle of a delivery.
async fn what_a_relay_leaves_is_taken_by_another<DB: Kit>(pool: &Pool<DB>) {
    let (outbox, stuck, inbox) = (Outbox::default(), Inbox::with(0), Inbox::open());
    let rules = Rules { timeout: Duration::from_millis(200), lease: Duration::from_millis(400), ..quick() };
    put(pool, &outbox, &["left-1", "left-2"]).await;
    let relay = Relay::start(&outbox, pool.clone(), stuck.clone(), rules.clone());
    until(async || stuck.count() == 1).await;
    drop(relay);
    let relay = Relay::start(&outbox, pool.clone(), inbox.clone(), rules);
    until(async || waiting(pool).await == 0).await;
    assert_eq!(inbox.ids(), ["left-1", "left-2"]);
    relay.stop().await;
}

async fn what_kills_its_relay_is_parked<DB: Kit>(pool: &Pool<DB>) {
    let outbox = Outbox::default();
    let ms = Duration::from_millis;
    let rules = Rules { timeout: ms(50), lease: ms(100), attempts_max: 2, ..quick() };
    put(pool, &outbox, &["killer"]).await;
    for _ in 0..2 {
        let stuck = Inbox::with(0);
        let relay = Relay::start(&outbox, pool.clone(), stuck.clone(), rules.clone());
        until(async || stuck.count() == 1).await;
        drop(relay);
    }
    let inbox = Inbox::open();
    let relay = Relay::start(&outbox, pool.clone(), inbox.clone(), rules);
    until(async || outbox.depth(pool).await.unwrap().parked == 1).await;
    assert_eq!(inbox.count(), 0);
    assert!(outbox.discard(pool, "killer").await.unwrap());
    relay.stop().await;
}

async fn a_stopped_relay_gives_back<DB: Kit>(pool: &Pool<DB>) {
    let (outbox, slow, inbox) = (Outbox::default(), Inbox::with(0), Inbox::open());
    put(pool, &outbox, &["stop-1", "stop-2", "stop-3"]).await;
    let relay = Relay::start(&outbox, pool.clone(), slow.clone(), quick());
    until(async || slow.count() == 1).await;
    let stopping = tokio::spawn(relay.stop());
    // Let go only when it is being stopped: a closed gate would not tell the order.
    tokio::task::yield_now().await;
    slow.permits.add_permits(1);
    stopping.await.unwrap();
    let left = waiting(pool).await;
    assert_eq!(left, 3 - slow.count() as u64);
    // At once, and not only after the lease of half a minute.
    let relay = Relay::start(&outbox, pool.clone(), inbox.clone(), quick());
    until(async || waiting(pool).await == 0).await;
    assert_eq!(inbox.count() as u64, left);
    relay.stop().await;
}

async fn what_comes_twice_is_taken_once<DB: Kit>(pool: &Pool<DB>) {
    let take = async |message: &Message| {
        let key = Key::message(&message.id, "stock");
        Barrier.run(pool, key, Op::Deliver, async |tx| DB::exec(tx, &do_work("taken")).await).await.unwrap()
    };
    let message = Message::new("twice", "orders", "");
    assert_eq!(take(&message).await, Ran::Done(()));
    assert_eq!(take(&message).await, Ran::Skipped(Entry::Repeated));
    assert_eq!(work(pool, "taken").await, 1);
}

async fn bad_messages_are_refused<DB: Kit>(pool: &Pool<DB>) {
    let outbox = Outbox::default();
    let long = "x".repeat(256);
    let big = vec![0; (1 << 20) + 1];
    for message in [
        Message::new("", "t", ""),
        Message::new("i", "", ""),
        Message::new(&*long, "t", ""),
        Message::new("i", &*long, ""),
        Message::new("i", "t", big),
        Message { headers: vec![("a b".to_owned(), String::new())], ..Message::new("i", "t", "") },
    ] {
        let mut tx = pool.begin().await.unwrap();
        let refused = outbox.put(&mut tx, &message).await;
        assert!(matches!(refused, Err(sqlx::Error::InvalidArgument(_))), "{refused:?}");
    }
    put(pool, &outbox, &["same"]).await;
    let mut tx = pool.begin().await.unwrap();
    outbox.put(&mut tx, &Message::new("same", "t", "")).await.unwrap_err();
    tx.rollback().await.unwrap();
    kit::exec(pool, "delete from synod_outbox").await;
}
