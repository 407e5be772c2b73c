//! XA and AT, for databases that have what it takes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use synod_client::at::{self, DataSource, Options};
use synod_client::rm::BoxFuture;
use synod_client::sql::Op;
use synod_client::sql::sqlx::Pool;
use synod_client::sql::xa::{self, Reaping, Rules, TwoPhase, Xa};
use synod_client::{Xid, native, seata};
use tokio::sync::OnceCell;

use super::account::told;
use super::change::Change;
use super::posting::{NotDone, Posting, Said, Side};
use super::vault::{Vault, post};
use crate::books::UNDO_TABLE;

/// The name under which Synod ends branches of XA here.
pub(super) const XA: &str = "xa";

/// Synod, by both of the ways that a bank takes part.
#[derive(Clone, Debug)]
pub(super) struct Coordinators {
    pub(super) native: Arc<native::Client>,
    /// None where the node has no listener for Seata.
    pub(super) seata: Option<seata::Client>,
    /// That listener's address, which its transactions carry.
    pub(super) address: Option<String>,
}

/// How often what is left over is looked for, and how old it has to be: older than any transaction is undecided here.
const REAP: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(10);

/// A database that keeps prepared transactions, and whose statements can be undone.
pub(super) trait Strong: Send + Sync {
    /// Says to the coordinators that branches are ended here.
    fn register(&self) -> BoxFuture<'_, Result<(), NotDone>>;

    /// XA, phase one: does it, up to the point from which on both ways are possible.
    fn xa<'a>(&'a self, xid: &'a Xid, side: Side, posting: Posting) -> BoxFuture<'a, Said>;

    /// AT: does it at once, with what would undo it beside.
    fn at(&self, side: Side, posting: Posting) -> BoxFuture<'_, Said>;
}

pub(super) struct Full<DB: TwoPhase + at::Dialect> {
    pool: Pool<DB>,
    coordinators: Coordinators,
    xa: OnceCell<Xa<DB>>,
    at: OnceCell<DataSource<DB>>,
    /// Ends what is prepared and nobody knows of any more.
    reaping: OnceLock<Reaping>,
}

impl<DB: TwoPhase + at::Dialect> Full<DB> {
    pub(super) fn new(pool: Pool<DB>, coordinators: Coordinators) -> Self {
        Self { pool, coordinators, xa: OnceCell::new(), at: OnceCell::new(), reaping: OnceLock::new() }
    }

    async fn xa_resource(&self) -> Result<&Xa<DB>, NotDone> {
        let register = || Xa::register(XA, self.pool.clone(), self.coordinators.native.clone());
        self.xa.get_or_try_init(register).await.map_err(NotDone::failed)
    }

    async fn at_resource(&self) -> Result<&DataSource<DB>, NotDone> {
        let seata = self.coordinators.seata.clone();
        let seata = seata.ok_or_else(|| NotDone::failed("no listener for Seata is known"))?;
        let mut options = Options::default();
        UNDO_TABLE.clone_into(&mut options.undo_table);
        let register = || DataSource::register(self.pool.clone(), Arc::new(seata), options);
        self.at.get_or_try_init(register).await.map_err(NotDone::failed)
    }
}

impl<DB: Vault + TwoPhase + at::Dialect<Connection: Sync>> Strong for Full<DB> {
    fn register(&self) -> BoxFuture<'_, Result<(), NotDone>> {
        Box::pin(async {
            let xa = self.xa_resource().await?;
            if let Some(address) = &self.coordinators.address {
                let rules = Rules { every: REAP, grace: GRACE, ..Rules::new([address]) };
                self.reaping.get_or_init(|| xa.reaper(self.coordinators.native.clone(), rules).start());
            }
            if self.coordinators.seata.is_some() {
                self.at_resource().await?;
            }
            Ok(())
        })
    }

    fn xa<'a>(&'a self, xid: &'a Xid, side: Side, posting: Posting) -> BoxFuture<'a, Said> {
        Box::pin(async move {
            let change = of(side, Op::Prepare)?;
            let work = self.xa_resource().await?.run(xid, async |tx| post(tx, change, posting).await);
            let said = match work.await {
                Ok(words) => Ok(format!("{words}, prepared")),
                Err(xa::Error::Work(error)) => Err(error),
                Err(error) => Err(NotDone::failed(error)),
            };
            told(&format!("xa/{}/prepare", side.as_str()), said)
        })
    }

    fn at(&self, side: Side, posting: Posting) -> BoxFuture<'_, Said> {
        Box::pin(async move {
            let change = of(side, Op::Action)?;
            let (sql, values) = change.bound(DB::KIND, posting);
            let values: Vec<at::Value> = values.into_iter().map(Into::into).collect();
            let said = match self.at_resource().await?.execute(&sql, &values).await {
                Ok(0) => Err(NotDone::refused(change.refused)),
                Ok(_) => Ok(format!("{} {}, with its undo log beside", change.done, posting.amount)),
                Err(error) => Err(NotDone::failed(error)),
            };
            told(&format!("at/{}/action", side.as_str()), said)
        })
    }
}

fn of(side: Side, op: Op) -> Result<Change, NotDone> {
    Change::of(side, op).ok_or_else(|| NotDone::failed("this step changes nothing"))
}
