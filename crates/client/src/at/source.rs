//! A database whose changes can be undone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cleaner::Cleaner;
use super::dialect::Dialect;
use super::error::{Error, Result, refused};
use super::jackson::Package;
use super::parse::Target;
use super::table::{Name, Table};
use super::transaction::{Outcome, Transaction};
use super::value::Value;
use crate::clock;
use crate::rm::{Backend, Kind};

/// How long a table is taken to be as it was.
const TABLE_FRESH: Duration = Duration::from_secs(15 * 60);
/// Tables that are remembered.
const TABLES_MAX: usize = 10_000;

/// How a [`DataSource`] works. [`Options::default`] is what Seata's Java client does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The name that all processes have for this database, of whatever language: they share locks by it, and undo each other's changes.
    /// As Seata forms it: `jdbc:mysql://host:port/database`, `jdbc:postgresql://host:port/database`, and for PostgreSQL with
    /// `?currentSchema=name` if the Java clients' URL has that. Formed of the pool's options when it is not given.
    pub resource_id: Option<String>,
    /// How often a lock that somebody holds is asked for again (30).
    pub lock_retries: u32,
    /// The pause between (10 ms).
    pub lock_interval: Duration,
    /// Keeps all columns of changed rows, and not only those that a statement sets (false).
    pub all_columns: bool,
    /// Looks, before it undoes, whether the rows are as they were left (true).
    pub validate: bool,
    /// The table of undo logs (`undo_log`).
    pub undo_table: String,
    /// The longest undo log, in bytes (16 MiB).
    pub undo_bytes_max: usize,
    /// How far east of Greenwich the Java processes that share the undo log are: they count times in their own zone (0 seconds).
    pub zone_seconds: i32,
    /// The package of their classes ([`Package::Apache`]).
    pub package: Package,
    /// Committed branches that may wait for their undo logs to be removed (10,000). The coordinator is put off when there are more.
    pub cleaning_max: usize,
    /// How long they wait for others, to be removed together (0: as long as the removal before takes). The answer to the coordinator
    /// waits too, and one of Seata's own servers ends one branch after the other.
    pub cleaning_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resource_id: None,
            lock_retries: 30,
            lock_interval: Duration::from_millis(10),
            all_columns: false,
            validate: true,
            undo_table: "undo_log".to_owned(),
            undo_bytes_max: 16 << 20,
            zone_seconds: 0,
            package: Package::Apache,
            cleaning_max: 10_000,
            cleaning_interval: Duration::ZERO,
        }
    }
}

/// A database whose changes can be undone. Cheap to clone; what it has begun to clean ends with the last clone, and with the backend
/// that it is registered with.
pub struct DataSource<D: Dialect> {
    pub(super) shared: Arc<Shared<D>>,
}

/// What transactions, phase two and the cleaner share.
pub(super) struct Shared<D: Dialect> {
    pub(super) pool: sqlx::Pool<D>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) options: Options,
    pub(super) resource: Arc<str>,
    tables: Mutex<HashMap<String, (Instant, Arc<Table>)>>,
}

impl<D: Dialect> Clone for DataSource<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Dialect> fmt::Debug for DataSource<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSource").field("resource", &self.shared.resource).finish_non_exhaustive()
    }
}

impl<D: Dialect> DataSource<D> {
    /// Registers a database with a coordinator. From now on this process undoes changes of it, whoever has made them.
    ///
    /// # Errors
    /// Its name cannot be told and is not given, or the coordinator does not take it.
    pub async fn register(pool: sqlx::Pool<D>, backend: Arc<dyn Backend>, options: Options) -> Result<Self> {
        let word = |name: &str| {
            let plain = |character: char| character.is_ascii_alphanumeric() || "_.".contains(character);
            !name.is_empty() && name.chars().all(plain)
        };
        if !word(&options.undo_table) {
            return refused(format!("the table of undo logs {:?}", options.undo_table));
        }
        let Some(resource) = options.resource_id.clone().or_else(|| D::resource_id(&pool)) else {
            return refused("a database without a name: give a resource_id");
        };
        let resource: Arc<str> = resource.replace(',', "|").into();
        let tables = Mutex::default();
        let shared = Arc::new(Shared { pool, backend, options, resource, tables });
        let cleaner = Arc::new(Cleaner::start(&shared));
        let resource = Arc::clone(&shared.resource);
        shared.backend.register(resource, Kind::At, cleaner).await.map_err(Error::Branch)?;
        Ok(Self { shared })
    }

    /// The name of the database.
    pub fn resource_id(&self) -> &str {
        &self.shared.resource
    }

    /// Begins a local transaction: in the global one of the [present context](crate::context), if there is one.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn begin(&self) -> Result<Transaction<D>> {
        Transaction::begin(&self.shared, false).await
    }

    /// Runs one statement in a local transaction of its own, as [`Transaction::execute`] does. When somebody holds one of the rows, all
    /// of it is rolled back and done again, for as long as [`Options`] say.
    ///
    /// # Errors
    /// As [`Transaction::execute`] and [`Transaction::commit`].
    pub async fn execute(&self, sql: &str, arguments: &[Value]) -> Result<u64> {
        self.alone(sql, arguments, false).await.map(|outcome| outcome.count)
    }

    /// As [`DataSource::execute`], for a statement that has rows.
    ///
    /// # Errors
    /// As [`DataSource::execute`].
    pub async fn fetch(&self, sql: &str, arguments: &[Value]) -> Result<Vec<D::Row>> {
        self.alone(sql, arguments, true).await.map(|outcome| outcome.rows)
    }

    async fn alone(&self, sql: &str, arguments: &[Value], rows: bool) -> Result<Outcome<D>> {
        let mut left = self.shared.options.lock_retries;
        loop {
            let mut transaction = Transaction::begin(&self.shared, true).await?;
            let ended = match transaction.run(sql, arguments, rows).await {
                Ok(outcome) => transaction.commit().await.map(|()| outcome),
                Err(error) => transaction.rollback().await.and(Err(error)),
            };
            match ended {
                Err(Error::Conflict(_)) if left > 0 => left -= 1,
                ended => return ended,
            }
            sleep(self.shared.options.lock_interval).await;
        }
    }
}

impl<D: Dialect> Shared<D> {
    /// A table, from memory if it is not too long ago.
    pub(super) async fn table(&self, connection: &mut D::Connection, target: &Target) -> Result<Arc<Table>> {
        self.table_named(connection, &target.text, &target.names).await
    }

    pub(super) async fn table_named(
        &self,
        connection: &mut D::Connection,
        text: &str,
        names: &[Name],
    ) -> Result<Arc<Table>> {
        let now = clock::now();
        let known = self.known().get(text).cloned();
        if let Some((since, table)) = known
            && now.duration_since(since) < TABLE_FRESH
        {
            return Ok(table);
        }
        let table = Arc::new(D::table(connection, names).await?.check()?);
        let mut known = self.known();
        if known.len() >= TABLES_MAX {
            known.clear();
        }
        known.insert(text.to_owned(), (now, Arc::clone(&table)));
        Ok(table)
    }

    /// Looks at every table again: something was not as it was remembered.
    pub(super) fn forget_tables(&self) {
        self.known().clear();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Arc<Table>)>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
