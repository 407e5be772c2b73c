//! XA: work that the database keeps prepared until the global transaction is decided, whoever dies meanwhile.
//!
//! A branch joins before its work begins, does it in a transaction of the database, and prepares that (`PREPARE TRANSACTION`,
//! `XA PREPARE`). From then on any connection of any process can commit it or roll it back: [`Xa`] registers with the coordinator as
//! one that does so when it is told to, and a [`Reaper`] asks what became of prepared work for which nobody is told.
//!
//! The [`Barrier`](super::Barrier)'s row is in the prepared work: once it is committed the row tells that it was, and a rollback that arrives while the
//! branch is still at work waits for it instead of being lost. Both tables have to be in the same database.
//!
//! - PostgreSQL needs `max_prepared_transactions` above 0.
//! - MariaDB from 10.5, MySQL from 5.7.7: older ones drop what is prepared together with its connection. MySQL is untested.
//! - An XID has at most 64 bytes here, as MySQL's have.

use std::sync::Arc;

use sqlx::{Connection as _, Pool, Transaction};
use thiserror::Error;

use super::Database;
use super::barrier::{self, Key, Op};
use super::driver::{Dialect, Held};
use crate::rm::{self, EnlistError};
use crate::{Xid, tm};

mod end;
mod kept;
mod name;
mod reap;

use end::Ends;
use kept::Kept;
pub use name::{BadName, Name};
pub use reap::{Orphans, Prepared, Reaper, Reaping, Rules};

/// A database that keeps prepared transactions: PostgreSQL, and MySQL with MariaDB.
pub trait TwoPhase: Database {}

#[cfg(feature = "postgres")]
impl TwoPhase for sqlx::Postgres {}
#[cfg(feature = "mysql")]
impl TwoPhase for sqlx::MySql {}

/// Connections for ending branches. A few are enough: each end is one statement that waits for no row.
const ENDS_MAX: u32 = 8;

/// A database as a resource of a coordinator. Cheap to clone.
#[derive(Debug)]
pub struct Xa<DB: TwoPhase> {
    id: Arc<str>,
    pool: Pool<DB>,
    /// For ending branches. Those of `pool` may all be held by work that waits for rows of a branch that is prepared, and to end it
    /// one more would be needed.
    ends: Pool<DB>,
    kept: Arc<Kept<DB>>,
    backend: Coordinator,
}

#[derive(Clone)]
struct Coordinator(Arc<dyn rm::Backend>);

