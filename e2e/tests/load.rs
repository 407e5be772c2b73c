//! Participants that cost their callers something: silent ones by the thousand, and those that answer nonsense without an
//! end. Neither delays the transactions of others, and memory stays within bounds.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use synod_e2e::process::allow_files;
use synod_e2e::wait::wait_for;
use synod_e2e::{Participant, Request, Synod, now};

const OPEN: u64 = 10_000;
/// A fast transaction takes milliseconds. This is no test of speed: it fails when one stands in a queue behind the others.
const FAST: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;
/// Transactions with each kind of nonsense.
const EACH: u64 = 10;

/// Calls `serve` with every connection, one thread each.
fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Takes connections and never says a word; counts them.
fn silent() -> (SocketAddr, Arc<AtomicU64>) {
    /// By the time so many others have come, the caller has given up.
    const HELD: usize = 4_000;
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let accepted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        let mut held = VecDeque::new();
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            held.push_back(stream);
            if held.len() > HELD {
                held.pop_front();
            }
        }
    });
    (address, accepted)
}

fn saga(gid: &str, action: &str, more: &Value) -> Request {
    let branch = json!({"action": action, "compensate": action});
    let mut body = json!({"gid": gid, "mode": "saga", "submit": true, "branches": [branch]});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    Request::post_json("/v1/transactions", body.to_string())
}

/// Carries out fast sagas one after the other for so long; how long each took, the longest last.
fn fast(node: &Synod, participant: &Participant, name: &str, time: Duration) -> Vec<Duration> {
    let mut connection = node.connect();
    let mut one = |number: usize| {
        let request = saga(&format!("{name}-{number}"), &participant.url("/fast"), &json!({"wait": "20s"}));
        let began = now();
        let stand = connection.send(&request).expect("it answers").expect(201).json();
        assert_eq!(stand["status"], "committed", "{stand}");
        began.elapsed()
    };
    let (began, mut took) = (now(), Vec::new());
    while began.elapsed() < time {
        took.push(one(took.len()));
    }
    took.sort_unstable();
    took
}

fn longest(took: &[Duration]) -> Duration {
    took.last().copied().expect("some were carried out")
}

fn middle(took: &[Duration]) -> Duration {
    took[took.len() / 2]
}

#[test]
fn ten_thousand_that_never_hear_an_answer_do_not_delay_a_fast_one() {
    allow_files(16_000);
    let (address, accepted) = silent();
    let participant = Participant::start(|_| (200, String::new()));
    let mut node = Synod::start(&["registry.snapshot_interval=0s"]);
    let alone = fast(&node, &participant, "alone", Duration::from_millis(500));
    let url = format!("http://{address}/never");
    std::thread::scope(|scope| {
        for part in 0..8 {
            let (node, url) = (&node, &url);
            scope.spawn(move || {
                let mut connection = node.connect();
                for number in (0..OPEN).filter(|number| number % 8 == part) {
                    connection
                        .send(&saga(&format!("slow-{number}"), url, &Value::Null))
                        .expect("it answers")
                        .expect(201);
                }
            });
        }
    });
    wait_for(FAST, || match accepted.load(Ordering::Relaxed) {
        0..1_000 => Err("few of the calls are under way".to_owned()),
        _ => Ok(()),
    });
    // Long enough for the first calls to be given up and others to take their place.
    let among = fast(&node, &participant, "among", Duration::from_secs(5));
    let memory = node.memory_bytes() / MIB;
    println!(
        "a fast saga: {:?} alone (at most {:?}), {:?} among {OPEN} open ones (at most {:?}); {memory} MiB, {} calls without an answer",
        middle(&alone),
        longest(&alone),
        middle(&among),
        longest(&among),
        accepted.load(Ordering::Relaxed)
    );
    assert_eq!(node.metric("synod_transactions_open"), OPEN as f64);
    assert!(accepted.load(Ordering::Relaxed) > 1_000, "none of the calls was given up");
    assert!(longest(&among) < FAST, "{:?}", longest(&among));
    assert!(memory < 200, "{memory} MiB");
    let stand = node.send(&Request::get("/v1/transactions/slow-0")).expect(200).json();
    assert_eq!(stand["status"], "committing", "{stand}");
    node.stop();
}

/// How a participant answers, and what a call of it is told to have ended with.
struct Nonsense {
    name: &'static str,
    head: &'static [u8],
    block: &'static [u8],
    pause: Duration,
    error: &'static str,
}

