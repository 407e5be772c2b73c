//! Global transactions: what was begun, who takes part, what was decided, and who has been told.
//!
//! Two machines, never mixed:
//!
//! - [`State`] is replicated. [`State::apply`] is a function of the state and one [`Command`] of the log; ids and stamps
//!   are in the command. It is total: a command that cannot be is a [`Refusal`], never a panic.
//! - [`drive::Driver`] lives on the leader only and is rebuilt from the state. It turns state into calls, and what comes of
//!   the calls into commands. Retries live there and nowhere else.
//!
//! | module | concern |
//! |---|---|
//! | [`model`] | a transaction, its branches and their legs |
//! | [`command`] | what the log holds |
//! | [`state`] | the tables, and looking things up |
//! | `apply` | one file per command |
//! | [`mode`] | what sets XA, TCC, saga, message, notification, workflow and mixed transactions apart: a file each |
//! | [`lock`] | which transaction has changed which row |
//! | [`outcomes`] | what is remembered of a transaction that ended |
//! | [`topic`] | named lists of subscribers |
//! | [`drive`] | the leader's part |
//! | [`codec`] | commands and state as bytes |
//!
//! # Invariants
//!
//! - A decision is never reversed: `status` goes from active to committing or rolling back, from there to its end; only a
//!   saga turns from committing to rolling back, once, before its end.
//! - No branch joins after the decision.
//! - No two transactions hold a row, and no row is held beyond the branch that changed it.
//! - An id that ended is never open again, and while its outcome is remembered it is told from the outcome.
//! - Whoever is unknown has not committed: a transaction exists in the log before its first branch does.

mod apply;
pub mod codec;
pub mod command;
pub mod drive;
pub mod lock;
pub mod mode;
pub mod model;
mod newest;
pub mod outcomes;
mod sharded;
pub mod state;
pub mod topic;

pub use apply::{Done, News, Outcome, Refusal};
pub use command::{Amend, Batch, Begin, Command, Decision, Enlist, Enrolment, Report, Turn};
pub use lock::Rows;
pub use mode::Mode;
pub use model::{Branch, End, Leg, Limits, Options, Protocol, Status, Step, Target, Txn, Way};
pub use state::{Found, State};
