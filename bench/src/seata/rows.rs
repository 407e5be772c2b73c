//! The rows. Synod is started for each with nothing in it; a JVM is warmed once, and used for the next row unless it was left with
//! something to do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::driver::Driver;
use super::java::Java;
use super::ledger::Counts;
use super::raw::Raw;
use super::result::{Goal, Measured, Row};
use super::work::Work;
use super::{Bench, Options};
use crate::coordinator::{Coordinator, System};
use crate::{process, suite};

/// Cores that others may use meanwhile before a row says that it was not alone.
const OTHERS_CORES_MAX: f64 = 0.05;
/// What a JVM is warmed with.
const WARM_WORK: Work = Work::Tcc;
const WARM_CLIENTS: usize = 64;

/// What makes the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Load {
    /// Frames, as cheap as can be: each client is a connection.
    Raw,
    /// Seata's own client, with two connections for all its threads.
    Java,
}

/// What makes one row at each of its servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    load: Load,
    work: Work,
    clients: usize,
}

fn all() -> impl Iterator<Item = Scenario> {
    let of = |load, work, clients: &'static [usize]| {
        clients.iter().map(move |&clients| Scenario { load, work, clients })
    };
    let raw = Work::ALL.into_iter().flat_map(move |work| match work {
        // One client contends with nobody.
        Work::Hot => of(Load::Raw, work, &[8, 64, 256]),
        _ => of(Load::Raw, work, &[1, 8, 64, 256]),
    });
    let java = [Work::Empty, Work::Tcc, Work::At];
    raw.chain(java.into_iter().flat_map(move |work| of(Load::Java, work, &[1, 8, 64])))
}

/// Where a row stands among all.
pub(super) fn position(id: &str) -> usize {
    all().position(|scenario| scenario.id() == id).unwrap_or(usize::MAX)
}

/// The scenarios that the options ask for.
///
/// # Errors
/// When a name of `--only` is no row.
pub(super) fn selected(options: &Options) -> Result<Vec<Scenario>> {
    let mut chosen = suite::chosen(all(), |scenario| scenario.id(), &options.only)?;
    chosen.retain(|scenario| options.load.is_empty() || options.load.contains(&scenario.load));
    Ok(chosen)
}

impl Scenario {
    pub(super) fn id(self) -> String {
        let prefix = if self.is_java() { "java-" } else { "" };
        format!("{prefix}{}@{}", self.work.id(), self.clients)
    }

    pub(super) fn is_java(self) -> bool {
        self.load == Load::Java
    }

    /// In words.
    fn text(self) -> String {
        let by = if self.is_java() { " (Java client)" } else { "" };
        format!("{}{by}", self.work.text())
    }

    /// What the issue asks for.
    fn goal(self) -> Option<Goal> {
        let (per_second, p99_ms, cpu_per_1000) = match (self.load, self.work, self.clients) {
            (Load::Raw, Work::Tcc | Work::At, 1) => (1_200.0, None, None),
            (Load::Raw, Work::Tcc, 8) => (6_000.0, Some(3.0), Some(0.08)),
            (Load::Raw, Work::Tcc, 64) => (13_000.0, Some(10.0), Some(0.06)),
            (Load::Raw, Work::At, 8) => (6_000.0, None, None),
            (Load::Raw, Work::At, 64) => (13_000.0, None, Some(0.06)),
            (Load::Raw, Work::Tcc | Work::At, 256) => (13_000.0, None, None),
            (Load::Java, Work::Tcc, 64) => (8_000.0, None, None),
            _ => return None,
        };
        Some(Goal { per_second, p99_ms, cpu_per_1000 })
    }

    fn start(self, bench: &Bench, server: &Coordinator) -> Result<Box<dyn Driver>> {
        Ok(match self.load {
            Load::Raw => Box::new(Raw::start(server.address, self.work, self.clients)?),
            Load::Java => {
                let jar = bench.programs.client.as_ref().context("Seata's client was not asked for")?;
                Box::new(Java::start(jar, server.address, self.work, self.clients)?)
            }
        })
    }

    /// Measures. A server that can be used again is put into `kept`, from where it is taken.
    ///
    /// # Errors
    /// When a server does not start or answers something else than it must.
    pub(super) fn run(self, bench: &Bench, system: System, kept: &mut Option<Coordinator>) -> Result<Row> {
        let server = match kept.take().filter(|server| server.system == system) {
            Some(server) => server,
            None => warm(bench, system)?,
        };
        let row = self.measure(bench, &server);
        let row = server.explain(row)?;
        if system.is_java() && row.measured.left == 0 {
            *kept = Some(server);
        }
        Ok(row)
    }

