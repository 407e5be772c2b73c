//! How the nodes of a group reach each other: not at all yet. A group has one voter, and nobody else is in it.

use std::future::Future;
use std::io;

use openraft::OptionalSend;
use openraft::error::{Fatal, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;

use super::types::{Peer, Types, Vote};

/// Refuses everything, as a network that is down would.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoNetwork;

type Rpc<T> = Result<T, RPCError<u64, Peer, RaftError<u64>>>;

fn unreachable() -> Unreachable {
    Unreachable::new(&io::Error::from(io::ErrorKind::NotConnected))
}

impl RaftNetworkFactory<Types> for NoNetwork {
    type Network = Self;

    async fn new_client(&mut self, _: u64, _: &Peer) -> Self {
        Self
    }
}

impl RaftNetwork<Types> for NoNetwork {
    async fn append_entries(
        &mut self,
        _: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Rpc<AppendEntriesResponse<u64>> {
        Err(unreachable().into())
    }

    async fn vote(&mut self, _: VoteRequest<u64>, _: RPCOption) -> Rpc<VoteResponse<u64>> {
        Err(unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _: Vote,
        _: Snapshot<Types>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        Err(unreachable().into())
    }
}
