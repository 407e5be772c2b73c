//! What each step does to the account: one statement, whose every `?` is the amount. That it is about no row means that the bank
//! does not agree.

use super::order::{Side, Step};

/// A change of the account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting {
    pub(super) sql: &'static str,
    /// What has happened then.
    pub(super) done: &'static str,
    /// Why it has not.
    pub(super) refused: &'static str,
}

const POOR: &str = "not enough money";
const CLOSED: &str = "the account is closed";

const fn posting(sql: &'static str, done: &'static str, refused: &'static str) -> Posting {
    Posting { sql, done, refused }
}

const TAKE: Posting = posting(
    "update synod_demo_account set balance = balance - ? where closed = 0 and balance - frozen >= ?",
    "takes",
    POOR,
);
const BRING: Posting =
    posting("update synod_demo_account set balance = balance + ? where closed = 0", "adds", CLOSED);
const GIVE_BACK: Posting =
    posting("update synod_demo_account set balance = balance + ?", "gives back", CLOSED);
const TAKE_BACK: Posting =
    posting("update synod_demo_account set balance = balance - ?", "takes back", CLOSED);
const FREEZE: Posting = posting(
    "update synod_demo_account set frozen = frozen + ? where closed = 0 and balance - frozen >= ?",
    "freezes",
    POOR,
);
const TAKE_FROZEN: Posting = posting(
    "update synod_demo_account set balance = balance - ?, frozen = frozen - ?",
    "takes the frozen",
    POOR,
);
const UNFREEZE: Posting =
    posting("update synod_demo_account set frozen = frozen - ?", "frees the frozen", POOR);
const AWAIT: Posting = posting(
    "update synod_demo_account set incoming = incoming + ? where closed = 0",
    "makes ready to add",
    CLOSED,
);
const BRING_AWAITED: Posting = posting(
    "update synod_demo_account set balance = balance + ?, incoming = incoming - ?",
    "adds the awaited",
    CLOSED,
);
const UNAWAIT: Posting =
    posting("update synod_demo_account set incoming = incoming - ?", "no longer awaits", CLOSED);

impl Posting {
    /// Of a step; of those that post nothing by themselves none.
    pub(super) const fn of(side: Side, step: Step) -> Option<Self> {
        Some(match (side, step) {
            (Side::Debit, Step::Prepare | Step::Action | Step::Send | Step::Deliver) => TAKE,
            (Side::Credit, Step::Prepare | Step::Action | Step::Send | Step::Deliver) => BRING,
            (Side::Debit, Step::Compensate) => GIVE_BACK,
            (Side::Credit, Step::Compensate) => TAKE_BACK,
            (Side::Debit, Step::Try) => FREEZE,
            (Side::Debit, Step::Confirm) => TAKE_FROZEN,
            (Side::Debit, Step::Cancel) => UNFREEZE,
            (Side::Credit, Step::Try) => AWAIT,
            (Side::Credit, Step::Confirm) => BRING_AWAITED,
            (Side::Credit, Step::Cancel) => UNAWAIT,
            (_, Step::Commit | Step::Rollback | Step::Check) => return None,
        })
    }

    /// How often the amount stands in the statement.
    pub(super) fn marks(&self) -> usize {
        self.sql.matches('?').count()
    }
}
