//! The log as a whole: against a model, against the damage matrix, on a full disk, and in processes that are killed.
//!
//! `SYNOD_LONG=1` makes all of them longer. Every failure names its seed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;
mod full;
mod matrix;
mod model;
mod process;
mod read;
