//! The registry seen from outside: one file per concern, rules as tables, `eureka.md` section 3 as the source.

mod client;
mod evict;
mod listing;
mod merge;
mod model;
mod naive;
mod preserve;
mod provisional;
mod register;
mod renew;
mod status;
mod support;
mod threads;
