//! A service that is killed: what `tests/sdk_sql.rs` starts as a process of its own.
//!
//! - `prepare PG_URL SYNOD_URL PORT XID`: takes 30 from the account of PostgreSQL as a branch, says `prepared`, and stays.
//! - `relay PG_URL SYNOD_URL`: relays the outbox of PostgreSQL to Synod until it is killed.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use synod_client::Xid;
use synod_client::native::{Client, Participants};
use synod_client::sql::outbox::{Outbox, Relay, Rules};
use synod_client::sql::sqlx::{self, PgPool};
use synod_client::sql::xa::Xa;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["prepare", database, synod, port, xid] => prepare(database, synod, port, xid).await,
        ["relay", database, synod] => relay(database, synod).await,
        _ => Err(format!("cannot do {arguments:?}").into()),
    }
}

async fn prepare(database: &str, synod: &str, port: &str, xid: &str) -> Result<(), Box<dyn Error>> {
    let participants = Participants::new(&format!("http://127.0.0.1:{port}"))?;
    let client = Arc::new(Client::new([synod])?.participants(participants));
    let bank = Xa::register("bank-a", PgPool::connect(database).await?, client).await?;
    let xid = Xid::parse(xid)?;
    let work = bank.run(&xid, async |tx| {
        sqlx::query("update accounts set balance = balance - 30").execute(&mut **tx).await
    });
    work.await?;
    writeln!(std::io::stdout(), "prepared")?;
    std::future::pending().await
}

async fn relay(database: &str, synod: &str) -> Result<(), Box<dyn Error>> {
    let ms = Duration::from_millis;
    let rules = Rules {
        batch: 8,
        interval: ms(5),
        timeout: ms(500),
        lease: ms(1_000),
        attempts_max: 1_000,
        pause: ms(10),
        pause_max: ms(100),
    };
    let client = Arc::new(Client::new([synod])?);
    let _relay = Relay::start(&Outbox::default(), PgPool::connect(database).await?, client, rules);
    std::future::pending().await
}
