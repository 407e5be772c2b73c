//! The service `synod.v1.Transactions`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use synod_core::txn::Way;
use synod_wire::native::v1::{self, watch_event};
use tonic::codegen::BoxStream;
use tonic::{Request, Response};

use super::failed::Failed;
use super::service::transactions_server::Transactions;
use super::{Answer, GrpcFront, map, show};
use crate::node::Node;
use crate::txn::ask::{BranchWish, Desk, News, WAIT_MAX, Watch};

#[tonic::async_trait]
impl Transactions for GrpcFront {
    type WatchStream = BoxStream<v1::WatchEvent>;

    async fn begin(&self, request: Request<v1::BeginRequest>) -> Answer<v1::BeginReply> {
        let (metadata, _, begin) = request.into_parts();
        let wait_ms = begin.wait_ms;
        self.carry_out(map::wish(begin)?, &metadata, wait_ms).await
    }

    async fn enlist(&self, request: Request<v1::EnlistRequest>) -> Answer<v1::EnlistReply> {
        let v1::EnlistRequest { id, branch } = request.into_inner();
        let branch: BranchWish =
            branch.ok_or_else(|| Failed::unreadable("branch: there is none to join"))?.into();
        let desk = self.desk()?;
        let (xid, branch, number) = desk.enlist(&id, branch).await?;
        let reply = v1::EnlistReply { xid: desk.text(xid), branch: branch.into(), number: number.into() };
        Ok(Response::new(reply))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Answer<v1::Transaction> {
        let v1::CommitRequest { id, result, wait_ms } = request.into_inner();
        self.decide(&id, (Way::Forward, "", result), wait_ms).await
    }

    async fn rollback(&self, request: Request<v1::RollbackRequest>) -> Answer<v1::Transaction> {
        let v1::RollbackRequest { id, reason, wait_ms } = request.into_inner();
        self.decide(&id, (Way::Backward, &reason, Bytes::new()), wait_ms).await
    }

    async fn wait(&self, request: Request<v1::WaitRequest>) -> Answer<v1::Transaction> {
        let v1::WaitRequest { id, timeout_ms } = request.into_inner();
        let desk = self.desk()?;
        let stand = desk.wait(&id, timeout_ms.map_or(WAIT_MAX, Duration::from_millis)).await?;
        Ok(Response::new(show::transaction(&desk, stand, None)))
    }

    async fn decision(&self, request: Request<v1::DecisionRequest>) -> Answer<v1::DecisionReply> {
        let desk = self.desk()?;
        let (advice, stand) = desk.advise(&request.into_inner().id).await?;
        Ok(Response::new(show::decision(&desk, advice, stand)))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Answer<v1::Transaction> {
        self.whole(&request.into_inner().id, None).await
    }

    async fn get_branch(&self, request: Request<v1::GetBranchRequest>) -> Answer<v1::Branch> {
        let v1::GetBranchRequest { id, branch } = request.into_inner();
        let view = self.desk()?.branch(&id, &branch).await?;
        Ok(Response::new(show::branch(view, usize::MAX)))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListReply> {
        self.page(map::filter(request.into_inner())?).await
    }

    async fn summary(&self, _: Request<()>) -> Answer<v1::SummaryReply> {
        Ok(Response::new(show::summary(&self.desk()?.count().await)))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        let v1::WatchRequest { id, mode } = request.into_inner();
        let watch = Watch::new(&self.node, id.as_deref(), map::mode(mode)?)?;
        let bursts = stream::unfold((watch, Arc::clone(&self.node)), async |(mut watch, node)| {
            let events = events(&node, watch.next().await?);
            Some((events, (watch, node)))
        });
        let events = bursts.flat_map(stream::iter).map(|event| Ok(v1::WatchEvent { event: Some(event) }));
        Ok(Response::new(Box::pin(events)))
    }

    async fn retry(&self, request: Request<v1::RetryRequest>) -> Answer<v1::Transaction> {
        let desk = self.desk()?;
        let stand = desk.retry(&request.into_inner().id).await?;
        Ok(Response::new(show::transaction(&desk, stand, None)))
    }

    async fn stop(&self, request: Request<v1::StopRequest>) -> Answer<v1::Transaction> {
        let v1::StopRequest { id, reason } = request.into_inner();
        let desk = self.desk()?;
        let stand = desk.stop(&id, &reason).await?;
        Ok(Response::new(show::transaction(&desk, stand, None)))
    }
}

fn events(node: &Node, news: News) -> Vec<watch_event::Event> {
    match (news, Desk::of(node)) {
        (News::Changed(rows), Ok(desk)) => {
            rows.into_iter().map(|row| watch_event::Event::Change(show::row(&desk, row))).collect()
        }
        _ => vec![watch_event::Event::Reset(v1::Reset {})],
    }
}
