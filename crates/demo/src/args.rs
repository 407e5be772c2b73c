//! What can be typed.

use std::net::SocketAddr;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::fault::{Fault, Point};
use crate::mode::Mode;

/// Shows what Synod does.
#[derive(Debug, Parser)]
#[command(name = "synod-demo", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Transfer money between two banks with a database each, with faults to switch on
    Bank(Bank),
    /// Make transfers in all modes at once while services, databases and coordinator are killed, and look at what is left
    Chaos(Chaos),
    /// Run the service of one bank; `bank` starts two of them
    #[command(hide = true)]
    BankService(BankService),
}

/// Bank A has 400, bank B has 200, and 100 go from A to B. Whatever fails: together they have 600 before and after, either
/// both accounts have changed or none has, and nothing is left over. The exit code is 1 if that is not so.
#[derive(Debug, ClapArgs)]
pub(crate) struct Bank {
    /// How the two banks agree; may be repeated, all of them unless said
    #[arg(long, value_enum)]
    pub(crate) mode: Vec<Mode>,
    /// What fails; may be repeated, nothing unless said
    #[arg(long, value_enum)]
    pub(crate) fail: Vec<Failing>,
    /// Kill the coordinator with SIGKILL at this point, and start it again
    #[arg(long, value_enum, value_name = "POINT")]
    pub(crate) kill_coordinator_after: Option<Point>,
    /// The base URL of a node that runs already; one is started unless said
    #[arg(long, value_name = "URL")]
    pub(crate) synod: Option<String>,
    /// Where that node listens for Seata, as host:port; AT and mixed need it
    #[arg(long, value_name = "ADDRESS", requires = "synod")]
    pub(crate) seata: Option<String>,
    /// The base URL at which that node listens for dtm; mixed needs it
    #[arg(long, value_name = "URL", requires = "synod")]
    pub(crate) dtm: Option<String>,
    /// The database of bank A (`postgres://…`, `mysql://…`, `sqlite://…`); a PostgreSQL is started unless said
    #[arg(long, value_name = "URL")]
    pub(crate) bank_a: Option<String>,
    /// The database of bank B; a MariaDB is started unless said
    #[arg(long, value_name = "URL")]
    pub(crate) bank_b: Option<String>,
    /// Two SQLite files instead of database servers; without XA, AT and mixed, which take more
    #[arg(long, conflicts_with_all = ["bank_a", "bank_b"])]
    pub(crate) sqlite: bool,
    /// Keep everything running at the end, so that the console can be looked at
    #[arg(long)]
    pub(crate) stay: bool,
}

/// Two banks of many accounts, and transfers between them in both directions. Services, databases and the coordinator are killed
/// (SIGKILL) and started again, one or two at a time. In the end every account has what the transfers that were committed say, and
/// nothing is left over: nothing held, prepared, to be undone, locked or open. The exit code is 1 if that is not so.
#[derive(Debug, ClapArgs)]
pub(crate) struct Chaos {
    /// How long it goes on
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Transfers at a time
    #[arg(long, default_value_t = 8)]
    pub(crate) tellers: u64,
    /// Where chance begins; a new one each time unless said. (Threads and processes keep their own time: it is not the same run again)
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How the two banks agree; may be repeated, all of them unless said
    #[arg(long, value_enum)]
    pub(crate) mode: Vec<Mode>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BankService {
    #[arg(long)]
    pub(crate) database: String,
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// The coordinator's base URL
    #[arg(long)]
    pub(crate) synod: String,
    /// Where it listens for Seata
    #[arg(long)]
    pub(crate) seata: Option<String>,
    /// Its base URL for dtm
    #[arg(long)]
    pub(crate) dtm: Option<String>,
}

/// What can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Failing {
    /// Nothing
    None,
    /// There is not enough money at bank A
    Debit,
    /// The account at bank B is closed
    Credit,
    /// The coordinator is killed before it decides, and started again
    Coordinator,
    /// The service of bank B is killed before it is called, and started again
    Participant,
    /// Nothing, then each of the others, and the coordinator killed after it decided
    All,
}

impl Chaos {
    pub(crate) fn modes(&self) -> Vec<Mode> {
        Mode::chosen(&self.mode)
    }
}

impl Bank {
    pub(crate) fn modes(&self) -> Vec<Mode> {
        Mode::chosen(&self.mode)
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let point = self.kill_coordinator_after.map(Fault::Coordinator);
        if self.fail.is_empty() && point.is_none() {
            return vec![Fault::None];
        }
        let asked = |fault: &Fault| {
            let is_named = |failing: &Failing| match failing {
                Failing::None => *fault == Fault::None,
                Failing::Debit => *fault == Fault::Debit,
                Failing::Credit => *fault == Fault::Credit,
                Failing::Coordinator => *fault == Fault::Coordinator(Point::Prepare),
                Failing::Participant => *fault == Fault::Participant,
                Failing::All => true,
            };
            point == Some(*fault) || self.fail.iter().any(is_named)
        };
        Fault::ALL.into_iter().filter(asked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn bank(words: &[&str]) -> Option<Bank> {
        match Args::try_parse_from([&["synod-demo", "bank"], words].concat()).ok()?.command {
            Command::Bank(bank) => Some(bank),
            Command::Chaos(_) | Command::BankService(_) => None,
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn modes_and_faults_are_chosen() {
        let chosen = |words: &[&str]| bank(words).map(|bank| (bank.modes(), bank.faults()));
        assert_eq!(chosen(&[]), Some((Mode::ALL.to_vec(), vec![Fault::None])));
        let words = ["--mode", "tcc", "--fail", "credit"];
        assert_eq!(chosen(&words), Some((vec![Mode::Tcc], vec![Fault::Credit])));
        let words = ["--kill-coordinator-after", "decide"];
        assert_eq!(chosen(&words).unwrap().1, [Fault::Coordinator(Point::Decide)]);
        let words = ["--fail", "coordinator", "--kill-coordinator-after", "decide"];
        assert_eq!(chosen(&words).unwrap().1.len(), 2);
        assert_eq!(chosen(&["--fail", "all"]).unwrap().1, Fault::ALL);
        assert!(chosen(&["--mode", "luck"]).is_none() && chosen(&["--fail", "luck"]).is_none());
        assert!(chosen(&["--sqlite", "--bank-a", "sqlite://f"]).is_none());
    }
}
