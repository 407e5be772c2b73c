//! What operators do to sessions. Seata lets them pause retries and take sessions and branches away one by one; here a transaction
//! is one thing: its calls are made again, or all of it is ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use synod_core::txn::{Status, Txn};

use super::answer::{Failed, Single};
use super::ask::Parameters;
use crate::node::Node;
use crate::txn::ask::{Desk, Found};

type Told = Result<Json<Single<()>>, Failed>;

const NO_PAUSE: &str = "retries are not paused here: they slow down by themselves and can be left alone. \
                        To end the transaction, whatever its branches know, delete it by force";
const NO_DELETE: &str = "a transaction goes when all its branches have been told. Send commit or rollback again, \
                         or delete it by force to end it whatever they know";
const NO_BRANCH_DELETE: &str = "a branch is not taken out of its transaction: it would never be told what was decided. \
                                Send commit or rollback again, or delete the whole transaction by force";

fn open(desk: &Desk<'_>, xid: &str) -> Result<Arc<Txn>, Failed> {
    match desk.find(xid)? {
        Found::Open(txn) => Ok(txn),
        Found::Ended(_, end, _) => Err(Failed::new(format!("the transaction has ended: {}", end.as_str()))),
    }
}

/// Makes the calls of phase two again, also those that were refused for good.
async fn call_again(desk: &Desk<'_>, xid: &str) -> Told {
    let txn = open(desk, xid)?;
    match txn.status {
        _ if txn.is_refused() => drop(desk.resend(xid).await?),
        Status::GivenUp => drop(desk.resend(xid).await?),
        Status::Committing | Status::RollingBack => drop(desk.retry(xid).await?),
        Status::Active | Status::Ended(_) => {
            return Err(Failed::new("nothing was decided yet: there is no commit or rollback to be sent"));
        }
    }
    Ok(Single::done("its branches are called again"))
}

/// Pauses the retries of a transaction: refused.
pub(super) async fn stop(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    open(&Desk::of(&node)?, parameters.xid()?)?;
    Err(Failed::new(NO_PAUSE))
}

/// Has retries go on, at once.
pub(super) async fn start(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    call_again(&Desk::of(&node)?, parameters.xid()?).await
}

/// The same.
pub(super) async fn send(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    call_again(&Desk::of(&node)?, parameters.xid()?).await
}

/// Has one tried again that failed for good.
pub(super) async fn change(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    let (desk, xid) = (Desk::of(&node)?, parameters.xid()?);
    if !open(&desk, xid)?.is_refused() {
        return Err(Failed::new("no branch has refused: what was decided is not changed"));
    }
    call_again(&desk, xid).await
}

/// Takes a transaction away that cannot be finished: refused.
pub(super) async fn delete(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    open(&Desk::of(&node)?, parameters.xid()?)?;
    Err(Failed::new(NO_DELETE))
}

/// Ends a transaction whatever its branches know, as the native API does.
pub(super) async fn force_delete(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    let (desk, xid) = (Desk::of(&node)?, parameters.xid()?);
    open(&desk, xid)?;
    desk.stop(xid, "deleted by force in Seata's console").await?;
    Ok(Single::done("ended, whatever its branches know"))
}

/// Whether there is such a branch.
fn branch(desk: &Desk<'_>, parameters: &Parameters) -> Result<(), Failed> {
    let id = parameters.text("branchId").ok_or_else(|| Failed::new("branchId is missing"))?;
    let txn = open(desk, parameters.xid()?)?;
    let known = txn.branches.iter().any(|branch| *branch.id == *id);
    known.then_some(()).ok_or_else(|| Failed::new(format!("the transaction has no branch {id}")))
}

/// Pauses the retries of a branch: refused.
pub(super) async fn stop_branch(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    branch(&Desk::of(&node)?, &parameters)?;
    Err(Failed::new(NO_PAUSE))
}

/// Has retries go on, those of the other branches too.
pub(super) async fn start_branch(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    let desk = Desk::of(&node)?;
    branch(&desk, &parameters)?;
    call_again(&desk, parameters.xid()?).await
}

/// Takes a branch out of its transaction: refused.
pub(super) async fn delete_branch(State(node): State<Arc<Node>>, parameters: Parameters) -> Told {
    branch(&Desk::of(&node)?, &parameters)?;
    Err(Failed::new(NO_BRANCH_DELETE))
}
