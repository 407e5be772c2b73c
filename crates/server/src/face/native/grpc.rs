//! The native API over gRPC: `synod.v1` of `proto/synod/v1/transactions.proto`. What is asked and why it is refused is in
//! [`crate::txn::ask`], as for HTTP; here it is read from messages and told as messages.
//!
//! | file | concern |
//! |---|---|
//! | `transactions`, `messages`, `topics` | the services |
//! | `map` | what a message wishes |
//! | `show` | what is told |
//! | `failed` | refusals as status codes |
//! | `health` | `grpc.health.v1`, for probes |

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use synod_core::txn::{Mode, Way};
use synod_wire::native::v1;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use crate::metrics::Face;
use crate::net::{self, Body};
use crate::node::Node;
use crate::txn::ask::{Desk, Filter, Wish};
use health_service::health_server::{self, HealthServer};
use service::messages_server::{self, MessagesServer};
use service::notifications_server::{self, NotificationsServer};
use service::topics_server::{self, TopicsServer};
use service::transactions_server::{self, TransactionsServer};

mod failed;
mod health;
#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated from health.proto")]
#[rustfmt::skip]
mod health_service;
mod map;
mod messages;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::too_many_lines, reason = "generated from transactions.proto")]
#[rustfmt::skip]
mod service;
mod show;
mod topics;
mod transactions;

/// The services that are here, by their full names.
const SERVICES: [&str; 4] = [
    transactions_server::SERVICE_NAME,
    messages_server::SERVICE_NAME,
    notifications_server::SERVICE_NAME,
    topics_server::SERVICE_NAME,
];

/// What they look like, and the probes' service.
const DESCRIPTIONS: net::grpc::reflection::Descriptions =
    &[include_bytes!("grpc/transactions.bin"), include_bytes!("grpc/health.bin")];

/// The node as its gRPC listener sees it.
#[derive(Clone, Debug)]
pub struct GrpcFront {
    node: Arc<Node>,
}

type Answer<M> = Result<Response<M>, Status>;

impl net::Handler for GrpcFront {
    async fn handle(&self, request: http::Request<Incoming>, _peer: SocketAddr) -> http::Response<Body> {
        let limits = self.node.body_limits;
        let max = limits.bytes_max;
        let front = self.clone();
        let request = match net::grpc::reflection::answer(DESCRIPTIONS, request).await {
            Ok(response) => return response,
            Err(request) => request,
        };
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        let response = match service {
            transactions_server::SERVICE_NAME => {
                let service = TransactionsServer::new(front).max_decoding_message_size(max);
                net::grpc::answer(service, request, limits).await
            }
            messages_server::SERVICE_NAME => {
                let service = MessagesServer::new(front).max_decoding_message_size(max);
                net::grpc::answer(service, request, limits).await
            }
            notifications_server::SERVICE_NAME => {
                let service = NotificationsServer::new(front).max_decoding_message_size(max);
                net::grpc::answer(service, request, limits).await
            }
            topics_server::SERVICE_NAME => {
                let service = TopicsServer::new(front).max_decoding_message_size(max);
                net::grpc::answer(service, request, limits).await
            }
            health_server::SERVICE_NAME => net::grpc::answer(HealthServer::new(front), request, limits).await,
            _ => net::grpc::answer(tower::service_fn(nobody), request, limits).await,
        };
        self.node.http.count(Face::Native, response.status());
        response
    }
}

/// Of a service that is not here no method is.
async fn nobody(
    _: http::Request<Full<Bytes>>,
) -> Result<http::Response<tonic::body::Body>, std::convert::Infallible> {
    Ok(Status::unimplemented("no such service").into_http())
}

impl GrpcFront {
    /// The face of a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    fn desk(&self) -> Result<Desk<'_>, Status> {
        Ok(Desk::of(&self.node)?)
    }

    /// Begins a wish; the trace context in the metadata travels with its calls.
    async fn carry_out(
        &self,
        wish: Wish,
        metadata: &MetadataMap,
        wait_ms: Option<u64>,
    ) -> Answer<v1::BeginReply> {
        let desk = self.desk()?;
        let begun = desk.begin(wish, metadata.as_ref(), map::wait(wait_ms)).await?;
        Ok(Response::new(show::begun(&desk, begun)))
    }

    async fn decide(
        &self,
        id: &str,
        decision: (Way, &str, Bytes),
        wait_ms: Option<u64>,
    ) -> Answer<v1::Transaction> {
        let desk = self.desk()?;
        let stand = desk.decide(id, decision, map::wait(wait_ms)).await?;
        Ok(Response::new(show::transaction(&desk, stand, None)))
    }

    /// One transaction with its details, if it is of the mode.
    async fn whole(&self, id: &str, mode: Option<Mode>) -> Answer<v1::Transaction> {
        let desk = self.desk()?;
        desk.arrived(id).await;
        let found = match mode {
            None => desk.find(id)?,
            Some(mode) => desk.find_of(id, mode)?,
        };
        let details = desk.details(&found).await;
        Ok(Response::new(show::transaction(&desk, found.stand(), details)))
    }

    async fn page(&self, filter: Filter) -> Answer<v1::ListReply> {
        let desk = self.desk()?;
        Ok(Response::new(show::page(&desk, desk.list(&filter).await)))
    }
}
