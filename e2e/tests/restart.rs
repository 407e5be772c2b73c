//! kill -9 and back: what is on disk is served at once, clients and peers fill the rest, and two nodes that name each other
//! as peers open at once.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use synod_e2e::process::free_port;
use synod_e2e::{Connection, Instance, Random, Request, Synod, now, wait_until};

const SNAPSHOT: Duration = Duration::from_secs(1);

/// Registers new instances one after the other and notes when each was acknowledged, until the node is gone.
fn register_until_killed(node: &Synod, thread: usize, acknowledged: &Mutex<Vec<(String, Instant)>>) {
    let mut connection = node.connect();
    for number in 0.. {
        let instance = Instance::new(&format!("CRASH-{}", number % 10), &format!("t{thread}-{number}"));
        let Ok(reply) = connection.send(&instance.register()) else { return };
        reply.expect(204);
        let key = format!("{}/{}", instance.app, instance.id);
        acknowledged.lock().expect("nobody panics with it").push((key, now()));
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn nothing_older_than_the_snapshot_period_is_lost() {
    let mut node = Synod::start(&["registry.snapshot_interval=1s", "registry.self.register=false"]);
    let acknowledged = Mutex::new(Vec::new());
    let killed_at = thread::scope(|scope| {
        for thread in 0..3 {
            let (node, acknowledged) = (&node, &acknowledged);
            scope.spawn(move || register_until_killed(node, thread, acknowledged));
        }
        thread::sleep(Duration::from_secs(4));
        let at = now();
        kill(node.pid());
        at
    });
    node.kill9();
    let node = node.restart();
    let acknowledged = acknowledged.into_inner().expect("nobody panicked");
    let found = node.list();
    assert_eq!(found.computed(), found.hash);
    let found = found.ids();
    // One period, and as much again for the writing itself.
    let old: Vec<_> = acknowledged.iter().filter(|(_, at)| *at + SNAPSHOT * 2 < killed_at).collect();
    let lost: Vec<_> = old.iter().filter(|(key, _)| !found.contains(key)).collect();
    println!(
        "{} acknowledged, {} of them long before the end; {} restored, ready after {:?}",
        acknowledged.len(),
        old.len(),
        found.len(),
        node.started()
    );
    assert!(old.len() > 200, "too little was tried");
    assert!(lost.is_empty(), "{} lost, for example {:?}", lost.len(), lost.first());
    let never: Vec<_> =
        found.iter().filter(|key| !acknowledged.iter().any(|(known, _)| known == *key)).collect();
    assert!(never.len() <= 3, "more than the unanswered one of each writer is new: {never:?}");
    let provisional = node.send(&Request::get("/v1/registry")).expect(200).json();
    assert_eq!(provisional["restored_provisional"], found.len(), "{provisional}");
}

fn kill(pid: u32) {
    let pid =
        i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id is positive");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the node runs");
}

#[test]
fn restored_instances_must_renew_within_one_lease() {
    let sets = [
        "registry.snapshot_interval=500ms",
        "registry.self.register=false",
        "registry.self_preservation=false",
    ];
    let mut node = Synod::start(&sets);
    let (alive, dead) =
        (Instance::new("BACK", "alive").lease(1, 3), Instance::new("BACK", "dead").lease(1, 3));
    for instance in [&alive, &dead] {
        node.send(&instance.register()).expect(204);
    }
    thread::sleep(Duration::from_millis(1500));
    node.kill9();
    let node = node.restart();
    assert_eq!(node.list().rows.len(), 2, "the last known instances are served at once");
    let came_back = now();
    wait_until(Duration::from_secs(10), "what does not renew is gone", || {
        node.send(&alive.renew()).expect(200);
        node.list().ids() == BTreeSet::from(["BACK/alive".to_owned()])
    });
    println!("the dead one was gone {:?} after the restart", came_back.elapsed());
    assert!(came_back.elapsed() > Duration::from_secs(2), "a restored instance has one whole lease to renew");
}

#[test]
fn a_damaged_snapshot_is_set_aside() {
    let mut node = Synod::start(&["registry.self.register=false"]);
    for number in 0..50 {
        node.send(&Instance::new("TORN", &format!("torn-{number}")).register()).expect(204);
    }
    node.stop();
    let files: Vec<_> = walk(&node.data());
    let snapshot = files.iter().find(|file| file.ends_with("registry.snapshot"));
    let snapshot = snapshot.expect("a clean stop leaves a snapshot");
    let mut bytes = std::fs::read(snapshot).expect("it is readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(snapshot, bytes).expect("it is writable");
    let mut node = node.restart();
    assert_eq!(node.list().rows.len(), 0, "a damaged snapshot is never half-loaded");
    let log = node.process().log();
    let name = snapshot.file_name().unwrap_or_default().to_string_lossy().into_owned();
    assert!(log.contains(&name) || log.to_lowercase().contains("snapshot"), "the damage is not told:\n{log}");
    assert!(walk(&node.data()).len() > files.len() - 2, "the damaged file was not kept for a look");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("the folder is readable").map(|e| e.expect("it stays so").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// A node is ready when it takes writes; reads are served when its peers have answered.
#[track_caller]
fn wait_open(node: &Synod) {
    wait_until(Duration::from_secs(10), "the registry is open", || {
        node.send(&Request::get("/v1/registry")).expect(200).json()["open"] == true
    });
}

/// Two nodes that name each other as peers.
struct Pair {
    a: Synod,
    b: Synod,
}

impl Pair {
    /// Both are started at once; returns them when both are ready.
    fn start(sets: &[&str]) -> Self {
        let (a, b) = (free_port(), free_port());
        let node = |own: u16, other: u16| {
            let listen = format!("http.listen=127.0.0.1:{own}");
            let peers = format!("registry.peers=http://127.0.0.1:{other}/eureka/");
            Synod::spawn(&[&[listen.as_str(), &peers, "registry.self.register=false"], sets].concat())
        };
        let (mut a, mut b) = (node(a, b), node(b, a));
        a.wait_ready();
        b.wait_ready();
        Self { a, b }
    }

    #[track_caller]
    fn converge(&self, what: &str) {
        wait_open(&self.a);
        wait_open(&self.b);
        wait_until(Duration::from_secs(15), &format!("both nodes are equal {what}"), || {
            let (a, b) = (self.a.list(), self.b.list());
            a.statuses() == b.statuses() && a.hash == b.hash
        });
    }
}

#[test]
fn two_nodes_that_name_each_other_open_at_once() {
    let began = now();
    let pair = Pair::start(&["registry.sync_deadline=60s"]);
    for node in [&pair.a, &pair.b] {
        wait_open(node);
        node.send(&Request::get_json("/eureka/apps/")).expect(200);
    }
    println!("both open {:?} after their start", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_change_is_visible_on_the_other_node() {
    let pair = Pair::start(&[]);
    let (mut here, mut there) = (pair.a.connect(), pair.b.connect());
    let mut times = Vec::new();
    for round in 0..200 {
        let instance = Instance::new("SEEN", &format!("seen-{round}"));
        here.send(&instance.register()).expect("the node answers").expect(204);
        let answered = now();
        let read = Request::get_json(&instance.path(""));
        while there.send(&read).expect("the node answers").status != 200 {
            assert!(
                answered.elapsed() < Duration::from_secs(5),
                "round {round}: not visible on the other node"
            );
        }
        times.push(answered.elapsed());
    }
    times.sort();
    println!(
        "visible on the other node: median {:?}, p99 {:?}, worst {:?}",
        times[100], times[197], times[199]
    );
    pair.converge("after registrations");
    here.send(&Request::put("/eureka/apps/SEEN/seen-1/status?value=OUT_OF_SERVICE"))
        .expect("it answers")
        .expect(200);
    here.send(&Request::delete("/eureka/apps/SEEN/seen-2")).expect("it answers").expect(200);
    pair.converge("after a status and a cancel");
    assert_eq!(pair.b.list().status("SEEN", "seen-1"), Some("OUT_OF_SERVICE"));
    here.send(&Request::delete("/eureka/apps/SEEN/seen-1/status?value=UP")).expect("it answers").expect(200);
    pair.converge("after the override's removal");
    assert_eq!(pair.b.list().status("SEEN", "seen-1"), Some("UP"));
}

#[test]
fn random_operations_on_both_nodes_converge() {
    let pair = Pair::start(&["registry.anti_entropy_interval=2s"]);
    let seed = synod_e2e::wait::epoch_ms();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let statuses = ["UP", "DOWN", "OUT_OF_SERVICE"];
    let (mut a, mut b) = (pair.a.connect(), pair.b.connect());
    for _ in 0..2000 {
        let instance =
            Instance::new(&format!("RANDOM-{}", random.below(5)), &format!("r{}", random.below(40)));
        let request = match random.below(10) {
            0..5 => instance.clone().status(random.pick(&statuses)).register(),
            5..7 => Request::put(&instance.path(&format!("/status?value={}", random.pick(&statuses)))),
            7 => Request::delete(&instance.path("/status")),
            8 => instance.renew(),
            _ => instance.cancel(),
        };
        let node = if random.below(2) == 0 { &mut a } else { &mut b };
        node.send(&request).expect("the node answers");
    }
    pair.converge("after random operations");
}

#[test]
fn a_peer_fills_a_node_that_lost_everything() {
    let mut pair = Pair::start(&["registry.snapshot_interval=0s"]);
    let mut connection = pair.a.connect();
    for number in 0..2000 {
        let status = if number % 5 == 0 { "DOWN" } else { "UP" };
        let instance =
            Instance::new(&format!("FILL-{}", number % 7), &format!("fill-{number}")).status(status);
        connection.send(&instance.register()).expect("it answers").expect(204);
    }
    connection
        .send(&Request::put("/eureka/apps/FILL-1/fill-1/status?value=OUT_OF_SERVICE"))
        .expect("it answers");
    pair.converge("before the failure");
    pair.a.kill9();
    // Changes that the dead node never hears of.
    pair.b.send(&Request::delete("/eureka/apps/FILL-2/fill-2")).expect(200);
    pair.b.send(&Instance::new("FILL-3", "late").register()).expect(204);
    pair.a = pair.a.restart();
    wait_open(&pair.a);
    assert_eq!(
        pair.a.list().statuses(),
        pair.b.list().statuses(),
        "a node opens with what its peer has, whole"
    );
    println!("filled and ready after {:?}", pair.a.started());
    // An override survives as one: the client's own registration does not lift it.
    pair.a.send(&Instance::new("FILL-1", "fill-1").register()).expect(204);
    assert_eq!(pair.a.list().status("FILL-1", "fill-1"), Some("OUT_OF_SERVICE"));
}

#[test]
fn a_peer_that_was_away_catches_up_in_order() {
    let mut pair = Pair::start(&["registry.anti_entropy_interval=2s", "registry.snapshot_interval=500ms"]);
    for number in 0..100 {
        pair.a.send(&Instance::new("AWAY", &format!("away-{number}")).register()).expect(204);
    }
    pair.converge("before");
    // Whether its snapshot has them or not makes no difference.
    pair.b.kill9();
    for number in 0..50 {
        pair.a.send(&Request::delete(&format!("/eureka/apps/AWAY/away-{number}"))).expect(200);
        pair.a.send(&Instance::new("AWAY", &format!("new-{number}")).register()).expect(204);
    }
    pair.b = pair.b.restart();
    pair.converge("after the peer came back");
    assert_eq!(pair.b.list().rows.len(), 100, "what was cancelled meanwhile did not come back");
}

#[test]
fn writers_never_notice_a_dead_peer() {
    let mut pair = Pair::start(&[]);
    pair.b.kill9();
    let mut connection = Connection::open(pair.a.address()).expect("it listens");
    let mut worst = Duration::ZERO;
    for number in 0..2000 {
        let began = now();
        let instance = Instance::new("ALONE", &format!("alone-{number}"));
        connection.send(&instance.register()).expect("it answers").expect(204);
        worst = worst.max(began.elapsed());
    }
    println!("worst registration beside a dead peer: {worst:?}");
    assert!(worst < Duration::from_secs(1), "a dead peer held a writer up for {worst:?}");
    let peers = pair.a.send(&Request::get("/v1/peers")).expect(200).json();
    assert_eq!(peers["peers"][0]["reachable"], false, "{peers}");
}
