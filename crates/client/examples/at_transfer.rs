//! Moves money from a bank on MariaDB to one on PostgreSQL, and back if the second one does not have the account.
//!
//! ```text
//! cargo run --example at_transfer --features at,mysql,postgres -- 127.0.0.1:8091 mysql://… postgres://…
//! ```
//!
//! Both databases have the table `undo_log` (docs/sdk-at.md) and `account(id int primary key, balance int not null)`.
#![allow(clippy::print_stdout, reason = "it says what it did")]

use std::sync::Arc;
use std::time::Duration;

use sqlx::{MySqlPool, PgPool};
use synod_client::at::{DataSource, Options};
use synod_client::seata::{Client, Config};
use synod_client::tm::Backend as _;
use synod_client::{Context, context, rm};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().ok_or(format!("{what} is missing"));
    let (server, mysql, postgres) = (next("the server")?, next("the first bank")?, next("the second bank")?);

    let client = Client::connect(Config::new([server], "transfer", "default_tx_group")).await?;
    let backend: Arc<dyn rm::Backend> = Arc::new(client.clone());
    let from = MySqlPool::connect(&mysql).await?;
    let from = DataSource::register(from, Arc::clone(&backend), Options::default()).await?;
    let to = PgPool::connect(&postgres).await?;
    let to = DataSource::register(to, backend, Options::default()).await?;

    let xid = client.begin("transfer", Duration::from_secs(30)).await?;
    let transfer = async {
        from.execute("update account set balance = balance - ? where id = ?", &[30.into(), 1.into()]).await?;
        to.execute("update account set balance = balance + $1 where id = $2", &[30.into(), 1.into()]).await
    };
    let context = Context { xid: Some(xid.clone()), ..Context::default() };
    let status = match context::scope(context, transfer).await {
        Ok(1) => client.commit(&xid).await?,
        Ok(_) => client.rollback(&xid).await?,
        Err(error) => {
            println!("{error}");
            client.rollback(&xid).await?
        }
    };
    println!("{xid}: {status:?}");
    Ok(())
}
