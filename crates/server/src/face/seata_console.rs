//! What tools ask of a Seata server over HTTP (`docs/protocol/seata.md` 8.1): its console's lists and controls, a log-in, and where
//! the leader is, for clients with `registry.type=raft` (7.2). Served at the port of everything else that speaks HTTP, while Seata
//! clients are served at all.
//!
//! Nothing here can do what the native API cannot. What Seata lets operators do that would leave branches behind without telling
//! anybody is refused, with the reason in Seata's own envelope.
//!
//! | file | paths |
//! |---|---|
//! | `sessions` | `globalSession/query` |
//! | `control` | what operators do to global and branch sessions |
//! | `locks` | `globalLock/…` |
//! | `cluster` | `metadata/v1/…`, `vgroup/v1/…`, `auth/login` |
//! | `show` | transactions and branches in Seata's words |
//! | `answer`, `ask` | the envelopes, and parameters |

mod answer;
mod ask;
mod cluster;
mod control;
mod locks;
mod sessions;
mod show;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};

use crate::node::Node;

/// The greatest body: a few names and numbers.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Whether a path with this first segment is served here.
pub fn owns(segment: &str) -> bool {
    matches!(segment, "api" | "metadata" | "vgroup")
}

/// The routes, for one node.
pub fn router(node: &Arc<Node>) -> Router {
    let sessions = Router::new()
        .route("/query", get(sessions::query))
        .route("/stopGlobalSession", put(control::stop))
        .route("/startGlobalSession", put(control::start))
        .route("/sendCommitOrRollback", put(control::send))
        .route("/changeGlobalStatus", put(control::change))
        .route("/deleteGlobalSession", delete(control::delete))
        .route("/forceDeleteGlobalSession", delete(control::force_delete));
    let branches = Router::new()
        .route("/stopBranchSession", put(control::stop_branch))
        .route("/startBranchSession", put(control::start_branch))
        .route("/deleteBranchSession", delete(control::delete_branch))
        .route("/forceDeleteBranchSession", delete(control::delete_branch));
    let locks = Router::new()
        .route("/query", get(locks::query))
        .route("/check", get(locks::check))
        .route("/delete", delete(locks::delete));
    Router::new()
        .nest("/api/v1/console/globalSession", sessions)
        .nest("/api/v1/console/branchSession", branches)
        .nest("/api/v1/console/globalLock", locks)
        .route("/api/v1/auth/login", post(cluster::log_in))
        .route("/metadata/v1/cluster", get(cluster::cluster))
        .route("/metadata/v1/watch", post(cluster::watch))
        .route("/metadata/v1/changeCluster", post(cluster::change_cluster))
        .route("/vgroup/v1/addVGroup", get(cluster::add_group))
        .route("/vgroup/v1/removeVGroup", get(cluster::remove_group))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(node))
}
