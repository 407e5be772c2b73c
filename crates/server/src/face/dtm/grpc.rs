//! The operations over gRPC (dtm.md 1.7): messages become what JSON would have been, refusals become codes.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use hyper::body::Incoming;
use synod_wire::dtm::proto::{
    DtmBranchRequest, DtmGidReply, DtmProgressesReply, DtmRequest, DtmTopicRequest,
};
use synod_wire::dtm::{GRPC_PROTOCOL, Limits, Registration, Transaction, message};
use tonic::{Code, Request, Response, Status};

use super::operate as op;
use super::service::dtm_server::{Dtm, DtmServer};
use super::{No, show};
use crate::net::body::BodyLimits;
use crate::net::{self, Body};
use crate::node::Node;
use crate::txn::Coordinator;

/// What the service looks like.
const DESCRIPTIONS: net::grpc::reflection::Descriptions = &[include_bytes!("dtmgimp.bin")];

/// The node as its dtm listener for gRPC sees it.
#[derive(Clone, Debug)]
pub struct GrpcFront {
    coordinator: Arc<Coordinator>,
    body_limits: BodyLimits,
}

impl GrpcFront {
    /// The face of a node that coordinates.
    pub fn new(node: &Node, coordinator: Arc<Coordinator>) -> Self {
        Self { coordinator, body_limits: node.body_limits }
    }
}

impl net::Handler for GrpcFront {
    async fn handle(&self, request: http::Request<Incoming>, _peer: SocketAddr) -> http::Response<Body> {
        let request = match net::grpc::reflection::answer(DESCRIPTIONS, request).await {
            Ok(response) => return response,
            Err(request) => request,
        };
        let limits = self.body_limits;
        let service = DtmServer::new(self.clone()).max_decoding_message_size(limits.bytes_max);
        net::grpc::answer(service, request, limits).await
    }
}

type Answer<M> = Result<Response<M>, Status>;

impl From<No> for Status {
    fn from(no: No) -> Self {
        match no {
            // Over this the original stumbles, and what it stumbles over has another code.
            No::Refused(_, text) if text == message::TOPIC_NOT_FOUND => Self::internal(text),
            No::Refused(refusal, text) => Self::new(Code::from_i32(refusal.grpc_code()), text),
            No::Unanswered => net::grpc::no_answer(),
        }
    }
}

/// A request's message and what may travel on of its metadata.
fn transaction(request: Request<DtmRequest>) -> Result<(HeaderMap, Transaction), No> {
    let (metadata, _, message) = request.into_parts();
    let transaction = Transaction::from_grpc(message, &Limits::REQUEST);
    let transaction = transaction.map_err(|error| No::error(error.to_string()))?;
    Ok((metadata.into_headers(), transaction))
}

fn done(result: Result<(), No>) -> Answer<()> {
    Ok(Response::new(result?))
}

#[tonic::async_trait]
impl Dtm for GrpcFront {
    async fn new_gid(&self, _: Request<()>) -> Answer<DtmGidReply> {
        Ok(Response::new(DtmGidReply { gid: op::new_gid() }))
    }

    async fn prepare(&self, request: Request<DtmRequest>) -> Answer<()> {
        let (headers, transaction) = transaction(request)?;
        done(op::prepare(&self.coordinator, &headers, &transaction).await)
    }

    async fn submit(&self, request: Request<DtmRequest>) -> Answer<()> {
        let (headers, transaction) = transaction(request)?;
        done(op::submit(&self.coordinator, &headers, &transaction).await)
    }

    async fn abort(&self, request: Request<DtmRequest>) -> Answer<()> {
        let (_, transaction) = transaction(request)?;
        done(op::abort(&self.coordinator, &transaction).await)
    }

    async fn register_branch(&self, request: Request<DtmBranchRequest>) -> Answer<()> {
        let branch = Registration::from_grpc(request.into_inner(), &Limits::REQUEST);
        let branch = branch.map_err(|error| No::error(error.to_string()))?;
        done(op::register(&self.coordinator, &branch, GRPC_PROTOCOL).await)
    }

    async fn prepare_workflow(&self, request: Request<DtmRequest>) -> Answer<DtmProgressesReply> {
        let (headers, transaction) = transaction(request)?;
        let known = op::prepare_workflow(&self.coordinator, &headers, &transaction).await?;
        Ok(Response::new(show::workflow(&transaction.gid, &known)?.to_grpc()))
    }

    async fn subscribe(&self, request: Request<DtmTopicRequest>) -> Answer<()> {
        let asked = request.into_inner();
        done(op::subscribe(&self.coordinator, &asked.topic, &asked.url, &asked.remark).await)
    }

    async fn unsubscribe(&self, request: Request<DtmTopicRequest>) -> Answer<()> {
        let asked = request.into_inner();
        done(op::unsubscribe(&self.coordinator, &asked.topic, &asked.url).await)
    }

    async fn delete_topic(&self, request: Request<DtmTopicRequest>) -> Answer<()> {
        done(op::delete_topic(&self.coordinator, &request.into_inner().topic).await)
    }
}
