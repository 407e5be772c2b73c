//! How a row is measured. The banks are what they were at first; Synod is started for each row with nothing in it, Seata's server once;
//! a JVM makes all rows of its way.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::driver::{Counts, Driver, Window};
use super::java::Java;
use super::load::Load;
use super::result::{Measured, Row};
use super::scenario::{By, Scenario, Way};
use super::ways;
use crate::coordinator::{Coordinator, System};
use crate::process;

/// Cores that others may use meanwhile before a row says that it was not alone.
const OTHERS_CORES_MAX: f64 = 0.05;
/// With how many clients a JVM is warmed.
const WARM_CLIENTS: usize = 32;

/// What serves more rows than one.
#[derive(Debug, Default)]
pub(super) struct Standing {
    coordinator: Option<Coordinator>,
    jvm: Option<(By, Way, Java)>,
}

/// Measures.
///
/// # Errors
/// When something does not start, a transfer fails, or anything is left or missing in the end.
pub(super) fn run(scenario: Scenario, bench: &Bench, standing: &mut Standing) -> Result<Row> {
    let row = if scenario.by.is_java() {
        bench.bank.reset()?;
        prepare_java(scenario, bench, standing)?;
        let Standing { coordinator, jvm } = standing;
        let (_, _, java) = jvm.as_mut().context("it was started")?;
        let measured =
            java.begin(scenario).and_then(|()| measure(scenario, bench, java, coordinator.as_ref()));
        explain(coordinator.as_ref(), measured)
    } else {
        run_sdk(scenario, bench)
    };
    row.or_else(|error| {
        // Whoever has failed may still be at it.
        *standing = Standing::default();
        bench.bank.sweep()?;
        Err(error)
    })
}

fn run_sdk(scenario: Scenario, bench: &Bench) -> Result<Row> {
    bench.bank.reset()?;
    let start = |system| Coordinator::start(system, &bench.programs);
    let coordinator = scenario.coordinator().map(start).transpose()?;
    let runtime = &bench.bank.runtime;
    let way = runtime.block_on(ways::open(scenario, &bench.bank, coordinator.as_ref()))?;
    let mut load = Load::start(runtime.handle().clone(), way, scenario.clients, scenario.accounts());
    let measured = measure(scenario, bench, &mut load, coordinator.as_ref());
    explain(coordinator.as_ref(), measured)
}

/// Sees to it that the JVM of this way runs and is warm, and its coordinator.
fn prepare_java(scenario: Scenario, bench: &Bench, standing: &mut Standing) -> Result<()> {
    if standing.jvm.as_ref().is_some_and(|(by, way, _)| (*by, *way) == (scenario.by, scenario.way)) {
        return Ok(());
    }
    standing.jvm = None;
    let wanted = scenario.coordinator();
    if standing.coordinator.as_ref().map(|coordinator| coordinator.system) != wanted {
        standing.coordinator = None;
        let start = |system| Coordinator::start(system, &bench.programs);
        standing.coordinator = wanted.map(start).transpose()?;
    }
    let coordinator = standing.coordinator.as_ref();
    let jar: &Path = bench.programs.client.as_ref().context("Seata's client was not asked for")?;
    let address = coordinator.map(|coordinator| coordinator.address);
    let started = Java::start(jar, scenario.way, &bench.bank, address).and_then(|mut java| {
        java.begin(Scenario { clients: WARM_CLIENTS, is_hot: false, ..scenario })?;
        java.measure(Duration::from_secs_f64(bench.options.java_warmup))?;
        java.stop()?;
        Ok(java)
    });
    let java = explain(coordinator, started)?;
    bench.bank.settle(Duration::from_secs_f64(bench.options.drain))?;
    bench.bank.reset()?;
    standing.jvm = Some((scenario.by, scenario.way, java));
    Ok(())
}

fn explain<T>(coordinator: Option<&Coordinator>, result: Result<T>) -> Result<T> {
    match coordinator {
        Some(coordinator) => coordinator.explain(result),
        None => result,
    }
}

/// CPU seconds used, and flushes made, until now.
struct Reading {
    client: f64,
    coordinator: f64,
    databases: f64,
    flushes: Option<u64>,
}

fn read(bench: &Bench, load: &dyn Driver, coordinator: Option<&Coordinator>) -> Result<Reading> {
    let cpu = |pid| anyhow::Ok(process::cpu(pid)?.seconds());
    Ok(Reading {
        client: cpu(load.pid())?,
        coordinator: coordinator.map_or(Ok(0.0), |coordinator| cpu(coordinator.pid()))?,
        databases: bench.bank.cpu_seconds()?,
        flushes: bench.bank.flushes(),
    })
}

fn measure(
    scenario: Scenario,
    bench: &Bench,
    load: &mut dyn Driver,
    coordinator: Option<&Coordinator>,
) -> Result<Row> {
    let options = &bench.options;
    load.measure(Duration::from_secs_f64(options.warmup))?;
    let java = Some(load.pid()).filter(|pid| *pid != std::process::id());
    let all: Vec<u32> =
        bench.bank.pids().into_iter().chain(coordinator.map(Coordinator::pid)).chain(java).collect();
    let (before, others) = (read(bench, load, coordinator)?, process::Others::watch(&all)?);
    let window = load.measure(Duration::from_secs_f64(options.seconds))?;
    let others_cores = others.used()? / window.seconds;
    // What is put off until after the answer counts, too.
    let begin = crate::clock::now();
    let counts = load.stop()?;
    bench.bank.settle(Duration::from_secs_f64(options.drain))?;
    let drain_seconds = begin.elapsed().as_secs_f64();
    let after = read(bench, load, coordinator)?;
    bench.bank.audit(counts.moved)?;

    ensure!(window.after.finished > window.before.finished, "no transfer was finished");
    let finished = (counts.finished - window.before.finished) as f64;
    let per_1000 = |before: f64, after: f64| (after - before) * 1000.0 / finished;
    let measured = Measured {
        per_second: (window.after.finished - window.before.finished) as f64 / window.seconds,
        answered: window.answered,
        ended: window.ended,
        client_cpu_per_1000: per_1000(before.client, after.client),
        coordinator_cpu_per_1000: per_1000(before.coordinator, after.coordinator),
        databases_cpu_per_1000: per_1000(before.databases, after.databases),
        flushes: before.flushes.zip(after.flushes).map(|(before, after)| (after - before) as f64 / finished),
        drain_seconds,
        others_cores,
    };
    Ok(Row {
        id: scenario.id(),
        work: scenario.text(),
        clients: scenario.clients,
        system: coordinator.map(|coordinator| coordinator.system),
        measured,
        base: None,
        notes: notes(&window, &counts, &measured),
        origin: bench.origin.clone(),
    })
}

/// What there is to say of a row besides its figures.
fn notes(window: &Window, counts: &Counts, measured: &Measured) -> Vec<String> {
    let rolled_back = counts.rolled_back - window.before.rolled_back;
    let finished = counts.finished - window.before.finished;
    let share = rolled_back as f64 * 100.0 / (rolled_back + finished).max(1) as f64;
    let others = measured.others_cores;
    let all = [
        (rolled_back > 0, format!("{share:.1} % were rolled back, as accounts did not get free")),
        (others > OTHERS_CORES_MAX, format!("NOT ALONE: others used {others:.2} cores meanwhile")),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect()
}

/// The name of whoever coordinates.
pub(super) const fn name(system: Option<System>) -> &'static str {
    match system {
        Some(system) => system.name(),
        None => "–",
    }
}
