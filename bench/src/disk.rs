//! The durable log against the limit of this disk: a bare, pre-zeroed file with one write and one `fdatasync` per group.
//!
//! Both are fed by the same loop: W writers, each with one record outstanding; one committer that takes what has
//! gathered, makes it durable, and wakes its writers. Only what the committer does with a group differs.

mod drive;
mod sink;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use self::drive::Measured;
use self::sink::{Bare, Logged};
use crate::{clock, process, report};

const BEGIN: &str = "<!-- bench log: written by `cargo xtask bench log --markdown` -->";
const END: &str = "<!-- end of bench log -->";
/// The goal: at least this share of the bare file's records per second.
const GOAL: f64 = 0.85;

/// Options of `synod-bench log`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Writers, each with one record outstanding.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256])]
    writers: Vec<usize>,
    /// Bytes of a record.
    #[arg(long, default_value_t = 256)]
    record_bytes: usize,
    /// Seconds for which each figure is measured.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often each is measured, in turns; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the files are put, on the disk to be measured [default: bench/out].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also writes the table into this page.
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md")]
    markdown: Option<PathBuf>,
}

/// What one number of writers gave, round by round.
struct Row {
    writers: usize,
    bare: Vec<Measured>,
    logged: Vec<Measured>,
}

/// Measures and prints; false when a goal was missed.
///
/// # Errors
/// When the disk fails.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let out = options.dir.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("out"));
    std::fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    let dir = tempfile::tempdir_in(&out)?;
    let mut rows = Vec::new();
    for &writers in &options.writers {
        rows.push(measure(options, writers, dir.path())?);
        writeln!(std::io::stdout(), "{}", text(rows.last().into_iter()))?;
    }
    let table = text(rows.iter());
    writeln!(std::io::stdout(), "{table}")?;
    if let Some(page) = &options.markdown {
        report::write_section(page, BEGIN, END, &markdown(options, &rows))?;
    }
    Ok(rows.iter().all(|row| row.ratio() >= GOAL))
}

/// What the disk does at its best with this many writers: the bare file alone.
///
/// # Errors
/// When the disk fails.
pub(crate) fn limit(writers: usize, record_bytes: usize, time: Duration) -> Result<Measured> {
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("out");
    std::fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    let dir = tempfile::tempdir_in(&out)?;
    drive::run(Bare::new(&dir.path().join("bare"))?, writers, record_bytes, time)
}

fn measure(options: &Options, writers: usize, dir: &Path) -> Result<Row> {
    let time = Duration::from_secs_f64(options.seconds);
    let mut row = Row { writers, bare: Vec::new(), logged: Vec::new() };
    for round in 0..options.rounds {
        let bare = || -> Result<Measured> {
            let file = dir.join(format!("bare-{writers}-{round}"));
            let measured = drive::run(Bare::new(&file)?, writers, options.record_bytes, time)?;
            std::fs::remove_file(file)?;
            Ok(measured)
        };
        let logged = || -> Result<Measured> {
            let log = dir.join(format!("log-{writers}-{round}"));
            let measured = drive::run(Logged::new(&log)?, writers, options.record_bytes, time)?;
            std::fs::remove_dir_all(log)?;
            Ok(measured)
        };
        // Whoever comes second pays for what the first left to be written: they take turns.
        if round % 2 == 0 {
            row.bare.push(bare()?);
            row.logged.push(logged()?);
        } else {
            row.logged.push(logged()?);
            row.bare.push(bare()?);
        }
    }
    Ok(row)
}

fn median(rounds: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Row {
    fn ratio(&self) -> f64 {
        median(&self.logged, Measured::per_second) / median(&self.bare, Measured::per_second)
    }

    fn cells(&self) -> Vec<String> {
        let rate = |rounds: &[Measured]| {
            let low = rounds.iter().map(Measured::per_second).fold(f64::INFINITY, f64::min);
            let high = rounds.iter().map(Measured::per_second).fold(0.0, f64::max);
            let middle = median(rounds, Measured::per_second);
            format!("{} ({}–{})", thousands(middle), thousands(low), thousands(high))
        };
        let latency = |rounds: &[Measured]| {
            let at = |quantile| median(rounds, |round| round.latency.quantile_ms(quantile));
            format!("{:.2} / {:.2}", at(0.5), at(0.99))
        };
        let cpu = |rounds: &[Measured]| format!("{:.2}", median(rounds, Measured::cpu_per_million));
        let group = |rounds: &[Measured]| format!("{:.0}", median(rounds, Measured::per_group));
        vec![
            self.writers.to_string(),
            rate(&self.bare),
            rate(&self.logged),
            format!("{:.0} %", self.ratio() * 100.0),
            latency(&self.bare),
            latency(&self.logged),
            format!("{} / {}", group(&self.bare), group(&self.logged)),
            cpu(&self.bare),
            cpu(&self.logged),
        ]
    }
}

const COLUMNS: [&str; 9] = [
    "writers",
    "bare file, rec/s",
    "log, rec/s",
    "ratio",
    "bare p50 / p99 ms",
    "log p50 / p99 ms",
    "records a sync",
    "bare CPU-s per 1M",
    "log CPU-s per 1M",
];

fn text<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut lines = vec![COLUMNS.map(str::to_owned).to_vec()];
    lines.extend(rows.map(Row::cells));
    report::align(&lines)
}

fn markdown(options: &Options, rows: &[Row]) -> String {
    let mut table = format!("| {} |\n|{}\n", COLUMNS.join(" | "), "---:|".repeat(COLUMNS.len()));
    for row in rows {
        table.push_str(&format!("| {} |\n", row.cells().join(" | ")));
    }
    table.push_str(&format!(
        "\n{}, {}: `cargo xtask bench log`, records of {} bytes, {} rounds of {} s in turns, medians (lowest–highest). \
         Goal: at least {:.0} % of the bare file.\n",
        clock::today(),
        process::machine(),
        options.record_bytes,
        options.rounds,
        options.seconds,
        GOAL * 100.0,
    ));
    table
}

/// A whole number with commas.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        assert_eq!([0.0, 999.4, 1_000.0, 1_234_567.0].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn both_are_measured_and_shown() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            writers: vec![3],
            record_bytes: 100,
            seconds: 0.05,
            rounds: 2,
            dir: None,
            markdown: None,
        };
        let row = measure(&options, 3, dir.path()).unwrap();
        assert!(row.ratio() > 0.0);
        assert_eq!(
            markdown(&options, &[row]).lines().nth(2).unwrap().matches('|').count(),
            COLUMNS.len() + 1
        );
    }
}
