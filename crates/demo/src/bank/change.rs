//! What each step does to an account: one statement. That it is about no row means that the bank does not agree.

use synod_client::sql::Op;

use super::posting::{Posting, Side};
use super::vault::Dialect;

/// A change of an account. `:amount` and `:account` stand for what a posting says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    sql: &'static str,
    /// What has happened then.
    pub(super) done: &'static str,
    /// Why it has not.
    pub(super) refused: &'static str,
}

const POOR: &str = "not enough money";
const CLOSED: &str = "the account is closed";

const fn change(sql: &'static str, done: &'static str, refused: &'static str) -> Change {
    Change { sql, done, refused }
}

const TAKE: Change = change(
    "update synod_demo_account set balance = balance - :amount \
     where id = :account and closed = 0 and balance - frozen >= :amount",
    "takes",
    POOR,
);
const BRING: Change = change(
    "update synod_demo_account set balance = balance + :amount where id = :account and closed = 0",
    "adds",
    CLOSED,
);
const GIVE_BACK: Change = change(
    "update synod_demo_account set balance = balance + :amount where id = :account",
    "gives back",
    CLOSED,
);
const TAKE_BACK: Change = change(
    "update synod_demo_account set balance = balance - :amount where id = :account",
    "takes back",
    CLOSED,
);
const FREEZE: Change = change(
    "update synod_demo_account set frozen = frozen + :amount \
     where id = :account and closed = 0 and balance - frozen >= :amount",
    "freezes",
    POOR,
);
const TAKE_FROZEN: Change = change(
    "update synod_demo_account set balance = balance - :amount, frozen = frozen - :amount where id = :account",
    "takes the frozen",
    POOR,
);
const UNFREEZE: Change = change(
    "update synod_demo_account set frozen = frozen - :amount where id = :account",
    "frees the frozen",
    POOR,
);
const AWAIT: Change = change(
    "update synod_demo_account set incoming = incoming + :amount where id = :account and closed = 0",
    "makes ready to add",
    CLOSED,
);
const BRING_AWAITED: Change = change(
    "update synod_demo_account set balance = balance + :amount, incoming = incoming - :amount \
     where id = :account",
    "adds the awaited",
    CLOSED,
);
const UNAWAIT: Change = change(
    "update synod_demo_account set incoming = incoming - :amount where id = :account",
    "no longer awaits",
    CLOSED,
);

impl Change {
    /// Of a step; of those that change nothing by themselves none.
    pub(super) const fn of(side: Side, op: Op) -> Option<Self> {
        Some(match (side, op) {
            (Side::Debit, Op::Prepare | Op::Action | Op::Send) => TAKE,
            (Side::Credit, Op::Prepare | Op::Action | Op::Deliver) => BRING,
            (Side::Debit, Op::Compensate) => GIVE_BACK,
            (Side::Credit, Op::Compensate) => TAKE_BACK,
            (Side::Debit, Op::Try) => FREEZE,
            (Side::Debit, Op::Confirm) => TAKE_FROZEN,
            (Side::Debit, Op::Cancel) => UNFREEZE,
            (Side::Credit, Op::Try) => AWAIT,
            (Side::Credit, Op::Confirm) => BRING_AWAITED,
            (Side::Credit, Op::Cancel) => UNAWAIT,
            _ => return None,
        })
    }

    /// The statement as a database takes it, and what is to be bound to it.
    pub(super) fn bound(self, dialect: Dialect, posting: Posting) -> (String, Vec<i64>) {
        let (mut sql, mut values) = (String::new(), Vec::new());
        let mut rest = self.sql;
        while let Some((before, after)) = rest.split_once(':') {
            let (value, after) = match after.strip_prefix("amount") {
                Some(after) => (posting.amount, after),
                None => (posting.account, after.trim_start_matches("account")),
            };
            values.push(value);
            sql += before;
            match dialect {
                Dialect::Postgres => sql += &format!("${}", values.len()),
                Dialect::MariaDb | Dialect::Sqlite => sql += "?",
            }
            rest = after;
        }
        (sql + rest, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_bound_as_each_database_wants_it() {
        let posting = Posting { account: 7, amount: 100 };
        let (sql, values) = TAKE.bound(Dialect::Postgres, posting);
        assert_eq!(
            sql,
            "update synod_demo_account set balance = balance - $1 \
             where id = $2 and closed = 0 and balance - frozen >= $3"
        );
        assert_eq!(values, [100, 7, 100]);
        let (sql, values) = UNAWAIT.bound(Dialect::MariaDb, posting);
        assert_eq!(sql, "update synod_demo_account set incoming = incoming - ? where id = ?");
        assert_eq!(values, [100, 7]);
    }
}
