//! What the commands print: the only place that writes to stdout.

use std::io::{self, Write as _, stderr, stdout};

use serde_json::Value;
use synod_server::config::{render_json, render_markdown, render_text};

use crate::{Failure, args};

/// Prints the table of configuration keys.
pub(crate) fn config(args: &args::Config) -> Result<(), Failure> {
    if args.json {
        json(&render_json())
    } else if args.markdown {
        print(&render_markdown())
    } else {
        print(&render_text())
    }
}

/// Prints an answer as it came, indented.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Prints why a command failed, with all its causes, on one line of stderr.
pub(crate) fn error(error: &anyhow::Error) {
    // Nobody is left to tell when stderr is gone.
    drop(writeln!(stderr(), "synod: {error:#}"));
}

/// Writes to stdout; a reader that has left, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints the answer of `/v1/registry`.
pub(crate) fn status(answer: &Value) -> Result<(), Failure> {
    let preservation = &answer["self_preservation"];
    let preserving = match (preservation["enabled"].as_bool(), preservation["active"].as_bool()) {
        (Some(false), _) => "off",
        (_, Some(true)) => "ACTIVE: nobody expires",
        _ => "on",
    };
    let uptime = answer["node"]["uptime_ms"].as_u64().map_or_else(String::new, duration);
    let renewals = format!(
        "{} in the last minute, {} expected, {} needed",
        cell(&preservation["received_last_minute"]),
        cell(&preservation["expected_per_minute"]),
        cell(&preservation["threshold_per_minute"])
    );
    let rows = [
        ("node", cell(&answer["node"]["name"])),
        ("id", cell(&answer["node"]["id"])),
        ("version", cell(&answer["node"]["version"])),
        ("uptime", uptime),
        ("open", cell(&answer["open"])),
        ("registry version", cell(&answer["version"])),
        ("applications", cell(&answer["applications"])),
        ("instances", cell(&answer["instances"])),
        ("statuses", counts(&answer["statuses"])),
        ("self-preservation", preserving.into()),
        ("renewals", renewals),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect();
    print(&columns(&rows))
}

/// Prints the answer of `/v1/services`.
pub(crate) fn services(answer: &Value) -> Result<(), Failure> {
    let rows = list(answer, "services")
        .map(|service| [cell(&service["name"]), cell(&service["instances"]), counts(&service["statuses"])]);
    table(["SERVICE", "INSTANCES", "STATUSES"], rows)
}

/// Prints instances.
pub(crate) fn instances(instances: &[Value]) -> Result<(), Failure> {
    let rows = instances.iter().map(|instance| {
        let port = if instance["port"].is_null() { &instance["secure_port"] } else { &instance["port"] };
        let status = match instance["override"].as_str() {
            Some(_) => format!("{} (override)", cell(&instance["status"])),
            None => cell(&instance["status"]),
        };
        let remaining = instance["lease"]["remaining_ms"].as_u64().map_or_else(|| "-".into(), duration);
        let address = format!("{}:{}", cell(&instance["host"]), cell(port));
        [cell(&instance["service"]), cell(&instance["id"]), status, address, cell(&instance["ip"]), remaining]
    });
    table(["SERVICE", "INSTANCE", "STATUS", "ADDRESS", "IP", "LEASE"], rows)
}

/// Prints the answer of `/v1/peers`.
pub(crate) fn peers(answer: &Value) -> Result<(), Failure> {
    let rows = list(answer, "peers").map(|peer| {
        let reachable = if peer["reachable"] == true { "yes" } else { "NO" };
        let lag = peer["lag_ms"].as_u64().map_or_else(|| "-".into(), duration);
        [
            cell(&peer["url"]),
            cell(&peer["kind"]),
            cell(&peer["state"]),
            reachable.into(),
            lag,
            cell(&peer["queued"]),
            cell(&peer["failed"]),
            cell(&peer["last_error"]),
        ]
    });
    table(["PEER", "KIND", "STATE", "REACHABLE", "LAG", "QUEUED", "FAILED", "LAST ERROR"], rows)
}

/// Prints a page of transactions.
pub(crate) fn transactions(answer: &Value) -> Result<(), Failure> {
    let rows = list(answer, "transactions").map(|row| {
        let mut status = cell(&row["status"]);
        if row["attention"] == true {
            status += " (look!)";
        }
        let branches = match row["pending"].as_u64() {
            Some(pending @ 1..) => format!("{} ({pending} pending)", cell(&row["branches"])),
            _ => cell(&row["branches"]),
        };
        let error = cell(&row["troubles"][0]["last_error"]);
        let why = if error == "-" { cell(&row["reason"]) } else { error };
        [cell(&row["xid"]), cell(&row["gid"]), cell(&row["mode"]), cell(&row["name"]), status, branches, why]
    });
    table(["XID", "GID", "MODE", "NAME", "STATUS", "BRANCHES", "WHY"], rows)
}

/// Prints one transaction with its branches and what was tried.
pub(crate) fn transaction(answer: &Value) -> Result<(), Failure> {
    let rows =
        ["xid", "gid", "mode", "name", "status", "reason"].map(|name| [name.to_owned(), cell(&answer[name])]);
    let mut text = columns(&rows);
    let legs = list(&answer["details"], "branches").flat_map(|branch| {
        ["forward", "backward"].into_iter().filter(|way| !branch[*way]["url"].is_null()).map(move |way| {
            let leg = &branch[way];
            [cell(&branch["id"]), way.into(), cell(&leg["step"]), cell(&leg["url"]), cell(&leg["last_error"])]
        })
    });
    let head = ["BRANCH", "WAY", "STEP", "URL", "LAST ERROR"].map(str::to_owned);
    text += &format!("\n{}", columns(&std::iter::once(head).chain(legs).collect::<Vec<_>>()));
    let attempts = list(&answer["details"], "attempts").map(|attempt| {
        let took = attempt["took_ms"].as_u64().map_or_else(|| "-".into(), duration);
        let branch = if attempt["branch"].is_null() { "initiator".into() } else { cell(&attempt["branch"]) };
        [branch, cell(&attempt["way"]), cell(&attempt["result"]), took, cell(&attempt["error"])]
    });
    let head = ["ATTEMPT", "WAY", "RESULT", "TOOK", "ERROR"].map(str::to_owned);
    text += &format!("\n{}", columns(&std::iter::once(head).chain(attempts).collect::<Vec<_>>()));
    print(&text)
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer[name].as_array().into_iter().flatten()
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<(), Failure> {
    let head = head.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    print(&columns(&rows))
}

/// One value in a table: control characters are replaced, as others chose it and a terminal would obey them.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        other => other.to_string(),
    }
}

/// `{"UP":2,"DOWN":1}` as `DOWN 1, UP 2`.
fn counts(value: &Value) -> String {
    let counts = value.as_object().into_iter().flatten();
    counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// Milliseconds in the largest unit that keeps two figures of it.
fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..120_000 => format!("{}s", ms / 1_000),
        120_000..7_200_000 => format!("{}m", ms / 60_000),
        7_200_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// Lines up columns two blanks apart; the last one is not padded.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths) {
            out += &format!("{cell:width$}  ");
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_line_up() {
        let rows = [["A", "BB"], ["long", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "A     BB\nlong  x\n");
    }

    #[test]
    fn cells_are_harmless_and_durations_short() {
        assert_eq!(cell(&json!("a\u{1b}[31m")), "a\u{fffd}[31m");
        assert_eq!(cell(&Value::Null), "-");
        assert_eq!(counts(&json!({"UP": 2, "DOWN": 1})), "DOWN 1, UP 2");
        assert_eq!([5, 30_000, 130_000, 8_000_000].map(duration), ["5ms", "30s", "2m", "2h"]);
    }
}
