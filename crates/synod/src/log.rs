//! `synod log`: the log of transactions as it lies on the disk.

use serde_json::{Value, json};
use synod_server::raft::inspect::{self, Found, Record, Report, Trouble};
use synod_server::raft::{Loss, power_cut};

use crate::args::{LogInspect, LogPowerCut};
use crate::{Failure, output};

/// Exit code of a log that a start would refuse, as the start itself has it.
const DAMAGED: u8 = 3;

/// Prints what is found as it is found, and then a summary.
pub(crate) fn inspect(args: &LogInspect) -> Result<(), Failure> {
    let mut failed = None;
    let report = inspect::inspect(&args.dir, |found| {
        if args.records || matches!(found, Found::Trouble(_)) {
            let line = if args.json { found_json(found).to_string() } else { found_text(found) };
            failed = failed.take().or(output::print(&format!("{line}\n")).err());
        }
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let summary = if args.json { format!("{}\n", report_json(&report)) } else { report_text(&report) };
    output::print(&summary)?;
    match report.damaged {
        0 => Ok(()),
        damaged => {
            let error = anyhow::anyhow!("{damaged} damaged places: a node does not start on this log");
            Err(Failure { error, code: DAMAGED })
        }
    }
}

/// Sets the log of a dead node back to what is durable, and prints how much that was not.
pub(crate) fn power_cut(args: &LogPowerCut) -> Result<(), Failure> {
    let loss = args.torn.map_or(Loss::All, Loss::Torn);
    let undone = power_cut::set_back(&args.dir.join("log"), &args.journal, loss)?;
    output::json(&json!({"writes": undone.writes, "names": undone.names, "under_way": undone.under_way}))
}

fn found_text(found: &Found) -> String {
    match found {
        Found::Record(Record { file, offset, kind, sequence, index, bytes, holds }) => {
            format!("{file} @{offset} batch {sequence}: {kind} {index}, {bytes} bytes  {holds}")
                .trim_end()
                .to_owned()
        }
        Found::Trouble(Trouble { file, offset, what, is_damage }) => {
            let verdict = if *is_damage { "DAMAGED" } else { "unfinished" };
            format!("{file} @{offset} {verdict}: {what}")
        }
    }
}

fn found_json(found: &Found) -> Value {
    match found {
        Found::Record(Record { file, offset, kind, sequence, index, bytes, holds }) => json!({
            "file": file, "offset": offset, "kind": kind, "sequence": sequence, "index": index, "bytes": bytes,
            "holds": holds,
        }),
        Found::Trouble(Trouble { file, offset, what, is_damage }) => json!({
            "file": file, "offset": offset, "kind": if *is_damage { "damage" } else { "unfinished" }, "what": what,
        }),
    }
}

fn range_text(range: Option<(u64, u64)>) -> String {
    range.map_or_else(|| "none".to_owned(), |(first, last)| format!("{first} to {last}"))
}

fn report_text(report: &Report) -> String {
    let mut out = match &report.manifest {
        Some(manifest) => format!(
            "manifest: segments {} to {}, acknowledged up to batch {}\n",
            manifest.first, manifest.last, manifest.acknowledged
        ),
        None => "manifest: cannot be read\n".to_owned(),
    };
    for (file, segment) in &report.segments {
        out += &format!(
            "{file}: {} batches ({}), {} records, entries {}\n",
            segment.batches,
            range_text(segment.sequences),
            segment.records,
            range_text(segment.entries)
        );
    }
    let last = report.last_index.map_or_else(|| "none".to_owned(), |last| last.to_string());
    out += &format!("first entry {}, last entry {last}\n", report.first_index);
    out += &format!("{} places damaged, {} unfinished\n", report.damaged, report.unfinished);
    out
}

fn report_json(report: &Report) -> Value {
    let range = |range: Option<(u64, u64)>| range.map(|(first, last)| json!([first, last]));
    let segments = report.segments.iter().map(|(file, segment)| {
        json!({
            "file": file, "batches": segment.batches, "records": segment.records,
            "entries": range(segment.entries), "sequences": range(segment.sequences),
        })
    });
    let manifest = report.manifest.map(
        |manifest| json!({"first": manifest.first, "last": manifest.last, "acknowledged": manifest.acknowledged}),
    );
    json!({
        "manifest": manifest, "segments": segments.collect::<Vec<_>>(), "first_index": report.first_index,
        "last_index": report.last_index, "damaged": report.damaged, "unfinished": report.unfinished,
    })
}
