//! The client against a server that answers what it is told, and participants that are called by hand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::context::{self, Context, Trace};
use crate::http_client::test_server::{Reply, Seen, TestServer};
use crate::rm::saga::{Step, StepError};
use crate::rm::{self, BoxFuture, Branch, EndError, EnlistError, Kind, Resource};
use crate::{Xid, tm};

const XID: &str = "127.0.0.1:8091:7";

/// The answers in this order, the last one again and again.
async fn server(answers: impl IntoIterator<Item = Reply>) -> (TestServer, Client) {
    let answers: Mutex<VecDeque<Reply>> = Mutex::new(answers.into_iter().collect());
    let server = TestServer::start(move |_| {
        let mut answers = answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        async move { answer.unwrap() }
    });
    let server = server.await;
    let client =
        Client::new([format!("http://{}", server.address)]).unwrap().patience(Duration::from_millis(700));
    (server, client)
}

fn transaction(status: &str) -> Reply {
    let ended = status == "committed" || status == "rolled_back";
    let body = json!({ "xid": XID, "gid": null, "mode": "mixed", "name": "", "status": status, "ended": ended, "reason": "",
        "result": null, "begun_ms": 1, "decided_ms": null, "touched_ms": 1 });
    Reply::Whole(200, body.to_string())
}

fn problem(status: u16, code: &str, standing: Option<&str>) -> Reply {
    let body = json!({ "type": "x", "title": "T", "status": status, "detail": "D", "code": code, "standing": standing });
    Reply::Whole(status, body.to_string())
}

/// The connection closes without an answer.
fn lost() -> Reply {
    Reply::Raw(Vec::new())
}

fn bodies(server: &TestServer) -> Vec<Value> {
    server.seen().iter().map(|seen: &Seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

#[tokio::test]
async fn a_begin_without_an_answer_is_sent_again_with_the_same_gid() {
    let (server, client) = server([lost(), problem(503, "E2006", None), transaction("active")]).await;
    let xid = tm::Backend::begin(&client, "order", Duration::from_secs(30)).await.unwrap();
    assert_eq!(xid.as_str(), XID);
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(bodies[0]["gid"].as_str().unwrap().len(), 32);
    let told = (&bodies[0]["mode"], &bodies[0]["name"], &bodies[0]["timeout"]);
    assert_eq!(told, (&json!("mixed"), &json!("order"), &json!("30000ms")));
}

#[tokio::test]
async fn the_trace_goes_along_and_the_transaction_does_not() {
    let (server, client) = server([transaction("active")]).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = Context { trace: Trace::parse(parent), ..Context::default() };
    let context = context.with_xid(Some(Xid::parse(XID).unwrap()));
    assert_eq!(context::scope(context, client.look("g")).await.unwrap().xid.as_str(), XID);
    let headers = server.seen()[0].headers.clone();
    assert!(headers.contains(&format!("traceparent: {parent}")) && !headers.contains("xid"), "{headers}");

    let participants = Participants::new("http://a:1").unwrap();
    let seen = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&seen);
    participants.on_message("paid", move |_| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(context::current());
            Ok(())
        }
    });
    let request = Request::post("/synod/paid").header("synod-xid", XID).header("synod-op", "deliver");
    let request = request.header("traceparent", parent).body(Full::new(Bytes::new())).unwrap();
    assert_eq!(participants.handle(request).await.status(), StatusCode::OK);
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!(seen.xid, None);
    assert_eq!(seen.trace.unwrap().trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
}

#[tokio::test]
async fn what_may_have_happened_is_not_taken_back() {
    let (_server, client) = server([lost(), problem(503, "E2006", None)]).await;
    let error = client.commit(XID).await.unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error}");

    let (_server, client) = server([problem(503, "E2006", None)]).await;
    let error = client.commit(XID).await.unwrap_err();
    assert_eq!(error.code(), Some("E2006"));

    // Something in between, that does not know.
    let (_server, client) = server([Reply::Whole(502, "bad gateway".to_owned())]).await;
    assert!(matches!(client.commit(XID).await, Err(Error::Unknown(_))));

    let nobody = crate::http_client::test_server::nobody().await;
    let client = Client::new([nobody]).unwrap().patience(Duration::from_millis(100));
    assert!(matches!(client.commit(XID).await, Err(Error::NotSent(_))));
}

