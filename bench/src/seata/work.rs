//! What one transaction is, and what its client says.

use serde::{Deserialize, Serialize};
use synod_wire::seata::{BranchRegister, BranchType, GlobalBegin, GlobalEnd, Request, Text};

use crate::mix::scattered;

/// Rows that clients contend for, at each of the two databases.
const HOT_ROWS: u64 = 16;
/// Time that a transaction may take.
const TIMEOUT_MS: i32 = 60_000;
/// The resources of a transaction's branches, which every client serves.
const DATABASES: [&str; 2] = ["jdbc:mysql://db1.bench:3306/accounts", "jdbc:mysql://db2.bench:3306/accounts"];
const ACTIONS: [&str; 2] = ["benchDebit", "benchCredit"];
/// As Java's client writes it for a statement in a transaction of its own.
const AT_DATA: &str = r#"{"autoCommit":true}"#;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    /// Begin, commit.
    Empty,
    /// Two TCC branches.
    Tcc,
    /// Two AT branches, each with a row that nobody else wants.
    At,
    /// Two AT branches, each with one of [`HOT_ROWS`] rows.
    Hot,
}

impl Work {
    pub(super) const ALL: [Self; 4] = [Self::Empty, Self::Tcc, Self::At, Self::Hot];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Tcc => "tcc",
            Self::At => "at",
            Self::Hot => "hot",
        }
    }

    /// In words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Empty => "empty: begin, commit",
            Self::Tcc => "TCC, two branches",
            Self::At => "AT, two branches, a row of its own each",
            Self::Hot => "AT, two branches, each on one of 16 contended rows",
        }
    }

    pub(super) fn branches(self) -> usize {
        if self == Self::Empty { 0 } else { DATABASES.len() }
    }

    /// What a client has to wait for, one after the other, until its commit is answered: each of its requests, and of TCC
    /// branches the server's own, too.
    pub(super) fn round_trips(self) -> usize {
        let of_phase_two = if self == Self::Tcc { self.branches() } else { 0 };
        2 + self.branches() + of_phase_two
    }

    /// Of these, those before whose answer something must be durable: that it began, each branch, the decision.
    pub(super) fn flushes(self) -> usize {
        2 + self.branches()
    }

    /// Who gives up before the rows are free is rolled back; nobody else.
    pub(super) fn may_roll_back(self) -> bool {
        self == Self::Hot
    }

    pub(super) fn begin() -> Request {
        Request::GlobalBegin(GlobalBegin { timeout_ms: TIMEOUT_MS, name: Text::from_static("bench") })
    }

    /// Enlists a branch of the transaction with this number, which is nobody else's.
    pub(super) fn branch(self, branch: usize, number: u64, xid: Text) -> Request {
        let (branch_type, resources, application_data) = match self {
            Self::Tcc => (BranchType::Tcc, ACTIONS, context(ACTIONS[branch], number)),
            _ => (BranchType::At, DATABASES, Text::from_static(AT_DATA)),
        };
        let lock_key = match self {
            Self::Empty | Self::Tcc => Text::EMPTY,
            Self::At => format!("account:{number}").into(),
            Self::Hot => format!(
                "account:{}",
                scattered(number.wrapping_mul(2).wrapping_add(branch as u64)) % HOT_ROWS
            )
            .into(),
        };
        let resource_id = Text::from_static(resources[branch]);
        Request::BranchRegister(BranchRegister { xid, branch_type, resource_id, lock_key, application_data })
    }

    pub(super) fn end(xid: Text) -> GlobalEnd {
        GlobalEnd { xid, extra_data: Text::EMPTY }
    }
}

/// All resources, as a client registers them.
pub(super) fn resources() -> Text {
    format!("{},{}", DATABASES.join(","), ACTIONS.join(",")).into()
}

/// What Java's client keeps for an action, with one argument.
fn context(action: &str, number: u64) -> Text {
    let of_action = r#""action-start-time":1795292224314,"host-name":"192.0.2.2","useTCCFence":false"#;
    let methods = r#""sys::prepare":"prepare","sys::commit":"commit","sys::rollback":"rollback""#;
    format!(r#"{{"actionContext":{{{of_action},{methods},"actionName":"{action}","account":{number}}}}}"#)
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(work: Work, numbers: std::ops::Range<u64>) -> Vec<String> {
        let branches = numbers.flat_map(|number| [0, 1].map(|branch| (number, branch)));
        let key = |(number, branch)| match work.branch(branch, number, Text::EMPTY) {
            Request::BranchRegister(branch) => format!("{} {}", branch.resource_id, branch.lock_key),
            other => panic!("{other:?}"),
        };
        branches.map(key).collect()
    }

    #[test]
    fn rows_are_ones_own_or_contended() {
        let distinct = |keys: Vec<String>| keys.into_iter().collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(keys(Work::At, 0..1000)), 2000);
        assert_eq!(distinct(keys(Work::Hot, 0..1000)), 32);
        assert_eq!(distinct(keys(Work::Tcc, 0..1000)), 2, "no rows");
    }

    #[test]
    fn a_contexts_text_is_json() {
        let context = context("benchDebit", 17);
        let value: serde_json::Value = serde_json::from_str(&context).unwrap();
        assert_eq!(value["actionContext"]["account"], 17);
    }

    #[test]
    fn what_is_waited_for_is_counted() {
        assert_eq!(Work::ALL.map(Work::round_trips), [2, 6, 4, 4]);
        assert_eq!(Work::ALL.map(Work::flushes), [2, 4, 4, 4]);
    }
}
