//! An outbox on a SQLite file: orders and what is told of them commit together, and a relay tells it, to standard output here.
//!
//! `cargo run -p synod-client --example outbox --features sqlite -- FILE`; a second run goes on where the first was interrupted.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use synod_client::sql::BoxFuture;
use synod_client::sql::outbox::{Message, Outbox, Relay, Rules, Sink, Undelivered};

/// Where a broker would be.
struct Printer;

impl Sink for Printer {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let text = String::from_utf8_lossy(&message.payload);
            writeln!(std::io::stdout(), "{} {}: {text}", message.topic, message.id)
                .map_err(|error| Undelivered::Again(error.to_string()))
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "outbox.sqlite".to_owned());
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    Outbox::create_table(&pool).await?;
    sqlx::query("create table if not exists orders (id integer primary key, what text not null)")
        .execute(&pool)
        .await?;

    let outbox = Outbox::default();
    let relay = Relay::start(&outbox, pool.clone(), Arc::new(Printer), Rules::default());
    for what in ["tea", "coffee", "milk"] {
        let mut tx = pool.begin().await?;
        let order = sqlx::query("insert into orders (what) values (?)").bind(what).execute(&mut *tx).await?;
        let id = format!("order-{}", order.last_insert_rowid());
        outbox.put(&mut tx, &Message::new(id, "orders", what)).await?;
        tx.commit().await?;
        outbox.notify();
    }
    while outbox.depth(&pool).await?.waiting > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    relay.stop().await;
    Ok(())
}