#[tokio::test]
async fn codes_become_what_callers_can_tell_apart() {
    let xid = Xid::parse(XID).unwrap();
    let told = async |code, standing| {
        let (_server, client) = server([problem(409, code, standing)]).await;
        tm::Backend::commit(&client, &xid).await.unwrap_err()
    };
    assert!(matches!(told("E2004", Some("rolled_back")).await, tm::Error::Otherwise(tm::Status::RolledBack)));
    assert!(matches!(told("E2004", Some("stopped")).await, tm::Error::Otherwise(tm::Status::NeedsAttention)));
    assert!(matches!(told("E2004", Some("new one")).await, tm::Error::Otherwise(tm::Status::Unknown)));
    assert!(matches!(told("E2002", None).await, tm::Error::Refused(_)));

    for (code, is_over) in [("E2004", true), ("E2001", true), ("E2002", true), ("E2007", false)] {
        let (_server, client) = server([problem(409, code, None)]).await;
        let client = client.participants(Participants::new("http://a:1").unwrap());
        let error = rm::Backend::enlist(&client, new_branch(Kind::Tcc)).await.unwrap_err();
        assert_eq!(matches!(error, EnlistError::NotActive(_)), is_over, "{code}: {error}");
        assert_eq!(matches!(error, EnlistError::Refused(_)), !is_over, "{code}: {error}");
    }
    for (status, is) in [("active", tm::Status::Active), ("given_up", tm::Status::NeedsAttention)] {
        let (_server, client) = server([transaction(status)]).await;
        assert_eq!(tm::Backend::status(&client, &xid).await.unwrap(), is);
    }
    let (_server, client) = server([problem(410, "E2002", None)]).await;
    assert_eq!(tm::Backend::status(&client, &xid).await.unwrap(), tm::Status::Unknown);
}

fn new_branch(kind: Kind) -> rm::NewBranch {
    let (xid, resource) = (Xid::parse(XID).unwrap(), "a b".into());
    rm::NewBranch { xid, resource, kind, rows: String::new(), data: Bytes::from_static(b"{\"n\":1}") }
}

#[tokio::test]
async fn branches_join_with_our_own_address() {
    for (kind, forward, backward) in
        [(Kind::Tcc, true, true), (Kind::Xa, true, true), (Kind::Saga, false, true)]
    {
        let (server, client) = server([lost(), Reply::ok("{}")]).await;
        let client = client.participants(Participants::new("synod://shop/app/").unwrap());
        let branch = rm::Backend::enlist(&client, new_branch(kind)).await.unwrap();
        let bodies = bodies(&server);
        assert_eq!(bodies[0], bodies[1], "the id is chosen once");
        let url = |there: bool| there.then_some("synod://shop/app/synod/a%20b");
        let expected = json!({ "id": &*branch.id, "forward": url(forward), "backward": url(backward),
            "payload_text": "{\"n\":1}" });
        assert_eq!(bodies[0], expected, "{kind:?}");
        assert_eq!(server.seen()[0].path, "/v1/transactions/127.0.0.1%3A8091%3A7/branches");
    }
}

