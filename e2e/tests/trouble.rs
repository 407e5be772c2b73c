//! A node in trouble: told twice to stop, or out of file descriptors.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use synod_e2e::{Connection, Instance, Request, Synod, now, wait_until};

fn pid(node: &Synod) -> Pid {
    i32::try_from(node.pid()).ok().and_then(Pid::from_raw).expect("a process id is positive")
}

/// Sends the head of a registration and waits until the node wants its body: a request in flight.
fn half_a_request(node: &Synod) -> Connection {
    let request = Instance::new("HALF", "h1").register().header("Expect", "100-continue");
    let body_bytes = request.body.as_ref().map_or(0, Vec::len);
    let bytes = request.bytes("127.0.0.1");
    let mut connection = node.connect();
    connection.write(&bytes[..bytes.len() - body_bytes]).expect("it reads");
    assert_eq!(connection.read_reply(false).expect("the node wants the body").status, 100);
    connection
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    for (first, second, name) in
        [(Signal::TERM, Signal::INT, "SIGINT"), (Signal::INT, Signal::TERM, "SIGTERM")]
    {
        let mut node = Synod::start(&[]);
        let in_flight = half_a_request(&node);
        kill_process(pid(&node), first).expect("the process is running");
        wait_until(Duration::from_secs(5), "the node accepts nobody any more", || {
            TcpStream::connect(node.address()).is_err()
        });
        assert!(node.process().exit().is_none(), "it does not wait for the request in flight");
        kill_process(pid(&node), second).expect("the process is running");
        let began = now();
        let status = node.process().wait(Duration::from_secs(10));
        // The drain itself would have taken eight seconds.
        assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
        assert_eq!(status.code(), Some(1), "cut short is no clean stop");
        let log = node.process().log();
        assert!(log.contains("stopping") && log.contains(&format!("a second signal ({name})")), "{log}");
        println!("ended {:?} after the second signal", began.elapsed());
        drop(in_flight);
    }
}

#[test]
fn without_descriptors_it_waits_for_some_and_serves_those_it_has() {
    let mut node = Synod::start(&["registry.self.register=false", "http.header_timeout=60s"]);
    let mut known = node.connect();
    known.send(&Request::get("/health/live")).expect("it answers");
    // The log of transactions makes a segment in reserve; without a descriptor for that it would end the process.
    let log = node.data().join("log");
    let mut quiet = 0;
    wait_until(Duration::from_secs(30), "the log has a segment in reserve, and nobody is at work", || {
        let segments = std::fs::read_dir(&log).into_iter().flatten().flatten();
        let full = segments.filter(|file| file.metadata().is_ok_and(|data| data.len() >= 64 << 20)).count();
        quiet = if full >= 1 && is_quiet(&node) { quiet + 1 } else { 0 };
        quiet >= 10
    });
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).expect("it runs");
    let taken: BTreeSet<u64> =
        descriptors.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The lowest free number is the next one given; some that it was started with may be far above.
    let limit = (0..).filter(|number| !taken.contains(number)).nth(4).expect("numbers do not end");
    let few = Rlimit { current: Some(limit), maximum: Some(limit) };
    prlimit(Some(pid(&node)), Resource::Nofile, few).expect("a child's limit can be lowered");

    let metric = |connection: &mut Connection, name: &str| -> f64 {
        let text = connection.send(&Request::get("/metrics")).expect("it still answers").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    };
    // The kernel takes them all; the node cannot.
    let crowd: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(node.address()).expect("the backlog has room")).collect();
    wait_until(Duration::from_secs(10), "accepting fails", || {
        metric(&mut known, "synod_http_accept_errors_total ") > 0.0
    });
    let (cpu_before, began) = (cpu_ticks(&node), now());
    let mut served = 0;
    while began.elapsed() < Duration::from_secs(1) {
        known.send(&Instance::new("KNOWN", "k1").register()).expect("it answers").expect(204);
        served += 1;
    }
    let errors = metric(&mut known, "synod_http_accept_errors_total ");
    println!("{errors} failures, {served} requests served, {} ticks of CPU", cpu_ticks(&node) - cpu_before);
    // Pauses of 10, 20, 40, … 640 ms fill a second with seven tries; a slow machine makes them longer, never shorter.
    assert!(errors < 10.0, "{errors} failures to accept: the loop does not pause");
    let told = node.process().log().matches("cannot accept connections").count();
    // A descriptor that is free for a moment lets one in, and a second row begins.
    assert!(told >= 1 && (told as f64) < errors, "the log is told {told} times of {errors} failures");

    drop(crowd);
    wait_until(Duration::from_secs(10), "newcomers are served again", || {
        Connection::open(node.address()).and_then(|mut new| new.send(&Request::get("/health/live"))).is_ok()
    });
    assert!(node.process().exit().is_none());
    node.stop();
}

/// User and system time so far, in hundredths of a second.
fn cpu_ticks(node: &Synod) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).expect("it runs");
    let fields = stat.rsplit_once(')').expect("the name is in parentheses").1.split_ascii_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Whether every thread sleeps, none of them on the disk.
fn is_quiet(node: &Synod) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", node.pid())).expect("it runs").flatten();
    threads.into_iter().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('S'))
    })
}
