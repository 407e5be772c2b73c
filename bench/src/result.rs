//! What a row of the benchmark is: figures of each server from one run, the goal, and how they compare.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::histogram::Latency;
use crate::server::Kind;
use crate::{clock, process};

/// What a figure counts, and so which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Operations per CPU second of the server.
    PerCpuSecond,
    /// Operations per second of wall time.
    PerSecond,
    /// 99th percentile of a latency, in milliseconds.
    P99Ms,
    /// Milliseconds.
    Ms,
    /// Resident memory.
    Mib,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PerCpuSecond => "/CPU-s",
            Self::PerSecond => "/s",
            Self::P99Ms => "ms p99",
            Self::Ms => "ms",
            Self::Mib => "MiB",
        }
    }

    fn more_is_better(self) -> bool {
        matches!(self, Self::PerCpuSecond | Self::PerSecond)
    }
}

/// What Synod has to reach; each part holds by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    /// So many times better than Java in the same run.
    pub(crate) times_java: Option<f64>,
    /// At least this share of the echo server in the same run.
    pub(crate) of_echo: Option<f64>,
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
    /// Limit for the 99th percentile of the latency, where the figure itself is a rate.
    pub(crate) p99_ms: Option<f64>,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.times_java.map(|times| format!("≥ {times}× Java")),
            self.of_echo.map(|share| format!("≥ {:.0} % of echo", share * 100.0)),
            self.at_least.map(|least| format!("≥ {}", number(least))),
            self.at_most.map(|most| format!("≤ {}", number(most))),
            self.p99_ms.map(|most| format!("p99 ≤ {} ms", number(most))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "–" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

/// Load and what it cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) operations: u64,
    pub(crate) per_second: f64,
    pub(crate) server_cpu_seconds: f64,
    pub(crate) cpu_seconds_per_1000: f64,
    /// Of one request, which may hold several operations.
    pub(crate) latency: Latency,
    /// Cores that neither the server nor the load generator used meanwhile, at least.
    pub(crate) others_cores: f64,
}

/// What one server reached in a row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) kind: Kind,
    pub(crate) value: f64,
    pub(crate) run: Option<Run>,
}

/// One row of the benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) work: String,
    pub(crate) unit: Unit,
    pub(crate) goal: Goal,
    pub(crate) figures: Vec<Figure>,
    pub(crate) notes: Vec<String>,
    pub(crate) origin: Origin,
}

/// Where and when a row was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) date: String,
    pub(crate) machine: String,
    pub(crate) command: String,
}

impl Origin {
    /// Of what this process measures today.
    pub(crate) fn here() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Self {
            date: clock::today(),
            machine: process::machine(),
            command: format!("cargo xtask bench {}", arguments.join(" ")),
        }
    }
}

impl Row {
    pub(crate) fn figure(&self, kind: Kind) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.kind == kind)
    }

    /// How many times better Synod is than Java.
    pub(crate) fn times_java(&self) -> Option<f64> {
        let (synod, java) = (self.figure(Kind::Synod)?.value, self.figure(Kind::Java)?.value);
        Some(if self.unit.more_is_better() { synod / java } else { java / synod })
    }

    /// Synod's share of what the echo server does.
    pub(crate) fn of_echo(&self) -> Option<f64> {
        let (synod, echo) = (self.figure(Kind::Synod)?.value, self.figure(Kind::Echo)?.value);
        Some(if self.unit.more_is_better() { synod / echo } else { echo / synod })
    }

    /// Whether every part of the goal is reached; none when there is no goal or a part could not be compared.
    pub(crate) fn reached(&self) -> Option<bool> {
        let synod = self.figure(Kind::Synod)?;
        let p99_ms = synod.run.map(|run| run.latency.p99_ms);
        let parts = [
            self.goal.times_java.map(|want| self.times_java().map(|got| got >= want)),
            self.goal.of_echo.map(|want| self.of_echo().map(|got| got >= want)),
            self.goal.at_least.map(|want| Some(synod.value >= want)),
            self.goal.at_most.map(|want| Some(synod.value <= want)),
            self.goal.p99_ms.map(|want| p99_ms.map(|got| got <= want)),
        ];
        let parts: Vec<Option<bool>> = parts.into_iter().flatten().collect();
        if parts.contains(&Some(false)) {
            return Some(false);
        }
        (!parts.is_empty() && !parts.contains(&None)).then_some(true)
    }
}

/// A number with three significant digits, thousands separated by commas.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value < 100.0 {
        let digits = if value >= 10.0 { 1 } else { 2 };
        let text = format!("{value:.digits$}");
        return text.trim_end_matches('0').trim_end_matches('.').into();
    }
    let text = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row with these values of Synod, Java and echo.
    pub(crate) fn row(unit: Unit, goal: Goal, values: [Option<f64>; 3]) -> Row {
        let kinds = [Kind::Synod, Kind::Java, Kind::Echo];
        let figure =
            |(kind, value): (Kind, Option<f64>)| value.map(|value| Figure { kind, value, run: None });
        Row {
            id: "renew@1k".into(),
            work: "renew, 1,000 instances".into(),
            unit,
            goal,
            figures: kinds.into_iter().zip(values).filter_map(figure).collect(),
            notes: Vec::new(),
            origin: Origin {
                date: "2026-11-22".into(),
                machine: "a machine".into(),
                command: "a command".into(),
            },
        }
    }

    #[test]
    fn rates_and_latencies_compare_in_opposite_directions() {
        let goal = Goal { times_java: Some(8.0), of_echo: Some(0.8), ..Goal::default() };
        let rate = row(Unit::PerCpuSecond, goal, [Some(90.0), Some(10.0), Some(100.0)]);
        assert_eq!((rate.times_java(), rate.of_echo(), rate.reached()), (Some(9.0), Some(0.9), Some(true)));
        let goal = Goal { at_most: Some(5.0), ..Goal::default() };
        let latency = row(Unit::P99Ms, goal, [Some(6.0), Some(60.0), None]);
        assert_eq!((latency.times_java(), latency.reached()), (Some(10.0), Some(false)));
    }

    #[test]
    fn without_java_a_ratio_is_open() {
        let goal = Goal { times_java: Some(8.0), ..Goal::default() };
        assert_eq!(row(Unit::PerCpuSecond, goal, [Some(90.0), None, None]).reached(), None);
        assert_eq!(row(Unit::PerCpuSecond, Goal::default(), [Some(90.0), None, None]).reached(), None);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (0.254, "0.25"),
            (5.0, "5"),
            (42.19, "42.2"),
            (569.4, "569"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, want) in cases {
            assert_eq!(number(value), want);
        }
    }

    #[test]
    fn goals_are_sentences() {
        let goal =
            Goal { times_java: Some(60.0), of_echo: Some(0.5), at_least: Some(9_000.0), ..Goal::default() };
        assert_eq!(goal.to_string(), "≥ 60× Java, ≥ 50 % of echo, ≥ 9,000");
        assert_eq!(Goal::default().to_string(), "–");
    }
}
