//! What differs between the databases that a bank can keep its accounts in.

use std::future::Future;
use std::sync::Arc;

use synod_client::sql::{
    self,
    sqlx::{self, AssertSqlSafe, MySql, Pool, Postgres, Sqlite, Transaction, pool::PoolOptions},
};

pub(super) use crate::database::Dialect;

use super::change::Change;
use super::posting::{NotDone, Posting, Said};
use super::strong::{Coordinators, Full, Strong};

/// Waits for a lock end after this, so that a call that waits is answered and repeated.
const POSTGRES_OPENING: &str = "set lock_timeout = '2s'";
const MARIADB_OPENING: &str = "set innodb_lock_wait_timeout = 2";
const CONNECTIONS_MAX: u32 = 20;

/// A database that a bank can keep its accounts in.
pub(super) trait Vault: sql::Database {
    const KIND: Dialect;
    /// What each connection is told first.
    const OPENING: Option<&'static str>;

    /// Runs a statement of ours; how many rows it was about.
    fn change(
        tx: &mut Transaction<'_, Self>,
        sql: String,
        values: Vec<i64>,
    ) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Connections to it, as they are needed: it may not be there yet.
    fn pool(url: &str) -> sqlx::Result<Pool<Self>>;

    /// What takes more than every database has.
    fn strong(pool: &Pool<Self>, coordinators: &Coordinators) -> Option<Arc<dyn Strong>>;
}

/// Changes an account, as a part of a transaction; says what it did.
pub(super) async fn post<DB: Vault>(tx: &mut Transaction<'_, DB>, change: Change, posting: Posting) -> Said {
    let (sql, values) = change.bound(DB::KIND, posting);
    match DB::change(tx, sql, values).await? {
        0 => Err(NotDone::refused(change.refused)),
        _ => Ok(format!("{} {}", change.done, posting.amount)),
    }
}

fn with_strong<DB>(pool: &Pool<DB>, coordinators: &Coordinators) -> Option<Arc<dyn Strong>>
where
    DB: Vault + sql::xa::TwoPhase + synod_client::at::Dialect<Connection: Sync>,
{
    Some(Arc::new(Full::new(pool.clone(), coordinators.clone())))
}

fn without_strong(_pool: &Pool<Sqlite>, _coordinators: &Coordinators) -> Option<Arc<dyn Strong>> {
    None
}

/// `sqlx` has no trait that says of a database that its connections run statements; each is asked by its own name.
macro_rules! vault {
    ($database:ty, $dialect:expr, $opening:expr, $strong:expr) => {
        impl Vault for $database {
            const KIND: Dialect = $dialect;
            const OPENING: Option<&'static str> = $opening;

            async fn change(
                tx: &mut Transaction<'_, Self>,
                sql: String,
                values: Vec<i64>,
            ) -> sqlx::Result<u64> {
                // Nothing but marks was put into texts that stand in our own sources.
                let query = values
                    .into_iter()
                    .fold(sqlx::query(AssertSqlSafe(sql)), |query, value| query.bind(value));
                Ok(query.execute(&mut **tx).await?.rows_affected())
            }

            fn pool(url: &str) -> sqlx::Result<Pool<Self>> {
                let options = PoolOptions::<Self>::new().max_connections(CONNECTIONS_MAX);
                let options = options.after_connect(|connection, _| {
                    Box::pin(async move {
                        if let Some(opening) = Self::OPENING {
                            sqlx::raw_sql(opening).execute(connection).await?;
                        }
                        Ok(())
                    })
                });
                options.connect_lazy(url)
            }

            fn strong(pool: &Pool<Self>, coordinators: &Coordinators) -> Option<Arc<dyn Strong>> {
                $strong(pool, coordinators)
            }
        }
    };
}

vault!(Postgres, Dialect::Postgres, Some(POSTGRES_OPENING), with_strong);
vault!(MySql, Dialect::MariaDb, Some(MARIADB_OPENING), with_strong);
vault!(Sqlite, Dialect::Sqlite, None, without_strong);
