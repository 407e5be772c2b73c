//! The service `synod.v1.Topics`.

use synod_wire::native::v1;
use tonic::{Request, Response};

use super::failed::Failed;
use super::service::topics_server::Topics;
use super::{Answer, GrpcFront, map, show};

#[tonic::async_trait]
impl Topics for GrpcFront {
    async fn list(&self, request: Request<v1::ListTopicsRequest>) -> Answer<v1::ListTopicsReply> {
        let v1::ListTopicsRequest { cursor, limit } = request.into_inner();
        let (topics, more) = self.desk()?.topics(cursor.as_deref(), map::limit(limit));
        let next = topics.last().filter(|_| more).map(|last| last.name.to_string());
        let topics = topics.into_iter().map(show::topic).collect();
        Ok(Response::new(v1::ListTopicsReply { topics, next }))
    }

    async fn get(&self, request: Request<v1::GetTopicRequest>) -> Answer<v1::Topic> {
        Ok(Response::new(show::topic(self.desk()?.topic(&request.into_inner().name)?)))
    }

    async fn declare(&self, request: Request<v1::DeclareTopicRequest>) -> Answer<v1::Topic> {
        let v1::DeclareTopicRequest { name, subscribers } = request.into_inner();
        let all: Vec<_> = subscribers.into_iter().map(map::subscriber).collect();
        Ok(Response::new(show::topic(self.desk()?.declare_topic(&name, &all).await?)))
    }

    async fn delete(&self, request: Request<v1::DeleteTopicRequest>) -> Answer<()> {
        Ok(Response::new(self.desk()?.delete_topic(&request.into_inner().name).await?))
    }

    async fn subscribe(&self, request: Request<v1::SubscribeRequest>) -> Answer<v1::Topic> {
        let v1::SubscribeRequest { topic, subscriber } = request.into_inner();
        let v1::Subscriber { url, remark } =
            subscriber.ok_or_else(|| Failed::unreadable("subscriber: there is none to add"))?;
        Ok(Response::new(show::topic(self.desk()?.subscribe(&topic, &url, &remark).await?)))
    }

    async fn unsubscribe(&self, request: Request<v1::UnsubscribeRequest>) -> Answer<()> {
        let v1::UnsubscribeRequest { topic, url } = request.into_inner();
        Ok(Response::new(self.desk()?.unsubscribe(&topic, &url).await?))
    }
}
