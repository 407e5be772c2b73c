//! Undoing a branch from its log.

use std::collections::BTreeMap;

use super::dialect::{Dialect, Writing};
use super::error::Error;
use super::image;
use super::jackson;
use super::parse::table_names;
use super::record::{Change, Field, Log, Operation, Records};
use super::source::Shared;
use super::table::Table;
use super::undo_log::{self, Key};
use super::value::Value;
use crate::rm::EndError;

/// How often phase one may be met at the moment of its commit.
const RACES_MAX: u32 = 10;

/// Why it was not undone.
enum Trouble {
    /// What the database says.
    Database(sqlx::Error),
    /// Somebody has to look at it.
    Never(String),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => Self::Database(error),
            other => Self::Never(other.to_string()),
        }
    }
}

/// Undoes a branch, or keeps its place in the log so that its phase one cannot be committed any more.
pub(super) async fn undo<D: Dialect>(shared: &Shared<D>, key: &Key) -> Result<(), EndError> {
    for _ in 0..RACES_MAX {
        match once(shared, key).await {
            Ok(()) => return Ok(()),
            // Phase one was committed in between, or another process has been quicker.
            Err(Trouble::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {}
            Err(Trouble::Database(error)) => {
                shared.forget_tables();
                return Err(EndError::Again(error.to_string()));
            }
            Err(Trouble::Never(why)) => {
                shared.forget_tables();
                return Err(EndError::Never(why));
            }
        }
    }
    Err(EndError::Again("the undo log keeps coming and going".to_owned()))
}

async fn once<D: Dialect>(shared: &Shared<D>, key: &Key) -> Result<(), Trouble> {
    let mut local = shared.pool.begin().await?;
    match locally(shared, &mut local, key).await {
        Ok(()) => Ok(local.commit().await?),
        Err(trouble) => {
            // At once, and not when the connection is used again: it holds rows.
            local.rollback().await?;
            Err(trouble)
        }
    }
}

async fn locally<D: Dialect>(
    shared: &Shared<D>,
    local: &mut sqlx::Transaction<'static, D>,
    key: &Key,
) -> Result<(), Trouble> {
    let options = &shared.options;
    let Some(found) = undo_log::find::<D>(local, &options.undo_table, key).await? else {
        return Ok(undo_log::insert::<D>(local, &options.undo_table, key, None).await?);
    };
    if !found.normal {
        return Ok(());
    }
    let text = found.open::<D>(local, &options.undo_table, key, options.undo_bytes_max).await?;
    let log = jackson::decode(&text.map_err(Trouble::Never)?, options.zone_seconds);
    let log = log.map_err(|error| Trouble::Never(format!("an undo log that is not understood: {error}")))?;
    changes_back(shared, local, log).await?;
    Ok(undo_log::remove::<D>(local, &options.undo_table, std::slice::from_ref(key)).await?)
}

/// Undoes changes, the last one first.
async fn changes_back<D: Dialect>(
    shared: &Shared<D>,
    local: &mut sqlx::Transaction<'static, D>,
    log: Log,
) -> Result<(), Trouble> {
    for change in log.changes.into_iter().rev() {
        let names = table_names(&change.table, &*D::grammar())?;
        let table = shared.table_named(local, &change.table, &names).await?;
        let change = alike(&table, change, shared.options.zone_seconds)?;
        if !shared.options.validate || has_to_be_undone::<D>(local, &table, &change).await? {
            back::<D>(local, &table, &change).await?;
        }
    }
    Ok(())
}

/// Has the values of a change be as they are read from the table.
fn alike(table: &Table, mut change: Change, zone_seconds: i32) -> Result<Change, Trouble> {
    for row in change.before.rows.iter_mut().chain(&mut change.after.rows) {
        for field in row {
            let Some((index, column)) = table.find(&field.name) else {
                return Err(Trouble::Never(format!(
                    "the table {} has no column {} any more",
                    table.name, field.name
                )));
            };
            let value = std::mem::replace(&mut field.value, Value::Null);
            field.value = column.same_kind(value, zone_seconds);
            field.name.clone_from(&column.name);
            field.key = table.is_key(index);
        }
    }
    Ok(change)
}

/// Compares the rows with what they were before the change and after it.
async fn has_to_be_undone<D: Dialect>(
    local: &mut D::Connection,
    table: &Table,
    change: &Change,
) -> Result<bool, Trouble> {
    let (before, after) = (by_key(table, &change.before), by_key(table, &change.after));
    if before == after {
        return Ok(false);
    }
    let changed = if change.operation == Operation::Insert { &change.after } else { &change.before };
    let known = changed.rows.first().map(|row| {
        row.iter().filter_map(|field| table.find(&field.name)).map(|(index, _)| index).collect::<Vec<_>>()
    });
    let Some(places) = known else { return Ok(false) };
    let keys = image::keys_of(table, changed);
    let current = image::by_keys::<D>(local, table, &places, &change.table, &keys).await?;
    let current = by_key(table, &current);
    if current == after {
        return Ok(true);
    }
    if current == before {
        return Ok(false);
    }
    let differs = |key: &&String| current.get(*key) != after.get(*key);
    let keys = before.keys().chain(after.keys()).filter(differs).take(3).cloned().collect::<Vec<_>>();
    Err(Trouble::Never(format!(
        "rows that somebody else has changed since, in the table {}: {}",
        table.name,
        keys.join(", ")
    )))
}

/// The values of a row, by the names of the columns.
type Values<'a> = BTreeMap<&'a str, &'a Value>;

/// Rows by what their keys look like.
fn by_key<'a>(table: &Table, records: &'a Records) -> BTreeMap<String, Values<'a>> {
    let keys = image::keys_of(table, records).into_iter().map(|key| format!("{key:?}"));
    let values = |row: &'a Vec<Field>| row.iter().map(|field| (field.name.as_str(), &field.value)).collect();
    keys.zip(records.rows.iter().map(values)).collect()
}

/// Does the opposite of a change.
async fn back<D: Dialect>(local: &mut D::Connection, table: &Table, change: &Change) -> Result<(), Trouble> {
    let rows = if change.operation == Operation::Insert { &change.after } else { &change.before };
    for (row, key) in rows.rows.iter().zip(image::keys_of(table, rows)) {
        let columns = || row.iter().filter_map(|field| Some((table.find(&field.name)?.1, field)));
        let values = || columns().filter(|(column, field)| !field.key && !column.generated);
        let mut sql = match change.operation {
            Operation::Insert => Writing::<D>::new("delete from "),
            Operation::Update if values().next().is_none() => continue,
            Operation::Update => Writing::<D>::new("update "),
            Operation::Delete => Writing::<D>::new("insert into "),
        };
        sql.push(&change.table);
        match change.operation {
            Operation::Insert => {}
            Operation::Update => {
                sql.push(" set ").list(", ", values(), |sql, (column, field)| {
                    sql.push(&D::quote(&column.name)).push(" = ").value(column, field.value.clone());
                });
            }
            Operation::Delete => {
                let all = || columns().filter(|(column, _)| !column.generated);
                sql.push("(").list(", ", all(), |sql, (column, _)| {
                    sql.push(&D::quote(&column.name));
                });
                sql.push(D::INSERTS).list(", ", all(), |sql, (column, field)| {
                    sql.value(column, field.value.clone());
                });
                sql.push(")");
            }
        }
        if change.operation != Operation::Delete {
            sql.push(" where ");
            image::where_key(&mut sql, table, &key);
        }
        sql.run(local).await?;
    }
    Ok(())
}
