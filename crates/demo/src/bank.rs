//! A bank: a service of its own process over a database of its own, which others may ask to take money or to bring it, in each of
//! the four ways. It knows nothing of the other bank.
//!
//! | file | what |
//! |---|---|
//! | `service` | listens, reads requests, answers |
//! | `order` | what is asked for |
//! | `posting` | what each step does to the account, as SQL |
//! | `barrier` | that each step happens once, and none after it was undone |
//! | `local` | steps that are one local transaction: TCC, saga, message |
//! | `xa` | steps of a distributed transaction of the database's own |
//! | `producer` | a message that goes if and only if a local transaction commits |
//! | `gate` | where the demonstration makes it wait, or lose an answer |
//! | `report` | what it tells the demonstration |

mod barrier;
mod gate;
mod local;
mod order;
mod posting;
mod producer;
pub(crate) mod report;
mod service;
#[cfg(test)]
mod tests;
mod xa;

pub(crate) use gate::Wish;
pub(crate) use producer::{ABORT, POINT as SEND, SUBMIT, Sending};
pub(crate) use service::serve;

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// It has happened, now or before.
    Done(String),
    /// It will not happen.
    Refused(String),
}
