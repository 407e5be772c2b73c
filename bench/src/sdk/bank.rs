//! The two banks, on databases of the system's packages as they come, and the count of their money.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use synod_client::sql::Barrier;
use synod_client::sql::outbox::Outbox;
use synod_client::sql::sqlx::mysql::MySqlPoolOptions;
use synod_client::sql::sqlx::postgres::PgPoolOptions;
use synod_client::sql::sqlx::{self, MySqlPool, PgPool};
use synod_scratch::{Kind, Server};
use tokio::runtime::Runtime;

use super::scenario::MANY;
use crate::{clock, process};

/// What each account has at first.
const BALANCE: i64 = 1_000_000;
/// Between two looks whether anything is left.
const PAUSE: Duration = Duration::from_millis(50);

/// `undo_log` is as Seata's scripts make it.
const POSTGRES_TABLES: &str = "create table account(id int primary key, balance bigint not null, held bigint not null); \
    create table undo_log(id serial primary key, branch_id bigint not null, xid varchar(128) not null, \
    context varchar(128) not null, rollback_info bytea not null, log_status int not null, \
    log_created timestamp(0) not null, log_modified timestamp(0) not null, unique(xid, branch_id))";
const MARIADB_TABLES: &str = "use bank; \
    create table account(id int primary key, balance bigint not null, held bigint not null); \
    create table undo_log(branch_id bigint not null, xid varchar(128) not null, context varchar(128) not null, \
    rollback_info longblob not null, log_status int not null, log_created datetime(6) not null, \
    log_modified datetime(6) not null, unique key ux_undo_log(xid, branch_id), key ix_log_created(log_created))";

/// Both banks. Money goes from the first to the second.
#[derive(Debug)]
pub(super) struct Bank {
    /// Of the load, too: a service has one as well.
    pub(super) runtime: Runtime,
    pub(super) postgres: Server,
    pub(super) mariadb: Server,
    /// For looking on.
    from: PgPool,
    to: MySqlPool,
}

/// What the databases have left of transactions: prepared ones, undo logs, messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    postgres: i64,
    mariadb: i64,
}

