//! Results for people and for the next run: aligned text, `bench/out/registry.json`, the table of `docs/performance.md`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::result::{Figure, Goal, Origin, Row, number};
use crate::server::Kind;

const BEGIN: &str = "<!-- bench registry: written by `cargo xtask bench registry --markdown` -->";
const END: &str = "<!-- end of bench registry -->";

/// Where results are kept.
pub(crate) fn store_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("out/registry.json")
}

/// What is kept in this file, nothing when there is none.
///
/// # Errors
/// When the file is something else.
pub(crate) fn load_kept<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match std::fs::read(path) {
        Ok(text) => {
            serde_json::from_slice(&text).with_context(|| format!("{} holds no results", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Keeps it in this file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn store_kept<T: Serialize>(path: &Path, kept: &T) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(path, serde_json::to_vec_pretty(kept)?)
        .with_context(|| format!("writing {}", path.display()))
}

/// The rows kept so far, none when there is no file.
///
/// # Errors
/// When the file is something else.
pub(crate) fn load(path: &Path) -> Result<Vec<Row>> {
    Ok(load_kept(path)?.unwrap_or_default())
}

/// Replaces the kept rows that have been measured again, so that rows can be run one by one.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn store(path: &Path, new: &[Row]) -> Result<()> {
    let mut rows = load(path)?;
    for row in new {
        match rows.iter_mut().find(|kept| kept.id == row.id) {
            Some(kept) => *kept = row.clone(),
            None => rows.push(row.clone()),
        }
    }
    store_kept(path, &rows)
}

/// The head of the text table.
const COLUMNS: [&str; 12] = [
    "row",
    "server",
    "ops/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "CPU-s/1000",
    "figure",
    "unit",
    "× Java",
    "of echo",
    "goal",
];

/// The table with one line for each figure.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut lines = vec![COLUMNS.map(String::from).to_vec()];
    for row in rows {
        lines.extend(row.figures.iter().map(|figure| line(row, figure)));
    }
    align(&lines)
}

/// The table, what each row is, its goal, its notes.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = table(rows);
    for row in rows {
        text.push_str(&format!("{}: {}; goal {}: {}\n", row.id, row.work, row.goal, verdict(row)));
        for note in &row.notes {
            text.push_str(&format!("    {note}\n"));
        }
    }
    text
}

fn verdict(row: &Row) -> &'static str {
    match row.reached() {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None if row.goal == Goal::default() => "–",
        None => "open",
    }
}

fn line(row: &Row, figure: &Figure) -> Vec<String> {
    let run = |pick: fn(&crate::result::Run) -> f64| {
        figure.run.as_ref().map_or(String::new(), |run| number(pick(run)))
    };
    let synod = figure.kind == Kind::Synod;
    let ratio = |value: Option<f64>, scale: f64, unit: &str| match value {
        Some(value) if synod => format!("{}{unit}", number(value * scale)),
        _ => String::new(),
    };
    vec![
        row.id.clone(),
        figure.kind.name().into(),
        run(|run| run.per_second),
        run(|run| run.latency.p50_ms),
        run(|run| run.latency.p99_ms),
        run(|run| run.latency.p999_ms),
        figure.run.map_or(String::new(), |run| format!("{:.4}", run.cpu_seconds_per_1000)),
        number(figure.value),
        row.unit.name().into(),
        ratio(row.times_java(), 1.0, "×"),
        ratio(row.of_echo(), 100.0, " %"),
        if synod { verdict(row).into() } else { String::new() },
    ]
}

/// Pads every column to its widest cell: the first two to the left, numbers to the right.
pub(crate) fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(at, (cell, width))| {
                    if at < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Where, when and how rows were measured, each told once under a number.
pub(crate) struct Origins<'a>(Vec<&'a Origin>);

