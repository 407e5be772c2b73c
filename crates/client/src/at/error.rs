//! Why a statement or a commit did not work.

use thiserror::Error;

use crate::rm::EnlistError;

/// Why a statement or a commit did not work. The local transaction is rolled back, or will be when it is dropped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement, table or value that could not be undone. Nothing of it has reached the database, unless the text says so.
    #[error("AT cannot undo this: {0}")]
    Refused(String),
    /// What the database says.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// Another global transaction holds one of the rows, and has held it for all tries.
    #[error("a row is held by another transaction: {0}")]
    Conflict(String),
    /// The coordinator did not take the branch.
    #[error("no branch: {0}")]
    Branch(EnlistError),
    /// The connection broke while the local transaction was being committed: nobody knows whether it is. Roll the global transaction
    /// back; that undoes it if it is.
    #[error("nobody knows whether the local transaction is committed: {0}")]
    InDoubt(sqlx::Error),
}

/// The usual result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Refused(why.into()))
}
