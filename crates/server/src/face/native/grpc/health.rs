//! The service `grpc.health.v1.Health`, by which probes ask whether the node serves: `Check` and no more.

use synod_wire::native::health::health_check_response::ServingStatus;
use synod_wire::native::health::{HealthCheckRequest, HealthCheckResponse};
use tonic::{Request, Response, Status};

use super::health_service::health_server::Health;
use super::{Answer, GrpcFront, SERVICES};
use crate::health::Stage;

#[tonic::async_trait]
impl Health for GrpcFront {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Answer<HealthCheckResponse> {
        let service = request.into_inner().service;
        if !service.is_empty() && !SERVICES.contains(&&*service) {
            return Err(Status::not_found("no such service"));
        }
        let status = match self.node.health.stage() {
            Stage::Ready => ServingStatus::Serving,
            Stage::Starting | Stage::Stopping => ServingStatus::NotServing,
        };
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }
}
