//! Calls over gRPC on real sockets: what travels, what is tried again, when it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "support/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::uri::{Authority, PathAndQuery};
use axum::routing::post;
use server::{Server, nobody};
use synod_client::call::grpc::Channel;
use synod_client::call::{Fixed, Resolver};
use synod_client::context::{self, Context, Trace};
use synod_client::{Xid, call};
use tokio::sync::Notify;
use tokio::time::timeout;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

const XID: &str = "10.0.0.1:8091:42";
const PATH: &str = "/bank.Bank/Say";
/// Longer than anything here takes, shorter than a reader's patience.
const LONG: Duration = Duration::from_secs(20);

/// `message Text { string text = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// Calls `rpc Say(Text) returns (Text)` as clients do that are generated.
async fn say(channel: &Channel, request: Request<Text>) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await?;
    let codec = ProstCodec::<Text, Text>::default();
    let answer = grpc.unary(request, PathAndQuery::from_static(PATH), codec).await?;
    Ok(answer.into_inner().text)
}

async fn hello(channel: &Channel) -> Result<String, Status> {
    say(channel, Request::new(Text { text: "hello".to_owned() })).await
}

/// Serves it as servers do that are generated.
fn serve<F>(handler: impl Fn(Text) -> F + Clone + Send + Sync + 'static) -> Router
where
    F: Future<Output = Result<String, Status>> + Send + 'static,
{
    let rpc = async move |request: http::Request<Body>| {
        let unary = tower::service_fn(move |request: Request<Text>| {
            let answer = handler(request.into_inner());
            async { answer.await.map(|text| tonic::Response::new(Text { text })) }
        });
        tonic::server::Grpc::new(ProstCodec::<Text, Text>::default()).unary(unary, request).await
    };
    Router::new().route(PATH, post(rpc))
}

fn channel(instances: impl IntoIterator<Item = Authority>) -> Channel {
    Channel::new("synod://bank", Arc::new(Fixed::default().with("bank", instances)))
}

/// Says its context, and what is next on the way says its own.
fn hop(next: Option<Channel>) -> Router {
    serve(move |text| {
        let next = next.clone();
        async move {
            let here = context::current();
            let xid = here.xid.as_ref().map_or("-", Xid::as_str);
            let trace = here
                .trace
                .as_ref()
                .map_or("- -".to_owned(), |trace| format!("{:x} {:x}", trace.trace_id(), trace.span_id()));
            let left = here.remaining().map_or(-1, |left| left.as_micros() as i64);
            let line = format!("{xid} {trace} {left}");
            match next {
                Some(next) => Ok(format!("{line}\n{}", say(&next, Request::new(text)).await?)),
                None => Ok(line),
            }
        }
    })
}

#[tokio::test]
async fn a_context_survives_a_chain_of_three() {
    let c = Server::start(hop(None));
    let b = Server::start(hop(Some(channel([c.authority()]))));
    let a = Server::start(hop(Some(channel([b.authority()]))));
    let trace = Trace::start(true);
    let context = Context { trace: Some(trace.clone()), ..Context::default() };
    let context = context.with_xid(Some(Xid::parse(XID).unwrap())).within(Duration::from_secs(10));
    let outermost = channel([a.authority()]);
    let answer = context::scope(context, hello(&outermost)).await.unwrap();
    let mut spans = BTreeSet::from([format!("{:x}", trace.span_id())]);
    let mut left = 10_000_000;
    assert_eq!(answer.lines().count(), 3, "{answer}");
    for line in answer.lines() {
        let hop: Vec<_> = line.split(' ').collect();
        assert_eq!((hop[0], hop[1]), (XID, &*format!("{:x}", trace.trace_id())));
        assert!(spans.insert(hop[2].to_owned()), "a span of its own: {answer}");
        let here: i64 = hop[3].parse().unwrap();
        assert!((1..left).contains(&here), "less at each hop: {answer}");
        left = here;
    }
    let outside = hello(&outermost).await.unwrap();
    assert!(outside.lines().all(|line| line == "- - - -1"), "nothing stays behind: {outside}");
}

/// Hangs at `hang`, telling that it does; says its name otherwise, and counts.
fn named(name: &'static str, hung: Arc<Notify>, hits: Arc<AtomicUsize>) -> Router {
    serve(move |text| {
        let (hung, hits) = (Arc::clone(&hung), Arc::clone(&hits));
        async move {
            hits.fetch_add(1, Ordering::SeqCst);
            if text.text == "hang" && name == "a" {
                hung.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(name.to_owned())
        }
    })
}

#[tokio::test]
async fn another_instance_takes_over_and_the_first_comes_back() {
    let (hung, hits) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let app = |name| named(name, Arc::clone(&hung), Arc::clone(&hits));
    let (a, b) = (Server::start(app("a")), Server::start(app("b")));
    let address = a.address;
    let channel = channel([a.authority(), b.authority()]);
    let names = async || {
        let mut names = Vec::new();
        for _ in 0..6 {
            names.push(hello(&channel).await.unwrap());
        }
        names
    };
    assert_eq!(BTreeSet::from_iter(names().await).len(), 2, "they take turns");

    // It dies with a call in its hands: that one is lost, and not made twice.
    hits.store(0, Ordering::SeqCst);
    let hang = async || say(&channel, Request::new(Text { text: "hang".to_owned() })).await;
    let both = async { tokio::join!(hang(), hang()) };
    let kill = async {
        hung.notified().await;
        a.kill();
    };
    let ((one, other), ()) = timeout(LONG, async { tokio::join!(both, kill) }).await.unwrap();
    let (lost, kept) = if one.is_err() { (one, other) } else { (other, one) };
    assert_eq!(kept.unwrap(), "b");
    assert_eq!(lost.unwrap_err().code(), Code::Unknown);
    assert_eq!(hits.load(Ordering::SeqCst), 2);

    assert!(names().await.iter().all(|name| name == "b"), "all go to the other one");
    let _again = Server::at(address, app("a"));
    let back = async {
        while !names().await.iter().any(|name| name == "a") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(LONG, back).await.unwrap();
}

#[tokio::test]
async fn without_an_instance_it_is_unavailable() {
    let channel = channel([nobody(), nobody()]);
    let error = hello(&channel).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    let none: Arc<dyn Resolver> = Arc::new(Fixed::default());
    let error = hello(&Channel::new("shop", none)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.message(), call::Error::NoInstance("shop".to_owned()).to_string());
}

/// Tells when it is dropped.
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn both_sides_keep_the_deadline_and_a_dropped_call_ends() {
    let (came, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_came, tell_ended) = (Arc::clone(&came), Arc::clone(&ended));
    let server = Server::start(serve(move |_| {
        let (came, guard) = (Arc::clone(&tell_came), Guard(Arc::clone(&tell_ended)));
        async move {
            let _guard = guard;
            came.notify_one();
            std::future::pending().await
        }
    }));
    let channel = channel([server.authority()]);
    let short = Context::default().within(Duration::from_millis(300));
    let error = timeout(LONG, context::scope(short, hello(&channel))).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    came.notified().await;
    timeout(LONG, ended.notified()).await.unwrap();

    // Shorter than the context's, by the caller; and the longer one of the two does not count.
    for (ours, context) in [(150, 10_000), (10_000, 150)] {
        let mut request = Request::new(Text::default());
        request.set_timeout(Duration::from_millis(ours));
        let context = Context::default().within(Duration::from_millis(context));
        let call = context::scope(context, say(&channel, request));
        let error = timeout(Duration::from_secs(5), call).await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        timeout(LONG, ended.notified()).await.unwrap();
    }

    tokio::select! {
        answer = hello(&channel) => unreachable!("{answer:?}"),
        () = async { came.notified().await; came.notified().await } => {}
    }
    timeout(LONG, ended.notified()).await.unwrap();
}

#[tokio::test]
async fn the_server_alone_keeps_the_deadline_too() {
    let server = Server::start(serve(|_| std::future::pending()));
    // A client that knows nothing of it.
    let hyper = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<Body>();
    for (limit, code) in [("100m", "4"), ("0n", "4")] {
        let request = http::Request::post(format!("http://{}{PATH}", server.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", limit)
            .body(Body::from(vec![0; 5]))
            .unwrap();
        let answer = timeout(LONG, hyper.request(request)).await.unwrap().unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &code.parse().unwrap())
        );
    }
}

#[tokio::test]
async fn headers_of_strangers_do_no_harm() {
    let server = Server::start(hop(None));
    let channel = channel([server.authority()]);
    for (name, value) in [
        ("tx_xid", "42"),
        ("synod-xid", "h:1:99999999999999999999"),
        ("traceparent", "00-00000000000000000000000000000000-0000000000000000-00"),
        ("tracestate", "=,="),
        ("synod-timeout-ms", "-1"),
        ("grpc-timeout", "123456789S"),
    ] {
        let mut request = Request::new(Text::default());
        request.metadata_mut().insert(name, value.parse().unwrap());
        assert_eq!(say(&channel, request).await.unwrap(), "- - - -1", "{name}");
    }
    let mut request = Request::new(Text::default());
    request.metadata_mut().insert("tx_xid", XID.parse().unwrap());
    assert!(say(&channel, request).await.unwrap().starts_with(XID), "as Seata's interceptor sends it");
}

#[tokio::test]
async fn the_client_alone_keeps_the_deadline_too() {
    // The system takes the connection, and nobody ever reads from it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = channel([silent.local_addr().unwrap().to_string().parse().unwrap()]);
    let short = Context::default().within(Duration::from_millis(300));
    let error = timeout(Duration::from_secs(5), context::scope(short, hello(&channel))).await.unwrap();
    assert_eq!(error.unwrap_err().code(), Code::DeadlineExceeded);

    // Without time left nobody is looked for.
    let none = Channel::new("shop", Arc::new(Fixed::default()));
    let late = Context::default().within(Duration::ZERO);
    let error = context::scope(late, hello(&none)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
}
