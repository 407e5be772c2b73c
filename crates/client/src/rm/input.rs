//! What work was called with, kept by the coordinator as JSON until the branch is ended.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Backend, Branch, EndError, EnlistError, Kind, NewBranch};
use crate::context;

/// Why a call has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// There is no global transaction in the context. Nothing has happened.
    #[error("there is no global transaction to take part in")]
    NoTransaction,
    /// What it was called with cannot be written as JSON. Nothing has happened.
    #[error("the input cannot be kept: {0}")]
    Input(String),
    /// The branch has not joined. The work has not run.
    #[error("not joined: {0}")]
    NotJoined(#[from] EnlistError),
    /// The work has failed. Its branch has joined: when the transaction is rolled back it is called to undo what there is to undo.
    #[error("{0}")]
    Failed(E),
}

/// Lets a branch join the transaction of the context.
pub(super) async fn enlist<I: Serialize + Sync, E>(
    backend: &dyn Backend,
    (resource, kind): (&Arc<str>, Kind),
    input: &I,
) -> Result<Branch, CallError<E>> {
    let xid = context::current().xid.ok_or(CallError::NoTransaction)?;
    let data = serde_json::to_vec(input).map_err(|error| CallError::Input(error.to_string()))?;
    let (resource, data) = (Arc::clone(resource), Bytes::from(data));
    let branch = NewBranch { xid, resource, kind, rows: String::new(), data };
    Ok(backend.enlist(branch).await?)
}

/// What the branch was called with. It was written by this very type: if it cannot be read now it never can.
pub(super) fn read<I: DeserializeOwned>(branch: &Branch) -> Result<I, EndError> {
    serde_json::from_slice(&branch.data).map_err(|error| {
        EndError::Never(format!("the input of branch {} cannot be read: {error}", branch.id))
    })
}
