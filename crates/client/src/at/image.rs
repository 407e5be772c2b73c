//! Images: rows as they are, read with their keys.

use super::column::Java;
use super::dialect::{Sql, Writing};
use super::error::Result;
use super::parse::Target;
use super::record::{Field, Records};
use super::table::Table;
use super::text::Fragment;
use super::value::Value;

/// Rows that are asked for at once by their keys.
const KEYS_MAX: usize = 500;

/// Begins `SELECT columns FROM table`.
fn select<D: Sql>(table: &Table, places: &[usize], target: &Target) -> Writing<D> {
    let mut sql = Writing::new("select ");
    let columns = places.iter().filter_map(|place| table.columns.get(*place));
    sql.list(", ", columns, |sql, column| {
        let name = match &target.alias {
            Some(alias) => format!("{alias}.{}", D::quote(&column.name)),
            None => D::quote(&column.name),
        };
        sql.push(&D::read(column, &name));
    });
    sql.push(" from ").push(&target.text);
    if let Some(alias) = &target.alias {
        sql.push(" as ").push(alias);
    }
    sql
}

/// Reads the rows of a condition, and locks them.
pub(super) async fn lock_matching<D: Sql>(
    connection: &mut D::Connection,
    table: &Table,
    places: &[usize],
    target: &Target,
    (condition, arguments): (&Fragment, &[Value]),
) -> Result<Records> {
    let mut sql = select::<D>(table, places, target);
    sql.push(" ").fragment(condition, arguments).push(" for update");
    let rows = sql.rows(connection).await?;
    let rows = rows.iter().map(|row| read_row::<D>(table, places, row)).collect::<Result<_>>()?;
    Ok(Records { table: table.name.clone(), rows })
}

/// Reads rows by their keys.
pub(super) async fn by_keys<D: Sql>(
    connection: &mut D::Connection,
    table: &Table,
    places: &[usize],
    target: &str,
    keys: &[Vec<Value>],
) -> Result<Records> {
    let target = Target { names: Vec::new(), text: target.to_owned(), alias: None };
    let mut records = Records::none(&table.name);
    for keys in keys.chunks(KEYS_MAX) {
        let mut sql = select::<D>(table, places, &target);
        sql.push(" where ").list(" or ", keys, |sql, key| where_key(sql, table, key));
        sql.push(" for update");
        for row in &sql.rows(connection).await? {
            records.rows.push(read_row::<D>(table, places, row)?);
        }
    }
    Ok(records)
}

/// Adds the condition that only the row with this key meets.
pub(super) fn where_key<D: Sql>(sql: &mut Writing<D>, table: &Table, key: &[Value]) {
    sql.push("(").list(" and ", table.key_columns().zip(key), |sql, (column, value)| {
        sql.push(&D::quote(&column.name)).push(" = ").value(column, value.clone());
    });
    sql.push(")");
}

/// Reads the columns at these places, which the row begins with.
pub(super) fn read_row<D: Sql>(table: &Table, places: &[usize], row: &D::Row) -> Result<Vec<Field>> {
    let mut fields = Vec::with_capacity(places.len());
    for (index, place) in places.iter().enumerate() {
        let Some(column) = table.columns.get(*place) else { continue };
        let java = column.java()?;
        let value = match D::text(row, index)? {
            None => Value::Null,
            Some(text) => column.parse(text)?,
        };
        fields.push(Field {
            name: column.name.clone(),
            key: table.is_key(*place),
            jdbc: column.jdbc,
            java,
            object: (java == Java::PgObject).then(|| column.sql.clone()),
            value,
        });
    }
    Ok(fields)
}

/// The keys of rows, in the key's order.
pub(super) fn keys_of(table: &Table, records: &Records) -> Vec<Vec<Value>> {
    let key = |row: &Vec<Field>| {
        let value = |name: &str| row.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let values = table.key_columns().map(|column| value(&column.name));
        values.map(|field| field.map_or(Value::Null, |field| field.value.clone())).collect()
    };
    records.rows.iter().map(key).collect()
}
