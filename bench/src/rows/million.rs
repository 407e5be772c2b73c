//! One node with 1,000,000 instances: are the renewals carried that they send, and what does it cost.

use std::sync::Arc;

use anyhow::Result;

use super::long;
use crate::bench::{Bench, explain, measure, progress};
use crate::job::{Fleet, Job};
use crate::load::closed::Until;
use crate::load::paced::Paced;
use crate::result::{Figure, Goal, Row, Unit};
use crate::server::{Kind, Settings};

/// Seconds between two renewals of an instance, by Eureka's default.
const RENEWAL_SECONDS: f64 = 30.0;

/// Only Synod: Java held 100,000.
///
/// # Errors
/// When the server does not start or answers something else than it must.
pub(super) fn run(bench: &Bench, size: u64) -> Result<Vec<Row>> {
    if !bench.kinds().contains(&Kind::Synod) {
        return Ok(Vec::new());
    }
    progress("million: synod");
    let fleet = Fleet::new(size, 100);
    let (server, filled) = bench.start_with(Kind::Synod, &Settings::default(), &fleet)?;
    let renew = Arc::new(Job::renew(&fleet));
    let closed = bench.closed(&server);
    explain(&server, closed.run(&renew, Until::Elapsed(bench.options.warm(Kind::Synod))))?;
    let (run, _) = measure(&server, 1, || closed.run(&renew, Until::Elapsed(bench.options.measure())))?;
    let needed = size as f64 / RENEWAL_SECONDS;
    let paced = Paced { addr: server.addr, connections: 32, per_second: needed };
    let (steady, outcome) = measure(&server, 1, || paced.run(&renew, bench.options.measure()))?;
    let memory = server.resident_mib()?;

    let goal = Goal { at_least: Some(33_000.0), ..Goal::default() };
    let work = format!("renewals carried, {} instances, load and server on the same cores", long(size));
    let figure = Figure { kind: Kind::Synod, value: run.per_second, run: Some(run) };
    let mut rate = bench.row("million", &work, Unit::PerSecond, goal, vec![figure]);
    rate.notes.extend([
        format!("registered at {}/s", long(filled.rate() as u64)),
        format!(
            "at a steady {needed:.0}/s: {:.0}/s carried, p50 {:.2} ms, p99 {:.2} ms from the scheduled time, {:.2} CPU-s per s",
            outcome.rate(),
            steady.latency.p50_ms,
            steady.latency.p99_ms,
            steady.server_cpu_seconds / outcome.elapsed.as_secs_f64(),
        ),
    ]);
    let goal = Goal { at_most: Some(1_536.0), ..Goal::default() };
    let work = format!("resident memory, {} instances", long(size));
    let figure = Figure { kind: Kind::Synod, value: memory, run: None };
    Ok(vec![rate, bench.row("million-memory", &work, Unit::Mib, goal, vec![figure])])
}
