//! A service that takes part in Seata's transactions with a TCC action, and begins some: with Synod, or with a Seata server.
//!
//! ```text
//! cargo run -p synod-client --example seata_tcc --features seata -- 127.0.0.1:8091
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_client::rm::tcc::{Action, Tcc};
use synod_client::rm::{Branch, EndError};
use synod_client::seata::{Client, Config};
use synod_client::tm::global_tx;

/// Sets stock aside. A real one does that in its own database, with a barrier.
struct Reserve;

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    article: String,
    count: u32,
}

impl Action for Reserve {
    type Input = Order;
    type Output = ();
    type Error = String;

    async fn try_(&self, branch: &Branch, order: &Order) -> Result<(), String> {
        println!("{}: {} of {} set aside", branch.xid, order.count, order.article);
        if order.count > 100 { Err("there are not so many".into()) } else { Ok(()) }
    }

    async fn confirm(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        println!("{}: {} of {} taken", branch.xid, order.count, order.article);
        Ok(())
    }

    async fn cancel(&self, branch: &Branch, order: &Order) -> Result<(), EndError> {
        println!("{}: {} of {} given back", branch.xid, order.count, order.article);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8091".into());
    let client = Arc::new(Client::connect(Config::new([server], "stock", "default_tx_group")).await?);
    let reserve = Tcc::register(client.clone(), "reserve", Reserve).await?;
    for count in [3, 300] {
        let order = Order { article: "nails".into(), count };
        let done = global_tx(&client, "order", Duration::from_secs(60), async |_| reserve.call(&order).await);
        match done.await {
            Ok(()) => println!("an order of {count} is committed"),
            Err(error) => println!("an order of {count} has failed: {error}"),
        }
    }
    Ok(())
}
