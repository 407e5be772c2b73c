//! The SDK's provider and consumer with real servers: Synod and Java's.
#![allow(clippy::print_stdout, reason = "times are results")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use synod_client::registry::{Config, Consumer, Instance, Provider, Servers, Source, Status};
use synod_e2e::process::{Process, free_port};
use synod_e2e::wait::wait_for;
use synod_e2e::{JavaServer, Request, Synod, http, now, tools, wait_until};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);

/// A server as plain HTTP sees it.
#[derive(Clone, Copy)]
struct Seen(SocketAddr);

impl Seen {
    fn send(self, request: &Request) -> u16 {
        http::send(self.0, request).status
    }

    /// An instance's record, past every cache.
    fn record(self, app: &str, id: &str) -> Option<Value> {
        let reply = http::try_send(self.0, &Request::get_json(&format!("/eureka/apps/{app}/{id}"))).ok()?;
        (reply.status == 200).then(|| reply.json()["instance"].clone())
    }

    fn status(self, app: &str, id: &str) -> Option<String> {
        self.record(app, id).map(|record| record["status"].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn wait_status(self, app: &str, id: &str, status: Option<&str>) -> Duration {
        wait_for(SOON, || {
            let seen = self.status(app, id);
            if seen.as_deref() == status {
                Ok(())
            } else {
                Err(format!("{app}/{id} is {status:?} but {seen:?}"))
            }
        })
        .1
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/eureka/")
}

fn quick(app: &str, id: &str) -> Instance {
    Instance::new(app, id, "127.0.0.1", 9000)
        .with_zone("zone-a")
        .with_weight(3)
        .with_lease(Duration::from_secs(1), Duration::from_secs(3))
}

/// What another client registers, for consumers to find.
fn other(app: &str, id: &str) -> synod_e2e::Instance {
    synod_e2e::Instance::new(app, id).lease(30, 3600)
}

fn config(urls: &[String], interval: Duration, watch: bool) -> Config {
    let mut config = Config::new(Servers::new(urls));
    (config.interval, config.watch) = (interval, watch);
    config
}

fn ids(consumer: &Consumer, app: &str) -> Vec<String> {
    consumer.instances(app).iter().map(|instance| instance.id.to_string()).collect()
}

#[track_caller]
fn wait_ids(consumer: &Consumer, app: &str, expected: &[&str]) -> Duration {
    wait_for(LONG, || {
        let seen = ids(consumer, app);
        if seen == expected { Ok(()) } else { Err(format!("{app} has {expected:?} but {seen:?}")) }
    })
    .1
}

/// The life of a provider at one server.
fn a_provider_lives(server: Seen) {
    let runtime = runtime();
    let _inside = runtime.enter();
    let provider = Provider::register(&Servers::new([url(server.0)]), quick("life", "one:1")).expect("a URL");
    server.wait_status("LIFE", "one%3A1", Some("UP"));
    let record = server.record("LIFE", "one%3A1").expect("a record");
    assert_eq!(record["metadata"]["zone"], "zone-a", "{record}");
    assert_eq!(record["leaseInfo"]["durationInSecs"], 3, "{record}");
    wait_until(SOON, "the provider knows", || provider.is_registered());

    // The lease would be over twice, even as Java counts.
    let dirty = record["lastDirtyTimestamp"].clone();
    let began = now();
    while began.elapsed() < Duration::from_secs(8) {
        assert_eq!(server.status("LIFE", "one%3A1").as_deref(), Some("UP"), "after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    let record = server.record("LIFE", "one%3A1").expect("a record");
    assert_eq!(record["lastDirtyTimestamp"], dirty, "it was renewed, not registered again");

    for status in
        [Status::Down, Status::OutOfService, Status::Up, Status::OutOfService, Status::Starting, Status::Up]
    {
        provider.set_status(status);
        let took = server.wait_status("LIFE", "one%3A1", Some(status.as_str()));
        println!("{} after {took:?}", status.as_str());
    }
    provider.set_metadata("build", "17");
    wait_until(SOON, "the metadata shows", || {
        server.record("LIFE", "one%3A1").is_some_and(|record| record["metadata"]["build"] == "17")
    });

    assert_eq!(server.send(&Request::delete("/eureka/apps/LIFE/one%3A1")), 200);
    let took = server.wait_status("LIFE", "one%3A1", Some("UP"));
    println!("registered again {took:?} after its deletion");

    runtime.block_on(provider.leave());
    assert_eq!(server.status("LIFE", "one%3A1"), None, "it has left when `leave` returns");
    let provider = Provider::register(&Servers::new([url(server.0)]), quick("life", "two")).expect("a URL");
    server.wait_status("LIFE", "two", Some("UP"));
    drop(provider);
    let took = server.wait_status("LIFE", "two", None);
    println!("gone {took:?} after the drop");
}

/// A consumer sees what comes, changes and goes, by hearing of it or by asking for deltas.
fn a_consumer_follows(server: Seen, watch: bool, source: Source) {
    let runtime = runtime();
    let _inside = runtime.enter();
    assert_eq!(server.send(&other("FOLLOW", "a").register()), 204);
    let config = config(&[url(server.0)], Duration::from_millis(500), watch);
    let consumer = Consumer::start(config).expect("a URL");
    wait_ids(&consumer, "follow", &["a"]);
    assert_eq!(consumer.source(), source);
    assert_eq!(consumer.by_vip("follow").len(), 1);
    for id in ["b", "c", "d"] {
        assert_eq!(server.send(&other("FOLLOW", id).register()), 204);
    }
    let took = wait_ids(&consumer, "FOLLOW", &["a", "b", "c", "d"]);
    println!("{source:?}: three came after {took:?}");
    assert_eq!(server.send(&Request::put(&other("FOLLOW", "a").path("/status?value=OUT_OF_SERVICE"))), 200);
    wait_ids(&consumer, "FOLLOW", &["b", "c", "d"]);
    assert_eq!(server.send(&Request::put(&other("FOLLOW", "b").path("/metadata?zone=z9"))), 200);
    wait_until(LONG, "metadata is followed", || {
        consumer.instances("FOLLOW").iter().any(|instance| instance.zone() == Some("z9"))
    });
    for id in ["b", "c", "d"] {
        assert_eq!(server.send(&other("FOLLOW", id).cancel()), 200);
    }
    let took = wait_ids(&consumer, "FOLLOW", &[]);
    println!("{source:?}: all left after {took:?}");
    let generation = *consumer.changes().borrow();
    assert!(generation >= 4, "each change has a generation: {generation}");
}

#[test]
fn provider_and_consumer_with_synod() {
    let synod = Synod::start(&[]);
    a_provider_lives(Seen(synod.address()));
    a_consumer_follows(Seen(synod.address()), true, Source::Watched);
    let synod = Synod::start(&[]);
    a_consumer_follows(Seen(synod.address()), false, Source::Polled);
}

#[test]
fn provider_and_consumer_with_a_java_server() {
    let address = JavaServer::reserve();
    let _java = JavaServer::start(address, &url(address));
    a_provider_lives(Seen(address));
    a_consumer_follows(Seen(address), true, Source::Polled);
}

/// An example of the SDK, built if need be.
fn example(name: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "synod-client", "--example", name]);
    assert!(build.status().expect("cargo runs").success(), "the example {name} can be built");
    Command::new(tools::target().join("debug/examples").join(name))
}

#[test]
fn a_process_leaves_at_a_signal() {
    let synod = Synod::start(&[]);
    let server = Seen(synod.address());
    let home = tempfile::tempdir().expect("a directory");
    let start = |id: &str| {
        let mut command = example("provider");
        command.args([&*url(server.0), "signal", id, "9000"]);
        let process = Process::start_logging(id, command, &home.path().join(id));
        server.wait_status("SIGNAL", id, Some("UP"));
        process
    };
    let (mut told, mut stays) = (start("told"), start("stays"));
    told.terminate();
    let status = told.wait(SOON);
    assert_eq!(status.code(), Some(0), "{}", told.log());
    assert_eq!(server.status("SIGNAL", "told"), None, "it is gone before its process is");
    assert_eq!(server.status("SIGNAL", "stays").as_deref(), Some("UP"), "the other one stays");
    stays.kill9();
}

#[test]
fn two_nodes_of_which_one_is_killed() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let (first, second) = (free_port(), free_port());
    let node = |own: u16, peer: u16| {
        let listen = format!("http.listen=127.0.0.1:{own}");
        let peers = format!("registry.peers=http://127.0.0.1:{peer}/eureka/");
        Synod::spawn(&[&listen, &peers, "registry.self_preservation=false"])
    };
    let (mut a, mut b) = (node(first, second), node(second, first));
    a.wait_ready();
    b.wait_ready();
    let urls = [url(a.address()), url(b.address())];
    let stays = Seen(b.address());

    let provider = Provider::register(&Servers::new(&urls), quick("over", "one")).expect("URLs");
    let watching = Consumer::start(config(&urls, Duration::from_secs(30), true)).expect("URLs");
    let polling = Consumer::start(config(&urls, Duration::from_millis(500), false)).expect("URLs");
    for consumer in [&watching, &polling] {
        wait_ids(consumer, "over", &["one"]);
    }
    let mut state = provider.state();
    state.mark_unchanged();
    let generation = *watching.changes().borrow();
    a.kill9();
    let began = now();
    while began.elapsed() < Duration::from_secs(8) {
        for consumer in [&watching, &polling] {
            assert_eq!(ids(consumer, "over"), ["one"], "{:?} after the kill", began.elapsed());
        }
        assert_eq!(
            stays.status("OVER", "one").as_deref(),
            Some("UP"),
            "{:?} after the kill",
            began.elapsed()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(provider.is_registered() && !state.has_changed().expect("it lives"), "the lease never ran out");
    assert_eq!(*watching.changes().borrow(), generation, "nothing had to be shown again");
    assert_eq!((watching.source(), polling.source()), (Source::Watched, Source::Polled));

    assert_eq!(stays.send(&other("OVER", "two").register()), 204);
    for (consumer, how) in [(&watching, "watched"), (&polling, "polled")] {
        let took = wait_ids(consumer, "over", &["one", "two"]);
        println!("{how} from the other node {took:?} after the change");
    }
    runtime.block_on(provider.leave());
    assert_eq!(stays.status("OVER", "one"), None);
}

#[test]
fn the_copy_outlives_servers_and_processes() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let mut synod = Synod::start(&[]);
    let urls = [url(synod.address())];
    for id in ["a", "b", "c", "d"] {
        synod.send(&other("KEPT", id).register()).expect(204);
    }
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("list.json");
    let with_file = || {
        let mut config = config(&urls, Duration::from_millis(500), true);
        config.file = Some(file.clone());
        config
    };
    let all = ["a", "b", "c", "d"];
    let consumer = Consumer::start(with_file()).expect("a URL");
    wait_ids(&consumer, "kept", &all);
    wait_until(SOON, "the list is kept", || file.exists());
    synod.kill9();
    wait_until(SOON, "it is known to be stale", || consumer.source() == Source::Stale);
    assert_eq!(ids(&consumer, "kept"), all);
    drop(consumer);

    let consumer = Consumer::start(with_file()).expect("a URL");
    assert_eq!((ids(&consumer, "kept"), consumer.source()), (all.map(String::from).to_vec(), Source::File));
    let synod = synod.restart();
    wait_until(SOON, "the node is watched again", || consumer.source() == Source::Watched);
    synod.send(&other("KEPT", "e").register()).expect(204);
    wait_until(SOON, "changes come again", || ids(&consumer, "kept").contains(&"e".to_owned()));
}

#[test]
fn watching_takes_no_time() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let synod = Synod::start(&[]);
    let consumer =
        Consumer::start(config(&[url(synod.address())], Duration::from_secs(30), true)).expect("a URL");
    wait_until(SOON, "the node is watched", || consumer.source() == Source::Watched);
    let mut connection = synod.connect();
    let mut took: Vec<Duration> = (1..=50)
        .map(|number| {
            let request = other("FAST", &format!("f-{number:02}")).register();
            let began = now();
            connection.send(&request).expect("an answer").expect(204);
            let seen = runtime.block_on(timeout(SOON, consumer.wait_for("FAST", number)));
            assert_eq!(seen.expect("in time").len(), number);
            began.elapsed()
        })
        .collect();
    took.sort();
    println!("from a registration to its being seen: median {:?}, longest {:?}", took[25], took[49]);
    assert!(took[25] < Duration::from_secs(1), "nothing polls: {took:?}");
}
