//! Bad connections: bytes that are no HTTP, clients that are slow, silent or many; nobody else is disturbed.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use synod_e2e::canary::{under_abuse, under_abuse_keeping};
use synod_e2e::process::allow_files;
use synod_e2e::{Instance, Request, now, wait_until};

#[test]
fn bytes_that_are_no_http() {
    under_abuse("no HTTP", &[], |node| {
        for bytes in [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
            b"GET\r\n\r\n",
            b"\0\0\0\0\0\0\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /eureka/apps HTTP/1.1\r\n\r\n",
            b"POST /eureka/apps/A HTTP/1.1\r\nHost: x\r\n\
              Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            b"POST /eureka/apps/A HTTP/1.1\r\nHost: x\r\n\
              Content-Length: -1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let mut connection = node.connect();
            connection
                .stream()
                .set_read_timeout(Some(Duration::from_secs(15)))
                .expect("a socket has a time-out");
            connection.write(bytes).expect("it reads");
            connection.stream().shutdown(Shutdown::Write).ok();
            if let Ok(reply) = connection.read_reply(false) {
                assert!(reply.status < 500 || reply.status == 505, "{bytes:?}: {}", reply.status);
            }
        }
        let mut headers = b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\n".to_vec();
        for number in 0..20_000 {
            headers.extend_from_slice(format!("X-Header-{number}: {number}\r\n").as_bytes());
        }
        let mut connection = node.connect();
        connection.write(&headers).ok();
        connection.write(b"\r\n").ok();
        if let Ok(reply) = connection.read_reply(false) {
            assert!((400..500).contains(&reply.status), "20,000 headers: {}", reply.status);
        }
    });
}

/// Whether the other side has closed the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket can be asked");
    let mut bytes = [0; 512];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn slow_loris_and_half_open_connections_are_dropped() {
    let sets = ["http.header_timeout=2s", "http.idle_timeout=3s", "http.request_timeout=3s"];
    under_abuse("slow loris", &sets, |node| {
        let open = || TcpStream::connect(node.address()).expect("the node listens");
        let mut slow: Vec<(&str, TcpStream)> = Vec::new();
        for _ in 0..100 {
            slow.push(("one that says nothing", open()));
            let mut head = open();
            head.write_all(b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\n").expect("it reads");
            slow.push(("half a head", head));
            let mut body = open();
            body.write_all(b"POST /eureka/apps/A HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{")
                .expect("it reads");
            slow.push(("half a body", body));
        }
        let began = now();
        wait_until(Duration::from_secs(20), "all slow connections are dropped", || {
            for (what, stream) in &mut slow {
                if began.elapsed() < Duration::from_secs(10) && *what != "one that says nothing" {
                    stream.write_all(b"x").ok(); // a byte now and then does not buy more time
                }
            }
            slow.retain_mut(|(_, stream)| !is_closed(stream));
            thread::sleep(Duration::from_millis(100));
            slow.is_empty()
        });
        println!("300 slow connections were dropped within {:?}", began.elapsed());
    });
}

#[test]
fn a_reader_that_stops_reading_is_dropped() {
    under_abuse(
        "stopped readers",
        &["http.idle_timeout=2s", "http.header_timeout=2s", "log.level=warn"],
        |node| {
            let mut connection = node.connect();
            for number in 0..3000 {
                let instance = Instance::new("BULK", &format!("bulk-{number}"))
                    .meta("m", &format!("{:x}", number * 7919));
                connection.send(&instance.register()).expect("the node answers").expect(204);
            }
            let request = Request::get_json("/eureka/apps/").bytes("x");
            for (requests, what) in [(1, "one request"), (4, "four requests at once")] {
                let stopped: Vec<TcpStream> = (0..30)
                    .map(|_| {
                        let mut stream = TcpStream::connect(node.address()).expect("the node listens");
                        stream.write_all(&request.repeat(requests)).expect("it reads");
                        stream
                    })
                    .collect();
                let what = format!("readers that stopped after {what} are dropped");
                let took = wait_until(Duration::from_secs(20), &what, || {
                    node.metric("synod_http_connections") <= 4.0
                });
                println!("{what}: {took:?}");
                drop(stopped);
            }
        },
    );
}

#[test]
fn ten_thousand_idle_connections() {
    const EACH: u64 = 32 << 10;
    allow_files(11_000);
    let sets = ["http.header_timeout=60s", "log.level=warn"];
    under_abuse_keeping(10_000 * EACH, "10,000 idle connections", &sets, |node| {
        let before = node.memory_bytes();
        let mut peaks = Vec::new();
        for _ in 0..2 {
            let idle: Vec<TcpStream> = (0..10_000)
                .map(|number| {
                    TcpStream::connect_timeout(&node.address(), Duration::from_secs(10))
                        .unwrap_or_else(|error| panic!("connection {number}: {error}"))
                })
                .collect();
            wait_until(Duration::from_secs(20), "the node holds them all", || {
                node.metric("synod_http_connections") >= 10_000.0
            });
            node.send(&Instance::new("CROWD", "crowd-1").register()).expect(204);
            assert_eq!(node.list().status("CROWD", "crowd-1"), Some("UP"));
            peaks.push(node.memory_bytes() - before);
            drop(idle);
            wait_until(Duration::from_secs(20), "the node lets them go", || {
                node.metric("synod_http_connections") < 10.0
            });
        }
        println!("{} and, the second time, {} bytes each", peaks[0] / 10_000, peaks[1] / 10_000);
        assert!(peaks[0] < 10_000 * EACH, "an idle connection costs {} bytes", peaks[0] / 10_000);
        assert!(peaks[1] < peaks[0] + peaks[0] / 4, "memory of closed connections is lost: {peaks:?}");
    });
}
