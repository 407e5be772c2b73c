//! Calls by name with instances that Synod knows: two processes that serve over HTTP and gRPC, and come and go under load.
#![allow(clippy::print_stdout, reason = "times are results")]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::uri::PathAndQuery;
use synod_client::call::Registered;
use synod_client::call::grpc::Channel;
use synod_client::call::http::Client;
use synod_client::context::{self, Context, Trace};
use synod_client::registry::{Config, Consumer, Servers, Source};
use synod_client::{Xid, call};
use synod_e2e::process::{Process, free_port};
use synod_e2e::{Synod, now, tools, wait_until};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

const LIMIT: Duration = Duration::from_secs(20);
const XID: &str = "10.0.0.1:8091:42";
/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Callers over each of the two.
const CALLERS: usize = 3;

/// `message Text { string text = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// Starts `examples/sdk_call_child.rs`.
fn start(name: &str, synod: &Synod, port: u16, home: &tempfile::TempDir) -> Process {
    let path = tools::target().join("debug/examples/sdk_call_child");
    assert!(path.exists(), "no child; run `cargo build -p synod-e2e --example sdk_call_child`");
    let mut command = Command::new(path);
    command.args([name, &synod.url(), &port.to_string()]);
    Process::start_logging(name, command, &home.path().join(name))
}

/// What became of the calls over one protocol.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Answers, by who has answered.
    by: BTreeMap<String, usize>,
    errors: Vec<String>,
}

/// Callers without a pause longer than a moment, over both protocols.
struct Load {
    http: Arc<Mutex<Tally>>,
    grpc: Arc<Mutex<Tally>>,
    _callers: JoinSet<()>,
}

impl Load {
    fn start(runtime: &Runtime, consumer: &Arc<Consumer>) -> Self {
        let (http, grpc) = <(Arc<Mutex<Tally>>, Arc<Mutex<Tally>>)>::default();
        let client = Client::new(Registered::new(Arc::clone(consumer)));
        let channel = Channel::new("synod://ledger", Arc::new(Registered::new(Arc::clone(consumer))));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (client, channel) = (client.clone(), channel.clone());
            let asks = move || {
                let client = client.clone();
                async move { over_http(&client).await.map_err(|error| format!("{error:?}")) }
            };
            let says = move || {
                let channel = channel.clone();
                async move { over_grpc(channel).await.map_err(|status| format!("{:?}", status.code())) }
            };
            callers.spawn_on(call_on(asks, Arc::clone(&http)), runtime.handle());
            callers.spawn_on(call_on(says, Arc::clone(&grpc)), runtime.handle());
        }
        Self { http, grpc, _callers: callers }
    }

    /// Forgets what was, and returns it: over HTTP, and over gRPC.
    fn take(&self) -> [Tally; 2] {
        [&self.http, &self.grpc].map(|tally| std::mem::take(&mut *tally.lock().expect("not poisoned")))
    }

    /// Waits until all of these have answered so many calls over both.
    #[track_caller]
    fn wait_for(&self, what: &str, names: &[&str], calls: usize) -> Duration {
        wait_until(LIMIT, what, || {
            [&self.http, &self.grpc].iter().all(|tally| {
                let tally = tally.lock().expect("not poisoned");
                names.iter().all(|&name| tally.by.get(name).is_some_and(|by| *by >= calls))
            })
        })
    }
}