    fn measure(self, bench: &Bench, server: &Coordinator) -> Result<Row> {
        let mut load = self.start(bench, server)?;
        let options = &bench.options;
        let warm = Duration::from_secs_f64(if self.is_java() { options.java_warmup } else { options.warmup });
        load.measure(warm)?;
        let generator = load.pid().unwrap_or_else(std::process::id);
        let processes: Vec<u32> = load.pid().into_iter().chain([server.pid()]).collect();
        let cpu = |pid| anyhow::Ok(process::cpu(pid)?.seconds());
        let (server_cpu, load_cpu, flushes) = (cpu(server.pid())?, cpu(generator)?, server.flushes());
        let others = process::Others::watch(&processes)?;
        let window = load.measure(Duration::from_secs_f64(options.seconds))?;
        let load_cpu = cpu(generator)? - load_cpu;
        let others_cores = others.used()? / window.seconds;
        let resident_mib = server.resident_mib()?;
        let drained = load.drain(Duration::from_secs_f64(options.drain))?;
        let server_cpu = cpu(server.pid())? - server_cpu;
        let flushes = server.flushes().zip(flushes).map(|(after, before)| (after - before) as f64);

        let in_window = window.after.since(&window.before);
        let finished = drained.counts.since(&window.before).finished.max(1) as f64;
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let measured = Measured {
            finished_per_second: in_window.finished as f64 / window.seconds,
            acknowledged_per_second: in_window.acknowledged as f64 / window.seconds,
            limit_per_second: bench.limits.per_second(self.work, server.system, self.clients),
            limits: bench.limits,
            latency: window.latency,
            cpu_per_1000: server_cpu * 1000.0 / finished,
            load_cpu_per_1000: load_cpu * 1000.0 / in_window.acknowledged.max(1) as f64,
            cores_left: cores - load_cpu / window.seconds,
            flushes: flushes.map(|flushes| flushes / finished),
            backlog_before: window.before.backlog(),
            backlog_after: window.after.backlog(),
            drain_seconds: drained.seconds,
            left: drained.counts.backlog(),
            remembered: drained.counts.acknowledged + drained.counts.rolled_back,
            resident_mib,
            ready_ms: server.ready_ms,
            others_cores,
        };
        ensure!(drained.counts.wrong == 0, "{:?}: branches were told the contrary", drained.counts);
        let is_left = measured.left > 0 && server.system == System::Synod;
        ensure!(!is_left, "{:?}: branches were not told within {} s", drained.counts, options.drain);
        Ok(Row {
            id: self.id(),
            work: self.text(),
            clients: self.clients,
            system: server.system,
            measured,
            goal: self.goal().filter(|_| server.system == System::Synod),
            notes: notes(&in_window, &measured, options),
            origin: bench.origin.clone(),
        })
    }
}

/// What there is to say of a row besides its figures.
fn notes(in_window: &Counts, measured: &Measured, options: &Options) -> Vec<String> {
    let each = |count: u64| count as f64 / in_window.acknowledged.max(1) as f64;
    let (conflicts, rolled_back) = (each(in_window.conflicts), each(in_window.rolled_back) * 100.0);
    let (left, others) = (measured.left, measured.others_cores);
    let all = [
        (
            in_window.conflicts > 0,
            format!(
                "a row was not free {conflicts:.1} times for each commit; {rolled_back:.1} % were rolled back"
            ),
        ),
        (in_window.repeated > 0, format!("{} branches were told again", in_window.repeated)),
        (left > 0, format!("{left} were not finished after {} s without load", options.drain)),
        (others > OTHERS_CORES_MAX, format!("NOT ALONE: others used {others:.2} cores meanwhile")),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect()
}

/// A server that can be measured.
fn warm(bench: &Bench, system: System) -> Result<Coordinator> {
    let server = Coordinator::start(system, &bench.programs)?;
    if system.is_java() {
        let warmed = Raw::start(server.address, WARM_WORK, WARM_CLIENTS).and_then(|mut load| {
            load.measure(Duration::from_secs_f64(bench.options.java_warmup))?;
            load.drain(Duration::from_secs_f64(bench.options.drain))
        });
        server.explain(warmed)?;
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn ids(arguments: &str) -> Result<Vec<String>> {
        let options = Arguments::parse_from(format!("bench {arguments}").split_whitespace()).options;
        Ok(selected(&options)?.into_iter().map(Scenario::id).collect())
    }

    #[test]
    fn rows_are_chosen_by_id_family_or_load() {
        assert_eq!(ids("--only hot").unwrap(), ["hot@8", "hot@64", "hot@256"]);
        assert_eq!(ids("--only tcc@8,java-at@1").unwrap(), ["tcc@8", "java-at@1"]);
        assert_eq!(
            ids("--load java --only tcc,java-tcc").unwrap(),
            ["java-tcc@1", "java-tcc@8", "java-tcc@64"]
        );
        assert!(ids("--only nothing").is_err());
        assert_eq!(ids("").unwrap().len(), 24);
    }

    #[test]
    fn ids_are_unique_and_have_a_place() {
        let places: Vec<_> = ids("").unwrap().iter().map(|id| position(id)).collect();
        assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
        assert_eq!(position("gone@1"), usize::MAX);
    }
}
