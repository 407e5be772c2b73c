//! Results for people: aligned text, and the table of `docs/performance.md`.

use super::result::{Goal, Results, Row};
use crate::report::{self, Origins};
use crate::result::number;

const COLUMNS: [&str; 13] = [
    "work",
    "clients",
    "server",
    "finished/s (acknowledged/s)",
    "limit/s",
    "p50 / p99 ms",
    "CPU-s per 1,000: server",
    "load",
    "cores left by the load",
    "disk flushes each",
    "backlog at begin / end, gone after",
    "ready ms / resident MiB",
    "goal",
];

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

fn cells(row: &Row) -> Vec<String> {
    let measured = &row.measured;
    let verdict = row.goal.as_ref().map_or_else(String::new, |wanted| match wanted.missed(row) {
        missed if missed.is_empty() => format!("{}: yes", goal(wanted)),
        missed => format!("{}: **no** ({})", goal(wanted), missed.join(", ")),
    });
    let gone = match measured.left {
        0 => format!("{:.1} s", measured.drain_seconds),
        left => format!("not ({} left)", number(left as f64)),
    };
    let backlog = [measured.backlog_before, measured.backlog_after].map(|count| number(count as f64));
    vec![
        row.work.clone(),
        row.clients.to_string(),
        row.system.name().into(),
        format!("{} ({})", number(measured.finished_per_second), number(measured.acknowledged_per_second)),
        number(measured.limit_per_second),
        format!("{} / {}", number(measured.latency.p50_ms), number(measured.latency.p99_ms)),
        format!("{:.3}", measured.cpu_per_1000),
        format!("{:.3}", measured.load_cpu_per_1000),
        format!("{:.2}", measured.cores_left),
        measured.flushes.map_or_else(|| "–".into(), |flushes| format!("{flushes:.2}")),
        format!("{}, {gone}", backlog.join(" / ")),
        format!("{} / {}", number(measured.ready_ms), number(measured.resident_mib)),
        verdict,
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
    format!("{}{}", report::align(&lines), remarks(results))
}

/// What each run found possible, and what else was seen.
fn remarks(results: &Results) -> String {
    let mut text = String::new();
    for row in &results.rows {
        let limits = row.measured.limits;
        let line = format!(
            "- limits: a flush took {:.3} ms and a round trip {:.3} ms (medians, alone); {}\n",
            limits.flush_ms, limits.round_trip_ms, row.origin.command
        );
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    for row in &results.rows {
        for note in &row.notes {
            text.push_str(&format!("- {}, {}: {note}\n", row.id, row.system.name()));
        }
    }
    text
}

/// The table, with where, when and how each row was measured.
pub(super) fn markdown(results: &Results) -> String {
    let origins = Origins::of(results.rows.iter().map(|row| &row.origin));
    let table = origins.table(&COLUMNS, results.rows.iter().map(|row| (cells(row), &row.origin)));
    format!("{table}{}\n{}", origins.list(), remarks(results))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::System;
    use crate::histogram::Histogram;
    use crate::result::Origin;
    use crate::seata::limits::Limits;
    use crate::seata::result::Measured;
    use crate::suite::Results as _;

    fn row(system: System, finished_per_second: f64, backlog_after: u64) -> Row {
        let text = |text: &str| text.to_owned();
        let measured = Measured {
            finished_per_second,
            acknowledged_per_second: 9_000.0,
            limit_per_second: 10_000.0,
            limits: Limits { flush_ms: 0.2, round_trip_ms: 0.05 },
            latency: Histogram::default().summary(),
            cpu_per_1000: 0.07,
            load_cpu_per_1000: 0.05,
            cores_left: 1.2,
            flushes: Some(0.5),
            backlog_before: 0,
            backlog_after,
            drain_seconds: 0.1,
            left: 0,
            remembered: 1 << 20,
            resident_mib: 139.0,
            ready_ms: 30.0,
            others_cores: 0.0,
        };
        Row {
            id: text("at@8"),
            work: text("AT"),
            clients: 8,
            system,
            measured,
            goal: Some(Goal { per_second: 6_000.0, p99_ms: None, cpu_per_1000: Some(0.06) })
                .filter(|_| system == System::Synod),
            notes: vec![text("a note")],
            origin: Origin {
                date: text("2026-11-27"),
                machine: text("a machine"),
                command: text("a command"),
            },
        }
    }

    #[test]
    fn the_table_has_all_columns_and_names_what_is_missed() {
        let mut results = Results::default();
        results.put(row(System::SeataAsync, 4_400.0, 30_000));
        results.put(row(System::Synod, 7_000.0, 0));
        results.put(row(System::Synod, 5_000.0, 33));
        assert_eq!(results.rows.len(), 2);
        let text = markdown(&results);
        let columns: Vec<usize> = text.lines().take(4).map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [15, 15, 15, 15], "{text}");
        assert!(text.contains("≤ 0.06 CPU-s: **no** (tx/s, CPU, backlog) | 1 |"), "{text}");
        assert!(text.contains("- at@8, Seata, file, async (not durable): a note"), "{text}");
        assert!(text.contains("1. 2026-11-27, a machine: `a command`"), "{text}");
        assert_eq!(text.matches("- limits: a flush took 0.200 ms").count(), 1, "{text}");
    }

    #[test]
    fn every_remembered_outcome_may_take_some_memory() {
        let mut row = row(System::Synod, 7_000.0, 0);
        let missed = |row: &Row| row.goal.unwrap().missed(row);
        assert_eq!(missed(&row), ["CPU"], "a million outcomes are 40 MiB more");
        row.measured.resident_mib = 141.0;
        assert_eq!(missed(&row), ["CPU", "memory"]);
    }
}
