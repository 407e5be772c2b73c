//! Whether a transfer has kept its promise, judged by what both databases hold and by nothing that anybody says.

use crate::books::Balance;
use crate::fault::Outcome;

/// What was found after a transfer.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) amount: i64,
    /// Of bank A and bank B.
    pub(crate) before: [Balance; 2],
    pub(crate) after: [Balance; 2],
    /// What Synod says of the transaction, and what it should have come to.
    pub(crate) outcome: Outcome,
    pub(crate) expected: Outcome,
}

/// The money of both banks.
pub(crate) fn total(accounts: &[Balance]) -> i64 {
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
        if self.outcome != self.expected {
            let (outcome, expected) = (self.outcome.words(), self.expected.words());
            found.push(format!("the transaction is {outcome}, and should be {expected}"));
        }
        let moved = if self.outcome == Outcome::Committed { self.amount } else { 0 };
        let [a, b] = self.before.map(|account| account.balance);
        if self.after.map(|account| account.balance) != [a - moved, b + moved] {
            found.push(format!("of {} transferred, {moved} should have moved", self.amount));
        }
        for (account, name) in self.after.iter().zip(["A", "B"]) {
            if account.frozen != 0 || account.incoming != 0 {
                let Balance { frozen, incoming, .. } = account;
                found.push(format!("bank {name} still has {frozen} frozen and awaits {incoming}"));
            }
            if account.prepared != 0 {
                found.push(format!("bank {name} still has {} prepared transactions", account.prepared));
            }
            if account.undo != 0 {
                found.push(format!("bank {name} still has {} undo logs", account.undo));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(balance: i64) -> Balance {
        Balance { balance, ..Balance::default() }
    }

    fn verdict(a: Balance, b: Balance, outcome: Outcome) -> Vec<String> {
        let before = [account(400), account(200)];
        Verdict { amount: 100, before, after: [a, b], outcome, expected: Outcome::Committed }.breaches()
    }

    #[test]
    fn money_that_moved_whole_is_right() {
        assert_eq!(verdict(account(300), account(300), Outcome::Committed), [""; 0]);
    }

    #[test]
    fn each_breach_is_told() {
        let told = |a, b, outcome, part: &str| {
            let found = verdict(a, b, outcome);
            assert!(found.iter().any(|breach| breach.contains(part)), "{found:?}");
        };
        told(account(300), account(200), Outcome::Committed, "together they had 600, and now have 500");
        told(account(400), account(200), Outcome::Committed, "100 should have moved");
        told(account(300), account(300), Outcome::RolledBack, "0 should have moved");
        told(account(400), account(200), Outcome::RolledBack, "should be committed");
        told(account(300), account(300), Outcome::Other, "should be committed");
        let held = Balance { frozen: 100, ..account(300) };
        told(held, account(300), Outcome::Committed, "bank A still has 100 frozen");
        let awaits = Balance { incoming: 100, ..account(300) };
        told(account(300), awaits, Outcome::Committed, "bank B still has 0 frozen and awaits 100");
        let prepared = Balance { prepared: 1, ..account(300) };
        told(account(300), prepared, Outcome::Committed, "1 prepared");
    }
}
