//! How long a registration takes while lists are read: readers must not stop writers.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::rate::{CHANGES_PER_SECOND, changes, java_without_cache};
use super::{long, short};
use crate::bench::{Bench, explain, measure, progress};
use crate::job::{Fleet, Job};
use crate::load::Outcome;
use crate::load::paced::Paced;
use crate::result::{Figure, Goal, Row, Unit};

/// Measures the latency of the changes themselves.
///
/// # Errors
/// When a server does not start or answers something else than it must.
pub(super) fn run(bench: &Bench, size: u64, lists_per_second: f64) -> Result<Vec<Row>> {
    let id = format!("register-under-read@{}", short(size));
    let mut figures = Vec::new();
    let mut notes = Vec::new();
    for kind in bench.kinds() {
        progress(&format!("{id}: {}", kind.name()));
        let fleet = Fleet::new(size, 100);
        let (server, _) = bench.start_with(kind, &java_without_cache(), &fleet)?;
        let lists = Arc::new(Job::list(&fleet));
        let load = |duration| -> Result<(Outcome, Outcome)> {
            let readers =
                Paced { addr: server.addr, connections: 8, per_second: lists_per_second }.start(&lists)?;
            let writers = changes(&server, &fleet, size)?;
            std::thread::sleep(duration);
            Ok((writers.finish().context("registering")?, readers.finish().context("reading lists")?))
        };
        explain(&server, load(bench.options.warm(kind)))?;
        let mut read = Outcome::default();
        let (run, _) = measure(&server, 1, || {
            let (written, lists) = load(bench.options.measure())?;
            read = lists;
            Ok(written)
        })?;
        lists.verify().with_context(|| format!("{}'s lists", kind.name()))?;
        notes.push(format!(
            "{} answered {:.1} of {lists_per_second} lists per second, p99 {:.1} ms",
            kind.name(),
            read.rate(),
            read.latency.quantile_ms(0.99),
        ));
        figures.push(Figure { kind, value: run.latency.p99_ms, run: Some(run) });
    }
    let work = format!(
        "registration while {lists_per_second} lists per second are read, {CHANGES_PER_SECOND} changes/s; {} instances",
        long(size)
    );
    let goal = Goal { at_most: Some(5.0), ..Goal::default() };
    let mut row = bench.row(&id, &work, Unit::P99Ms, goal, figures);
    row.notes.extend(notes);
    Ok(vec![row])
}
