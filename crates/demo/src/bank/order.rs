//! What a bank is asked for: a step of a branch of a transaction.

use anyhow::{Context as _, bail, ensure};
use http::HeaderMap;
use serde::Deserialize;

use crate::args::Mode;

/// The branch of whoever began a message, who has none.
pub(super) const INITIATOR: &str = "initiator";
/// Ids go into statements that cannot be prepared, and MariaDB takes no longer ones.
const ID_BYTES_MAX: usize = 64;

/// Which end of the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Debit,
    Credit,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// XA, phase one: do it, but do not commit it.
    Prepare,
    Commit,
    Rollback,
    /// TCC, phase one: make sure that it can be done.
    Try,
    Confirm,
    Cancel,
    /// A saga's step: do it.
    Action,
    Compensate,
    /// A message's two ends: do it here, and say so to others; what was said.
    Send,
    Deliver,
    /// Whether a message was meant.
    Check,
}

/// A request, understood.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) mode: Mode,
    pub(super) side: Side,
    pub(super) step: Step,
    pub(super) xid: String,
    pub(super) branch: String,
    pub(super) amount: i64,
}

/// What comes with a request.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    amount: i64,
}

impl Step {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Try => "try",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Action => "action",
            Self::Compensate => "compensate",
            Self::Send => "send",
            Self::Deliver => "deliver",
            Self::Check => "check",
        }
    }

    /// The step that this one undoes, or makes impossible.
    pub(super) const fn undoes(self) -> Option<Self> {
        match self {
            Self::Rollback => Some(Self::Prepare),
            Self::Cancel => Some(Self::Try),
            Self::Compensate => Some(Self::Action),
            Self::Check => Some(Self::Send),
            _ => None,
        }
    }
}

/// Reads `/mode/side/step`.
pub(super) fn route(path: &str) -> Option<(Mode, Side, Step)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (mode, side, step) = (parts.next()?, parts.next()?, parts.next()?);
    let side = match side {
        "debit" => Side::Debit,
        "credit" => Side::Credit,
        _ => return None,
    };
    let (mode, step) = match (mode, step) {
        ("xa", "prepare") => (Mode::Xa, Step::Prepare),
        ("xa", "commit") => (Mode::Xa, Step::Commit),
        ("xa", "rollback") => (Mode::Xa, Step::Rollback),
        ("tcc", "try") => (Mode::Tcc, Step::Try),
        ("tcc", "confirm") => (Mode::Tcc, Step::Confirm),
        ("tcc", "cancel") => (Mode::Tcc, Step::Cancel),
        ("saga", "action") => (Mode::Saga, Step::Action),
        ("saga", "compensate") => (Mode::Saga, Step::Compensate),
        ("message", "deliver") => (Mode::Message, Step::Deliver),
        ("message", "check") => (Mode::Message, Step::Check),
        _ => return None,
    };
    parts.next().is_none().then_some((mode, side, step))
}

impl Order {
    /// Reads what comes with a request whose path was understood.
    pub(super) fn read(
        (mode, side, step): (Mode, Side, Step),
        headers: &HeaderMap,
        body: &[u8],
    ) -> anyhow::Result<Self> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let xid = header("synod-xid").context("there is no header synod-xid")?;
        let branch = match (header("synod-branch"), step) {
            (Some(branch), _) => branch,
            (None, Step::Check) => INITIATOR,
            (None, _) => bail!("there is no header synod-branch"),
        };
        let body = if body.is_empty() { Body::default() } else { serde_json::from_slice(body)? };
        let is_amount = (1..=1_000_000_000).contains(&body.amount) || step == Step::Check;
        ensure!(is_amount, "{} is no amount to transfer", body.amount);
        Ok(Self { mode, side, step, xid: id(xid)?, branch: id(branch)?, amount: body.amount })
    }
}

/// An id that may stand between quotes.
fn id(text: &str) -> anyhow::Result<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-[]".contains(&byte);
    let is_id = !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(is_plain);
    ensure!(is_id, "{text:?} is no id that this bank takes");
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_mode_side_and_step() {
        assert_eq!(route("/tcc/debit/try"), Some((Mode::Tcc, Side::Debit, Step::Try)));
        assert_eq!(route("/xa/credit/rollback"), Some((Mode::Xa, Side::Credit, Step::Rollback)));
        for bad in ["", "/", "/tcc/debit", "/tcc/debit/try/x", "/tcc/debit/commit", "/saga/gift/action"] {
            assert_eq!(route(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_could_break_out_of_its_quotes_is_refused() {
        assert!(id("127.0.0.1:8091:123").is_ok() && id("[::1]:8091:123").is_ok());
        for bad in ["", "a'b", "a b", "a\\", "ü", &"a".repeat(65)] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_without_an_id_or_an_amount_are_refused() {
        let read = |names: &[&'static str], body: &str, step| {
            let headers: HeaderMap =
                names.iter().map(|&name| (name.parse().unwrap(), "x".parse().unwrap())).collect();
            Order::read((Mode::Tcc, Side::Debit, step), &headers, body.as_bytes()).ok()
        };
        let both = ["synod-xid", "synod-branch"];
        assert_eq!(read(&both, "{\"amount\":3}", Step::Try).unwrap().amount, 3);
        assert!(read(&both, "{\"amount\":-3}", Step::Try).is_none());
        assert!(read(&both, "", Step::Try).is_none());
        assert!(read(&["synod-xid"], "{\"amount\":3}", Step::Try).is_none());
        assert!(read(&["synod-branch"], "{\"amount\":3}", Step::Try).is_none());
        assert_eq!(read(&["synod-xid"], "", Step::Check).unwrap().branch, INITIATOR);
    }
}
