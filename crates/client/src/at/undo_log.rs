//! The table of undo logs, as Seata's scripts make it.

use bytes::Bytes;

use super::dialect::{Sql, Writing};
use super::error::Result;
use super::value::Value;
use crate::rm::Branch;
use synod_wire::seata::compress;

/// What is written into the context, and what a row has in it that no transaction may come after.
const CONTEXT: &str = "serializer=jackson&compressorType=NONE";
const NOTHING: &[u8] = b"{}";
/// The status of a row that has something to undo, and of one that only keeps its place.
const NORMAL: i64 = 0;
const FINISHED: i64 = 1;
/// Rows that a very large log may have been spread over.
const PARTS_MAX: usize = 1000;

/// A branch, as the table names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) xid: String,
    pub(super) branch: i64,
}

impl Key {
    /// Nothing if the coordinator does not number branches as Seata does.
    pub(super) fn of(branch: &Branch) -> Option<Self> {
        Some(Self { xid: branch.xid.as_str().to_owned(), branch: branch.id.parse().ok()? })
    }
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Found {
    context: String,
    info: Vec<u8>,
    /// Whether there is something to undo.
    pub(super) normal: bool,
}

/// Adds a row: with a log, or with nothing to keep the branch's place.
pub(super) async fn insert<D: Sql>(
    connection: &mut D::Connection,
    table: &str,
    key: &Key,
    log: Option<Vec<u8>>,
) -> Result<(), sqlx::Error> {
    let mut sql = Writing::<D>::new("insert into ");
    sql.push(table)
        .push("(branch_id, xid, context, rollback_info, log_status, log_created, log_modified) values (");
    sql.argument(key.branch).push(", ").argument(key.xid.as_str()).push(", ").argument(CONTEXT).push(", ");
    let status = if log.is_some() { NORMAL } else { FINISHED };
    sql.argument(log.unwrap_or_else(|| NOTHING.to_vec())).push(", ").argument(status);
    // Seata's table for PostgreSQL has whole seconds, that for MariaDB has parts of them.
    sql.push(if D::RETURNING { ", now(), now())" } else { ", now(6), now(6))" });
    sql.run(connection).await.map(drop)
}

/// Reads the branch's row, and locks it.
pub(super) async fn find<D: Sql>(
    connection: &mut D::Connection,
    table: &str,
    key: &Key,
) -> Result<Option<Found>, sqlx::Error> {
    let mut sql = Writing::<D>::new("select cast(log_status as char(2)), context, rollback_info from ");
    sql.push(table)
        .push(" where branch_id = ")
        .argument(key.branch)
        .push(" and xid = ")
        .argument(key.xid.as_str());
    sql.push(" for update");
    let rows = sql.rows(connection).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let normal = D::text(row, 0)?.is_some_and(|status| status.trim() == "0");
    let context = D::text(row, 1)?.unwrap_or_default();
    Ok(Some(Found { context, info: D::bytes(row, 2)?, normal }))
}

/// Removes branches' rows, and those that very large logs were spread over.
pub(super) async fn remove<D: Sql>(
    connection: &mut D::Connection,
    table: &str,
    keys: &[Key],
) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut sql = Writing::<D>::new("delete from ");
    sql.push(table).push(" where (xid, branch_id) in (").list(", ", keys, |sql, key| {
        sql.push("(").argument(key.xid.as_str()).push(", ").argument(key.branch).push(")");
    });
    sql.push(") or (xid, context) in (").list(", ", keys, |sql, key| {
        sql.push("(")
            .argument(key.xid.as_str())
            .push(", ")
            .argument(format!("branchId={}", key.branch))
            .push(")");
    });
    sql.push(")");
    sql.run(connection).await.map(drop)
}

/// Removes rows that are older, some at a time. Returns how many it has removed.
pub(super) async fn remove_old<D: Sql>(
    connection: &mut D::Connection,
    table: &str,
    seconds: i64,
    rows: u32,
) -> Result<u64, sqlx::Error> {
    let value = Value::Int(seconds);
    let sql = D::remove_old(table, &D::placeholder(1, &value), rows);
    D::run(connection, sql, vec![value]).await.map(|done| done.rows)
}

impl Found {
    /// The log's text: put together, and unpacked.
    ///
    /// # Errors
    /// The text says why it cannot be read, if that is for good.
    pub(super) async fn open<D: Sql>(
        self,
        connection: &mut D::Connection,
        table: &str,
        key: &Key,
        bytes_max: usize,
    ) -> Result<Result<Bytes, String>, sqlx::Error> {
        let value = |name: &str| {
            let pairs = self.context.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next().unwrap_or_default()
        };
        let serializer = value("serializer");
        if serializer != "jackson" {
            return Ok(Err(format!(
                "an undo log that {serializer:.40} has written: only jackson's are understood"
            )));
        }
        let Some(compressor) = compressor(value("compressorType")) else {
            return Ok(Err(format!("an undo log packed by {:.40}", value("compressorType"))));
        };
        let parts = value("subId").split(',').filter(|part| !part.is_empty()).collect::<Vec<_>>();
        if parts.len() > PARTS_MAX {
            return Ok(Err("an undo log in too many parts".to_owned()));
        }
        let mut whole = self.info.clone();
        for part in parts {
            let Ok(branch) = part.parse() else {
                return Ok(Err("an undo log in parts without numbers".to_owned()));
            };
            let part = find::<D>(connection, table, &Key { xid: key.xid.clone(), branch }).await?;
            let Some(part) = part else {
                return Ok(Err("an undo log of which a part is missing".to_owned()));
            };
            whole.extend(part.info);
            if whole.len() > bytes_max {
                break;
            }
        }
        if whole.len() > bytes_max {
            return Ok(Err(format!("an undo log of more than {bytes_max} bytes")));
        }
        Ok(compress::inflate(compressor, &whole.into(), bytes_max).map_err(|error| error.to_string()))
    }
}

/// Seata's number for a compressor.
fn compressor(name: &str) -> Option<u8> {
    Some(match name {
        "" | "NONE" => 0,
        "GZIP" => 1,
        "ZIP" => 2,
        "BZIP2" => 4,
        "LZ4" => 5,
        "DEFLATER" => 6,
        "ZSTD" => 7,
        _ => return None,
    })
}
