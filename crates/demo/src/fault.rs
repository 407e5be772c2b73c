//! What fails during a transfer, and what is to come of it.

use clap::ValueEnum;
use synod_client::native::Standing;

use crate::database::Dialect;
use crate::mode::Mode;

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
    pub(crate) fn expected(self, mode: Mode) -> Outcome {
        match self {
            // The order was refused before anybody heard of it.
            Self::Debit if mode == Mode::Outbox => Outcome::NeverBegun,
            Self::Debit => Outcome::RolledBack,
            Self::Credit if !mode.is_told() => Outcome::RolledBack,
            _ => Outcome::Committed,
        }
    }
}

/// How a transfer has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    RolledBack,
    NeverBegun,
    /// None of these (yet).
    Other,
}

impl Outcome {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled back",
            Self::NeverBegun => "never begun",
            Self::Other => "undecided",
        }
    }
}

impl From<Standing> for Outcome {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Committed => Self::Committed,
            Standing::RolledBack => Self::RolledBack,
            _ => Self::Other,
        }
    }
}

/// Why a mode cannot be shown with these databases and this coordinator.
pub(crate) fn unsuited(mode: Mode, dialects: [Dialect; 2], faces: Faces) -> Option<&'static str> {
    let is_sqlite = dialects.contains(&Dialect::Sqlite);
    match mode {
        Mode::Xa if is_sqlite => Some("XA needs databases that can prepare a transaction; SQLite cannot"),
        Mode::At | Mode::Mixed | Mode::MixedNative if is_sqlite => {
            Some("AT needs statements that the SDK knows how to undo; those of SQLite it does not")
        }
        Mode::At if !faces.seata => Some("AT needs the node's address for Seata: --seata"),
        Mode::Mixed | Mode::MixedNative if !(faces.seata && faces.dtm) => {
            Some("a mixed transaction needs the node's addresses for Seata and dtm: --seata and --dtm")
        }
        _ => None,
    }
}

/// Which of a node's other listeners are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faces {
    pub(crate) seata: bool,
    pub(crate) dtm: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_those_who_may_refuse_turns_back() {
        for mode in Mode::ALL {
            for fault in Fault::ALL {
                let turns = fault == Fault::Debit || fault == Fault::Credit && !mode.is_told();
                assert_eq!(fault.expected(mode) == Outcome::Committed, !turns, "{mode:?} {fault:?}");
            }
        }
        assert_eq!(Fault::Debit.expected(Mode::Outbox), Outcome::NeverBegun);
    }

    #[test]
    fn what_a_mode_needs_is_said() {
        let (real, all) = ([Dialect::Postgres, Dialect::MariaDb], Faces { seata: true, dtm: true });
        for mode in Mode::ALL {
            assert_eq!(unsuited(mode, real, all), None);
        }
        let half = [Dialect::Postgres, Dialect::Sqlite];
        for mode in [Mode::Xa, Mode::At, Mode::Mixed, Mode::MixedNative] {
            assert!(unsuited(mode, half, all).is_some());
        }
        for mode in [Mode::Tcc, Mode::Saga, Mode::Message, Mode::Outbox] {
            assert_eq!(unsuited(mode, [Dialect::Sqlite; 2], all), None);
        }
        let some = Faces { seata: true, dtm: false };
        assert_eq!(unsuited(Mode::At, real, some), None);
        assert!(unsuited(Mode::Mixed, real, some).is_some());
    }
}
