//! What a branch has changed: rows before and after each statement.

use super::column::Java;
use super::value::Value;

/// All that a branch has changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Log {
    /// The global transaction.
    pub(super) xid: String,
    /// The branch.
    pub(super) branch: i64,
    /// A change for each statement, in their order.
    pub(super) changes: Vec<Change>,
}

/// What a statement has changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// What it did.
    pub(super) operation: Operation,
    /// The table, as the statement had it: with quotes and schema, if there were some.
    pub(super) table: String,
    /// The rows before.
    pub(super) before: Records,
    /// The rows after.
    pub(super) after: Records,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Insert,
    Update,
    Delete,
}

/// Rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Records {
    /// The table, as the catalogue has it.
    pub(super) table: String,
    /// The rows.
    pub(super) rows: Vec<Vec<Field>>,
}

/// A column of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// The column.
    pub(super) name: String,
    /// Whether it is of the primary key.
    pub(super) key: bool,
    /// Its `java.sql.Types`.
    pub(super) jdbc: i32,
    /// The class of the value.
    pub(super) java: Java,
    /// The column's type, if that has to be said with a value.
    pub(super) object: Option<String>,
    /// What is in it.
    pub(super) value: Value,
}

impl Records {
    /// No rows.
    pub(super) fn none(table: &str) -> Self {
        Self { table: table.to_owned(), rows: Vec::new() }
    }
}
