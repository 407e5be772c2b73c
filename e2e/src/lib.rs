//! Black-box tests: the real binary, real clients, a real Spring Cloud Eureka server.
//!
//! This library is the harness. It knows nothing of Synod's crates: what it expects is what outsiders rely on. It panics
//! with a sentence where a test must fail, and prints the log of every process it started when it does.
#![allow(clippy::panic, reason = "a harness fails a test by panicking")]

pub mod canary;
pub mod client;
pub mod databases;
pub mod golden;
pub mod gzip;
pub mod http;
pub mod instance;
pub mod java;
pub mod listing;
pub mod participant;
pub mod process;
pub mod random;
pub mod seata;
pub mod seata_bank;
pub mod seata_relay;
pub mod seata_server;
pub mod small_disk;
pub mod synod;
pub mod tools;
pub mod wait;

pub use client::Client;
pub use databases::{MariaDb, Postgres};
pub use http::{Connection, Reply, Request};
pub use instance::Instance;
pub use java::JavaServer;
pub use listing::Listing;
pub use participant::Participant;
pub use random::Random;
pub use seata::{SeataClient, SeataVersion};
pub use seata_bank::{Ledger, Mode};
pub use seata_relay::SeataRelay;
pub use seata_server::SeataServer;
pub use synod::Synod;
pub use wait::{now, wait_until};
