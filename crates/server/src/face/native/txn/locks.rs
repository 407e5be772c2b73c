//! Rows that transactions hold, and who waits for whom.

#![expect(unused_qualifications, reason = "utoipa's macro writes `Self`-qualified paths for local types")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use synod_base::xid::Xid;
use utoipa::{IntoParams, ToSchema};

use super::extract::Query;
use super::failed::{Failed, TransactionProblem};
use crate::node::Node;
use crate::txn::ask::{Desk, LockFilter, LockRow, Place, WaitRow, page_rows};

/// Which rows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LockQuery {
    /// Only those of this transaction.
    xid: Option<String>,
    /// Only those of databases whose names contain this.
    resource: Option<String>,
    /// Only those of tables whose names contain this.
    table: Option<String>,
    /// Only those with this key.
    key: Option<String>,
    /// The `next` of the page before.
    from: Option<String>,
    /// Rows at most: 50 unless said, at most 500.
    limit: Option<usize>,
}

/// A page of rows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LockPageDto {
    /// Rows that are held in all, whatever was asked for.
    held: usize,
    /// Those of the transactions that were begun last first. They may be fewer than asked for, or none, although there are more:
    /// see `next`.
    locks: Vec<LockDto>,
    /// The `from` of the next page, null on the last.
    next: Option<String>,
}

/// A row that is held.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LockDto {
    /// The transaction that holds it.
    xid: String,
    /// What people call the transaction.
    name: String,
    /// How the transaction stands.
    status: &'static str,
    /// The branch, by its place.
    number: u16,
    /// The branch, by the id by which the participant knows it.
    branch: String,
    /// The database.
    resource: String,
    /// The table.
    table: String,
    /// The key in the table.
    key: String,
    /// Since when.
    since_ms: u64,
}

/// Who waits for whom.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitsDto {
    /// Those that were refused last first; at most 512.
    waits: Vec<WaitDto>,
}

/// A transaction that was refused a row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitDto {
    /// Who asked.
    waiter: String,
    /// What people call it; null when it has ended.
    waiter_name: Option<String>,
    /// Who had the row.
    holder: String,
    /// What people call it; null when it has ended.
    holder_name: Option<String>,
    /// The database.
    resource: String,
    /// The table.
    table: String,
    /// The key in the table.
    key: String,
    /// How often it was refused.
    count: u64,
    /// When for the first time.
    first_ms: u64,
    /// When for the last time.
    last_ms: u64,
    /// Whether it may still be waiting: neither of the two has come to its end.
    waiting: bool,
}

impl LockDto {
    fn new(desk: &Desk<'_>, row: LockRow) -> Self {
        Self {
            xid: desk.text(row.xid),
            name: row.name.into(),
            status: row.status.as_str(),
            number: row.number,
            branch: row.branch.into(),
            resource: row.resource.into(),
            table: row.table.into(),
            key: row.key.into(),
            since_ms: row.since_ms,
        }
    }
}

impl WaitDto {
    fn new(desk: &Desk<'_>, row: WaitRow) -> Self {
        let ((waiter, waiter_name), (holder, holder_name)) = (row.waiter, row.holder);
        Self {
            waiter: desk.text(waiter),
            waiter_name: waiter_name.map(String::from),
            holder: desk.text(holder),
            holder_name: holder_name.map(String::from),
            resource: row.resource.into(),
            table: row.table.into(),
            key: row.key.into(),
            count: row.count,
            first_ms: row.first_ms,
            last_ms: row.last_ms,
            waiting: row.waiting,
        }
    }
}

impl LockQuery {
    fn filter(self) -> Result<LockFilter, Failed> {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let place =
            |text: String| place(&text).ok_or_else(|| Failed::parameter("from: the next of another page"));
        let xid = |text: String| {
            let wrong = || Failed::parameter(format!("xid: {text:?} is none"));
            Xid::parse(&text).ok_or_else(wrong)
        };
        Ok(LockFilter {
            xid: said(self.xid).map(xid).transpose()?,
            resource: said(self.resource),
            table: said(self.table),
            key: said(self.key),
            from: said(self.from).map(place).transpose()?,
            limit: page_rows(self.limit),
        })
    }
}

fn place(text: &str) -> Option<Place> {
    let (number, rows) = text.split_once('-')?;
    Some(Place { xid: Xid::from_number(number.parse().ok()?)?, rows: rows.parse().ok()? })
}

fn place_text(place: Place) -> String {
    format!("{}-{}", place.xid, place.rows)
}

/// Rows that transactions hold: nobody else may change them until these are decided or rolled back.
#[utoipa::path(get, path = "/v1/locks", params(LockQuery), responses((status = 200, body = LockPageDto), (status = 400, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn locks(
    State(node): State<Arc<Node>>,
    Query(query): Query<LockQuery>,
) -> Result<Json<LockPageDto>, Failed> {
    let desk = Desk::of(&node)?;
    let page = desk.locks(&query.filter()?);
    let locks = page.rows.into_iter().map(|row| LockDto::new(&desk, row)).collect();
    Ok(Json(LockPageDto { held: page.held, locks, next: page.next.map(place_text) }))
}

/// Which transactions were refused rows of which others lately. Nobody waits here: whoever is refused a row asks again by itself.
/// A node knows what it has refused itself since its start.
#[utoipa::path(get, path = "/v1/locks/waits", responses((status = 200, body = WaitsDto), (status = 503, body = TransactionProblem)))]
pub(super) async fn waits(State(node): State<Arc<Node>>) -> Result<Json<WaitsDto>, Failed> {
    let desk = Desk::of(&node)?;
    Ok(Json(WaitsDto { waits: desk.waits().into_iter().map(|row| WaitDto::new(&desk, row)).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for text in ["7-0", "281474976710655-12"] {
            assert_eq!(place(text).map(place_text).as_deref(), Some(text));
        }
        for text in ["", "7", "0-1", "-1", "7-", "7-x", "x-1"] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
