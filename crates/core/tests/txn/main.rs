//! Global transactions from outside: one file per concern, rules as tables; DESIGN section 5 and the reference of dtm, sections
//! 2, 3 and 6, as the sources.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what helps tests fails as they do")]

mod arbitrary;
mod begin;
mod codec;
mod decide;
mod driving;
mod enlist;
mod forget;
mod gate;
mod gid;
mod golden;
mod held_rows;
mod limits;
mod lock;
mod message;
mod mixed;
mod model;
mod naive;
mod notification;
mod order;
mod report;
mod rig;
mod saga;
mod stop;
mod support;
mod takeover;
mod tcc_xa;
mod topic;
mod turn;
mod workflow;