/// Why a branch has not been prepared. The global transaction has to be rolled back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The work has failed, and is undone.
    #[error("the work of the branch has failed: {0}")]
    Work(E),
    /// The coordinator does not have it take part. Nothing was done.
    #[error(transparent)]
    Enlist(#[from] EnlistError),
    /// The transaction was rolled back before the work began.
    #[error("the transaction was rolled back before the branch came")]
    RolledBack,
    /// The database has failed. When it did so at the prepare itself, nobody knows whether that has happened.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The ids cannot be those of a branch in a database.
    #[error(transparent)]
    Name(#[from] BadName),
}

impl<DB: TwoPhase> Xa<DB> {
    /// Registers the database under `id` (as Seata's clients do it, its address without parameters), so that its branches are ended by this
    /// process, now and whenever it runs. Needs the barrier's table.
    ///
    /// Branches are ended over up to eight connections beside the pool, made with its options when they are needed.
    ///
    /// # Errors
    /// No coordinator takes it.
    pub async fn register(
        id: impl Into<Arc<str>>,
        pool: Pool<DB>,
        backend: Arc<dyn rm::Backend>,
    ) -> Result<Self, EnlistError> {
        let id = id.into();
        let options = pool.options().clone().min_connections(0).max_connections(ENDS_MAX);
        let ends = options.connect_lazy_with((*pool.connect_options()).clone());
        let kept = Arc::new(Kept::default());
        let resource = Ends { pool: ends.clone(), kept: Arc::clone(&kept) };
        backend.register(id.clone(), rm::Kind::Xa, Arc::new(resource)).await?;
        Ok(Self { id, pool, ends, kept, backend: Coordinator(backend) })
    }

    /// Does work as a branch of a global transaction, and prepares it. `Ok` means: it is prepared, and will be committed if the
    /// transaction is. Holds a connection of the pool for as long as it runs; on MariaDB until the branch is ended or two seconds are
    /// over, and that connection is closed then.
    ///
    /// Dropped half-way, it leaves a branch that has nothing to commit, or one that is prepared: roll the transaction back.
    ///
    /// # Errors
    /// The branch has not been prepared, or nobody knows. The transaction has to be rolled back in either case.
    pub async fn run<T, E>(
        &self,
        xid: &Xid,
        work: impl AsyncFnOnce(&mut Transaction<'_, DB>) -> Result<T, E>,
    ) -> Result<T, Error<E>> {
        // Before it joins, as it could not do anything without them.
        Name::new(xid, "0")?;
        let mut held = Held::of(&self.pool).await?;
        let branch = self.backend.0.enlist(rm::NewBranch {
            xid: xid.clone(),
            resource: self.id.clone(),
            kind: rm::Kind::Xa,
            rows: String::new(),
            data: bytes::Bytes::new(),
        });
        let branch = branch.await?;
        match phase_one(&mut held, &branch, work).await {
            Ok((done, name)) => {
                // MariaDB keeps what is prepared bound to its connection until that is closed.
                if DB::DIALECT == Dialect::MySql {
                    self.kept.keep(name, held);
                } else {
                    held.give_back();
                }
                Ok(done)
            }
            Err(Failed { error, has_prepared: Prepare::No }) => {
                // The connection goes first: when others hear of it, the work is undone.
                held.close().await;
                // Only saves the coordinator a call, which finds nothing to undo.
                self.backend.0.failed(&branch).await.ok();
                Err(error)
            }
            Err(Failed { error, has_prepared: Prepare::Perhaps }) => {
                held.close().await;
                Err(error)
            }
        }
    }

    /// One that ends what is left over in this database.
    pub fn reaper(&self, coordinator: Arc<dyn tm::Backend>, rules: Rules) -> Reaper<DB> {
        Reaper::beside(self.ends.clone(), Arc::clone(&self.kept), coordinator, rules)
    }
}

/// Whether the database may have prepared a branch that failed.
#[derive(Clone, Copy, Debug)]
enum Prepare {
    No,
    Perhaps,
}

struct Failed<E> {
    error: Error<E>,
    has_prepared: Prepare,
}

impl<E, X: Into<Error<E>>> From<X> for Failed<E> {
    fn from(error: X) -> Self {
        Self { error: error.into(), has_prepared: Prepare::No }
    }
}

/// What the work returned, and what is prepared.
async fn phase_one<DB: TwoPhase, T, E>(
    held: &mut Held<DB>,
    branch: &rm::Branch,
    work: impl AsyncFnOnce(&mut Transaction<'_, DB>) -> Result<T, E>,
) -> Result<(T, Name), Failed<E>> {
    let name = Name::new(&branch.xid, &branch.id)?;
    let connection = held.connection()?;
    let mut tx = match DB::DIALECT {
        Dialect::MySql => connection.begin_with(sqlx::AssertSqlSafe(name.start())).await?,
        Dialect::Postgres | Dialect::Sqlite => connection.begin().await?,
    };
    if !barrier::mark(&mut tx, Key::from(branch), Op::Prepare, Op::Prepare).await? {
        return Err(Error::RolledBack.into());
    }
    let done = work(&mut tx).await.map_err(Error::Work)?;
    let prepared = DB::raw(&mut tx, &name.prepare(DB::DIALECT)).await;
    prepared.map_err(|error| Failed { error: error.into(), has_prepared: Prepare::Perhaps })?;
    if DB::DIALECT == Dialect::MySql {
        // Dropped, it would have the connection roll back what is prepared.
        std::mem::forget(tx);
    } else {
        // On PostgreSQL this ends the empty transaction that was begun behind the prepared one.
        let ended = tx.rollback().await;
        ended.map_err(|error| Failed { error: error.into(), has_prepared: Prepare::Perhaps })?;
    }
    Ok((done, name))
}

impl<DB: TwoPhase> Clone for Xa<DB> {
    fn clone(&self) -> Self {
        let (pool, ends, kept) = (self.pool.clone(), self.ends.clone(), Arc::clone(&self.kept));
        Self { id: self.id.clone(), pool, ends, kept, backend: self.backend.clone() }
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Coordinator")
    }
}