impl Bank {
    /// Starts both.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(super) fn open() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (postgres, mariadb) = (Server::start(Kind::Postgres)?, Server::start(Kind::MariaDb)?);
        postgres.sql(POSTGRES_TABLES)?;
        mariadb.sql(MARIADB_TABLES)?;
        let (from, to) = runtime.block_on(async {
            let (from, to) = pools(&postgres, &mariadb, 1).await?;
            Barrier::create_table(&from).await?;
            Barrier::create_table(&to).await?;
            Outbox::create_table(&from).await?;
            anyhow::Ok((from, to))
        })?;
        Ok(Self { runtime, postgres, mariadb, from, to })
    }

    /// Pools for so many clients, and whoever ends their branches.
    ///
    /// # Errors
    /// When a database takes no connection.
    pub(super) async fn pools(&self, clients: usize) -> Result<(PgPool, MySqlPool)> {
        pools(&self.postgres, &self.mariadb, u32::try_from(clients)? + 8).await
    }

    /// Makes everything what it was at first, so that no row is measured on what another one has left.
    ///
    /// # Errors
    /// When a database fails.
    pub(super) fn reset(&self) -> Result<()> {
        self.postgres.sql(&format!(
            "truncate account, undo_log, synod_barrier, synod_outbox; \
             insert into account select number, {BALANCE}, 0 from generate_series(0, {MANY} - 1) as number; \
             analyze account"
        ))?;
        self.postgres.sql("checkpoint")?;
        self.mariadb.sql(&format!(
            "use bank; truncate account; truncate undo_log; truncate synod_barrier; \
             insert into account select seq, {BALANCE}, 0 from seq_0_to_{}",
            MANY - 1
        ))?;
        Ok(())
    }

    /// Rolls back what a row that has failed has left prepared, and would keep the next one waiting.
    ///
    /// # Errors
    /// When a database fails.
    pub(super) fn sweep(&self) -> Result<()> {
        for gid in self.postgres.sql("select gid from pg_prepared_xacts")? {
            self.postgres.sql(&format!("rollback prepared '{gid}'"))?;
        }
        for line in self.mariadb.sql("xa recover format='SQL'")? {
            let name = line.split('\t').next_back().context("a name is the last of its columns")?;
            self.mariadb.sql(&format!("xa rollback {name}"))?;
        }
        Ok(())
    }

    /// CPU seconds of both databases.
    ///
    /// # Errors
    /// When one of them is gone.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.pids().into_iter().map(|pid| Ok(process::tree_cpu(pid)?.seconds())).sum()
    }

    /// Their first processes.
    pub(super) fn pids(&self) -> [u32; 2] {
        [self.postgres.pid(), self.mariadb.pid()]
    }

    /// Flushes of the disk under them since the machine was started; none where the kernel does not say.
    pub(super) fn flushes(&self) -> Option<u64> {
        process::flushes(&std::env::temp_dir())
    }

    /// Waits until nothing is left of any transaction.
    ///
    /// # Errors
    /// When something is, after `limit`.
    pub(super) fn settle(&self, limit: Duration) -> Result<()> {
        let mut left = Ok(Left { postgres: 0, mariadb: 0 });
        let is_settled = clock::wait_until(limit, PAUSE, || {
            left = self.runtime.block_on(self.left());
            matches!(left, Ok(Left { postgres: 0, mariadb: 0 }))
        });
        match left? {
            _ if is_settled => Ok(()),
            left => bail!("{left:?} after {limit:?}: prepared transactions, undo logs, messages"),
        }
    }

    async fn left(&self) -> sqlx::Result<Left> {
        const POSTGRES: &str = "select (select count(*) from pg_prepared_xacts) + (select count(*) from undo_log) \
            + (select count(*) from synod_outbox)";
        let postgres = sqlx::query_scalar(POSTGRES).fetch_one(&self.from).await?;
        let undo: i64 = sqlx::query_scalar("select count(*) from undo_log").fetch_one(&self.to).await?;
        let prepared = sqlx::raw_sql("xa recover").fetch_all(&self.to).await?.len();
        Ok(Left { postgres, mariadb: undo + i64::try_from(prepared).unwrap_or(i64::MAX) })
    }

    /// Counts the money: of so many transfers' amount all has gone, and all has come, and nothing is held.
    ///
    /// # Errors
    /// When money was lost or made, or a database fails.
    pub(super) fn audit(&self, moved: i64) -> Result<()> {
        const FROM: &str = "select sum(balance)::bigint, sum(held)::bigint from account";
        const TO: &str = "select cast(sum(balance) as signed), cast(sum(held) as signed) from account";
        let (from, to): ((i64, i64), (i64, i64)) = self.runtime.block_on(async {
            let from = sqlx::query_as(FROM).fetch_one(&self.from).await?;
            anyhow::Ok((from, sqlx::query_as(TO).fetch_one(&self.to).await?))
        })?;
        let start = BALANCE * i64::try_from(MANY).context("accounts are few")?;
        let is_right = from == (start - moved, 0) && to == (start + moved, 0);
        ensure!(
            is_right,
            "{moved} was moved from {start} to {start}, and now there are (balance, held) {from:?} and {to:?}"
        );
        Ok(())
    }
}

async fn pools(postgres: &Server, mariadb: &Server, connections: u32) -> Result<(PgPool, MySqlPool)> {
    // A connection that is not tried each time it is taken makes the plain transactions cheap, and so the others dear.
    let from = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
    let to = MySqlPoolOptions::new().max_connections(connections).test_before_acquire(false);
    Ok((from.connect(&postgres.url()).await?, to.connect(&mariadb.url()).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_that_is_lost_or_held_is_seen_and_what_is_prepared_is_swept() {
        let bank = Bank::open().unwrap();
        bank.reset().unwrap();
        bank.audit(0).unwrap();
        bank.postgres.sql("update account set balance = balance - 7 where id = 1").unwrap();
        assert!(bank.audit(7).is_err(), "it has gone, and has not come");
        bank.mariadb.sql("update bank.account set balance = balance + 7 where id = 1").unwrap();
        bank.audit(7).unwrap();
        bank.mariadb.sql("update bank.account set held = 1 where id = 1").unwrap();
        assert!(bank.audit(7).is_err(), "it is held");

        let debit = "begin; update account set balance = 0 where id = 2; prepare transaction 'a'";
        bank.postgres.sql(debit).unwrap();
        let credit = "xa start 'a', 'b', 9752; update bank.account set balance = 0 where id = 2; \
             xa end 'a', 'b', 9752; xa prepare 'a', 'b', 9752";
        bank.mariadb.sql(credit).unwrap();
        assert!(bank.settle(Duration::ZERO).is_err());
        bank.sweep().unwrap();
        bank.settle(Duration::from_secs(10)).unwrap();
        bank.reset().unwrap();
        bank.audit(0).unwrap();
    }
}
