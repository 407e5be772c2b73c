//! Steps that are one local transaction each: barrier and posting commit together, or neither does.

use anyhow::Context as _;

use super::Said;
use super::barrier::{self, Entry};
use super::order::{Order, Step};
use super::posting::Posting;
use crate::database::{Connection, Database, Value};

/// Does a step of TCC, a saga or a message.
pub(super) async fn carry_out(database: &Database, order: &Order) -> anyhow::Result<Said> {
    let mut connection = database.open().await?;
    connection.begin().await?;
    let said = step(&mut connection, order).await?;
    match said {
        // With the row of the barrier: a step that was refused has not happened.
        Said::Refused(_) if order.step != Step::Check => connection.rollback().await?,
        _ => connection.commit().await?,
    }
    connection.close().await?;
    Ok(said)
}

async fn step(connection: &mut Connection, order: &Order) -> anyhow::Result<Said> {
    let entry = barrier::enter(connection, order).await?;
    if order.step == Step::Check {
        return answer(connection, order, entry).await;
    }
    Ok(match entry {
        Entry::Fresh => post(connection, order).await?,
        Entry::Repeated => Said::Done("has done that before: does nothing".to_owned()),
        Entry::Empty => {
            let undone = order.step.undoes().map_or("", Step::as_str);
            Said::Done(format!("there was no {undone}: does nothing, and takes none any more"))
        }
        Entry::TooLate => Said::Refused("it was undone before it came".to_owned()),
    })
}

/// Whether a message was meant: whether the local transaction beside it has committed. If it has not, it never will.
async fn answer(connection: &mut Connection, order: &Order, entry: Entry) -> anyhow::Result<Said> {
    let cause = barrier::cause(connection, order, Step::Send).await?;
    Ok(match (entry, cause.as_deref()) {
        (Entry::Fresh | Entry::Repeated, Some("send")) => {
            Said::Done("yes, that has committed here".to_owned())
        }
        _ => Said::Refused("no, that has not committed here, and never will".to_owned()),
    })
}

/// Changes the account.
pub(super) async fn post(connection: &mut Connection, order: &Order) -> anyhow::Result<Said> {
    let posting = Posting::of(order.side, order.step).context("this step posts nothing")?;
    let values = vec![Value::Number(order.amount); posting.marks()];
    let rows = connection.run(posting.sql, &values).await?;
    Ok(match rows {
        0 => Said::Refused(format!("refuses: {}", posting.refused)),
        _ => Said::Done(format!("{} {}", posting.done, order.amount)),
    })
}
