//! A node from start to stop, over real sockets.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::Sources;

fn config(dir: &Path, set: &[&str]) -> Config {
    let mut sources = Sources { data: Some(dir.to_owned()), ..Sources::default() };
    sources.set = [
        "http.listen=127.0.0.1:0",
        "face.seata.listen=off",
        "face.dtm.http.listen=off",
        "face.dtm.grpc.listen=off",
        "grpc.listen=off",
    ]
    .iter()
    .chain(set)
    .map(ToString::to_string)
    .collect();
    Config::load(&sources).unwrap()
}

async fn get(running: &Running, path: &str) -> String {
    get_from(running.addresses["http"], path).await
}

#[tokio::test]
async fn browsers_that_look_for_dtms_pages_are_sent_to_the_console() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &["face.dtm.http.listen=127.0.0.1:0"]);
    let running = start(config, Clock::system()).await.unwrap();
    let to = format!("location: http://x:{}/ui/transactions\r\n", running.addresses["http"].port());
    for path in ["/", "/admin", "/admin/index.html"] {
        let answer = get_from(running.addresses["dtm_http"], path).await;
        assert!(answer.starts_with("HTTP/1.1 302") && answer.contains(&to), "{path}: {answer}");
    }
    let other = get_from(running.addresses["dtm_http"], "/administrator").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    running.stop().await;
}

async fn get_from(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_node_serves_what_it_says_until_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(config(dir.path(), &["node.name=n1"]), Clock::system()).await.unwrap();
    assert_eq!(running.node.name, "n1");
    let file = dir.path().join("addresses.json");
    let written: BTreeMap<String, SocketAddr> =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, BTreeMap::from([("http".into(), running.addresses["http"])]));

    for (path, expected) in [
        ("/health/live", "HTTP/1.1 200 OK\r\n"),
        ("/health/ready", "HTTP/1.1 200 OK\r\n"),
        ("/actuator/health", "{\"status\":\"UP\"}"),
        ("/metrics", "synod_http_requests_total{face=\"ops\",status=\"2xx\"} 3\n"),
        ("/health/no", "HTTP/1.1 404 Not Found\r\n"),
        ("/v1/no-such-path", "content-type: application/problem+json\r\n"),
    ] {
        let answer = get(&running, path).await;
        assert!(answer.contains(expected), "{path}: {answer}");
    }
    running.stop().await;
    assert!(!file.exists());
}

#[tokio::test]
async fn before_the_log_is_read_transactions_are_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let config = config(dir.path(), &[]);
    let listener = net::bind(&config.http.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = Stop::new();
    let limits = Limits {
        connections_max: 10,
        header_timeout: config.http.header_timeout,
        idle_timeout: config.http.idle_timeout,
    };
    let tls = Trust::new("").unwrap();
    let node = Node::new(config, Clock::system(), data.node_id(), address, None, tls, stopping.clone());
    let node = Arc::new(node);
    let front = Front::new(Arc::clone(&node));
    let serving =
        task::spawn("http", net::serve(listener, net::Http1(front), limits, node.net.clone(), stopping));
    for path in ["/v1/transactions", "/v1/transactions/a", "/v1/transactions/a/decision", "/v1/topics"] {
        let answer = get_from(address, path).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        assert!(answer.contains("\"E2011\"") && answer.contains("retry-after: 1\r\n"), "{path}: {answer}");
    }
    assert!(get_from(address, "/health/ready").await.starts_with("HTTP/1.1 503 "));
    stop.give();
    serving.await.unwrap();
}

#[tokio::test]
async fn two_nodes_live_in_one_process_but_not_in_one_directory() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = start(config(one.path(), &[]), Clock::system()).await.unwrap();
    let second = start(config(two.path(), &[]), Clock::system()).await.unwrap();
    assert_ne!((first.node.id, &first.addresses), (second.node.id, &second.addresses));

    let in_use = start(config(one.path(), &[]), Clock::system()).await.unwrap_err();
    assert_eq!((in_use.exit_code(), matches!(in_use, StartError::DataDir(_))), (3, true));
    second.stop().await;

    let taken = format!("http.listen={}", first.addresses["http"]);
    let error = start(config(two.path(), &[&taken]), Clock::system()).await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"));
    first.stop().await;
}

#[tokio::test]
async fn what_peers_tell_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(config(dir.path(), &[]), Clock::system()).await.unwrap();
    let item = r#"{"appName":"A","id":"a","action":"Heartbeat"}"#;
    let eureka = format!(r#"{{"replicationList":[{item},{item}]}}"#);
    let sign = r#"{"app":"A","id":"a","rank":[1,2,3],"stamp_ms":1,"age_ms":1}"#;
    let synod = format!(r#"{{"items":[{{"heartbeat":{sign}}}]}}"#);
    for (path, body) in [("/eureka/peerreplication/batch/", eureka), ("/v1/peer/changes", synod)] {
        let mut stream = TcpStream::connect(running.addresses["http"]).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}", body.len());
        let request =
            format!("{head}\r\ncontent-type: application/json\r\naccept: application/json\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
    }
    let metrics = get(&running, "/metrics").await;
    assert!(metrics.contains("\nsynod_peer_items_received_total 3\n"), "{metrics}");
    let overrides = get(&running, "/eureka/serverinfo/statusoverrides").await;
    assert!(overrides.ends_with("\r\n\r\n{}"), "{overrides}");
    running.stop().await;
}
