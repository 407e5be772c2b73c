//! What is known of all transfers, and what every account should have because of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::{ACCOUNTS, Plan};
use crate::books::Balance;
use crate::say::Say;

/// What each account holds before.
pub(super) const MONEY: i64 = 10_000;

/// What is known of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Moved,
    NotMoved,
    /// Only Synod knows, under this id; if it has never heard of it, it has not happened.
    Ask(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Vec<(Plan, Known)>>);

/// What was found in the end.
#[derive(Debug)]
pub(super) struct Left {
    /// What each account of each bank holds.
    pub(super) accounts: [Vec<i64>; 2],
    pub(super) banks: [Balance; 2],
    /// Of the coordinator: transactions that have not ended, and rows that are locked.
    pub(super) open: u64,
    pub(super) locks: u64,
    /// Messages that nobody has given to Synod.
    pub(super) waiting: [usize; 2],
}

impl Left {
    /// Whether nothing is left over.
    pub(super) fn is_calm(&self) -> bool {
        let is_clean =
            |bank: &Balance| (bank.frozen, bank.incoming, bank.prepared, bank.undo) == (0, 0, 0, 0);
        self.banks.iter().all(is_clean) && (self.open, self.locks, self.waiting) == (0, 0, [0, 0])
    }
}

impl Ledger {
    fn all(&self) -> MutexGuard<'_, Vec<(Plan, Known)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, plan: Plan, known: Known) {
        self.all().push((plan, known));
    }

    pub(super) fn summary(&self) -> String {
        let all = self.all();
        let count = |wanted: fn(&Known) -> bool| all.iter().filter(|(_, known)| wanted(known)).count();
        let (moved, not) = (count(|known| *known == Known::Moved), count(|known| *known == Known::NotMoved));
        format!(
            "{} transfers: {moved} committed, {not} not, {} to be asked for",
            all.len(),
            all.len() - moved - not
        )
    }

    /// The ids of those of which only Synod knows.
    pub(super) fn unknown(&self) -> Vec<String> {
        let id = |(_, known): &(Plan, Known)| match known {
            Known::Ask(id) => Some(id.clone()),
            Known::Moved | Known::NotMoved => None,
        };
        self.all().iter().filter_map(id).collect()
    }

    /// What Synod has said of one of them.
    pub(super) fn learn(&self, id: &str, known: &Known) {
        for (_, before) in self.all().iter_mut() {
            if matches!(before, Known::Ask(asked) if asked == id) {
                before.clone_from(known);
            }
        }
    }

    /// What every account should have.
    fn expected(&self) -> [Vec<i64>; 2] {
        let mut accounts = [0, 1].map(|_| vec![MONEY; usize::try_from(ACCOUNTS).unwrap_or(0)]);
        let at = |account: i64| usize::try_from(account).unwrap_or(usize::MAX);
        for (plan, _) in self.all().iter().filter(|(_, known)| *known == Known::Moved) {
            for part in &plan.take {
                accounts[plan.from][at(part.posting.account)] -= part.posting.amount;
            }
            accounts[plan.to()][at(plan.bring.posting.account)] += plan.bring.posting.amount;
        }
        accounts
    }

    /// Everything that is wrong.
    pub(super) fn breaches(&self, left: &Left) -> Vec<String> {
        let mut found = Vec::new();
        let unknown = self.unknown();
        if let Some(one) = unknown.first() {
            found.push(format!("{} transfers have no outcome, {one} for example", unknown.len()));
        }
        let (before, after) = (2 * ACCOUNTS * MONEY, left.accounts.iter().flatten().sum::<i64>());
        if before != after {
            found.push(format!("together they had {before}, and now have {after}"));
        }
        for ((expected, has), name) in self.expected().iter().zip(&left.accounts).zip(["A", "B"]) {
            for (account, (expected, has)) in expected.iter().zip(has).enumerate() {
                if expected != has {
                    found.push(format!(
                        "account {account} of bank {name} has {has}, and should have {expected}"
                    ));
                }
            }
        }
        for ((bank, waiting), name) in left.banks.iter().zip(left.waiting).zip(["A", "B"]) {
            let Balance { frozen, incoming, prepared, undo, .. } = bank;
            let rest = [
                (*frozen, "frozen"),
                (*incoming, "awaited"),
                (number(*prepared), "prepared"),
                (number(*undo), "undo logs"),
                (number(waiting), "messages in its outbox"),
            ];
            found.extend(
                rest.iter()
                    .filter(|(count, _)| *count != 0)
                    .map(|(count, what)| format!("bank {name} still has {count} {what}")),
            );
        }
        if (left.open, left.locks) != (0, 0) {
            let Left { open, locks, .. } = left;
            found.push(format!("the coordinator still has {open} open transactions and {locks} locked rows"));
        }
        found
    }

    /// Shows what was found; whether it is right.
    pub(super) fn judge(&self, say: &Say, left: &Left) -> bool {
        let mut modes: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
        for (plan, known) in self.all().iter() {
            modes.entry(plan.mode.as_str()).or_default()[usize::from(*known != Known::Moved)] += 1;
        }
        say.text(&format!("\n{:<14}{:>10}{:>14}", "mode", "committed", "not committed"));
        for (mode, [moved, not]) in modes {
            say.text(&format!("{mode:<14}{moved:>10}{not:>14}"));
        }
        let breaches = self.breaches(left);
        for breach in &breaches {
            say.verdict(false, &format!("BROKEN: {breach}"));
        }
        if breaches.is_empty() {
            say.verdict(
                true,
                "kept: every account has what the committed transfers say, nothing is left over",
            );
        }
        breaches.is_empty()
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;

    fn left() -> Left {
        let accounts = [0, 1].map(|_| vec![MONEY; usize::try_from(ACCOUNTS).unwrap()]);
        Left { accounts, banks: [Balance::default(); 2], open: 0, locks: 0, waiting: [0, 0] }
    }

    fn plan() -> Plan {
        let mut random = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| Plan::random(&mut random, &[Mode::Tcc]))
            .find(|plan| plan.bring.posting.amount < MONEY)
            .unwrap()
    }

    #[test]
    fn what_was_committed_has_to_be_there() {
        let ledger = Ledger::default();
        assert_eq!(ledger.breaches(&left()), [""; 0]);
        let plan = plan();
        ledger.note(plan.clone(), Known::Moved);
        assert_eq!(ledger.breaches(&left()).len(), 2, "neither account has changed");
        let mut right = left();
        let at = |posting: crate::bank::Posting| usize::try_from(posting.account).unwrap();
        right.accounts[plan.from][at(plan.take[0].posting)] -= plan.take[0].posting.amount;
        assert_eq!(ledger.breaches(&right).len(), 2, "the total is wrong, and an account");
        right.accounts[plan.to()][at(plan.bring.posting)] += plan.bring.posting.amount;
        assert_eq!(ledger.breaches(&right), [""; 0]);
        ledger.note(plan, Known::NotMoved);
        assert_eq!(ledger.breaches(&right), [""; 0]);
    }

    #[test]
    fn what_is_left_over_is_told() {
        let ledger = Ledger::default();
        let told = |left: Left, part: &str| {
            assert!(!left.is_calm());
            let found = ledger.breaches(&left);
            assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
        };
        let bank = |bank: Balance| Left { banks: [Balance::default(), bank], ..left() };
        told(bank(Balance { frozen: 3, ..Balance::default() }), "bank B still has 3 frozen");
        told(bank(Balance { incoming: 3, ..Balance::default() }), "3 awaited");
        told(bank(Balance { prepared: 3, ..Balance::default() }), "3 prepared");
        told(bank(Balance { undo: 3, ..Balance::default() }), "3 undo logs");
        told(Left { waiting: [2, 0], ..left() }, "bank A still has 2 messages in its outbox");
        told(Left { open: 1, ..left() }, "1 open transactions");
        told(Left { locks: 1, ..left() }, "1 locked rows");
    }

    #[test]
    fn what_nobody_knows_is_asked_for() {
        let ledger = Ledger::default();
        ledger.note(plan(), Known::Ask("x".to_owned()));
        assert!(ledger.breaches(&left())[0].contains("x for example"));
        assert_eq!(ledger.unknown(), ["x"]);
        ledger.learn("x", &Known::NotMoved);
        assert_eq!(ledger.breaches(&left()), [""; 0]);
    }
}
