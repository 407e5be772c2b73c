//! The damage matrix of `docs/adr/0009-own-log.md`, a test for each row.
//!
//! Each trial damages a copy of a log with at least three segments, votes, truncations and a purge. Where a row says
//! "refuse" because a later batch is there, half of the trials also wipe the notes of what was acknowledged, as a power
//! cut can: the verdict must not depend on them.

mod build;
mod rows;
