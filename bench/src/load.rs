//! Load generation: [`closed`] keeps connections busy, [`paced`] keeps a schedule.

use std::time::Duration;

use crate::histogram::Histogram;

pub(crate) mod closed;
pub(crate) mod connection;
pub(crate) mod paced;

/// What a run of load did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests answered as they must be.
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latency: Histogram,
    /// Requests that a schedule had asked for until the end; for closed loops equal to `requests`.
    pub(crate) offered: u64,
}

impl Outcome {
    /// Requests per second of wall time.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::closed::{Closed, Until};
    use super::connection::Connection;
    use super::paced::Paced;
    use crate::echo::tests::start;
    use crate::job::{Fleet, Job};

    const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn renew() -> Arc<Job> {
        Arc::new(Job::renew(&Fleet::new(1_000, 100)))
    }

    #[test]
    fn a_closed_loop_makes_exactly_the_requests() {
        let addr = start(EMPTY);
        for depth in [1, 3] {
            let load = Closed { addr, connections: 4, depth };
            let outcome = load.run(&renew(), Until::Requests(1_000)).unwrap();
            assert_eq!((outcome.requests, outcome.offered), (1_000, 1_000));
        }
    }

    #[test]
    fn an_open_loop_keeps_its_schedule() {
        let running =
            Paced { addr: start(EMPTY), connections: 4, per_second: 500.0 }.start(&renew()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let outcome = running.finish().unwrap();
        assert!(outcome.requests > 0 && outcome.requests <= outcome.offered, "{outcome:?}");
        assert!((outcome.elapsed.as_secs_f64() * 500.0 + 5.0) as u64 >= outcome.requests);
    }

    #[test]
    fn a_wrong_answer_ends_the_run() {
        let addr = start(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        let load = Closed { addr, connections: 2, depth: 1 };
        let error = load.run(&renew(), Until::Requests(10)).unwrap_err();
        assert!(format!("{error:#}").contains("status 404 instead of 200"), "{error:#}");
        let paced = Paced { addr, connections: 1, per_second: 1_000.0 };
        assert!(paced.run(&renew(), std::time::Duration::from_millis(50)).is_err());
    }

    #[test]
    fn large_bodies_are_kept_whole() {
        let body = vec![b'x'; 1_000_000];
        let addr = start(&[b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n", body.as_slice()].concat());
        let mut connection = Connection::new(addr);
        let answer = connection.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true).unwrap();
        let (head, kept) = connection.take_kept();
        assert_eq!(answer.body_bytes, 1_000_000);
        assert_eq!(kept, body);
        assert!(String::from_utf8(head).unwrap().contains("x-a: b"));
    }
}
