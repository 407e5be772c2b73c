//! Tables, as far as undoing needs to know them.

use super::column::Column;
use super::error::{Result, refused};

/// A name in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Without quotes.
    pub(super) text: String,
    /// Whether it was in quotes.
    pub(super) quoted: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What a Java resource manager calls it: in lock keys, and in undo logs.
    pub(super) name: String,
    /// Its columns, in their order.
    pub(super) columns: Vec<Column>,
    /// The columns of its primary key, in the key's order.
    pub(super) keys: Vec<usize>,
}

impl Table {
    /// Refuses tables without a primary key, or with one that cannot be written into a lock.
    pub(super) fn check(self) -> Result<Self> {
        use super::column::Java::{Bytes, Double, Float, PgObject};
        if self.columns.is_empty() {
            return refused(format!("there is no table {}", self.name));
        }
        if self.keys.is_empty() {
            return refused(format!("the table {} has no primary key", self.name));
        }
        for column in self.key_columns() {
            if matches!(column.java()?, Bytes | Double | Float | PgObject) {
                return refused(format!("the table {} has a key of type {}", self.name, column.sql));
            }
        }
        Ok(self)
    }

    /// The columns of the primary key, in the key's order.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.keys.iter().filter_map(|index| self.columns.get(*index))
    }

    /// Whether the column at this place is of the primary key.
    pub(super) fn is_key(&self, index: usize) -> bool {
        self.keys.contains(&index)
    }

    /// A column by its name, in any case of letters.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Column)> {
        let same = |column: &&Column| column.name.eq_ignore_ascii_case(name);
        // Quoted names may differ in nothing but the case of letters.
        let exact = self.columns.iter().position(|column| column.name == name);
        let index = exact.or_else(|| self.columns.iter().position(|column| same(&column)))?;
        Some((index, self.columns.get(index)?))
    }

    /// The places of these columns and of the key's, in the table's order; all where `names` is nothing. Columns that the database
    /// computes are left out, those it changes by itself are not.
    ///
    /// # Errors
    /// A name is not there.
    pub(super) fn places(&self, names: Option<&[String]>) -> Result<Vec<usize>> {
        let mut wanted = Vec::new();
        for name in names.unwrap_or_default() {
            match self.find(name) {
                Some((index, _)) => wanted.push(index),
                None => return refused(format!("the table {} has no column {name}", self.name)),
            }
        }
        let wants = |index: usize, column: &Column| {
            let asked = names.is_none() || wanted.contains(&index) || column.on_update;
            (asked && !column.generated) || self.is_key(index)
        };
        let places = self.columns.iter().enumerate().filter(|(index, column)| wants(*index, column));
        Ok(places.map(|(index, _)| index).collect())
    }
}
