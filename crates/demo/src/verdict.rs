//! Whether a transfer has kept its promise, judged by what both databases hold and by nothing that anybody says.

use crate::books::Account;

/// What was found after a transfer.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) amount: i64,
    /// Of bank A and bank B.
    pub(crate) before: [Account; 2],
    pub(crate) after: [Account; 2],
    /// What Synod says of the transaction, and what it should have come to.
    pub(crate) status: String,
    pub(crate) expected: &'static str,
}

/// The money of both banks.
pub(crate) fn total(accounts: &[Account]) -> i64 {
    accounts.iter().map(|account| account.balance).sum()
}

impl Verdict {
    /// Everything that is wrong.
    pub(crate) fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        let (before, after) = (total(&self.before), total(&self.after));
        if before != after {
            found.push(format!("together they had {before}, and now have {after}"));
        }
        if self.status != self.expected {
            found.push(format!("the transaction is {}, and should be {}", self.status, self.expected));
        }
        let moved = if self.status == "committed" { self.amount } else { 0 };
        let [a, b] = self.before.map(|account| account.balance);
        if self.after.map(|account| account.balance) != [a - moved, b + moved] {
            found.push(format!("of {} transferred, {moved} should have moved", self.amount));
        }
        for (account, name) in self.after.iter().zip(["A", "B"]) {
            if account.frozen != 0 || account.incoming != 0 {
                let Account { frozen, incoming, .. } = account;
                found.push(format!("bank {name} still has {frozen} frozen and awaits {incoming}"));
            }
            if account.prepared != 0 {
                found.push(format!("bank {name} still has {} prepared transactions", account.prepared));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(balance: i64) -> Account {
        Account { balance, ..Account::default() }
    }

    fn verdict(a: Account, b: Account, status: &str) -> Vec<String> {
        let before = [account(400), account(200)];
        Verdict { amount: 100, before, after: [a, b], status: status.to_owned(), expected: "committed" }
            .breaches()
    }

    #[test]
    fn money_that_moved_whole_is_right() {
        assert_eq!(verdict(account(300), account(300), "committed"), [""; 0]);
    }

    #[test]
    fn each_breach_is_told() {
        let told = |a, b, status, part: &str| {
            let found = verdict(a, b, status);
            assert!(found.iter().any(|breach| breach.contains(part)), "{found:?}");
        };
        told(account(300), account(200), "committed", "together they had 600, and now have 500");
        told(account(400), account(200), "committed", "100 should have moved");
        told(account(300), account(300), "rolled_back", "0 should have moved");
        told(account(400), account(200), "rolled_back", "should be committed");
        told(account(300), account(300), "committing", "should be committed");
        let held = Account { frozen: 100, ..account(300) };
        told(held, account(300), "committed", "bank A still has 100 frozen");
        let awaits = Account { incoming: 100, ..account(300) };
        told(account(300), awaits, "committed", "bank B still has 0 frozen and awaits 100");
        let prepared = Account { prepared: 1, ..account(300) };
        told(account(300), prepared, "committed", "1 prepared");
    }
}
