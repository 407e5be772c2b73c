//! The client against a server in this process that says what the test wants.

mod fake;
mod rm;
mod session;
mod tm;
mod trouble;

use super::{Client, Config};
use crate::Xid;
use fake::Fake;

fn config(fakes: &[&Fake]) -> Config {
    Config::new(fakes.iter().map(|fake| fake.address()), "shop", "default_tx_group")
}

async fn client(fake: &Fake) -> Client {
    Client::connect(config(&[fake])).await.unwrap()
}

/// A transaction of somebody's.
fn xid() -> Xid {
    Xid::parse("10.0.0.9:8091:1").unwrap()
}
