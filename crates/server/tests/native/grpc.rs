//! The native API over gRPC, and dtm's, as a client made with tonic finds them.

mod client;
mod dtm;
mod messages;
mod reflection;
mod refusals;
mod transactions;

use synod_wire::native::v1;

pub(crate) use self::client::Client;
use crate::node::TestNode;
use crate::participant::Participant;

const TRANSACTIONS: &str = "synod.v1.Transactions";

/// A node that is quick to try again, a client of its gRPC, and a participant.
async fn start() -> (TestNode, Client, Participant) {
    let node = TestNode::start(&["txn.retry=20ms", "txn.retry_max=20ms"]).await;
    let client = Client::new(node.running.addresses["grpc"]);
    (node, client, Participant::start().await)
}

/// A saga of two steps at `/a` and `/b`, in one call.
fn saga(participant: &Participant, gid: &str) -> v1::BeginRequest {
    let step = |name: &str| v1::NewBranch {
        forward: Some(participant.url(&format!("/{name}"))),
        backward: Some(participant.url(&format!("/undo-{name}"))),
        payload: Some(name.to_owned().into()),
        ..v1::NewBranch::default()
    };
    v1::BeginRequest {
        gid: Some(gid.into()),
        mode: v1::Mode::Saga.into(),
        submit: Some(true),
        wait_ms: Some(20_000),
        branches: vec![step("a"), step("b")],
        ..v1::BeginRequest::default()
    }
}

fn begin(gid: &str, mode: v1::Mode) -> v1::BeginRequest {
    v1::BeginRequest { gid: Some(gid.into()), mode: mode.into(), ..v1::BeginRequest::default() }
}

async fn get(client: &Client, id: &str) -> v1::Transaction {
    client.call(TRANSACTIONS, "Get", v1::GetRequest { id: id.into() }).await.unwrap()
}