#[tokio::test]
async fn at_is_seatas_and_nobody_is_called_without_participants() {
    let (server, client) = server([Reply::ok("{}")]).await;
    let error = rm::Backend::enlist(&client, new_branch(Kind::Tcc)).await.unwrap_err();
    assert!(error.to_string().contains("Participants"), "{error}");
    let client = client.participants(Participants::new("http://a:1").unwrap());
    let error = rm::Backend::enlist(&client, new_branch(Kind::At)).await.unwrap_err();
    assert!(matches!(&error, EnlistError::Refused(why) if why.contains("`seata`")), "{error}");
    assert!(rm::Backend::register(&client, "db".into(), Kind::At, Arc::new(Diary::default())).await.is_err());
    assert_eq!(server.seen(), []);
    for bad in ["", "a:1", "ftp://a", "http://"] {
        assert!(Participants::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn requests_are_as_the_api_reads_them() {
    let saga = Saga::new("order")
        .gid("g")
        .step(
            SagaStep::new("http://a/do")
                .compensate("http://a/undo")
                .payload(Payload::json(&json!({"n": 1})).unwrap()),
        )
        .step(SagaStep::new("http://b/do").id("b").payload(vec![0xff]).after("01"))
        .concurrent()
        .retry_limit(3)
        .timeout(Duration::from_secs(5));
    let expected = json!({ "gid": "g", "mode": "saga", "name": "order", "submit": true, "concurrent": true, "forward_only": false,
        "retry_limit": 3, "timeout": "5000ms", "call_timeout": null, "retry_interval": null, "headers": {}, "branches": [
        { "action": "http://a/do", "compensate": "http://a/undo", "payload_text": "{\"n\":1}" },
        { "id": "b", "action": "http://b/do", "compensate": null, "payload_base64": "/w==", "after": ["01"] }] });
    assert_eq!(serde_json::to_value(&saga).unwrap(), expected);

    let message = Message::to_topic("orders").gid("g").payload("hi").back_check("http://a/check");
    let message = serde_json::to_value(&message).unwrap();
    assert_eq!((&message["topic"], &message["payload_text"]), (&json!("orders"), &json!("hi")));
    assert_eq!((&message["subscribers"], &message["submit"]), (&json!([]), &json!(false)));
    let notification = Notification::to("http://a").schedule([Duration::from_secs(1)]);
    assert_eq!(serde_json::to_value(&notification).unwrap()["schedule"], json!(["1000ms"]));
}

#[tokio::test]
async fn a_subscriber_who_is_gone_is_gone() {
    let (_server, client) = server([lost(), problem(404, "E2010", None)]).await;
    client.unsubscribe("orders", "http://a/b?c").await.unwrap();
    let (_server, client) = server([problem(422, "E2008", None)]).await;
    client.delete_topic("orders").await.unwrap_err();
}

/// Ends branches, and does steps, as the payload wants it.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn end(&self, what: &str, branch: &Branch) -> Result<(), EndError> {
        let payload = String::from_utf8_lossy(&branch.data).into_owned();
        self.0
            .lock()
            .unwrap()
            .push(format!("{what} {} {} {:?} {payload}", branch.id, branch.resource, branch.kind));
        match payload.as_str() {
            "again" => Err(EndError::Again("busy".to_owned())),
            "never" => Err(EndError::Never("broken".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Resource for Diary {
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async { self.end("commit", branch) })
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async { self.end("rollback", branch) })
    }
}

struct Echo;

impl Step for Echo {
    type Input = u16;

    async fn action(&self, _: &Branch, input: &u16) -> Result<(), StepError> {
        match input {
            409 => Err(StepError::Refused("no".to_owned())),
            425 => Err(StepError::Ongoing),
            503 => Err(StepError::Failed("down".to_owned())),
            _ => Ok(()),
        }
    }

    async fn compensate(&self, _: &Branch, input: &u16) -> Result<(), EndError> {
        if *input == 503 { Err(EndError::Again("down".to_owned())) } else { Ok(()) }
    }
}

async fn call(
    participants: &Participants,
    path: &str,
    op: &str,
    payload: &'static str,
) -> (StatusCode, String) {
    let request = Request::post(path)
        .header("synod-xid", XID)
        .header("synod-gid", "order-1")
        .header("synod-branch", "b1")
        .header("synod-op", op)
        .body(Full::new(Bytes::from_static(payload.as_bytes())));
    let response = participants.handle(request.unwrap()).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn participants_answer_as_the_protocol_says() {
    let (participants, diary) = (Participants::new("http://a:1").unwrap(), Arc::new(Diary::default()));
    participants.resource("stock", Kind::Tcc, Arc::clone(&diary) as _);
    participants.step("mail", Echo);
    participants.on_check("order", async |asked: Asked| match &*asked.payload {
        b"yes" => Ok(Checked::Committed),
        b"no" => Ok(Checked::RolledBack),
        b"wait" => Ok(Checked::Undecided),
        _ => Err(asked.gid.unwrap_or_default()),
    });
    participants.on_message("paid", async |asked: Asked| match asked.json::<u8>() {
        Ok(_) => Ok(()),
        Err(error) => Err(EndError::Again(error.to_string())),
    });
    for (name, op, payload, status) in [
        ("stock", "confirm", "x", 200),
        ("stock", "cancel", "x", 200),
        ("stock", "commit", "again", 503),
        ("stock", "rollback", "never", 409),
        ("stock", "action", "1", 404),
        ("mail", "action", "1", 200),
        ("mail", "action", "409", 409),
        ("mail", "action", "425", 425),
        ("mail", "action", "503", 503),
        ("mail", "action", "what?", 409),
        ("mail", "compensate", "1", 200),
        ("mail", "compensate", "503", 503),
        ("mail", "compensate", "what?", 200),
        ("mail", "confirm", "1", 404),
        ("order", "check", "yes", 200),
        ("order", "check", "no", 409),
        ("order", "check", "wait", 425),
        ("order", "check", "", 503),
        ("paid", "deliver", "1", 200),
        ("paid", "notify", "1", 200),
        ("paid", "deliver", "?", 503),
        ("paid", "dance", "1", 501),
        ("nobody", "confirm", "1", 404),
    ] {
        let (is, words) = call(&participants, &format!("/app/synod/{name}"), op, payload).await;
        assert_eq!(is.as_u16(), status, "{name} {op} {payload}: {words}");
    }
    let diary = diary.0.lock().unwrap().join("; ");
    assert_eq!(
        diary,
        "commit b1 stock Tcc x; rollback b1 stock Tcc x; commit b1 stock Tcc again; rollback b1 stock Tcc never"
    );
    assert_eq!(call(&participants, "/elsewhere", "confirm", "").await.0, StatusCode::NOT_FOUND);
    let bare = Request::post("/synod/stock").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(participants.handle(bare).await.status(), StatusCode::BAD_REQUEST);
    let get = Request::get("/synod/stock").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(participants.handle(get).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let long = Request::post("/synod/stock").body(Full::new(Bytes::from(vec![0; 9 << 20]))).unwrap();
    assert_eq!(participants.handle(long).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

/// What a connection says to one call of `name`, byte for byte.
async fn ask_raw(stream: &mut TcpStream, name: &str) -> String {
    let head = format!("POST /synod/{name} HTTP/1.1\r\nhost: a\r\nsynod-xid: {XID}\r\nsynod-op: deliver\r\n");
    stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

/// Serves until the sender is used; `slow` waits until it is told to go on, and tells that it has come.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    came: Arc<Notify>,
    go: Arc<Notify>,
    serving: JoinSet<()>,
}

async fn served(drain: Duration) -> Served {
    let participants = Participants::new("http://a:1").unwrap();
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&came), Arc::clone(&go));
    participants.on_message("slow", move |_| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            Ok(())
        }
    });
    participants.on_message("quick", async |_| Ok(()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let mut serving = JoinSet::new();
    serving.spawn(participants.serve_and_drain(listener, async { stopped.await.unwrap() }, drain));
    Served { address, stop, came, go, serving }
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn who_is_stopped_answers_the_calls_under_way_and_takes_no_more() {
    let Served { address, stop, came, go, mut serving } = served(SOON).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(ask_raw(&mut idle, "quick").await.starts_with("HTTP/1.1 200"));
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    let rest = async {
        came.notified().await;
        stop.send(()).unwrap();
        // Whoever waits for nothing is let go at once, and nobody is let in.
        for idle in [&mut idle, &mut silent] {
            assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
        }
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(serving.try_join_next().is_none(), "a call is under way");
        go.notify_one();
    };
    let (answer, ()) = timeout(SOON, async { tokio::join!(ask_raw(&mut busy, "slow"), rest) }).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    timeout(SOON, serving.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn who_is_stopped_does_not_wait_for_ever() {
    let Served { address, stop, came, mut serving, .. } = served(Duration::from_millis(50)).await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    let rest = async {
        came.notified().await;
        stop.send(()).unwrap();
    };
    let (answer, ()) = timeout(SOON, async { tokio::join!(ask_raw(&mut busy, "slow"), rest) }).await.unwrap();
    assert_eq!(answer, "", "it was cut off");
    timeout(SOON, serving.join_next()).await.unwrap().unwrap().unwrap();
}
