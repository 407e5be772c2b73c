//! Calls over TLS, against an authority of our own; everything else is in `tests/call`.

use std::net::SocketAddr;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::drive::{Call, CallId};
use synod_core::txn::mode::Errand;
use synod_core::txn::{Branch, Leg, Mode, Options, Status, Target, Txn, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::lists::OwnInstance;
use crate::net::tls::testing::{Authority, front};

/// Answers every request with 200.
async fn participant() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    task::spawn("participant", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            task::spawn("connection", async move {
                let mut buffer = [0; 4_096];
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
            });
        }
    });
    address
}

fn caller(trust: Trust) -> Caller {
    let (config, clock) = (Config::default(), Clock::system());
    let registry = Registry::new(&config.registry, clock.clone(), OwnInstance::default(), 1);
    let metrics = CallMetrics::new(&mut crate::metrics::registry(0));
    let settings = Settings::new(&config, "synod.example:8091").unwrap();
    Caller::new(settings, Arc::new(registry), Arc::new(trust), clock, metrics)
}

fn call(url: String) -> Call {
    let target = Target { protocol: Protocol::Http, url: url.into() };
    let branch = Branch {
        id: "b1".into(),
        label: "".into(),
        forward: Leg::new(Some(target)),
        backward: Leg::new(None),
        payload: Bytes::from_static(b"{}"),
        after: [].into_iter().collect(),
        joined_ms: 0,
        rows: None,
    };
    let txn = Txn {
        xid: Xid::new(0, 1).unwrap(),
        gid: None,
        mode: Mode::Saga,
        name: "".into(),
        status: Status::Committing,
        options: Options::default(),
        headers: Vec::new(),
        back_check: None,
        note: Bytes::new(),
        begun_ms: 0,
        decided_ms: 0,
        touched_ms: 0,
        reason: "".into(),
        result: Bytes::new(),
        branches: vec![branch],
        digest: 0,
    };
    Call { id: CallId(1), errand: Errand::Leg(0, Way::Forward), txn: Arc::new(txn) }
}

#[tokio::test]
async fn participants_are_called_over_tls_if_they_are_trusted() {
    let authority = Authority::new("ours");
    let port = front(authority.server(&["localhost"], |_| {}), participant().await).await;
    let file = authority.file();
    let trusting = caller(Trust::new(file.path().to_str().unwrap()).unwrap());
    let call = call(format!("https://localhost:{port}/"));
    for _ in 0..2 {
        let delivered = trusting.deliver(&call).await;
        assert_eq!((delivered.result, delivered.answered), (CallResult::Done, true));
        assert_eq!(trusting.idle_connections(), 1);
    }
    let other = Authority::new("another").file();
    let delivered = caller(Trust::new(other.path().to_str().unwrap()).unwrap()).deliver(&call).await;
    let CallResult::Failed(text) = delivered.result else { panic!("trusted: {delivered:?}") };
    assert!(text.contains("not trusted") && !delivered.answered, "{text}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_line_of_the_log_says_which_transaction_it_is_about() {
    let lines = Lines::default();
    let writer = lines.clone();
    // As `log.format = "json"` has it.
    let json = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(true);
    let log = json.with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
    let logging = tracing::subscriber::set_default(log);
    let caller = caller(Trust::new("").unwrap());
    let address = participant().await;
    caller.deliver(&call(format!("http://{address}/"))).await;
    drop(logging);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line =
        text.lines().find(|line| line.contains("called a participant")).unwrap_or_else(|| panic!("{text}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let span = &line["span"];
    assert_eq!((&span["xid"], &span["branch"]), (&"synod.example:8091:1".into(), &"b1".into()), "{line}");
    assert_eq!((&line["result"], &span["op"]), (&"done".into(), &"action".into()));
}

#[test]
fn texts_are_clipped_between_letters() {
    assert_eq!(clipped("short"), "short");
    let long = format!("x{}", "é".repeat(TEXT_BYTES_MAX));
    assert_eq!(clipped(&long).len(), TEXT_BYTES_MAX - 1);
}
