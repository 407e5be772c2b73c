//! A bank: a service of its own process over a database of its own, which others may ask to take money or to bring it, in each of
//! the modes. It knows nothing of other banks. What a service needs of the SDK (`synod-client`) is shown here, mode by mode.
//!
//! | file | what |
//! |---|---|
//! | `service` | listens, reads requests, answers |
//! | `posting` | what a bank is asked for, and how that may go |
//! | `account` | the account, and its steps: each happens once, in one local transaction |
//! | `change` | what each step does to the account, as SQL |
//! | `vault` | what differs between databases |
//! | `tcc`, `saga`, `message`, `outbox` | modes that every database can |
//! | `strong` | XA and AT, which take more than SQLite has |
//! | `dtm` | a branch as services have them that were written for dtm |
//! | `gate` | where the demonstration makes it wait, or lose an answer |
//! | `report` | what it tells the demonstration |

mod account;
mod change;
mod dtm;
mod gate;
mod message;
mod outbox;
mod posting;
pub(crate) mod report;
mod saga;
mod service;
mod strong;
mod tcc;
#[cfg(test)]
mod tests;
mod vault;

use std::time::Duration;

pub(crate) use gate::Wish;
pub(crate) use message::{ABORT, SUBMIT};
pub(crate) use outbox::RELAY;
pub(crate) use posting::{Order, Posting};
pub(crate) use service::serve;

/// The first pause before a bank is called again: short, so that there is something to see.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_millis(200);
