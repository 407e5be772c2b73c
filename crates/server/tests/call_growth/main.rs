//! Nothing of a call outlives it. A test binary of its own, since it counts what the whole process holds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::registry::{Instance, Origin, Port};
use synod_core::txn::drive::{Call, CallId};
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Branch, Leg, Mode, Options, Protocol, Status, Target, Txn, Way};
use synod_server::call::{CallMetrics, Caller, Settings};
use synod_server::clock::Clock;
use synod_server::config::Config;
use synod_server::lists::OwnInstance;
use synod_server::net::tls::Trust;
use synod_server::registry::Registry;
use synod_server::{metrics, task};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Calls before the first look, after which everything has its size.
const WARM_UP: u64 = 10_000;
const CALLS: u64 = 100_000;
/// Calls at once.
const LANES: u64 = 16;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Answers each request of a connection; each tenth is refused, and some are answered with a closed connection.
async fn participant(mut stream: TcpStream) {
    let mut buffer = [0; 4_096];
    let mut count = 0_u64;
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        // Requests of this test fit into one piece, and none comes before the last was answered.
        assert!(buffer[..length].ends_with(b"}"));
        count += 1;
        let answer: &[u8] = match count {
            1_000 => return,
            count if count.is_multiple_of(10) => b"HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\nno",
            _ => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        };
        stream.write_all(answer).await.unwrap();
    }
}

fn call(number: u64, url: String) -> Call {
    let target = Target { protocol: Protocol::Http, url: url.into() };
    let branch = Branch {
        id: format!("branch-{number}").into(),
        label: "".into(),
        forward: Leg::new(Some(target)),
        backward: Leg::new(None),
        payload: Bytes::from_static(b"{}"),
        after: [].into_iter().collect(),
        joined_ms: 0,
        rows: None,
    };
    let txn = Txn {
        xid: Xid::new(0, number + 1).unwrap(),
        gid: Some(format!("order-{number}").into()),
        mode: Mode::Saga,
        name: "".into(),
        status: Status::Committing,
        options: Options::default(),
        headers: vec![("traceparent".into(), PARENT.into())],
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
    Call { id: CallId(number), errand: Errand::Leg(0, Way::Forward), txn: Arc::new(txn) }
}

/// Makes the calls `from..from + count`, to a path and a service of many names.
async fn run(caller: &Caller, port: u16, from: u64, count: u64) {
    let lanes = (0..LANES).map(|lane| {
        let caller = caller.clone();
        task::spawn("lane", async move {
            for number in (from + lane..from + count).step_by(LANES as usize) {
                let url = match number % 3 {
                    0 => format!("synod://pay/{number}"),
                    _ => format!("http://127.0.0.1:{port}/{number}"),
                };
                let delivered = caller.deliver(&call(number, url)).await;
                let is_expected = matches!(delivered.result, CallResult::Done | CallResult::Refused(_));
                assert!(is_expected && delivered.answered, "{delivered:?}");
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_calls_leave_nothing_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    task::spawn("participant", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            task::spawn("connection", participant(stream));
        }
    });
    let (config, clock) = (Config::default(), Clock::system());
    let registry = Registry::new(&config.registry, clock.clone(), OwnInstance::default(), 1);
    let registry = Arc::new(registry);
    let mut instance = Instance::new("pay", "1");
    instance.host = "127.0.0.1".into();
    instance.port = Port { number: port.into(), enabled: true };
    registry.register(instance, Origin::Client).unwrap();
    let mut metrics = metrics::registry(0);
    let settings = Settings::new(&config, "synod.example:8091").unwrap();
    let trust = Arc::new(Trust::new("").unwrap());
    let caller = Caller::new(settings, registry, trust, clock, CallMetrics::new(&mut metrics));

    run(&caller, port, 0, WARM_UP).await;
    let (memory, files, rows) =
        (resident_bytes(), open_files(), metrics::render(&[&metrics]).lines().count());
    run(&caller, port, WARM_UP, CALLS).await;

    let grown = resident_bytes().saturating_sub(memory);
    assert!(grown < 4 << 20, "{grown} bytes more than before");
    assert!(caller.idle_connections() <= LANES as usize, "{}", caller.idle_connections());
    // Both ends of each connection are in this process.
    assert!(open_files() <= files + 2 * LANES as usize, "{files} open files became {}", open_files());
    assert_eq!(metrics::render(&[&metrics]).lines().count(), rows, "a metric has grown");
    assert!(metrics::render(&[&metrics]).contains("synod_calls_in_flight 0"));
}
