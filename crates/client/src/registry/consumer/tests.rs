//! The consumer against a server that does what it is told.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::watch::channel;
use tokio::time::timeout;

use super::*;
use crate::http_client::test_server::{Reply, Seen, TestServer, nobody};
use crate::registry::Instance;

const LONG: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(50);

fn body(ids: &str) -> String {
    let all: Vec<Instance> = ids.chars().map(|id| Instance::new("A", &id.to_string(), "h", 1)).collect();
    String::from_utf8(list::encode(all.iter())).expect("text")
}

fn config(urls: &[String], interval: Duration) -> Config {
    let mut servers = Servers::new(urls.iter().cloned());
    servers.total = Duration::from_millis(400);
    servers.answer_max = 100_000;
    Config { interval, watch: false, ..Config::new(servers) }
}

fn ids(consumer: &Consumer) -> String {
    consumer.instances("a").iter().map(|instance| &*instance.id).collect()
}

async fn until_shown(consumer: &Consumer, expected: &str) {
    let mut changes = consumer.changes();
    let shown = async {
        while ids(consumer) != expected {
            changes.changed().await.expect("the consumer lives");
        }
    };
    let in_time = timeout(Duration::from_secs(10), shown).await;
    assert!(in_time.is_ok(), "{expected:?} is not shown but {:?}", ids(consumer));
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = crate::clock::now() + Duration::from_secs(10);
    while !holds() {
        assert!(crate::clock::now() < limit, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server without `/v1/watch`, whose list can be changed.
async fn server(ids: &str) -> (TestServer, Arc<Mutex<Reply>>) {
    let list = Arc::new(Mutex::new(Reply::ok(body(ids))));
    let answer = Arc::clone(&list);
    let server = TestServer::start(move |seen: Seen| {
        let known = seen.path.starts_with("/eureka/apps");
        let list = answer.lock().expect("not poisoned").clone();
        std::future::ready(if known { list } else { Reply::Whole(404, String::new()) })
    });
    (server.await, list)
}

fn set(list: &Arc<Mutex<Reply>>, reply: Reply) {
    *list.lock().expect("not poisoned") = reply;
}

/// A list in gzip, which says that it is `claims` bytes long at least.
fn packed(list: &str, claims: usize) -> Reply {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(list.as_bytes()).expect("memory");
    encoder.write_all(&vec![b' '; claims.saturating_sub(list.len())]).expect("memory");
    let body = encoder.finish().expect("memory");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    Reply::Raw([head.as_bytes(), &body].concat())
}

#[tokio::test]
async fn lists_come_packed_and_one_that_bursts_is_left_for_another_server() {
    let (first, list) = server("abc").await;
    let (second, _) = server("abcd").await;
    set(&list, packed(&body("abc"), 0));
    let consumer = Consumer::start(config(&[first.url(), second.url()], LONG)).expect("URLs");
    until_shown(&consumer, "abc").await;
    assert!(first.seen()[0].headers.contains("accept-encoding: gzip"), "{:?}", first.seen());
    // A list, if one had the patience to read to its end.
    set(&list, packed(&body("x"), 10 << 20));
    consumer.refresh();
    until_shown(&consumer, "abcd").await;
}

#[tokio::test]
async fn a_slow_old_list_does_not_replace_a_newer_one() {
    let (release, released) = channel(false);
    let questions = AtomicUsize::new(0);
    let server = TestServer::start(move |_| {
        let (number, mut released) = (questions.fetch_add(1, SeqCst), released.clone());
        async move {
            if number == 0 {
                released.wait_for(|released| *released).await.expect("the test goes on");
                return Reply::ok(body("old"));
            }
            Reply::ok(body("new"))
        }
    })
    .await;
    let mut config = config(&[server.url()], LONG);
    config.servers.total = LONG;
    let consumer = Consumer::start(config).expect("a URL");
    until("the first question", || server.seen().len() == 1).await;
    consumer.refresh();
    until_shown(&consumer, "enw").await;
    let generation = *consumer.changes().borrow();
    release.send_replace(true);
    // The first question takes a place; when a third is asked at once, its answer is in.
    consumer.refresh();
    consumer.refresh();
    until("the third question", || server.seen().len() == 3).await;
    tokio::time::sleep(SOON).await;
    assert_eq!((ids(&consumer), *consumer.changes().borrow()), ("enw".to_owned(), generation));
}

#[tokio::test]
async fn deltas_are_asked_for_and_a_wrong_hash_has_everything_asked_for() {
    let (server, list) = server("abc").await;
    let consumer = Consumer::start(config(&[server.url()], SOON)).expect("a URL");
    until_shown(&consumer, "abc").await;
    // As a delta it says that there is d, but its hash is that of one instance.
    set(&list, Reply::ok(body("d")));
    let paths = || server.seen().into_iter().map(|seen| seen.path).collect::<Vec<_>>();
    until("a full list after a delta", || {
        paths().windows(2).any(|two| two == ["/eureka/apps/delta", "/eureka/apps/"])
    })
    .await;
    until_shown(&consumer, "d").await;
    assert_eq!(consumer.source(), Source::Polled);
}

#[tokio::test]
async fn an_empty_list_is_believed_when_it_is_said_twice_or_never_if_another_server_knows_better() {
    let (first, list) = server("abc").await;
    let consumer = Consumer::start(config(&[first.url()], SOON)).expect("a URL");
    until_shown(&consumer, "abc").await;
    let before = first.seen().len();
    set(&list, Reply::ok(body("")));
    until_shown(&consumer, "").await;
    let seen = first.seen();
    let lists = seen[before..].iter().filter(|seen| seen.path == "/eureka/apps/").count();
    assert!(lists >= 2, "it was confirmed: {seen:?}");

    set(&list, Reply::ok(body("abc")));
    let (second, _) = server("abcd").await;
    let consumer = Consumer::start(config(&[first.url(), second.url()], LONG)).expect("URLs");
    until_shown(&consumer, "abc").await;
    set(&list, Reply::ok(body("")));
    consumer.refresh();
    until_shown(&consumer, "abcd").await;
}

#[tokio::test]
async fn nonsense_is_not_shown_and_the_next_server_is_asked() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n{\"applications\":".to_vec();
    let nonsense = [
        Reply::ok("garbage"),
        Reply::ok(""),
        Reply::ok("{}"),
        Reply::Endless(head.clone()),
        Reply::Stalled(head),
        Reply::Raw(Vec::new()),
        Reply::Whole(403, String::new()),
        Reply::Whole(500, body("x")),
    ];
    let (first, list) = server("ab").await;
    let (second, _) = server("abc").await;
    let alone = Consumer::start(config(&[first.url()], SOON)).expect("a URL");
    until_shown(&alone, "ab").await;
    for reply in nonsense {
        let what = format!("{reply:?}");
        set(&list, reply);
        let before = first.seen().len();
        until(&what, || first.seen().len() > before + 2).await;
        assert_eq!(ids(&alone), "ab", "{what}");
        let both = Consumer::start(config(&[first.url(), second.url()], LONG)).expect("URLs");
        until_shown(&both, "abc").await;
    }
}

#[tokio::test]
async fn what_is_known_outlives_the_servers_and_the_process() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("list.json");
    let (server, _) = server("ab").await;
    let with_file = |urls: &[String]| Config { file: Some(file.clone()), ..config(urls, SOON) };
    let consumer = Consumer::start(with_file(&[server.url()])).expect("a URL");
    until_shown(&consumer, "ab").await;
    until("the file", || file.exists()).await;
    drop(server);
    let mut sources = consumer.sources();
    sources.wait_for(|source| *source == Source::Stale).await.expect("it lives");
    assert_eq!(ids(&consumer), "ab");
    drop(consumer);

    let consumer = Consumer::start(with_file(&[nobody().await])).expect("a URL");
    assert_eq!((ids(&consumer), consumer.source()), ("ab".to_owned(), Source::File), "at once");
    std::fs::write(&file, "garbage").expect("written");
    let consumer = Consumer::start(with_file(&[nobody().await])).expect("a URL");
    assert_eq!((ids(&consumer), consumer.source()), (String::new(), Source::Nothing));
}

#[tokio::test]
async fn some_services_are_asked_for_one_by_one() {
    let server = TestServer::start(|seen| {
        let known = seen.path == "/eureka/apps/A";
        let one = r#"{"application":{"name":"A","instance":[{"app":"A","instanceId":"a"}]}}"#;
        std::future::ready(if known { Reply::ok(one) } else { Reply::Whole(404, String::new()) })
    })
    .await;
    let services = vec!["a".to_owned(), "b/c".to_owned()];
    let consumer = Consumer::start(Config { services, ..config(&[server.url()], LONG) }).expect("a URL");
    until_shown(&consumer, "a").await;
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/eureka/apps/A", "/eureka/apps/B%2FC"]);
}

/// A change as Synod announces it.
fn event(version: u64, id: &str, is_removed: bool) -> String {
    let instance = r#"{"host":"h","ip":"h","port":1,"secure_port":null,"status":"UP","updated_ms":5,"dirty_ms":4,"lease":{"renew_interval_ms":30000,"duration_ms":90000},"vip":["a"],"secure_vip":[],"zone":null,"metadata":{},"home_page":null,"status_page":null,"health_check":null}"#;
    let instance = if is_removed { "null" } else { instance };
    format!(
        "event: change\nid: 1.{version}\ndata: {{\"version\":\"1.{version}\",\"service\":\"A\",\"id\":\"{id}\",\"instance\":{instance}}}\n\n"
    )
}

/// A server that announces these changes, each time it is listened to, and then keeps silent.
async fn announcing(
    ids: &'static str,
    events: impl Fn(usize) -> Reply + Send + Sync + 'static,
) -> TestServer {
    let feeds = AtomicUsize::new(0);
    TestServer::start(move |seen| {
        let is_feed = seen.path.starts_with("/v1/watch");
        let reply = if is_feed { events(feeds.fetch_add(1, SeqCst)) } else { Reply::ok(body(ids)) };
        std::future::ready(reply)
    })
    .await
}

fn stream(events: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}").into_bytes()
}

#[tokio::test]
async fn changes_are_heard_of_and_a_broken_feed_goes_on_where_it_was() {
    let server = announcing("ab", |number| match number {
        0 => Reply::Raw(stream(&(event(1, "c", false) + &event(2, "a", true)))),
        _ => Reply::Stalled(stream(&event(3, "d", false))),
    })
    .await;
    let config = Config { watch: true, ..config(&[server.url()], LONG) };
    let consumer = Consumer::start(config).expect("a URL");
    until_shown(&consumer, "bcd").await;
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert!(paths.contains(&"/v1/watch?".to_owned()) && paths.contains(&"/v1/watch?since=1.2".to_owned()));
    assert_eq!(paths.iter().filter(|path| path.starts_with("/eureka")).count(), 1, "{paths:?}");
    assert_eq!(consumer.source(), Source::Watched);
}

#[tokio::test]
async fn a_reset_has_everything_asked_for_and_nonsense_is_not_asked_for_in_a_hurry() {
    let server = announcing("ab", |_| {
        Reply::Stalled(stream(
            "event: reset\ndata: {\"version\":\"2.7\"}\n\nevent: change\ndata: nonsense\n\n",
        ))
    })
    .await;
    let config = Config { watch: true, ..config(&[server.url()], LONG) };
    let consumer = Consumer::start(config).expect("a URL");
    until_shown(&consumer, "ab").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    let feeds = paths.iter().filter(|path| path.starts_with("/v1")).count();
    assert!((2..4).contains(&feeds), "{paths:?}");
}
