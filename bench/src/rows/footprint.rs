//! What a server needs besides CPU: memory after light use and after minutes of full load, time to start, idle memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{long, short};
use crate::bench::{Bench, explain, progress};
use crate::job::{Fleet, Job};
use crate::load::closed::{Closed, Until};
use crate::load::paced::Paced;
use crate::result::{Figure, Goal, Row, Unit};
use crate::server::{Kind, Server, Settings};

/// Pause before memory is read, for what the server puts off.
const SETTLE: Duration = Duration::from_secs(2);

/// Resident memory with a fleet, after light use and after full load.
///
/// # Errors
/// When a server does not start or answers something else than it must.
pub(super) fn memory(bench: &Bench, size: u64) -> Result<Vec<Row>> {
    let [light_id, loaded_id] = ["light", "loaded"].map(|load| format!("memory-{load}@{}", short(size)));
    let (mut light, mut loaded, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for kind in bench.kinds() {
        progress(&format!("{light_id}: {}", kind.name()));
        let fleet = Fleet::new(size, 100);
        let (server, _) = bench.start_with(kind, &Settings::default(), &fleet)?;
        use_lightly(bench, &server, &fleet)?;
        std::thread::sleep(SETTLE);
        light.push(Figure { kind, value: server.resident_mib()?, run: None });
        progress(&format!("{loaded_id}: {}", kind.name()));
        let renewals = explain(&server, load_fully(bench, &server, &fleet))?;
        std::thread::sleep(SETTLE);
        loaded.push(Figure { kind, value: server.resident_mib()?, run: None });
        notes.push(format!("{} carried {} renewals/s meanwhile", kind.name(), long(renewals as u64)));
    }
    // The issue sets the goals at 100,000 instances.
    let goal = |most| Goal { at_most: (size == 100_000).then_some(most), ..Goal::default() };
    let work = format!("resident memory, {} instances, light use", long(size));
    let light = bench.row(&light_id, &work, Unit::Mib, goal(150.0), light);
    let minutes = bench.options.load().as_secs_f64() / 60.0;
    let work = format!("resident memory, {} instances, after {minutes} min of full load", long(size));
    let mut loaded = bench.row(&loaded_id, &work, Unit::Mib, goal(250.0), loaded);
    loaded.notes.extend(notes);
    Ok(vec![light, loaded])
}

/// Every instance renews once, a few change, a few lists and deltas are read.
fn use_lightly(bench: &Bench, server: &Server, fleet: &Arc<Fleet>) -> Result<()> {
    let few = Closed { connections: 2, ..bench.closed(server) };
    let steps = [
        (bench.closed(server), Job::renew(fleet), fleet.size),
        (few, Job::register(fleet, 100), 100),
        (few, Job::list(fleet), 10),
        (few, Job::delta(fleet, 100), 10),
    ];
    for (load, job, requests) in steps {
        explain(server, load.run(&Arc::new(job), Until::Requests(requests)))?;
    }
    Ok(())
}

/// Renewals as fast as they are answered, 500 changes and 10 lists per second; returns the renewals per second.
fn load_fully(bench: &Bench, server: &Server, fleet: &Arc<Fleet>) -> Result<f64> {
    let paced = |per_second| Paced { addr: server.addr, connections: 4, per_second };
    let changes = paced(500.0).start(&Arc::new(Job::register(fleet, fleet.size)))?;
    let lists = paced(10.0).start(&Arc::new(Job::list(fleet)))?;
    let renewals =
        bench.closed(server).run(&Arc::new(Job::renew(fleet)), Until::Elapsed(bench.options.load()))?;
    changes.finish().context("changes under full load")?;
    lists.finish().context("lists under full load")?;
    Ok(renewals.rate())
}

/// Time from the start of the process until it answers, and what it then needs.
///
/// # Errors
/// When a server does not start.
pub(super) fn start(bench: &Bench) -> Result<Vec<Row>> {
    let (mut times, mut memories, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for kind in bench.kinds() {
        progress(&format!("start: {}", kind.name()));
        let count = if kind == Kind::Java || bench.options.quick { 3 } else { 9 };
        let mut starts = Vec::new();
        let mut memory = 0.0_f64;
        for _ in 0..count {
            let server = bench.start(kind, 0, &Settings::default())?;
            starts.push(server.start_time.as_secs_f64() * 1000.0);
            std::thread::sleep(SETTLE);
            memory = memory.max(server.resident_mib()?);
        }
        starts.sort_by(f64::total_cmp);
        let (least, most) = (starts[0], starts[count - 1]);
        notes.push(format!("{}: median of {count} starts, {least:.1} to {most:.1} ms", kind.name()));
        times.push(Figure { kind, value: starts[count / 2], run: None });
        memories.push(Figure { kind, value: memory, run: None });
    }
    let goal = |most| Goal { at_most: Some(most), ..Goal::default() };
    let mut time = bench.row("start", "start of the process to ready", Unit::Ms, goal(100.0), times);
    time.notes.extend(notes);
    let memory = bench.row(
        "idle-memory",
        "resident memory, idle, nothing registered",
        Unit::Mib,
        goal(15.0),
        memories,
    );
    Ok(vec![time, memory])
}
