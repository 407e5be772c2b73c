//! The rows of the benchmark and their goals. Each scenario starts its own servers, so that rows do not disturb each other
//! and every one can be run alone.

use anyhow::{Result, ensure};

use crate::bench::{Bench, Options};
use crate::result::{Goal, Row};

mod footprint;
mod million;
mod rate;
mod under_read;
mod visible;

use rate::{Load, Operation, Rate};

/// One run of servers that makes one row or some.
#[derive(Debug)]
pub(crate) enum Scenario {
    Rate(Box<Rate>),
    UnderRead { size: u64, lists_per_second: f64 },
    Visible { other_node: bool },
    Memory { size: u64 },
    Start,
    Million { size: u64 },
}

impl Scenario {
    /// The ids of the rows that this makes.
    pub(crate) fn ids(&self) -> Vec<String> {
        match self {
            Self::Rate(rate) => vec![rate.id.clone()],
            Self::UnderRead { size, .. } => vec![format!("register-under-read@{}", short(*size))],
            Self::Visible { other_node: false } => vec!["visible-same-node".into()],
            Self::Visible { other_node: true } => vec!["visible-other-node".into()],
            Self::Memory { size } => {
                ["light", "loaded"].map(|load| format!("memory-{load}@{}", short(*size))).to_vec()
            }
            Self::Start => vec!["start".into(), "idle-memory".into()],
            Self::Million { .. } => vec!["million".into(), "million-memory".into()],
        }
    }

    /// Measures.
    ///
    /// # Errors
    /// When a server does not start or answers something else than it must.
    pub(crate) fn run(&self, bench: &Bench) -> Result<Vec<Row>> {
        match self {
            Self::Rate(rate) => Ok(vec![rate.run(bench)?]),
            Self::UnderRead { size, lists_per_second } => under_read::run(bench, *size, *lists_per_second),
            Self::Visible { other_node } => visible::run(bench, *other_node),
            Self::Memory { size } => footprint::memory(bench, *size),
            Self::Start => footprint::start(bench),
            Self::Million { size } => million::run(bench, *size),
        }
    }
}

/// The scenarios that the options ask for.
///
/// # Errors
/// When a name of `--only` is no row.
pub(crate) fn selected(options: &Options) -> Result<Vec<Scenario>> {
    let is_named = |id: &str, name: &str| id == name || id.split('@').next() == Some(name);
    let all = all(options.quick && options.only.is_empty());
    for name in &options.only {
        let known = all.iter().flat_map(Scenario::ids).any(|id| is_named(&id, name));
        ensure!(known, "there is no row {name}; --list prints them");
    }
    let wanted = |id: &String| options.only.is_empty() || options.only.iter().any(|name| is_named(id, name));
    Ok(all.into_iter().filter(|scenario| scenario.ids().iter().any(wanted)).collect())
}

/// Puts kept rows into the order of the scenarios.
pub(crate) fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    let ids: Vec<String> = all(false).iter().flat_map(Scenario::ids).collect();
    rows.sort_by_key(|row| ids.iter().position(|id| *id == row.id).unwrap_or(usize::MAX));
    rows
}

/// All scenarios; without the largest fleets when `small`.
fn all(small: bool) -> Vec<Scenario> {
    let sizes: Vec<(u64, f64, f64)> = [(1_000, 8.0, 200.0), (10_000, 9.0, 100.0), (100_000, 14.0, 20.0)]
        .into_iter()
        .filter(|(size, ..)| !small || *size <= 10_000)
        .collect();
    let mut all = Vec::new();
    for (size, times_java, _) in &sizes {
        let goal = Goal { times_java: Some(*times_java), of_echo: Some(0.8), ..Goal::default() };
        all.push(Rate::new("renew", (*size, 100), Operation::Renew, goal));
    }
    let goal = Goal { times_java: Some(150.0), ..Goal::default() };
    all.push(Rate::new("renew-one-app", (10_000, 10_000), Operation::Renew, goal));
    for (size, ..) in &sizes {
        let goal = Goal { times_java: Some(7.0), ..Goal::default() };
        let rate = Rate::new("renew-2000", (*size, 100), Operation::Renew, goal);
        all.push(rate.with_load(Load::Open { per_second: 2_000.0 }));
    }
    for (size, ..) in &sizes {
        let goal = Goal { times_java: Some(6.0), ..Goal::default() };
        all.push(Rate::new("register", (*size, 100), Operation::Register, goal));
    }
    let few = Load::Closed { connections: 4 };
    let goal = Goal { times_java: Some(15.0), p99_ms: Some(5.0), ..Goal::default() };
    all.push(Rate::new("batch-100", (10_000, 100), Operation::Batch, goal).with_load(few));
    let goal = Goal { times_java: Some(500.0), ..goal };
    all.push(Rate::new("batch-10k", (10_000, 10_000), Operation::Batch, goal).with_load(few));
    all.extend(rate::lists());
    let mut all: Vec<Scenario> = all.into_iter().map(|rate| Scenario::Rate(Box::new(rate))).collect();
    all.extend(
        sizes.iter().map(|(size, _, lists)| Scenario::UnderRead { size: *size, lists_per_second: *lists }),
    );
    all.extend([false, true].map(|other_node| Scenario::Visible { other_node }));
    all.extend(sizes.iter().map(|(size, ..)| Scenario::Memory { size: *size }));
    all.push(Scenario::Start);
    all.push(Scenario::Million { size: if small { 100_000 } else { 1_000_000 } });
    all
}

/// `10k` for 10,000.
fn short(size: u64) -> String {
    if size.is_multiple_of(1_000_000) {
        format!("{}M", size / 1_000_000)
    } else {
        format!("{}k", size / 1_000)
    }
}

/// `10,000` for 10,000.
fn long(size: u64) -> String {
    crate::result::number(size as f64)
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
        Ok(selected(&options)?.iter().flat_map(Scenario::ids).collect())
    }

    #[test]
    fn rows_are_named_once() {
        let mut all = ids("").unwrap();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn rows_are_chosen_by_id_or_family() {
        assert_eq!(ids("--only renew").unwrap(), ["renew@1k", "renew@10k", "renew@100k"]);
        assert_eq!(ids("--only renew@10k,start").unwrap(), ["renew@10k", "start", "idle-memory"]);
        assert!(ids("--only nothing").is_err());
        assert!(!ids("--quick").unwrap().iter().any(|id| id.ends_with("@100k")));
    }
}
