//! The barrier: a row for each step in the bank's own database, written in the transaction that does the step's work. It makes a step that
//! is asked for twice happen once, a step back whose step forward never came harmless, and that step forward impossible when it
//! comes late.

use sqlx::Row as _;

use super::order::{Order, Step};
use crate::database::{Connection, Dialect, Value};

const STRICT: &str =
    "insert into synod_demo_barrier (xid, branch, step, cause) values (?, ?, ?, ?) on conflict do nothing";
const LENIENT: &str = "insert ignore into synod_demo_barrier (xid, branch, step, cause) values (?, ?, ?, ?)";
const CAUSE: &str = "select cause from synod_demo_barrier where xid = ? and branch = ? and step = ?";

/// What there is to do for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is new: do its work.
    Fresh,
    /// It has happened: say so again.
    Repeated,
    /// What it would undo has never happened, and now never will.
    Empty,
    /// It comes after what undoes it.
    TooLate,
}

/// Marks a step as happening. Only counts when the transaction of `connection` commits.
pub(super) async fn enter(connection: &mut Connection, order: &Order) -> sqlx::Result<Entry> {
    let step = order.step;
    if let Some(undone) = step.undoes()
        && mark(connection, order, undone, step).await?
    {
        mark(connection, order, step, step).await?;
        return Ok(Entry::Empty);
    }
    if mark(connection, order, step, step).await? {
        return Ok(Entry::Fresh);
    }
    let is_own = cause(connection, order, step).await?.is_none_or(|cause| cause == step.as_str());
    Ok(if is_own { Entry::Repeated } else { Entry::TooLate })
}

/// Writes the row of `step`; false if it is there. Waits for whoever is writing the same one.
pub(super) async fn mark(
    connection: &mut Connection,
    order: &Order,
    step: Step,
    cause: Step,
) -> sqlx::Result<bool> {
    let sql = if connection.dialect == Dialect::MariaDb { LENIENT } else { STRICT };
    let values = [&order.xid, &order.branch, step.as_str(), cause.as_str()];
    Ok(connection.run(sql, &values.map(Value::Text)).await? == 1)
}

/// The step that wrote the row of `step`.
pub(super) async fn cause(
    connection: &mut Connection,
    order: &Order,
    step: Step,
) -> sqlx::Result<Option<String>> {
    let values = [&order.xid, &order.branch, step.as_str()];
    let rows = connection.rows(CAUSE, &values.map(Value::Text)).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}
