//! A node in this process, and the plainest HTTP client.

use std::net::SocketAddr;

use serde_json::Value;
use synod_server::clock::Clock;
use synod_server::config::{Config, Sources};
use synod_server::start::{Running, start};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A running node and its data.
pub(crate) struct TestNode {
    pub(crate) running: Running,
    dir: tempfile::TempDir,
    set: Vec<String>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl TestNode {
    pub(crate) async fn start(set: &[&str]) -> Self {
        let fixed = [
            "http.listen=127.0.0.1:0",
            "face.seata.listen=off",
            "face.dtm.http.listen=off",
            "face.dtm.grpc.listen=off",
            "grpc.listen=127.0.0.1:0",
            "registry.self.register=false",
        ];
        let set = fixed.iter().chain(set).map(ToString::to_string).collect();
        Self::start_in(tempfile::tempdir().unwrap(), set).await
    }

    async fn start_in(dir: tempfile::TempDir, set: Vec<String>) -> Self {
        let data = Some(dir.path().to_owned());
        let sources = Sources { data, set: set.clone(), ..Sources::default() };
        let running = start(Config::load(&sources).unwrap(), Clock::system()).await.unwrap();
        Self { running, dir, set }
    }

    /// Stops it and starts it again on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.running.stop().await;
        Self::start_in(self.dir, self.set).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.addresses["http"]
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_with(method, path, "", body).await
    }

    /// The same with headers, each ended by a line's end.
    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        read(self.send(method, path, &format!("{kind}{headers}"), &body).await).await
    }

    /// A request to the dtm face, which has to be switched on.
    pub(crate) async fn ask_dtm(&self, operation: &str, body: &Value) -> Answer {
        let path = format!("/api/dtmsvr/{operation}");
        let headers = "content-type: application/json\r\n";
        read(send(self.running.addresses["dtm_http"], "POST", &path, headers, &body.to_string()).await).await
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        send(self.address(), method, path, headers, body).await
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn events(&self, path: &str, last_id: Option<&str>) -> Events {
        let last_id = last_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let stream = self.send("GET", path, &last_id, "").await;
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).await.unwrap() > 0, "cut short: {head}");
        }
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Events(lines)
    }
}

/// Server-sent events as they come.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// The next event: (name, id, data).
    pub(crate) async fn next(&mut self) -> (String, String, Value) {
        let (mut name, mut id, mut data) = (String::new(), String::new(), None);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).await.unwrap() > 0, "the stream ended");
            let line = line.trim_end();
            if let Some(value) = line.strip_prefix("event: ") {
                name = value.to_owned();
            } else if let Some(value) = line.strip_prefix("id: ") {
                id = value.to_owned();
            } else if let Some(value) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(value).unwrap());
            } else if line.is_empty()
                && let Some(data) = data.take()
            {
                return (name, id, data);
            }
        }
    }
}

async fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read(mut stream: TcpStream) -> Answer {
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {all:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_lowercase(), body: unchunked(head, body) }
}

fn unchunked(head: &str, body: &str) -> String {
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    whole
}
