//! Two banks and transfers between them, with nothing lost or doubled whatever is killed: the example of the README.
//!
//! `bank [COUNT]` makes so many transfers (1,000 unless said), and then goes on showing what the banks have, as Synod may still have to
//! call it. `SYNOD` and `BANK` say where Synod and this process are, if not on their usual ports.

#![expect(clippy::print_stdout, reason = "it shows what happens")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_client::native::{Client, Participants};
use synod_client::rm::tcc::{Action, Tcc};
use synod_client::rm::{Branch, EndError};
use synod_client::sql::sqlx::{self, SqlitePool};
use synod_client::sql::{Barrier, Entry, Op, Ran};
use synod_client::tm::global_tx;
use tokio::net::TcpListener;

/// Money that is to come, or to go if it is negative.
#[derive(Serialize, Deserialize)]
struct Posting {
    amount: i64,
}

/// The only account of a bank, in a database of its own. What is to go is held until that is decided.
struct Account(SqlitePool);

const TRY: &str = "update account set held = held + max(-?1, 0) where balance - held + ?1 >= 0";
const CONFIRM: &str = "update account set balance = balance + ?1, held = held - max(-?1, 0)";
const CANCEL: &str = "update account set held = held - max(-?1, 0)";

impl Account {
    /// One step in a local transaction, once, however often it is asked for.
    async fn step(
        &self,
        branch: &Branch,
        op: Op,
        sql: &'static str,
        posting: &Posting,
    ) -> sqlx::Result<Ran<()>> {
        let work = Barrier.run(&self.0, branch, op, async |tx| {
            let done = sqlx::query(sql).bind(posting.amount).execute(&mut **tx).await?;
            if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
        });
        work.await
    }
}

impl Action for Account {
    type Input = Posting;
    type Output = ();
    type Error = String;

    async fn try_(&self, branch: &Branch, posting: &Posting) -> Result<(), String> {
        match self.step(branch, Op::Try, TRY, posting).await {
            Ok(Ran::Done(()) | Ran::Skipped(Entry::Repeated)) => Ok(()),
            Ok(Ran::Skipped(_)) => Err("too late: it was cancelled before".to_owned()),
            Err(sqlx::Error::RowNotFound) => Err("there is not enough money".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn confirm(&self, branch: &Branch, posting: &Posting) -> Result<(), EndError> {
        let done = self.step(branch, Op::Confirm, CONFIRM, posting).await;
        done.map(drop).map_err(|error| EndError::Again(error.to_string()))
    }

    async fn cancel(&self, branch: &Branch, posting: &Posting) -> Result<(), EndError> {
        let done = self.step(branch, Op::Cancel, CANCEL, posting).await;
        done.map(drop).map_err(|error| EndError::Again(error.to_string()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(1_000), |count| count.parse())?;
    let [synod, bank] = [("SYNOD", "127.0.0.1:8761"), ("BANK", "127.0.0.1:9000")]
        .map(|(name, usual)| std::env::var(name).unwrap_or_else(|_| usual.to_owned()));
    let [a, b] = [open("bank-a.sqlite", 400).await?, open("bank-b.sqlite", 200).await?];

    // Whom Synod calls to confirm and to cancel: this process.
    let participants = Participants::new(&format!("http://{bank}"))?;
    let synod = Client::new([format!("http://{synod}")])?.participants(Arc::clone(&participants));
    let synod = Arc::new(synod);
    let from = Tcc::register(synod.clone(), "bank-a", Account(a.clone())).await?;
    let to = Tcc::register(synod.clone(), "bank-b", Account(b.clone())).await?;
    let listener = TcpListener::bind(&bank).await?;

    let teller = async {
        for number in 1..=count {
            let amount = if number % 2 == 0 { -10 } else { 10 };
            let done = global_tx(&synod, "transfer", Duration::from_secs(10), async |_| {
                from.call(&Posting { amount: -amount }).await?;
                to.call(&Posting { amount }).await
            });
            match done.await {
                Ok(()) => println!("transfer {number} is done"),
                Err(error) => println!("transfer {number}: {error}"),
            }
        }
        loop {
            let ([a, held_a], [b, held_b]) = (look(&a).await?, look(&b).await?);
            println!("bank A has {a}, bank B has {b}, together {}, held {}", a + b, held_a + held_b);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    // At Ctrl-C, what Synod is just asking is still answered.
    let interrupt = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    tokio::select! {
        () = participants.serve_until(listener, interrupt) => Ok(()),
        stopped = teller => stopped,
    }
}

/// A bank's database, with its account.
async fn open(file: &str, balance: i64) -> sqlx::Result<SqlitePool> {
    let pool = SqlitePool::connect(&format!("sqlite://{file}?mode=rwc")).await?;
    Barrier::create_table(&pool).await?;
    sqlx::query("create table if not exists account (id integer primary key, balance integer, held integer)")
        .execute(&pool)
        .await?;
    sqlx::query("insert or ignore into account values (1, ?1, 0)").bind(balance).execute(&pool).await?;
    Ok(pool)
}

/// What it has, and what of that is held.
async fn look(pool: &SqlitePool) -> Result<[i64; 2], Box<dyn Error>> {
    let (balance, held) = sqlx::query_as("select balance, held from account").fetch_one(pool).await?;
    Ok([balance, held])
}
