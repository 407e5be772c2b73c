//! The client against a server that does what it is told.

use std::sync::Arc;

use super::test_server::{Reply, TestServer, nobody};
use super::*;

fn quick() -> Config {
    Config { connect: Duration::from_secs(1), total: Duration::from_millis(300), answer_max: 1000 }
}

fn get(repeat: Repeat) -> Call {
    Call::new(Method::GET, "apps", repeat)
}

async fn always(reply: Reply) -> TestServer {
    TestServer::start(move |_| std::future::ready(reply.clone())).await
}

#[tokio::test]
async fn a_call_arrives_as_it_is_and_connections_are_reused() {
    let server = always(Reply::ok("body")).await;
    let servers = Servers::new(quick(), [server.url()]).expect("a URL");
    for _ in 0..2 {
        let call = Call::new(Method::POST, "apps/A%20B?x=1", Repeat::No).json("{\"a\":1}");
        let answer = servers.send(&call).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), &answer.body[..], answer.server), (200, &b"body"[..], 0));
    }
    let seen = server.seen().pop().expect("a request");
    assert_eq!((&*seen.method, &*seen.path, &*seen.body), ("POST", "/eureka/apps/A%20B?x=1", "{\"a\":1}"));
    assert!(seen.headers.contains("content-type: application/json"), "{}", seen.headers);
}

#[tokio::test]
async fn many_calls_at_once_keep_their_connections() {
    const CALLS: usize = 64;
    // Nobody is answered before all have asked, so that each needs a connection of its own.
    let all = Arc::new(tokio::sync::Barrier::new(CALLS));
    let server = TestServer::start(move |_| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            Reply::ok("")
        }
    });
    let server = server.await;
    let config = Config { total: Duration::from_secs(20), ..quick() };
    let servers = Arc::new(Servers::new(config, [server.url()]).expect("a URL"));
    for _ in 0..8 {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..CALLS {
            let servers = Arc::clone(&servers);
            calls.spawn(async move { servers.send(&get(Repeat::No)).await });
        }
        while let Some(answer) = calls.join_next().await {
            answer.expect("no panic").expect("an answer");
        }
    }
    // A connection is not back in the pool at the moment at which its call has ended.
    assert!(server.accepted() < 2 * CALLS, "{} connections", server.accepted());
}

#[tokio::test]
async fn the_next_server_is_asked_and_remembered() {
    let server = always(Reply::ok("")).await;
    let servers = Servers::new(quick(), [nobody().await, server.url()]).expect("URLs");
    let answer = servers.send(&get(Repeat::No)).await.expect("nothing was sent to the first");
    assert_eq!(answer.server, 1);
    assert_eq!(servers.current(), 1);
    let servers = Servers::new(quick(), [nobody().await, nobody().await]).expect("URLs");
    let error = servers.send(&get(Repeat::No)).await.expect_err("nobody is there");
    assert!(matches!(error, HttpError::NotSent(_)), "{error}");
}

#[tokio::test]
async fn what_may_have_happened_is_repeated_only_where_that_is_harmless() {
    let broken = always(Reply::Raw(Vec::new())).await;
    let good = always(Reply::ok("")).await;
    let servers = Servers::new(quick(), [broken.url(), good.url()]).expect("URLs");
    let error = servers.send(&get(Repeat::No)).await.expect_err("it may have happened");
    assert!(matches!(error, HttpError::Unknown(_)), "{error}");
    assert!(good.seen().is_empty());
    assert_eq!(servers.send(&get(Repeat::Yes)).await.expect("an answer").server, 1);
    let alone = Servers::new(quick(), [broken.url(), nobody().await]).expect("URLs");
    let error = alone.send(&get(Repeat::Yes)).await.expect_err("nobody has answered");
    assert!(matches!(error, HttpError::Unknown(_)), "the first server may have done it: {error}");
}

#[tokio::test]
async fn a_5xx_takes_a_repeatable_call_on_and_is_an_answer_otherwise() {
    let busy = always(Reply::Whole(503, "busy".to_owned())).await;
    let good = always(Reply::Whole(404, String::new())).await;
    let servers = Servers::new(quick(), [busy.url(), good.url()]).expect("URLs");
    assert_eq!(servers.send(&get(Repeat::No)).await.expect("an answer").status, 503);
    assert_eq!(servers.send(&get(Repeat::Yes)).await.expect("an answer").status, 404);
    let servers = Servers::new(quick(), [busy.url(), nobody().await]).expect("URLs");
    assert_eq!(servers.send(&get(Repeat::Yes)).await.expect("an answer").body, "busy");
}

#[tokio::test]
async fn no_answer_is_too_long_or_too_slow() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx".to_vec();
    let endless = b"HTTP/1.1 200 OK\r\n\r\nx".to_vec();
    for (reply, why) in [
        (Reply::Endless(endless), "limit"),
        (Reply::Endless(head.clone()), "limit"),
        (Reply::Stalled(head), "too long"),
        (Reply::Stalled(Vec::new()), "too long"),
        (Reply::Raw(b"garbage\r\n\r\n".to_vec()), "invalid HTTP"),
    ] {
        let server = always(reply).await;
        let servers = Servers::new(quick(), [server.url()]).expect("a URL");
        let error = servers.send(&get(Repeat::Yes)).await.expect_err("no answer");
        assert!(matches!(error, HttpError::Unknown(_)) && error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_body_without_an_end_can_be_read_as_it_comes() {
    let server = always(Reply::Stalled(b"HTTP/1.1 200 OK\r\n\r\nfirst".to_vec())).await;
    let servers = Servers::new(quick(), [server.url()]).expect("a URL");
    let mut response = servers.open(0, &get(Repeat::Yes)).await.expect("an answer");
    let frame = response.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(frame.into_data().expect("data"), "first");
}
