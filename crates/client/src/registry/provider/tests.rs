//! The provider against a server that does what it is told.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::SeqCst};
use std::time::Duration;

use super::*;
use crate::http_client::test_server::{Reply, Seen, TestServer, nobody};

fn instance() -> Instance {
    Instance::new("orders", "o 1", "h", 80).with_lease(Duration::from_millis(50), Duration::from_secs(2))
}

/// What a request was, shortly.
fn short(seen: &Seen) -> String {
    let status = seen.body.split("\"status\":\"").nth(1).and_then(|rest| rest.split('"').next());
    format!("{} {}", seen.method, status.unwrap_or_default()).trim_end().to_owned()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = clock::now() + Duration::from_secs(10);
    while !holds() {
        assert!(clock::now() < limit, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server that knows the instance from its registration on, unless it is told to forget.
async fn server() -> (TestServer, Arc<AtomicBool>) {
    let known = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&known);
    let server = TestServer::start(move |seen| {
        let status = match &*seen.method {
            "POST" => {
                state.store(true, SeqCst);
                204
            }
            _ if state.load(SeqCst) => 200,
            _ => 404,
        };
        std::future::ready(Reply::Whole(status, String::new()))
    });
    (server.await, known)
}

#[tokio::test]
async fn an_instance_is_registered_renewed_registered_again_and_withdrawn() {
    let (server, known) = server().await;
    let provider = Provider::register(&Servers::new([server.url()]), instance()).expect("a URL");
    until("renewals", || server.seen().len() > 3).await;
    assert!(provider.is_registered());
    let first = server.seen();
    assert_eq!((&*first[0].method, &*first[0].path), ("POST", "/eureka/apps/ORDERS"));
    let dirty = first[0].body.split("\"lastDirtyTimestamp\":\"").nth(1).expect("a version");
    let dirty: u64 = dirty.split('"').next().expect("a number").parse().expect("a number");
    let renewal = format!("/eureka/apps/ORDERS/o%201?status=UP&lastDirtyTimestamp={dirty}");
    assert_eq!((&*first[1].method, &*first[1].path), ("PUT", &*renewal));
    known.store(false, SeqCst);
    until("a registration", || known.load(SeqCst)).await;
    let posts: Vec<Seen> = server.seen().into_iter().filter(|seen| seen.method == "POST").collect();
    assert_eq!(posts.len(), 2);
    assert!(!posts[1].body.contains(&format!("\"lastDirtyTimestamp\":\"{dirty}\"")), "a new version");
    provider.leave().await;
    let seen = server.seen();
    let last = seen.last().expect("a request");
    assert_eq!((&*last.method, &*last.path), ("DELETE", "/eureka/apps/ORDERS/o%201"));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(server.seen().len(), seen.len(), "nothing comes after the farewell");
}

#[tokio::test]
async fn changes_are_announced_at_once_and_nothing_for_nothing() {
    let (server, _) = server().await;
    let slow = instance().with_lease(Duration::from_secs(3600), Duration::from_secs(7200));
    let provider = Provider::register(&Servers::new([server.url()]), slow).expect("a URL");
    let mut seen = 1;
    until("the registration", || server.seen().len() == seen).await;
    provider.set_status(Status::Up);
    for (status, requests) in [(Status::Down, 1), (Status::OutOfService, 1), (Status::Up, 2)] {
        provider.set_status(status);
        seen += requests;
        until("the change", || server.seen().len() == seen).await;
    }
    provider.set_metadata("k", "v");
    provider.update(|instance| instance.app = "other".into());
    until("the change", || server.seen().len() == seen + 1).await;
    drop(provider);
    until("the farewell", || server.seen().len() == seen + 2).await;
    let all: Vec<String> = server.seen().iter().map(short).collect();
    let expected =
        ["POST UP", "POST DOWN", "POST OUT_OF_SERVICE", "POST STARTING", "POST UP", "POST UP", "DELETE"];
    assert_eq!(all, expected);
    assert!(server.seen()[5].body.contains("\"k\":\"v\""));
}

#[tokio::test]
async fn it_starts_without_a_server_and_turns_to_the_one_that_works() {
    let status = Arc::new(AtomicU16::new(503));
    let answer = Arc::clone(&status);
    let late = TestServer::start(move |_| {
        std::future::ready(Reply::Whole(answer.load(SeqCst), "not yet".to_owned()))
    })
    .await;
    let servers = Servers::new([nobody().await, late.url()]);
    let provider = Provider::register(&servers, instance()).expect("URLs");
    until("more attempts", || late.seen().len() > 2).await;
    assert!(!provider.is_registered());
    status.store(204, SeqCst);
    let mut state = provider.state();
    state.wait_for(|state| *state == State::Registered).await.expect("it goes on");
    status.store(500, SeqCst);
    state.wait_for(|state| *state == State::Trying).await.expect("when its lease must be over");
    provider.leave().await;
    assert_eq!(*state.borrow(), State::Left);
}
