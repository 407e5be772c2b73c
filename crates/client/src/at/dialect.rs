//! What differs between databases.

use std::future::Future;

use super::column::Column;
use super::error::Result;
use super::table::{Name, Table};
use super::value::Value;

/// A database that AT works with: PostgreSQL, and MariaDB (MySQL speaks alike).
pub trait Dialect: sqlx::Database + Sql {}

/// How a database is spoken with. Rows are read as texts and written as texts where that is exact, so that no type needs a crate.
pub trait Sql: sqlx::Database + Sized {
    /// Whether new rows can be asked for their keys.
    const RETURNING: bool;

    /// What is between the columns and the values of an insert that gives all of them.
    const INSERTS: &str;

    /// How a parser reads statements.
    fn grammar() -> Box<dyn sqlparser::dialect::Dialect + Send + Sync>;

    /// A name in quotes.
    fn quote(name: &str) -> String;

    /// A placeholder for an argument of a statement. `number` counts from one.
    fn placeholder(number: usize, value: &Value) -> String;

    /// An expression that has the value of a column (given as SQL) as text, as [`Column::parse`] reads it.
    fn read(column: &Column, sql: &str) -> String;

    /// A placeholder for a value of a column, and how the value is sent to it.
    fn write(column: &Column, number: usize, value: Value) -> (String, Value);

    /// A statement that removes rows that are older than an argument (in seconds), so many at once.
    fn remove_old(table: &str, age: &str, rows: u32) -> String;

    /// Seata's name for the database that is connected to like this; nothing if it cannot be told.
    fn resource_id(pool: &sqlx::Pool<Self>) -> Option<String>;

    /// Runs a statement that has rows.
    fn rows(
        connection: &mut Self::Connection,
        sql: String,
        arguments: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a statement that has none.
    fn run(
        connection: &mut Self::Connection,
        sql: String,
        arguments: Vec<Value>,
    ) -> impl Future<Output = Result<Done, sqlx::Error>> + Send;

    /// Runs a statement that servers do not prepare.
    fn simple(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// The text in a column of a row.
    fn text(row: &Self::Row, index: usize) -> Result<Option<String>, sqlx::Error>;

    /// The bytes in a column of a row.
    fn bytes(row: &Self::Row, index: usize) -> Result<Vec<u8>, sqlx::Error>;

    /// Looks a table up in the catalogue. One that does not exist has no columns.
    fn table(connection: &mut Self::Connection, names: &[Name])
    -> impl Future<Output = Result<Table>> + Send;
}

/// What a statement has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many rows it has found, whether it has changed them or not.
    pub rows: u64,
    /// The first number that the database gave out for them.
    pub first_id: u64,
}

/// A statement that is being written.
#[derive(Debug)]
pub(super) struct Writing<D> {
    sql: String,
    arguments: Vec<Value>,
    dialect: std::marker::PhantomData<D>,
}

impl<D: Sql> Writing<D> {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), arguments: Vec::new(), dialect: std::marker::PhantomData }
    }

    /// Adds text.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds an argument.
    pub(super) fn argument(&mut self, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        let placeholder = D::placeholder(self.arguments.len() + 1, &value);
        self.arguments.push(value);
        self.push(&placeholder)
    }

    /// Adds a value of a column.
    pub(super) fn value(&mut self, column: &Column, value: Value) -> &mut Self {
        let (sql, value) = D::write(column, self.arguments.len() + 1, value);
        self.arguments.push(value);
        self.push(&sql)
    }

    /// Adds items with text between them.
    pub(super) fn list<T>(
        &mut self,
        between: &str,
        items: impl IntoIterator<Item = T>,
        item: impl Fn(&mut Self, T),
    ) -> &mut Self {
        for (index, each) in items.into_iter().enumerate() {
            if index > 0 {
                self.push(between);
            }
            item(self, each);
        }
        self
    }

    /// Adds a part of a statement with the arguments it was given.
    pub(super) fn fragment(&mut self, fragment: &super::text::Fragment, arguments: &[Value]) -> &mut Self {
        for part in &fragment.0 {
            self.part(part, arguments);
        }
        self
    }

    /// Adds a piece of a statement.
    pub(super) fn part(&mut self, part: &super::text::Part, arguments: &[Value]) -> &mut Self {
        match part {
            super::text::Part::Text(text) => self.push(text),
            // How many there are was checked.
            super::text::Part::Argument(index) => {
                self.argument(arguments.get(*index).cloned().unwrap_or(Value::Null))
            }
        }
    }

    pub(super) async fn rows(self, connection: &mut D::Connection) -> Result<Vec<D::Row>, sqlx::Error> {
        D::rows(connection, self.sql, self.arguments).await
    }

    pub(super) async fn run(self, connection: &mut D::Connection) -> Result<Done, sqlx::Error> {
        D::run(connection, self.sql, self.arguments).await
    }
}
