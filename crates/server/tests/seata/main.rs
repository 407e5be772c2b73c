//! The Seata face over real sockets, with frames that a test makes: what is answered to whom, and who is told what when.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod branches;
mod client;
mod connections;
mod faces;
#[expect(dead_code, reason = "here it says yes to everything")]
#[path = "../native/participant.rs"]
mod participant;
mod sagas;
mod transactions;
mod trouble;

use std::net::SocketAddr;
use std::path::Path;

use synod_server::clock::Clock;
use synod_server::config::{Config, Sources};
use synod_server::start::{Running, start};

/// A node that serves Seata clients, and its data.
struct TestNode {
    running: Running,
    dir: tempfile::TempDir,
}

impl TestNode {
    async fn start(set: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { running: run(dir.path(), set).await, dir }
    }

    fn seata(&self) -> SocketAddr {
        self.running.addresses["seata"]
    }

    /// Stops, and starts again on the same data.
    async fn restart(self, set: &[&str]) -> Self {
        self.running.stop().await;
        Self { running: run(self.dir.path(), set).await, dir: self.dir }
    }
}

async fn run(dir: &Path, set: &[&str]) -> Running {
    let mut sources = Sources { data: Some(dir.to_owned()), ..Sources::default() };
    let fixed = [
        "http.listen=127.0.0.1:0",
        "face.seata.listen=127.0.0.1:0",
        "face.dtm.http.listen=off",
        "face.dtm.grpc.listen=off",
        "grpc.listen=off",
        "registry.self.register=false",
        "txn.retry=100ms",
    ];
    sources.set = fixed.iter().chain(set).map(ToString::to_string).collect();
    start(Config::load(&sources).unwrap(), Clock::system()).await.unwrap()
}
