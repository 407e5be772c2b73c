//! Drives a node: configuration, sockets, faces and the shells around the pure cores. No business rule lives here.
//!
//! Start reading at [`start::start`]: it opens the data directory, binds, and hands every request to the dispatcher in
//! `start/front.rs`, which knows the faces.

pub mod call;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod face;
pub mod health;
pub mod lists;
pub mod metrics;
pub mod net;
pub mod node;
pub mod raft;
pub mod rate_limit;
pub mod registry;
pub mod start;
pub mod task;
pub mod telemetry;
pub mod txn;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
