//! Abuse of a node with a canary beside it: somebody who renews all the time and must be answered promptly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::http::{Connection, Reply, Request};
use crate::wait::wait_for;
use crate::{Instance, Synod, now};

/// Renewals that the canary makes however short the abuse is.
const RENEWALS_MIN: u32 = 20;
/// What the node may keep of it afterwards.
const GROWTH: u64 = 64 << 20;
/// Longest a renewal of somebody else may take on two cores that others use too.
const CALM: Duration = Duration::from_secs(1);

/// A client that renews while others misbehave.
struct Canary {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(u32, Duration)>>,
}

impl Canary {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let mut connection = Connection::open(address).expect("the node listens");
        let instance = Instance::new("CANARY", "canary");
        connection.send(&instance.register()).expect("the node answers").expect(204);
        let thread = thread::spawn(move || {
            let (mut renewals, mut worst) = (0, Duration::ZERO);
            while renewals < RENEWALS_MIN || !flag.load(Ordering::Relaxed) {
                let began = now();
                let reply = connection.send(&instance.renew()).expect("the canary is answered");
                assert_eq!(reply.expect(200).body, b"");
                worst = worst.max(began.elapsed());
                renewals += 1;
                thread::sleep(Duration::from_millis(2));
            }
            (renewals, worst)
        });
        Self { stop, thread: Some(thread) }
    }

    fn stop(mut self, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is joined once");
        let (renewals, worst) = thread.join().expect("the canary lives");
        eprintln!("{what}: {renewals} renewals meanwhile, the slowest took {worst:?}");
        assert!(worst < CALM, "{what}: a renewal took {worst:?}");
    }
}

/// Runs `abuse` against a new node beside a canary, and looks at what it cost.
///
/// # Panics
/// The canary was held up, the node grew, or its registry suffered.
pub fn under_abuse(what: &str, sets: &[&str], abuse: impl FnOnce(&Synod)) {
    under_abuse_keeping(GROWTH, what, sets, abuse);
}

/// As [`under_abuse`]; the node may keep `growth` bytes.
///
/// # Panics
/// As [`under_abuse`].
pub fn under_abuse_keeping(growth: u64, what: &str, sets: &[&str], abuse: impl FnOnce(&Synod)) {
    let node = Synod::start(&[&["registry.self.register=false"], sets].concat());
    let canary = Canary::start(node.address());
    node.list();
    let before = node.memory_bytes();
    abuse(&node);
    let peak = node.memory_bytes();
    let kept = wait_for(Duration::from_secs(10), || {
        let after = node.memory_bytes();
        let grown =
            format!("{what}: the node keeps {} MiB more than before", after.saturating_sub(before) >> 20);
        if after < before + growth { Ok(after) } else { Err(grown) }
    });
    let mib = |bytes: u64| bytes >> 20;
    eprintln!("{what}: {} MiB before, {} right after, {} in the end", mib(before), mib(peak), mib(kept.0));
    canary.stop(what);
    let list = node.list();
    assert_eq!(list.status("CANARY", "canary"), Some("UP"));
    assert_eq!(list.computed(), list.hash);
}

/// Sends and expects a refusal of the client's making, prompt and short.
///
/// # Panics
/// It is anything else; a connection that is closed is no refusal.
#[track_caller]
pub fn refused(node: &Synod, what: &str, request: &Request) -> Reply {
    let began = now();
    let reply = node.send(request);
    assert!((400..500).contains(&reply.status), "{what} is answered {}: {}", reply.status, reply.text());
    assert!(began.elapsed() < Duration::from_secs(5), "{what} took {:?}", began.elapsed());
    assert!(reply.body.len() < 4096, "{what} gets {} bytes back", reply.body.len());
    reply
}
