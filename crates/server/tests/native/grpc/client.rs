//! tonic's client over hyper's connections, with the methods named at the call.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

type Http = legacy::Client<HttpConnector, tonic::body::Body>;

/// A client of one server; all calls share a connection.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http,
    address: SocketAddr,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { http: legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http(), address }
    }

    async fn grpc(&self) -> Grpc<Http> {
        let origin = format!("http://{}", self.address).parse().unwrap();
        let mut grpc = Grpc::with_origin(self.http.clone(), origin);
        grpc.ready().await.unwrap();
        grpc
    }

    /// One call; it must end within half a minute.
    pub(crate) async fn call<Q, R>(&self, service: &str, method: &str, request: Q) -> Result<R, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        self.call_with(service, method, Request::new(request)).await
    }

    /// The same with metadata.
    pub(crate) async fn call_with<Q, R>(
        &self,
        service: &str,
        method: &str,
        request: Request<Q>,
    ) -> Result<R, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let path: PathAndQuery = format!("/{service}/{method}").parse().unwrap();
        let mut grpc = self.grpc().await;
        let answer = grpc.unary(request, path, ProstCodec::<Q, R>::default());
        let answer = tokio::time::timeout(Duration::from_secs(30), answer).await;
        answer.unwrap_or_else(|_| panic!("{method} has no answer")).map(Response::into_inner)
    }

    /// A call that is answered with a stream.
    pub(crate) async fn stream<Q, R>(
        &self,
        service: &str,
        method: &str,
        request: Q,
    ) -> Result<Streaming<R>, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let path: PathAndQuery = format!("/{service}/{method}").parse().unwrap();
        let mut grpc = self.grpc().await;
        grpc.server_streaming(Request::new(request), path, ProstCodec::<Q, R>::default())
            .await
            .map(Response::into_inner)
    }

    /// A call in which both sides take turns.
    pub(crate) async fn converse<Q, R>(
        &self,
        service: &str,
        method: &str,
        requests: mpsc::Receiver<Q>,
    ) -> Result<Streaming<R>, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let path: PathAndQuery = format!("/{service}/{method}").parse().unwrap();
        let requests = futures_util::stream::unfold(requests, async |mut requests| {
            requests.recv().await.map(|request| (request, requests))
        });
        let mut grpc = self.grpc().await;
        grpc.streaming(Request::new(requests), path, ProstCodec::<Q, R>::default())
            .await
            .map(Response::into_inner)
    }
}
