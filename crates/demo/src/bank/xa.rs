//! Steps of a distributed transaction of the database's own: the database keeps the prepared work, whoever dies meanwhile.
//!
//! The barrier is in the prepared work itself: its row becomes visible when the branch is committed, and is in the way of whoever
//! would roll back a branch that is still at work.

use anyhow::bail;

use super::Said;
use super::barrier;
use super::local::post;
use super::order::{Order, Step};
use crate::books::{PREPARED_PREFIX, prepared};
use crate::database::{Connection, Database, Dialect};

/// Does a step.
pub(super) async fn carry_out(database: &Database, order: &Order) -> anyhow::Result<Said> {
    let mut connection = database.open().await?;
    let said = match order.step {
        Step::Prepare => prepare(&mut connection, order).await?,
        Step::Commit => commit(&mut connection, order).await?,
        Step::Rollback => rollback(&mut connection, order).await?,
        _ => bail!("{} is no step of XA", order.step.as_str()),
    };
    // With the connection MariaDB lets go of what it has prepared, so that another one may end it.
    connection.close().await?;
    Ok(said)
}

/// The work, up to the point from which on both ways are possible.
async fn prepare(connection: &mut Connection, order: &Order) -> anyhow::Result<Said> {
    let names = Names::new(connection.dialect, order)?;
    connection.raw(&names.start).await?;
    let said = if barrier::mark(connection, order, Step::Prepare, Step::Prepare).await? {
        post(connection, order).await?
    } else {
        Said::Refused("it was rolled back, or prepared, before".to_owned())
    };
    if !names.end.is_empty() {
        connection.raw(&names.end).await?;
    }
    Ok(match said {
        Said::Done(words) => {
            connection.raw(&names.prepare).await?;
            Said::Done(format!("{words}, prepared: {}", names.prepare))
        }
        Said::Refused(words) => {
            connection.raw(&names.give_up).await?;
            Said::Refused(words)
        }
    })
}

async fn commit(connection: &mut Connection, order: &Order) -> anyhow::Result<Said> {
    let names = Names::new(connection.dialect, order)?;
    if end(connection, &names, &names.commit).await? {
        return Ok(Said::Done(names.commit));
    }
    match barrier::cause(connection, order, Step::Prepare).await?.as_deref() {
        Some("prepare") => Ok(Said::Done("has committed that before: does nothing".to_owned())),
        _ => bail!("there is nothing prepared to commit"),
    }
}

async fn rollback(connection: &mut Connection, order: &Order) -> anyhow::Result<Said> {
    let names = Names::new(connection.dialect, order)?;
    if end(connection, &names, &names.rollback).await? {
        return Ok(Said::Done(names.rollback));
    }
    // Waits for a branch that is at work, and ends with an error when that takes long: then we are asked again.
    if barrier::mark(connection, order, Step::Prepare, Step::Rollback).await? {
        return Ok(Said::Done("nothing is prepared here, and nothing will be any more".to_owned()));
    }
    match barrier::cause(connection, order, Step::Prepare).await?.as_deref() {
        Some("rollback") => Ok(Said::Done("has rolled that back before: does nothing".to_owned())),
        _ => bail!("it has committed"),
    }
}

/// Ends a prepared branch; false if there is none.
async fn end(connection: &mut Connection, names: &Names, statement: &str) -> anyhow::Result<bool> {
    let Err(error) = connection.raw(statement).await else { return Ok(true) };
    let code = error.as_database_error().and_then(|error| error.code());
    // PostgreSQL's undefined_object, MariaDB's XAER_NOTA.
    if !matches!(code.as_deref(), Some("42704" | "XAE04")) {
        return Err(error.into());
    }
    if prepared(connection).await?.contains(&names.name) {
        bail!("the connection that prepared it still holds it");
    }
    Ok(false)
}

/// The statements of a branch. None of them can be prepared or have something bound to it; the ids were looked at when they
/// came in.
struct Names {
    /// As the database lists it.
    name: String,
    start: String,
    end: String,
    prepare: String,
    give_up: String,
    commit: String,
    rollback: String,
}

impl Names {
    fn new(dialect: Dialect, Order { xid, branch, .. }: &Order) -> anyhow::Result<Self> {
        let name = format!("{PREPARED_PREFIX}{xid}:{branch}");
        Ok(match dialect {
            Dialect::Postgres => Self {
                start: "begin".to_owned(),
                end: String::new(),
                prepare: format!("PREPARE TRANSACTION '{name}'"),
                give_up: "rollback".to_owned(),
                commit: format!("COMMIT PREPARED '{name}'"),
                rollback: format!("ROLLBACK PREPARED '{name}'"),
                name,
            },
            Dialect::MariaDb => {
                let id = format!("'{PREPARED_PREFIX}{xid}',':{branch}'");
                Self {
                    name,
                    start: format!("XA START {id}"),
                    end: format!("XA END {id}"),
                    prepare: format!("XA PREPARE {id}"),
                    give_up: format!("XA ROLLBACK {id}"),
                    commit: format!("XA COMMIT {id}"),
                    rollback: format!("XA ROLLBACK {id}"),
                }
            }
            Dialect::Sqlite => bail!("SQLite cannot prepare a transaction"),
        })
    }
}
