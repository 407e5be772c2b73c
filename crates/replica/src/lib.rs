//! Agrees: what lies between those who want to change the replicated state and the log that carries their commands.
//!
//! Nothing here does I/O, reads a clock or knows a runtime. The consensus behind [`Replicator`] is in `synod-server`; the
//! simulator has another, and [`Solo`] is the simplest of all.
//!
//! | part | concern |
//! |---|---|
//! | [`Batcher`] | commands of all connections, in order, into one batch at a time |
//! | [`IdBlocks`] | transaction ids out of blocks that are durably reserved |
//! | [`Machine`] | the state: batches go in, outcomes and news come out |
//! | [`Replicator`] | makes a batch durable everywhere it must be, and applies it |
//!
//! A command's way: `Batcher::push` → `Batcher::next` → `Replicator::propose` → log → `Machine::apply` → the outcomes come
//! back from `propose`, the news go to a [`Sink`], in the order of the log.

mod batcher;
mod ids;
mod machine;
mod replicator;
mod solo;

pub use batcher::{Batcher, Cause, Gathered, Refused, Settings};
pub use ids::IdBlocks;
pub use machine::{Applied, Machine, Tidings, View};
pub use replicator::{Later, Metrics, ProposeError, ReadError, Replicator, Role, Room, Sink};
pub use solo::Solo;