impl<'a> Origins<'a> {
    pub(crate) fn of(rows: impl Iterator<Item = &'a Origin>) -> Self {
        let mut origins = Vec::new();
        for origin in rows {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Self(origins)
    }

    pub(crate) fn number(&self, origin: &Origin) -> usize {
        self.0.iter().position(|other| *other == origin).map_or(0, |at| at + 1)
    }

    /// For below a table.
    pub(crate) fn list(&self) -> String {
        let line = |(at, origin): (usize, &&Origin)| {
            format!("{}. {}, {}: `{}`\n", at + 1, origin.date, origin.machine, origin.command)
        };
        format!("\n{}", self.0.iter().enumerate().map(line).collect::<String>())
    }

    /// A table whose last column says where each line comes from.
    pub(crate) fn table(
        &self,
        columns: &[&str],
        lines: impl Iterator<Item = (Vec<String>, &'a Origin)>,
    ) -> String {
        let mut text = format!("| {} | run |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len() + 1));
        for (cells, origin) in lines {
            text.push_str(&format!("| {} | {} |\n", cells.join(" | "), self.number(origin)));
        }
        text
    }
}

/// The table for `docs/performance.md`, with where, when and how each row was measured.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let origins = Origins::of(rows.iter().map(|row| &row.origin));
    let mut text = String::from(
        "| work | unit | goal | Java | Synod | × Java | echo (limit) | Synod p50 / p99 / p99.9 ms | reached | run |\n\
         |---|---|---|---:|---:|---:|---:|---:|---|---:|\n",
    );
    for row in rows {
        let value = |kind| row.figure(kind).map_or_else(|| "–".into(), |figure| number(figure.value));
        let latency = row.figure(Kind::Synod).and_then(|figure| figure.run).map_or_else(
            || "–".into(),
            |run| {
                let latency = run.latency;
                format!(
                    "{} / {} / {}",
                    number(latency.p50_ms),
                    number(latency.p99_ms),
                    number(latency.p999_ms)
                )
            },
        );
        let echo = row.of_echo().map_or_else(String::new, |share| format!(" ({:.0} %)", share * 100.0));
        let cells = [
            row.work.clone(),
            row.unit.name().into(),
            row.goal.to_string(),
            value(Kind::Java),
            value(Kind::Synod),
            row.times_java().map_or_else(|| "–".into(), |times| format!("{}×", number(times))),
            format!("{}{echo}", value(Kind::Echo)),
            latency,
            row.reached().map_or("–", |reached| if reached { "yes" } else { "**no**" }).into(),
            origins.number(&row.origin).to_string(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text.push_str(&origins.list());
    let notes = rows.iter().flat_map(|row| row.notes.iter().map(|note| format!("- {}: {note}\n", row.id)));
    let notes: String = notes.collect();
    if !notes.is_empty() {
        text.push_str(&format!("\n{notes}"));
    }
    text
}

/// Puts the table between its two marks in a page, or makes the page.
///
/// # Errors
/// When the page cannot be read or written.
pub(crate) fn write_markdown(page: &Path, rows: &[Row]) -> Result<()> {
    write_section(page, BEGIN, END, &markdown(rows))
}

/// Puts text between two marks of a page, or makes the page.
///
/// # Errors
/// When the page cannot be read or written.
pub(crate) fn write_section(page: &Path, begin: &str, end: &str, text: &str) -> Result<()> {
    let old = match std::fs::read_to_string(page) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Performance\n".to_owned(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", page.display())),
    };
    std::fs::write(page, splice(&old, begin, end, text))
        .with_context(|| format!("writing {}", page.display()))
}

fn splice(page: &str, begin: &str, end: &str, text: &str) -> String {
    let section = format!("{begin}\n\n{text}\n{end}");
    let marks = page.find(begin).zip(page.find(end)).filter(|(first, last)| first < last);
    match marks {
        Some((first, last)) => format!("{}{section}{}", &page[..first], &page[last + end.len()..]),
        None => format!("{}\n\n{section}\n", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Unit;
    use crate::result::tests::row;

    fn rows() -> Vec<Row> {
        let goal = Goal { times_java: Some(8.0), ..Goal::default() };
        vec![row(Unit::PerCpuSecond, goal, [Some(110_000.0), Some(13_200.0), Some(130_000.0)])]
    }

    #[test]
    fn columns_line_up() {
        let lines = [vec!["a", "b", "1"], vec!["long", "×", "1,000"]]
            .map(|line| line.iter().map(|s| s.to_string()).collect());
        assert_eq!(align(&lines), "a     b      1\nlong  ×  1,000\n");
    }

    #[test]
    fn the_text_names_ratios_and_verdict() {
        let text = text(&rows());
        assert!(text.contains("8.33×"), "{text}");
        assert!(text.contains("84.6 %"), "{text}");
        assert!(text.contains("goal ≥ 8× Java: reached"), "{text}");
    }

    #[test]
    fn the_markdown_has_all_columns_in_each_row() {
        let table = markdown(&rows());
        let columns: Vec<usize> = table.lines().take(3).map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [11, 11, 11], "{table}");
        assert!(table.contains("| 13,200 | 110,000 | 8.33× | 130,000 (85 %) |"), "{table}");
        assert!(table.contains("1. 2026-11-22, a machine: `a command`"), "{table}");
    }

    #[test]
    fn the_table_replaces_itself_and_nothing_else() {
        let page = splice("# Performance\n\nWords.\n", BEGIN, END, "one\n");
        assert!(page.starts_with("# Performance\n\nWords.\n\n<!--"), "{page}");
        let again = splice(&format!("{page}\nMore words.\n"), BEGIN, END, "two\n");
        assert!(
            again.contains("two") && !again.contains("one\n") && again.ends_with("More words.\n"),
            "{again}"
        );
    }

    #[test]
    fn kept_rows_are_replaced_by_id() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out/registry.json");
        let mut rows = rows();
        store(&path, &rows).unwrap();
        rows[0].figures[0].value = 1.0;
        store(&path, &rows).unwrap();
        let kept = load(&path).unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].figures[0].value, 1.0);
    }
}