/// Makes one call after the other in a context of its own, and writes down what comes of it.
async fn call_on<F>(call: impl Fn() -> F, tally: Arc<Mutex<Tally>>)
where
    F: Future<Output = Result<String, String>>,
{
    loop {
        let trace = Trace::start(true);
        let trace_id = format!("{:032x}", trace.trace_id());
        let context = Context { trace: Some(trace), ..Context::default() };
        let context = context.with_xid(Some(Xid::parse(XID).expect("an XID"))).within(PATIENCE);
        let answer = context::scope(context, call()).await;
        let seen = answer.and_then(|line| answered(&line, &trace_id));
        {
            let mut tally = tally.lock().expect("not poisoned");
            match seen {
                Ok(name) => *tally.by.entry(name).or_default() += 1,
                Err(error) => tally.errors.push(error),
            }
        }
        // A load, not a flood.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Who has answered, if the whole context has arrived there.
fn answered(line: &str, trace_id: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [name, xid, trace, left] = words[..] else { return Err(format!("strange: {line}")) };
    let left: i64 = left.parse().map_err(|_| format!("strange: {line}"))?;
    let is_whole = xid == XID && trace == trace_id && (1..=5_000).contains(&left);
    if is_whole { Ok(name.to_owned()) } else { Err(format!("the context has not arrived: {line}")) }
}

async fn over_http(client: &Client) -> Result<String, call::Error> {
    let answer = client.get("synod://bank/balance").await?;
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

async fn over_grpc(channel: Channel) -> Result<String, Status> {
    let mut ledger = tonic::client::Grpc::new(channel);
    ledger.ready().await?;
    let codec = ProstCodec::<Text, Text>::default();
    let path = PathAndQuery::from_static("/ledger.Ledger/Say");
    Ok(ledger.unary(tonic::Request::new(Text::default()), path, codec).await?.into_inner().text)
}

#[test]
fn instances_are_called_by_name_while_they_die_leave_and_come_back() {
    // Of five instances no more than one would be let go in a minute.
    let synod = Synod::start(&["registry.self_preservation=false", "registry.preservation_threshold=0.1"]);
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let home = tempfile::tempdir().expect("a directory");
    let (port_a, port_b) = (free_port(), free_port());
    let mut a = start("a", &synod, port_a, &home);
    let mut b = start("b", &synod, port_b, &home);
    let consumer = Arc::new(Consumer::start(Config::new(Servers::new([synod.url()]))).expect("a URL"));
    let count = |service: &str| consumer.instances(service).len();
    wait_until(LIMIT, "both are known", || count("bank") == 2 && count("ledger") == 2);
    assert_eq!(consumer.source(), Source::Watched);

    let load = Load::start(&runtime, &consumer);
    load.wait_for("both are called", &["a", "b"], 100);
    for tally in load.take() {
        let (by_a, by_b) = (tally.by["a"], tally.by["b"]);
        assert!(by_a.abs_diff(by_b) * 5 < by_a + by_b, "they take turns: {tally:?}");
        assert_eq!(tally.errors, Vec::<String>::new());
    }

    // Killed with calls in its hands, and nobody has told the registry.
    a.kill9();
    let began = now();
    load.wait_for("the other one is called", &["b"], 200);
    println!("200 calls over each {:?} after a kill", began.elapsed());
    let [http, grpc] = load.take();
    assert_eq!(http.errors, Vec::<String>::new(), "what can be repeated is");
    let lost = format!("{:?}", Code::Unknown);
    let is_spared = grpc.errors.len() <= CALLERS && grpc.errors.iter().all(|error| *error == lost);
    assert!(is_spared, "only what it had in its hands is lost: {:?}", grpc.errors);
    println!("{} of {CALLERS} calls over gRPC were in its hands", grpc.errors.len());
    wait_until(LIMIT, "the registry finds it gone", || count("bank") == 1 && count("ledger") == 1);

    let mut a = start("a", &synod, port_a, &home);
    let took = load.wait_for("it is called again", &["a", "b"], 100);
    println!("back and called {took:?} after its start");

    // One that leaves is asked nothing any more, and answers what it was asked.
    let before = load.take();
    b.terminate();
    assert_eq!(b.wait(LIMIT).code(), Some(0), "{}", b.log());
    let at_leave = load.take();
    load.wait_for("the other one is called", &["a"], 200);
    let after = load.take();
    assert!(after.iter().all(|tally| !tally.by.contains_key("b")), "{after:?}");
    for tally in before.iter().chain(&at_leave).chain(&after) {
        assert_eq!(tally.errors, Vec::<String>::new());
    }

    // It comes back somewhere else.
    let mut b = start("b", &synod, free_port(), &home);
    let took = load.wait_for("it is called again", &["a", "b"], 100);
    println!("back elsewhere and called {took:?} after its start");
    for tally in load.take() {
        assert_eq!(tally.errors, Vec::<String>::new());
    }
    a.kill9();
    b.kill9();
}
