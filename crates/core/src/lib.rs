//! Decides. Everything here is a function of (state, event, moment): no clock, no randomness, no I/O, no async.
//!
//! What arrives as bytes is decoded elsewhere (`synod-wire`); what has to be sent, written or timed is done elsewhere
//! (`synod-server`). The same code therefore runs in the server and, on virtual time, in the simulator.

pub mod registry;
pub mod txn;
