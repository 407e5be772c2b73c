//! Seata's AT mode: changes that are committed at once and undo themselves from an undo log.
//!
//! A [`DataSource`] is a database that is registered as a resource. In a global transaction (see [`context`](crate::context)) each
//! statement is read before it is run: the rows it is about to change are locked and remembered, and looked at again afterwards.
//! [`Transaction::commit`] joins the global transaction with a branch that holds these rows, and writes what they were into the table
//! `undo_log`, together with the changes. When the global transaction commits the log is removed; when it is rolled back the rows are
//! made what they were, unless somebody else has changed them since.
//!
//! Rows are named and logs are written as Seata's Java clients do it (2.6.0 unless [`Options::package`] says otherwise): they and this
//! share locks, and undo each other's changes.
//!
//! What is isolated and what is not: no other global transaction changes a row before this one ends; a plain read sees what is committed
//! locally, and `SELECT … FOR UPDATE` only what is committed globally. Whoever writes to the database by another way is not kept from
//! it; an undo that meets such a change stops, and waits for somebody to look at it.
//!
//! What changes by itself is not seen: triggers, cascades, functions with effects.

#![cfg_attr(
    not(all(feature = "mysql", feature = "postgres")),
    allow(dead_code, reason = "each database needs a part of it")
)]

mod change;
mod cleaner;
mod column;
mod dialect;
mod error;
mod image;
mod jackson;
mod keys;
mod locks;
#[cfg(feature = "mysql")]
mod mysql;
mod parse;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod source;
mod table;
mod text;
mod time;
mod transaction;
mod undo;
mod undo_log;
mod value;

pub use dialect::Dialect;
pub use error::{Error, Result};
pub use jackson::Package;
pub use source::{DataSource, Options};
pub use transaction::Transaction;
pub use value::Value;
