//! The services `synod.v1.Messages` and `synod.v1.Notifications`.

use bytes::Bytes;
use synod_core::txn::{Mode, Way};
use synod_wire::native::v1;
use tonic::{Request, Response};

use super::service::messages_server::Messages;
use super::service::notifications_server::Notifications;
use super::{Answer, GrpcFront, map, show};
use crate::txn::ask::Filter;

#[tonic::async_trait]
impl Messages for GrpcFront {
    async fn begin(&self, request: Request<v1::BeginMessageRequest>) -> Answer<v1::BeginReply> {
        let (metadata, _, message) = request.into_parts();
        let wait_ms = message.wait_ms;
        let wish = self.desk()?.message(message.into())?;
        self.carry_out(wish, &metadata, wait_ms).await
    }

    async fn submit(&self, request: Request<v1::CommitRequest>) -> Answer<v1::Transaction> {
        let v1::CommitRequest { id, result, wait_ms } = request.into_inner();
        self.desk()?.find_of(&id, Mode::Message)?;
        self.decide(&id, (Way::Forward, "", result), wait_ms).await
    }

    async fn abort(&self, request: Request<v1::RollbackRequest>) -> Answer<v1::Transaction> {
        let v1::RollbackRequest { id, reason, wait_ms } = request.into_inner();
        self.desk()?.find_of(&id, Mode::Message)?;
        self.decide(&id, (Way::Backward, &reason, Bytes::new()), wait_ms).await
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Answer<v1::Transaction> {
        self.whole(&request.into_inner().id, Some(Mode::Message)).await
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListReply> {
        self.of(request, Mode::Message).await
    }
}

#[tonic::async_trait]
impl Notifications for GrpcFront {
    async fn send(&self, request: Request<v1::SendNotificationRequest>) -> Answer<v1::BeginReply> {
        let (metadata, _, notification) = request.into_parts();
        let wait_ms = notification.wait_ms;
        let wish = self.desk()?.notification(notification.into())?;
        self.carry_out(wish, &metadata, wait_ms).await
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Answer<v1::Transaction> {
        self.whole(&request.into_inner().id, Some(Mode::Notification)).await
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListReply> {
        self.of(request, Mode::Notification).await
    }

    async fn resend(&self, request: Request<v1::ResendRequest>) -> Answer<v1::Transaction> {
        let (desk, id) = (self.desk()?, request.into_inner().id);
        desk.find_of(&id, Mode::Notification)?;
        let stand = desk.resend(&id).await?;
        Ok(Response::new(show::transaction(&desk, stand, None)))
    }
}

impl GrpcFront {
    /// A page of one mode, whatever the request says of it.
    async fn of(&self, request: Request<v1::ListRequest>, mode: Mode) -> Answer<v1::ListReply> {
        let filter = map::filter(v1::ListRequest { mode: 0, ..request.into_inner() })?;
        self.page(Filter { mode: Some(mode), ..filter }).await
    }
}
