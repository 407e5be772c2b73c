//! Finding services, and being found: Synod and Eureka servers.
//!
//! A [`Provider`] announces one [`Instance`] and keeps it announced until it is left. A [`Consumer`] keeps a copy of who is there,
//! which is read without waiting and outlives the servers it came from. Both are given the base URLs of servers that are as good as
//! one another, such as `http://node-1:8761/eureka`, and turn to the next when one fails.

mod consumer;
mod instance;
mod provider;
mod servers;

pub use consumer::{Config, Consumer, Instances, Snapshot, Source};
pub use instance::Instance;
pub use provider::{Provider, State};
pub use servers::Servers;
pub use synod_wire::eureka::Status;
