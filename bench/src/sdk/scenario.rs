//! Which rows there are: who transfers, in which way, between how many accounts, and how many clients at once.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Options;
use crate::coordinator::System;
use crate::suite;

/// Accounts of each of the two banks.
pub(super) const MANY: u64 = 10_000;
/// Of these the ones that are used where clients contend for them.
const HOT: u64 = 16;
const CLIENTS: [usize; 3] = [1, 8, 32];
/// Where accounts are contended for; one client contends with nobody.
const HOT_CLIENTS: usize = 32;

/// Who transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// The SDK in this process, with Synod.
    Sdk,
    /// Seata's Java client, with Seata's own server.
    JavaSeata,
    /// Seata's Java client, with Synod.
    JavaSynod,
}

impl By {
    pub(super) fn is_java(self) -> bool {
        self != Self::Sdk
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Sdk => "",
            Self::JavaSeata => "java-",
            Self::JavaSynod => "java-synod-",
        }
    }
}

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    Plain,
    Barrier,
    Outbox,
    Message,
    Saga,
    Tcc,
    Xa,
    At,
}

impl Way {
    const ALL: [Self; 8] =
        [Self::Plain, Self::Barrier, Self::Outbox, Self::Message, Self::Saga, Self::Tcc, Self::Xa, Self::At];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Barrier => "barrier",
            Self::Outbox => "outbox",
            Self::Message => "message",
            Self::Saga => "saga",
            Self::Tcc => "tcc",
            Self::Xa => "xa",
            Self::At => "at",
        }
    }

    /// In words.
    fn text(self) -> &'static str {
        match self {
            Self::Plain => "plain: two local transactions",
            Self::Barrier => "the same, each with a barrier's row",
            Self::Outbox => "outbox, its relay, delivery",
            Self::Message => "two-phase message",
            Self::Saga => "saga, driven by the coordinator",
            Self::Tcc => "TCC",
            Self::Xa => "XA",
            Self::At => "AT",
        }
    }
}

/// What makes one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) by: By,
    pub(super) way: Way,
    /// Whether clients contend for accounts.
    pub(super) is_hot: bool,
    pub(super) clients: usize,
}

/// What a row is compared with: the plain one of the same language, accounts and clients.
pub(super) type BaseKey = (bool, bool, usize);

/// Those of one JVM, which is used for all of them, stand together.
fn all() -> Vec<Scenario> {
    let java = [Way::Plain, Way::Xa, Way::At];
    let by = [(By::Sdk, &Way::ALL[..]), (By::JavaSeata, &java[..]), (By::JavaSynod, &java[1..])];
    by.into_iter().flat_map(|(by, ways)| ways.iter().flat_map(move |&way| of(by, way))).collect()
}

fn of(by: By, way: Way) -> impl Iterator<Item = Scenario> {
    let is_measured_hot = match way {
        Way::Plain | Way::At => true,
        Way::Tcc | Way::Xa => by == By::Sdk,
        Way::Barrier | Way::Outbox | Way::Message | Way::Saga => false,
    };
    let many = CLIENTS.map(|clients| Scenario { by, way, is_hot: false, clients });
    let hot = Scenario { by, way, is_hot: true, clients: HOT_CLIENTS };
    many.into_iter().chain(is_measured_hot.then_some(hot))
}

/// Where a row stands among all.
pub(super) fn position(id: &str) -> usize {
    all().iter().position(|scenario| scenario.id() == id).unwrap_or(usize::MAX)
}

/// The scenarios that the options ask for, and those that they are compared with.
///
/// # Errors
/// When a name of `--only` is no row.
pub(super) fn selected(options: &Options) -> Result<Vec<Scenario>> {
    let mut chosen = suite::chosen(all(), |scenario| scenario.id(), &options.only)?;
    chosen.retain(|scenario| !(options.no_java && scenario.by.is_java()));
    let is_base = |scenario: &Scenario| {
        scenario.is_plain() && chosen.iter().any(|chosen| chosen.base() == scenario.base())
    };
    Ok(all().into_iter().filter(|scenario| chosen.contains(scenario) || is_base(scenario)).collect())
}

impl Scenario {
    pub(super) fn id(self) -> String {
        let hot = if self.is_hot { "hot-" } else { "" };
        format!("{}{hot}{}@{}", self.by.prefix(), self.way.id(), self.clients)
    }

    /// In words.
    pub(super) fn text(self) -> String {
        let who = match self.by {
            By::Sdk => "Rust",
            By::JavaSeata | By::JavaSynod => "Java",
        };
        let hot = if self.is_hot { format!("; {HOT} contended accounts") } else { String::new() };
        format!("{who}, {}{hot}", self.way.text())
    }

    /// Who coordinates; nobody where there is nothing to.
    pub(super) fn coordinator(self) -> Option<System> {
        match (self.way, self.by) {
            (Way::Plain | Way::Barrier, _) => None,
            (_, By::Sdk | By::JavaSynod) => Some(System::Synod),
            (_, By::JavaSeata) => Some(System::SeataAsync),
        }
    }

    pub(super) fn is_plain(self) -> bool {
        self.way == Way::Plain
    }

    pub(super) fn base(self) -> BaseKey {
        (self.by.is_java(), self.is_hot, self.clients)
    }

    /// How many accounts of each bank are used.
    pub(super) fn accounts(self) -> u64 {
        if self.is_hot { HOT } else { MANY }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn ids(arguments: &str) -> Result<Vec<String>> {
        let options = Arguments::parse_from(format!("bench {arguments}").split_whitespace()).options;
        Ok(selected(&options)?.into_iter().map(Scenario::id).collect())
    }

    #[test]
    fn what_is_chosen_comes_with_what_it_is_compared_with() {
        assert_eq!(ids("--only tcc@8").unwrap(), ["plain@8", "tcc@8"]);
        assert_eq!(ids("--only hot-at").unwrap(), ["hot-plain@32", "hot-at@32"]);
        assert_eq!(ids("--only java-synod-at@1").unwrap(), ["java-plain@1", "java-synod-at@1"]);
        assert_eq!(ids("--only plain@1,java-at@1 --no-java").unwrap(), ["plain@1"]);
        assert!(ids("--only nothing").is_err());
    }

    #[test]
    fn ids_are_unique_and_have_a_place() {
        let places: Vec<_> = ids("").unwrap().iter().map(|id| position(id)).collect();
        assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
        assert_eq!(position("gone@1"), usize::MAX);
    }
}
