//! Results for people: aligned text, and the table of `docs/performance.md`.

use super::result::{Results, Row};
use super::rows;
use crate::report::{self, Origins};
use crate::result::number;

const COLUMNS: [&str; 12] = [
    "transfer by",
    "clients",
    "coordinator",
    "finished/s",
    "overhead: answer, ms",
    "× time",
    "× CPU",
    "answered p50 / p99 ms",
    "ended p50 / p99 ms",
    "CPU-s per 1,000: client / coordinator / databases",
    "disk flushes each",
    "nothing left after, s",
];

fn cells(row: &Row) -> Vec<String> {
    let measured = &row.measured;
    let overhead = row.base.map(|base| measured.overhead(&base));
    let times = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.2}"));
    let (answered, ended) = (&measured.answered, &measured.ended);
    vec![
        row.work.clone(),
        row.clients.to_string(),
        rows::name(row.system).into(),
        number(measured.per_second),
        overhead.map_or_else(|| "–".into(), |(longer_ms, ..)| format!("{longer_ms:+.2}")),
        times(overhead.map(|(_, time, _)| time)),
        times(overhead.map(|(.., cpu)| cpu)),
        format!("{} / {}", number(answered.p50_ms), number(answered.p99_ms)),
        format!("{} / {}", number(ended.p50_ms), number(ended.p99_ms)),
        format!(
            "{:.2} / {:.2} / {:.2}",
            measured.client_cpu_per_1000, measured.coordinator_cpu_per_1000, measured.databases_cpu_per_1000
        ),
        measured.flushes.map_or_else(|| "–".into(), |flushes| format!("{flushes:.2}")),
        format!("{:.1}", measured.drain_seconds),
    ]
}

/// For the terminal.
pub(super) fn text(results: &Results) -> String {
    let mut lines = vec![COLUMNS.map(String::from).to_vec()];
    lines.extend(results.rows.iter().map(|row| {
        let mut cells = cells(row);
        cells[0].clone_from(&row.id);
        cells
    }));
    format!("{}{}", report::align(&lines), notes(results))
}

fn notes(results: &Results) -> String {
    let of = |row: &Row| row.notes.iter().map(|note| format!("- {}: {note}\n", row.id)).collect::<String>();
    results.rows.iter().map(of).collect()
}

/// The table, with where, when and how each row was measured.
pub(super) fn markdown(results: &Results) -> String {
    let origins = Origins::of(results.rows.iter().map(|row| &row.origin));
    let table = origins.table(&COLUMNS, results.rows.iter().map(|row| (cells(row), &row.origin)));
    let notes = notes(results);
    let gap = if notes.is_empty() { "" } else { "\n" };
    format!("{table}{}{gap}{notes}", origins.list())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::System;
    use crate::histogram::Histogram;
    use crate::result::Origin;
    use crate::sdk::result::{Base, Measured};
    use crate::suite::Results as _;

    fn row(id: &str, per_second: f64, base: Option<Base>) -> Row {
        let mut latency = Histogram::default().summary();
        latency.p50_ms = 1000.0 / per_second;
        let measured = Measured {
            per_second,
            answered: latency,
            ended: latency,
            client_cpu_per_1000: 0.25,
            coordinator_cpu_per_1000: 0.0,
            databases_cpu_per_1000: 500.0 / per_second - 0.25,
            flushes: Some(2.0),
            drain_seconds: 1.1,
            others_cores: 0.0,
        };
        let text = |text: &str| text.to_owned();
        let system = base.map(|_| System::Synod);
        let origin =
            Origin { date: text("2026-11-27"), machine: text("a machine"), command: text("a command") };
        Row {
            id: text(id),
            work: text("work"),
            clients: 1,
            system,
            measured,
            base,
            notes: vec![text("a note")],
            origin,
        }
    }

    #[test]
    fn the_table_has_all_columns_and_says_what_it_costs() {
        let mut results = Results::default();
        let plain = row("plain@1", 1000.0, None);
        let base = Base::of(&plain.measured);
        results.put(row("at@1", 250.0, Some(base)));
        results.put(plain);
        let text = markdown(&results);
        let columns: Vec<usize> = text.lines().take(4).map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [14, 14, 14, 14], "{text}");
        assert!(text.contains("| work | 1 | – | 1,000 | – | – | – | 1 / 0 |"), "{text}");
        assert!(text.contains("| work | 1 | Synod | 250 | +3.00 | 4.00 | 4.00 | 4 / 0 |"), "{text}");
        assert!(text.contains("- at@1: a note\n"), "{text}");
    }
}
