//! The SDK of Synod: find services, call them, and agree with them.
//!
//! | feature | what it gives | speaks with |
//! |---|---|---|
//! | `registry` (default) | [`registry`]: announce an instance, keep a copy of the list; [`balance`]: choose one of it | Synod, Eureka |
//! | `tls` | [`tls`]: `https`, for the registry, `native` and `call::http` | |
//! | `http`, `grpc` | [`call`]: layers of tower and tonic that find, balance, and carry the context along | your services |
//! | `native` | [`tm`] and [`rm`] over Synod's own API | Synod |
//! | `seata` | the same over Seata's protocol | Synod, Seata |
//! | `postgres`, `mysql`, `sqlite` | [`sql`]: barrier, XA, outbox, in the databases of your services | |
//! | `at` | [`at`]: changes that undo themselves, as Seata's AT mode has them | PostgreSQL, MariaDB |
//!
//! Nothing here panics on what a server says, no queue and no answer is unbounded, and no task outlives the value that started it, but for
//! the rollback of a transaction that was dropped undecided: that is given a few seconds.

#[cfg(feature = "at")]
pub mod at;
mod backoff;
#[cfg(feature = "registry")]
pub mod balance;
#[cfg(feature = "http")]
pub mod call;
mod clock;
pub mod context;
#[cfg(feature = "http-client")]
mod http_client;
#[cfg(feature = "native")]
pub mod native;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(any(feature = "native", feature = "seata"))]
pub mod rm;
#[cfg(feature = "seata")]
pub mod seata;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub mod sql;
mod task;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(any(feature = "native", feature = "seata"))]
pub mod tm;
mod xid;

pub use context::Context;
#[cfg(feature = "http-client")]
pub use http_client::BadUrl;
pub use xid::{BadXid, Xid};
