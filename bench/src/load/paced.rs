//! Open loop: requests are due by a schedule, whether the server keeps up or not, and a latency counts from the time
//! at which its request was due. Threads with blocking connections, because a sleeping thread wakes within 0.1 ms of its
//! time while an asynchronous timer rounds to whole milliseconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Outcome;
use super::connection::Connection;
use crate::clock;
use crate::histogram::Histogram;
use crate::job::Job;

/// The shape of an open loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) per_second: f64,
}

/// An open loop that runs until [`Running::finish`].
#[derive(Debug)]
pub(crate) struct Running {
    schedule: Arc<Schedule>,
    threads: Vec<JoinHandle<Result<Histogram>>>,
}

#[derive(Debug)]
struct Schedule {
    begin: Instant,
    per_second: f64,
    next: AtomicU64,
    stopped: AtomicBool,
}

impl Schedule {
    fn due(&self, number: u64) -> Instant {
        self.begin + Duration::from_secs_f64(number as f64 / self.per_second)
    }
}

impl Paced {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(self, job: &Arc<Job>) -> Result<Running> {
        let schedule = Arc::new(Schedule {
            begin: clock::now(),
            per_second: self.per_second,
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for _ in 0..self.connections {
            let (schedule, job) = (Arc::clone(&schedule), Arc::clone(job));
            let run = move || follow(&schedule, &job, self.addr);
            threads.push(std::thread::Builder::new().name("paced".into()).spawn(run)?);
        }
        Ok(Running { schedule, threads })
    }

    /// Keeps the schedule for so long.
    ///
    /// # Errors
    /// With the first answer that is not what the job must get.
    pub(crate) fn run(self, job: &Arc<Job>, duration: Duration) -> Result<Outcome> {
        let running = self.start(job)?;
        std::thread::sleep(duration);
        running.finish()
    }
}

impl Running {
    /// Lets outstanding requests end and gathers what was measured.
    ///
    /// # Errors
    /// With the first answer that was not what the job must get.
    pub(crate) fn finish(self) -> Result<Outcome> {
        let elapsed = self.schedule.begin.elapsed();
        self.schedule.stopped.store(true, Ordering::Relaxed);
        let mut outcome = Outcome { elapsed, ..Outcome::default() };
        for thread in self.threads {
            let latency = thread.join().ok().context("a thread of the load generator panicked")??;
            outcome.latency.merge(&latency);
        }
        outcome.requests = outcome.latency.count();
        outcome.offered = ((elapsed.as_secs_f64() * self.schedule.per_second) as u64).max(outcome.requests);
        Ok(outcome)
    }
}

fn follow(schedule: &Schedule, job: &Job, addr: SocketAddr) -> Result<Histogram> {
    let mut connection = Connection::new(addr);
    let mut latency = Histogram::default();
    let mut request = Vec::new();
    loop {
        let number = schedule.next.fetch_add(1, Ordering::Relaxed);
        let due = schedule.due(number);
        std::thread::sleep(due.saturating_duration_since(clock::now()));
        if schedule.stopped.load(Ordering::Relaxed) {
            return Ok(latency);
        }
        request.clear();
        job.compose(number, &mut request);
        let sampled = job.wants_sample(number);
        let answer = connection.exchange(&request, sampled)?;
        latency.record(due.elapsed());
        job.check(answer)?;
        if sampled {
            job.keep_sample(connection.take_kept().1);
        }
    }
}
