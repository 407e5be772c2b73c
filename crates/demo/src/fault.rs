//! What fails during a transfer, and what is to come of it.

use clap::ValueEnum;

use crate::args::Mode;
use crate::database::Dialect;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// There is not enough money at bank A.
    Debit,
    /// The account at bank B is closed.
    Credit,
    /// The coordinator is killed at this point, and started again.
    Coordinator(Point),
    /// The service of bank B is killed before it is called, and started again.
    Participant,
}

/// When the coordinator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Point {
    /// When something has happened, but nothing is decided
    Prepare,
    /// When it is decided, but nobody has acted on it
    Decide,
}

impl Fault {
    pub(crate) const ALL: [Self; 6] = [
        Self::None,
        Self::Debit,
        Self::Credit,
        Self::Coordinator(Point::Prepare),
        Self::Coordinator(Point::Decide),
        Self::Participant,
    ];

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::None => "nothing fails",
            Self::Debit => "bank A has not enough money",
            Self::Credit => "the account at bank B is closed",
            Self::Coordinator(Point::Prepare) => "the coordinator is killed before it decides",
            Self::Coordinator(Point::Decide) => "the coordinator is killed after it decided",
            Self::Participant => "bank B is killed, and back later",
        }
    }

    /// How the transfer is to end. Whoever gets a message cannot refuse it: it comes again until the account is open.
    pub(crate) fn expected(self, mode: Mode) -> &'static str {
        match self {
            Self::Debit => "rolled_back",
            Self::Credit if mode != Mode::Message => "rolled_back",
            _ => "committed",
        }
    }
}

/// Why a mode cannot be shown with these databases.
pub(crate) fn unsuited(mode: Mode, dialects: [Dialect; 2]) -> Option<&'static str> {
    (mode == Mode::Xa && dialects.contains(&Dialect::Sqlite))
        .then_some("XA needs databases that can prepare a transaction; SQLite cannot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_those_who_may_refuse_turns_back() {
        for mode in Mode::ALL {
            for fault in Fault::ALL {
                let turns = fault == Fault::Debit || fault == Fault::Credit && mode != Mode::Message;
                assert_eq!(fault.expected(mode) == "rolled_back", turns, "{mode:?} {fault:?}");
            }
        }
    }

    #[test]
    fn xa_needs_two_databases_that_have_it() {
        let real = [Dialect::Postgres, Dialect::MariaDb];
        assert_eq!(unsuited(Mode::Xa, real), None);
        assert!(unsuited(Mode::Xa, [Dialect::Postgres, Dialect::Sqlite]).is_some());
        assert_eq!(unsuited(Mode::Tcc, [Dialect::Sqlite; 2]), None);
    }
}