const NONSENSE: [Nonsense; 6] = [
    Nonsense {
        name: "gigabyte",
        head: b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        block: &[b'x'; 16 << 10],
        pause: Duration::ZERO,
        error: "longer than 65536 bytes",
    },
    Nonsense {
        name: "chunks",
        head: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        block: b"10\r\n................\r\n",
        pause: Duration::ZERO,
        error: "longer than 65536 bytes",
    },
    Nonsense {
        name: "headers",
        head: b"HTTP/1.1 200 OK\r\n",
        block: b"x-filler: ................................................\r\n",
        pause: Duration::ZERO,
        error: "",
    },
    Nonsense { name: "garbage", head: b"", block: &[0xf7; 1 << 10], pause: Duration::ZERO, error: "" },
    Nonsense {
        name: "drip",
        head: b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n",
        block: b".",
        pause: Duration::from_millis(20),
        error: "within 500ms",
    },
    Nonsense {
        name: "interim",
        head: b"",
        block: b"HTTP/1.1 100 Continue\r\n\r\n",
        pause: Duration::ZERO,
        error: "within 500ms",
    },
];

impl Nonsense {
    /// Answers like this for as long as it is listened to.
    fn start(&'static self) -> SocketAddr {
        listen(|mut stream| {
            let mut request = [0; 4_096];
            // Whoever hangs up ends it; that is what is hoped for.
            let mut answer = || -> std::io::Result<()> {
                if stream.read(&mut request)? == 0 {
                    return Ok(());
                }
                stream.write_all(self.head)?;
                loop {
                    stream.write_all(self.block)?;
                    std::thread::sleep(self.pause);
                }
            };
            answer().ok();
        })
    }

    /// What its calls are said to have ended with, once all have and it goes on. One that gives no answer at all is hardly
    /// called any more after a while.
    fn errors(&self, node: &Synod) -> Result<String, String> {
        let mut connection = node.connect();
        let (mut tried, mut last) = (0, String::new());
        for number in 0..EACH {
            let path = format!("/v1/transactions/{}-{number}", self.name);
            let stand = connection.send(&Request::get(&path)).expect("it answers").expect(200).json();
            let error = stand["details"]["branches"][0]["forward"]["last_error"].as_str().unwrap_or_default();
            if error.is_empty() {
                return Err(format!("{}-{number} has not failed yet", self.name));
            }
            // On a busy machine not even so much arrives in time.
            let is_clear = error.contains(self.error) || error.contains("within 500ms");
            assert!(is_clear, "{}: {stand}", self.name);
            tried += stand["details"]["attempts"].as_array().map_or(0, Vec::len) as u64;
            last = format!("{}: {error}", self.name);
        }
        if tried > EACH + 3 { Ok(last) } else { Err(format!("{} was tried {tried} times only", self.name)) }
    }
}

#[test]
fn nonsense_costs_a_bounded_part_of_memory_and_nobody_elses_time() {
    allow_files(4_000);
    let participant = Participant::start(|_| (200, String::new()));
    let sets =
        ["registry.snapshot_interval=0s", "txn.retry=100ms", "txn.retry_max=300ms", "call.timeout=500ms"];
    let mut node = Synod::start(&sets);
    let alone = fast(&node, &participant, "alone", Duration::from_millis(500));
    let before = node.memory_bytes() / MIB;
    let mut connection = node.connect();
    for nonsense in &NONSENSE {
        let url = format!("http://{}/", nonsense.start());
        for number in 0..EACH {
            let begin = saga(&format!("{}-{number}", nonsense.name), &url, &Value::Null);
            connection.send(&begin).expect("it answers").expect(201);
        }
    }
    let (done, mut most) = (AtomicBool::new(false), 0);
    let among = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let all = || NONSENSE.iter().map(|nonsense| nonsense.errors(&node)).collect();
            let (errors, _): (Vec<String>, _) = wait_for(Duration::from_secs(30), all);
            done.store(true, Ordering::Relaxed);
            errors
        });
        let (mut rounds, mut among) = (0, Vec::new());
        while !done.load(Ordering::Relaxed) && !watching.is_finished() {
            let time = Duration::from_millis(100);
            among.extend(fast(&node, &participant, &format!("among-{rounds}"), time));
            most = most.max(node.memory_bytes() / MIB);
            rounds += 1;
        }
        among.sort_unstable();
        println!("{}", watching.join().expect("each fails in words of its own").join("\n"));
        among
    });
    println!(
        "a fast saga: {:?} alone, {:?} among nonsense (at most {:?} of {}); {before} MiB before, {most} MiB at most",
        middle(&alone),
        middle(&among),
        longest(&among),
        among.len()
    );
    assert!(longest(&among) < FAST, "{:?}", longest(&among));
    assert!(most < before + 64, "{before} MiB before, {most} MiB at most");
    assert_eq!(node.metric("synod_transactions_open"), (EACH * NONSENSE.len() as u64) as f64);
    node.stop();
}
