//! Accounts in a database that Seata's clients work on, and what plain SQL sees of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::databases::{MariaDb, Postgres};
use crate::seata::SeataClient;
use crate::wait::wait_for;

/// Longest time for phase two of a decided transaction.
const SETTLED: Duration = Duration::from_secs(20);

/// Seata's own scripts for the client's side, and the accounts.
const MARIADB_TABLES: &str = "use bank; create table undo_log(branch_id bigint not null, xid varchar(128) not null, \
    context varchar(128) not null, rollback_info longblob not null, log_status int not null, \
    log_created datetime(6) not null, log_modified datetime(6) not null, unique key ux_undo_log(xid, branch_id)); \
    create table account(id int primary key, owner varchar(40), balance int not null);";
const POSTGRES_TABLES: &str = "create table undo_log(id serial not null primary key, branch_id bigint not null, \
    xid varchar(128) not null, context varchar(128) not null, rollback_info bytea not null, log_status int not null, \
    log_created timestamp(0) not null, log_modified timestamp(0) not null, unique(xid, branch_id)); \
    create table account(id int primary key, owner varchar(40), balance int not null);";

/// How a client takes part with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Undo log and global row locks.
    At,
    /// Two-phase commit of the database.
    Xa,
}

/// A database with accounts, of which each has 100.
#[derive(Debug)]
pub enum Ledger {
    /// In MariaDB.
    MariaDb(MariaDb),
    /// In PostgreSQL.
    Postgres(Postgres),
}

impl Ledger {
    /// A new MariaDB.
    ///
    /// # Panics
    /// It does not start.
    #[track_caller]
    pub fn mariadb() -> Self {
        let database = MariaDb::start();
        database.sql(MARIADB_TABLES);
        Self::MariaDb(database)
    }

    /// A new PostgreSQL.
    ///
    /// # Panics
    /// It does not start.
    #[track_caller]
    pub fn postgres() -> Self {
        let database = Postgres::start();
        database.sql(POSTGRES_TABLES);
        Self::Postgres(database)
    }

    /// What a client calls it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MariaDb(_) => "mariadb",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::MariaDb(database) => database.address(),
            Self::Postgres(database) => database.address(),
        }
    }

    /// Has a client take part with it.
    ///
    /// # Panics
    /// The client cannot.
    #[track_caller]
    pub fn open(&self, client: &mut SeataClient, mode: Mode) {
        // All clients know MySQL's driver, and it knows MariaDB.
        let (url, user) = match self {
            Self::MariaDb(database) => {
                (format!("jdbc:mysql://{}/bank?useSSL=false", database.address()), "root")
            }
            Self::Postgres(database) => {
                (format!("jdbc:postgresql://{}/postgres", database.address()), "synod")
            }
        };
        let mode = match mode {
            Mode::At => "at",
            Mode::Xa => "xa",
        };
        client.ask("open", &["open", self.name(), mode, &url, user]);
    }

    /// Runs statements as another program; the rows of the last one, a line each with `|` between the columns.
    ///
    /// # Panics
    /// One of them fails.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> Vec<String> {
        match self {
            Self::MariaDb(database) => {
                let rows = database.sql(&format!("use bank; {statements}"));
                rows.into_iter().map(|row| row.replace('\t', "|")).collect()
            }
            Self::Postgres(database) => database.sql(statements),
        }
    }

    /// Opens so many accounts with 100 each; their numbers.
    ///
    /// # Panics
    /// The database fails.
    #[track_caller]
    pub fn accounts<const N: usize>(&self) -> [u32; N] {
        let numbers = Self::numbers();
        for number in numbers {
            self.sql(&format!("insert into account values({number}, 'e2e', 100)"));
        }
        numbers
    }

    /// Numbers that no account has.
    pub fn numbers<const N: usize>() -> [u32; N] {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        std::array::from_fn(|_| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// What is in these accounts; those that do not exist are left out.
    ///
    /// # Panics
    /// The database fails.
    #[track_caller]
    pub fn balances(&self, numbers: &[u32]) -> BTreeMap<u32, i64> {
        let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let rows = self.sql(&format!("select id, balance from account where id in ({})", list.join(", ")));
        let number = |text: &str| text.parse::<i64>().unwrap_or_else(|error| panic!("{text}: {error}"));
        rows.iter()
            .map(|row| {
                let (id, balance) = row.split_once('|').expect("two columns were asked for");
                (u32::try_from(number(id)).expect("numbers are small"), number(balance))
            })
            .collect()
    }

    /// Waits until phase two is over here: these accounts have these balances and no others, nothing is left in the undo log,
    /// and nothing is prepared. Returns how long that took.
    ///
    /// # Panics
    /// It is not so in time.
    #[track_caller]
    pub fn settles(&self, expected: &[(u32, i64)], gone: &[u32]) -> Duration {
        let numbers: Vec<u32> =
            expected.iter().map(|(number, _)| *number).chain(gone.iter().copied()).collect();
        let expected: BTreeMap<u32, i64> = expected.iter().copied().collect();
        wait_for(SETTLED, || {
            let found = (self.balances(&numbers), self.undo_log(), self.prepared());
            if found.0 == expected && found.1.is_empty() && found.2.is_empty() {
                return Ok(());
            }
            Err(format!("{} has {found:?} and not {expected:?} with nothing left over", self.name()))
        })
        .1
    }

    /// The undo log: xid and status of each row.
    ///
    /// # Panics
    /// The database fails.
    #[track_caller]
    pub fn undo_log(&self) -> Vec<String> {
        self.sql("select xid, log_status from undo_log")
    }

    /// The transactions that are prepared and not decided.
    ///
    /// # Panics
    /// The database fails.
    #[track_caller]
    pub fn prepared(&self) -> Vec<String> {
        match self {
            Self::MariaDb(_) => self.sql("xa recover"),
            Self::Postgres(_) => self.sql("select gid from pg_prepared_xacts"),
        }
    }
}
