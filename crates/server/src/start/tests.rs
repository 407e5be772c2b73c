//! A node from start to stop, over real sockets.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::Sources;

fn config(dir: &Path, set: &[&str]) -> Config {
    let mut sources = Sources { data: Some(dir.to_owned()), ..Sources::default() };
    sources.set = ["http.listen=127.0.0.1:0"].iter().chain(set).map(ToString::to_string).collect();
    Config::load(&sources).unwrap()
}

async fn get(running: &Running, path: &str) -> String {
    let mut stream = TcpStream::connect(running.addresses["http"]).await.unwrap();
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
