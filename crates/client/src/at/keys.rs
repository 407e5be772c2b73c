//! The keys of new rows, and of rows that are locked.

use sqlx::Row;

use super::dialect::{Dialect, Sql, Writing};
use super::error::{Result, refused};
use super::parse::{Cell, NewRows};
use super::table::Table;
use super::text::{Fragment, Part};
use super::transaction::{Outcome, Transaction};
use super::value::Value;

/// Inserts where the database says the keys of what it has inserted.
pub(super) async fn returned<D: Dialect>(
    transaction: &mut Transaction<D>,
    table: &Table,
    insert: &NewRows,
    (text, arguments): (&Fragment, &[Value]),
) -> Result<(Vec<Vec<Value>>, Outcome<D>)> {
    let mut sql = Writing::<D>::new("");
    sql.fragment(text, arguments).push(if insert.returning { ", " } else { " returning " });
    sql.list(", ", table.key_columns(), |sql, column| {
        sql.push(&D::read(column, &D::quote(&column.name)));
    });
    transaction.touched = true;
    let rows = sql.rows(&mut transaction.local).await?;
    let keys = rows.iter().map(|row| at_end::<D>(table, &table.keys, row)).collect::<Result<_>>()?;
    let count = rows.len() as u64;
    Ok((keys, Outcome { rows: if insert.returning { rows } else { Vec::new() }, count }))
}

/// Reads the key that a row ends with.
pub(super) fn at_end<D: Sql>(table: &Table, places: &[usize], row: &D::Row) -> Result<Vec<Value>> {
    let first = row.len().saturating_sub(places.len());
    let mut key = Vec::with_capacity(places.len());
    for (index, column) in table.key_columns().enumerate() {
        key.push(match D::text(row, first + index)? {
            Some(text) => column.parse(text)?,
            None => Value::Null,
        });
    }
    Ok(key)
}

/// Where the value of a key comes from.
enum Source {
    /// The statement.
    Given(Part),
    /// The database numbers it.
    Numbered,
}

/// Inserts where the keys are those that the statement gives, or numbers that the database gives out one after the other.
pub(super) async fn given<D: Dialect>(
    transaction: &mut Transaction<D>,
    table: &Table,
    insert: &NewRows,
    (text, arguments): (&Fragment, &[Value]),
) -> Result<(Vec<Vec<Value>>, Outcome<D>)> {
    let sources = sources(table, insert, arguments)?;
    let mut sql = Writing::<D>::new("");
    sql.fragment(text, arguments);
    transaction.touched = true;
    let done = sql.run(&mut transaction.local).await?;
    if done.rows != sources.len() as u64 {
        return refused(format!("an INSERT of {} rows that has made {}", sources.len(), done.rows));
    }
    let step = if sources.iter().flatten().any(|source| matches!(source, Source::Numbered)) {
        let rows = Writing::<D>::new("select cast(@@auto_increment_increment as char)")
            .rows(&mut transaction.local)
            .await?;
        let step = rows.first().map(|row| D::text(row, 0)).transpose()?.flatten();
        step.and_then(|step| step.parse::<u64>().ok()).unwrap_or(1)
    } else {
        1
    };
    let mut keys = Vec::with_capacity(sources.len());
    for (index, row) in sources.into_iter().enumerate() {
        let number = done.first_id.saturating_add(step.saturating_mul(index as u64));
        keys.push(read_back(transaction, (table, &insert.target.text), &row, (number, arguments)).await?);
    }
    Ok((keys, Outcome { rows: Vec::new(), count: done.rows }))
}

/// The key as the table has it: a literal is what the column makes of it.
async fn read_back<D: Dialect>(
    transaction: &mut Transaction<D>,
    (table, name): (&Table, &str),
    row: &[Source],
    (number, arguments): (u64, &[Value]),
) -> Result<Vec<Value>> {
    let plain = |source: &Source| match source {
        Source::Numbered => Some(i64::try_from(number).map_or(Value::UInt(number), Value::Int)),
        Source::Given(Part::Argument(index)) => match arguments.get(*index) {
            Some(Value::Int(value)) => Some(Value::Int(*value)),
            _ => None,
        },
        Source::Given(Part::Text(text)) => text.parse().ok().map(Value::Int),
    };
    let whole = |column: &super::column::Column| {
        use super::column::Java::{BigInteger, Integer, Long};
        matches!(column.java, Some(Integer | Long | BigInteger))
    };
    let known = table.key_columns().zip(row).map(|(column, source)| plain(source).filter(|_| whole(column)));
    if let Some(key) = known.collect::<Option<Vec<_>>>() {
        return Ok(key);
    }
    let mut sql = Writing::<D>::new("select ");
    sql.list(", ", table.key_columns(), |sql, column| {
        sql.push(&D::read(column, &D::quote(&column.name)));
    });
    sql.push(" from ").push(name).push(" where ");
    sql.list(" and ", table.key_columns().zip(row), |sql, (column, source)| {
        sql.push(&D::quote(&column.name)).push(" = ");
        match source {
            Source::Given(part) => sql.part(part, arguments),
            Source::Numbered => sql.argument(number),
        };
    });
    let rows = sql.rows(&mut transaction.local).await?;
    match rows.as_slice() {
        [row] => at_end::<D>(table, &table.keys, row),
        rows => refused(format!("a key of the table {} that {} rows have", table.name, rows.len())),
    }
}

/// Where the keys of all rows come from.
fn sources(table: &Table, insert: &NewRows, arguments: &[Value]) -> Result<Vec<Vec<Source>>> {
    if insert.returning {
        return refused("an INSERT with RETURNING");
    }
    let Some(rows) = &insert.rows else { return refused("an INSERT of what a query finds") };
    let mut sources = Vec::with_capacity(rows.len());
    for row in rows {
        let mut key = Vec::with_capacity(table.keys.len());
        for index in &table.keys {
            let Some(column) = table.columns.get(*index) else { continue };
            let place = match insert.columns.is_empty() {
                true => Some(*index),
                false => insert.columns.iter().position(|name| name.text.eq_ignore_ascii_case(&column.name)),
            };
            let cell = place.map_or(Some(&Cell::Left), |place| row.get(place));
            key.push(match cell {
                Some(Cell::Given(Part::Argument(argument)))
                    if arguments.get(*argument) == Some(&Value::Null) && column.auto =>
                {
                    Source::Numbered
                }
                Some(Cell::Given(part)) => Source::Given(part.clone()),
                Some(Cell::Left) if column.auto => Source::Numbered,
                _ => {
                    return refused(format!(
                        "a new row of the table {} whose key {} is not given",
                        table.name, column.name
                    ));
                }
            });
        }
        sources.push(key);
    }
    let numbered =
        sources.iter().filter(|key| key.iter().any(|source| matches!(source, Source::Numbered))).count();
    if numbered != 0 && numbered != sources.len() {
        return refused("new rows of which only some have a key");
    }
    Ok(sources)
}
