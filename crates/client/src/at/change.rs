//! Statements, with the rows before and after them.

use tokio::time::sleep;

use super::dialect::{Dialect, Writing};
use super::error::{Error, Result, refused};
use super::image;
use super::keys;
use super::locks;
use super::parse::{Changed, Lock, NewRows, Removed, Target};
use super::record::{Change, Operation, Records};
use super::table::{Name, Table};
use super::text::Fragment;
use super::transaction::{Outcome, Transaction};
use super::value::Value;

/// Runs a statement as it is.
pub(super) async fn plain<D: Dialect>(
    transaction: &mut Transaction<D>,
    text: &Fragment,
    arguments: &[Value],
    rows: bool,
) -> Result<Outcome<D>> {
    let mut sql = Writing::<D>::new("");
    sql.fragment(text, arguments);
    transaction.touched = true;
    if !rows {
        return Ok(Outcome { rows: Vec::new(), count: sql.run(&mut transaction.local).await?.rows });
    }
    let rows = sql.rows(&mut transaction.local).await?;
    Ok(Outcome { count: count_of(&rows), rows })
}

/// Changes rows.
pub(super) async fn update<D: Dialect>(
    transaction: &mut Transaction<D>,
    update: &Changed,
    text: &Fragment,
    arguments: &[Value],
) -> Result<Outcome<D>> {
    let table = transaction.shared.table(&mut transaction.local, &update.target).await?;
    let names = texts(&update.columns);
    for name in &names {
        if table.find(name).is_some_and(|(index, _)| table.is_key(index)) {
            return refused(format!("a change of the key {name} of the table {}", table.name));
        }
    }
    let places = table.places(if transaction.shared.options.all_columns { None } else { Some(&names) })?;
    let condition = (&update.condition, arguments);
    let before =
        image::lock_matching::<D>(&mut transaction.local, &table, &places, &update.target, condition).await?;
    let outcome = plain(transaction, text, arguments, false).await?;
    same_count(&before, outcome.count)?;
    let keys = image::keys_of(&table, &before);
    let after =
        image::by_keys::<D>(&mut transaction.local, &table, &places, &update.target.text, &keys).await?;
    same_count(&before, count_of(&after.rows))?;
    remember(transaction, &table, &update.target, (Operation::Update, before, after))?;
    Ok(outcome)
}

/// Removes rows.
pub(super) async fn delete<D: Dialect>(
    transaction: &mut Transaction<D>,
    delete: &Removed,
    text: &Fragment,
    arguments: &[Value],
) -> Result<Outcome<D>> {
    let table = transaction.shared.table(&mut transaction.local, &delete.target).await?;
    let places = table.places(None)?;
    let condition = (&delete.condition, arguments);
    let before =
        image::lock_matching::<D>(&mut transaction.local, &table, &places, &delete.target, condition).await?;
    let outcome = plain(transaction, text, arguments, false).await?;
    same_count(&before, outcome.count)?;
    let after = Records::none(&table.name);
    remember(transaction, &table, &delete.target, (Operation::Delete, before, after))?;
    Ok(outcome)
}

/// Adds rows.
pub(super) async fn insert<D: Dialect>(
    transaction: &mut Transaction<D>,
    insert: &NewRows,
    text: &Fragment,
    arguments: &[Value],
) -> Result<Outcome<D>> {
    let table = transaction.shared.table(&mut transaction.local, &insert.target).await?;
    let names = texts(&insert.columns);
    let some = !names.is_empty() && !transaction.shared.options.all_columns;
    let places = table.places(some.then_some(&names))?;
    let (keys, outcome) = match D::RETURNING {
        true => keys::returned(transaction, &table, insert, (text, arguments)).await?,
        false => keys::given(transaction, &table, insert, (text, arguments)).await?,
    };
    let after =
        image::by_keys::<D>(&mut transaction.local, &table, &places, &insert.target.text, &keys).await?;
    same_count(&after, outcome.count)?;
    let before = Records::none(&table.name);
    remember(transaction, &table, &insert.target, (Operation::Insert, before, after))?;
    Ok(outcome)
}

/// Reads rows and locks them, here and, for the moment, for the coordinator: nobody who holds one of them can have committed it here
/// without being seen. Who waits lets go of the local locks, as the holder may need them to undo.
pub(super) async fn lock<D: Dialect>(
    transaction: &mut Transaction<D>,
    lock: &Lock,
    arguments: &[Value],
) -> Result<Outcome<D>> {
    let table = transaction.shared.table(&mut transaction.local, &lock.target).await?;
    let (mut left, places) = (transaction.lock_retries(), table.keys.clone());
    loop {
        D::simple(&mut transaction.local, "savepoint synod_at").await?;
        let mut sql = Writing::<D>::new("");
        sql.fragment(&lock.columns, arguments);
        for column in table.key_columns() {
            let alias = lock.target.alias.as_ref().unwrap_or(&lock.target.text);
            let name = format!("{alias}.{}", D::quote(&column.name));
            sql.push(", ").push(&D::read(column, &name));
        }
        sql.push(" ").fragment(&lock.rest, arguments);
        let rows = sql.rows(&mut transaction.local).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            keys.push(keys::at_end::<D>(&table, &places, row)?);
        }
        let free = match locks::name(&table, &keys)? {
            Some(names) => transaction.is_free(&names).await?,
            None => true,
        };
        if free {
            return Ok(Outcome { count: count_of(&rows), rows });
        }
        D::simple(&mut transaction.local, "rollback to savepoint synod_at").await?;
        if left == 0 {
            return Err(Error::Conflict(format!("rows of the table {}", table.name)));
        }
        left -= 1;
        sleep(transaction.shared.options.lock_interval).await;
    }
}

/// Keeps what has been changed, if anything has.
fn remember<D: Dialect>(
    transaction: &mut Transaction<D>,
    table: &Table,
    target: &Target,
    (operation, before, after): (Operation, Records, Records),
) -> Result<()> {
    let changed = if operation == Operation::Delete { &before } else { &after };
    let Some(rows) = locks::name(table, &image::keys_of(table, changed))? else { return Ok(()) };
    if !transaction.rows.contains(&rows) {
        transaction.rows.push(rows);
    }
    transaction.changes.push(Change { operation, table: target.text.clone(), before, after });
    Ok(())
}

/// A statement that has found other rows than were locked for it just before has changed some that nobody could undo.
fn same_count(image: &Records, count: u64) -> Result<()> {
    if count_of(&image.rows) == count {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{count} rows of the table {}, where {} were seen",
        image.table,
        image.rows.len()
    )))
}

fn count_of<T>(rows: &[T]) -> u64 {
    rows.len() as u64
}

fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(|name| name.text.clone()).collect()
}
