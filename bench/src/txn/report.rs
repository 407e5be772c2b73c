//! Results for people: aligned text, and the tables of `docs/performance.md`.

use super::result::{Goal, Open, Results, Row};
use crate::report::{self, Origins};
use crate::result::number;

const ROW_COLUMNS: [&str; 9] = [
    "work",
    "clients",
    "server",
    "finished/s",
    "p50 / p99 ms",
    "CPU-s per 1,000",
    "disk flushes each",
    "lost by a power cut",
    "goal",
];

const OPEN_COLUMNS: [&str; 7] = [
    "server",
    "open sagas",
    "resident MiB",
    "ready after kill -9, s",
    "first branch called, s",
    "all finished, s",
    "backlog finished/s",
];

fn cpu(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.3}"))
}

fn goal(goal: &Goal) -> String {
    let mut text = format!("≥ {}/s", number(goal.per_second));
    if let Some(p99_ms) = goal.p99_ms {
        text.push_str(&format!(", p99 ≤ {} ms", number(p99_ms)));
    }
    if let Some(cpu) = goal.cpu_per_1000 {
        text.push_str(&format!(", ≤ {cpu:.2} CPU-s"));
    }
    text
}

fn row_cells(row: &Row) -> Vec<String> {
    let measured = &row.measured;
    let verdict = row.goal.as_ref().map_or_else(String::new, |wanted| match wanted.missed(row) {
        missed if missed.is_empty() => format!("{}: yes", goal(wanted)),
        missed => format!("{}: **no** ({})", goal(wanted), missed.join(", ")),
    });
    vec![
        row.work.clone(),
        row.clients.to_string(),
        row.system.name().into(),
        number(measured.per_second),
        format!("{} / {}", number(measured.latency.p50_ms), number(measured.latency.p99_ms)),
        cpu(measured.cpu_per_1000),
        measured.flushes.map_or_else(|| "–".into(), |flushes| format!("{flushes:.2}")),
        row.system.loses().into(),
        verdict,
    ]
}

fn open_cells(open: &Open) -> Vec<String> {
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.2}"));
    vec![
        open.system.name().into(),
        number(open.open as f64),
        number(open.resident_mib),
        seconds(Some(open.ready_seconds)),
        seconds(open.first_call_seconds),
        seconds(open.all_seconds),
        number(open.backlog_per_second),
    ]
}

/// For the terminal.
pub(super) fn text(results: &Results) -> String {
    let mut text = String::new();
    if !results.rows.is_empty() {
        let mut lines = vec![ROW_COLUMNS.map(String::from).to_vec()];
        lines.extend(results.rows.iter().map(|row| {
            let mut cells = row_cells(row);
            cells[0].clone_from(&row.id);
            cells
        }));
        text.push_str(&report::align(&lines));
    }
    if !results.open.is_empty() {
        let mut lines = vec![OPEN_COLUMNS.map(String::from).to_vec()];
        lines.extend(results.open.iter().map(open_cells));
        text.push_str(&report::align(&lines));
    }
    text.push_str(&notes(results));
    text
}

fn notes(results: &Results) -> String {
    let of_rows = results.rows.iter().flat_map(|row| {
        row.notes.iter().map(|note| format!("- {}, {}: {note}\n", row.id, row.system.name()))
    });
    let of_open = results
        .open
        .iter()
        .flat_map(|open| open.notes.iter().map(|note| format!("- open, {}: {note}\n", open.system.name())));
    of_rows.chain(of_open).collect()
}

/// Both tables, with where, when and how each row was measured.
pub(super) fn markdown(results: &Results) -> String {
    let of_rows = results.rows.iter().map(|row| &row.origin);
    let origins = Origins::of(of_rows.chain(results.open.iter().map(|open| &open.origin)));
    let mut text = origins.table(&ROW_COLUMNS, results.rows.iter().map(|row| (row_cells(row), &row.origin)));
    if !results.open.is_empty() {
        let open = results.open.iter().map(|open| (open_cells(open), &open.origin));
        text.push_str(&format!("\n{}", origins.table(&OPEN_COLUMNS, open)));
    }
    text.push_str(&origins.list());
    let notes = notes(results);
    if !notes.is_empty() {
        text.push_str(&format!("\n{notes}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;
    use crate::result::Origin;
    use crate::suite::Results as _;
    use crate::txn::result::{Found, Measured};
    use crate::txn::server::System;

    fn row(system: System, per_second: f64) -> Row {
        let measured = Measured {
            per_second,
            latency: Histogram::default().summary(),
            cpu_per_1000: Some(0.11),
            flushes: Some(0.5),
            others_cores: 0.0,
        };
        let text = |text: &str| text.to_owned();
        Row {
            id: text("saga@8"),
            work: text("saga"),
            clients: 8,
            system,
            measured,
            goal: Goal::at(8).filter(|_| system == System::Synod),
            notes: vec![text("a note")],
            origin: Origin {
                date: text("2026-11-27"),
                machine: text("a machine"),
                command: text("a command"),
            },
        }
    }

    #[test]
    fn the_tables_have_all_columns_and_name_what_is_missed() {
        let mut results = Results::default();
        results.put(Found::Row(Box::new(row(System::DtmBoltdb, 660.0))));
        results.put(Found::Row(Box::new(row(System::Synod, 7_000.0))));
        results.put(Found::Row(Box::new(row(System::Synod, 5_000.0))));
        assert_eq!(results.len(), 2);
        let text = markdown(&results);
        let columns: Vec<usize> = text.lines().take(4).map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [11, 11, 11, 11], "{text}");
        assert!(text.contains("≤ 0.12 CPU-s: **no** (tx/s)"), "{text}");
        assert!(text.contains("- saga@8, dtm, boltdb: a note"), "{text}");
        assert!(text.contains("1. 2026-11-27, a machine: `a command`"), "{text}");
    }
}
