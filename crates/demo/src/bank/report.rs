//! What a bank tells the demonstration: one JSON object a line on its standard output.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

/// A line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    /// What it was about: `mode/side/step`; of `listening` the address.
    pub(crate) point: String,
    /// In words.
    pub(crate) words: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The service can be called.
    Listening,
    /// It waits there, as it was told.
    Held,
    /// A step has happened, now or before.
    Done,
    /// A step was refused.
    Refused,
    /// A step failed, and should be asked for again.
    Failed,
    /// A step has happened, but its answer was lost.
    Lost,
    /// Anything else.
    Note,
}

/// Writes one. Nobody is left to tell when standard output is gone: then the demonstration has ended.
pub(super) fn tell(kind: Kind, point: &str, words: impl Into<String>) {
    let report = Report { kind, point: point.to_owned(), words: words.into() };
    if let Ok(mut line) = serde_json::to_vec(&report) {
        line.push(b'\n');
        drop(std::io::stdout().lock().write_all(&line));
    }
}
