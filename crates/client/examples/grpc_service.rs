//! A service over gRPC, and a client of it by its name: the transaction, the trace and the deadline go along.
//!
//!     cargo run -p synod-client --features grpc --example grpc_service
//!
//! Client and server are written out where tonic would generate them: `BankClient::new(channel)`, and `BankServer::new(bank)` with
//! `ServeLayer` around it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::uri::PathAndQuery;
use axum::routing::post;
use synod_client::call::grpc::Channel;
use synod_client::call::{Fixed, ServeLayer};
use synod_client::{Context, Xid, context};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

const PATH: &str = "/bank.Bank/Balance";

/// `message Account { string name = 1; }`, and the answer in the same form.
#[derive(Clone, PartialEq, prost::Message)]
struct Account {
    #[prost(string, tag = "1")]
    name: String,
}

/// `bank`: says in which transaction it was asked, and how long it has.
async fn balance(request: Request<Account>) -> Result<Response<Account>, Status> {
    let (here, account) = (context::current(), request.into_inner().name);
    let name = format!("{account}: transaction {:?}, {:?} left", here.xid, here.remaining());
    Ok(Response::new(Account { name }))
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Box<dyn Error>> {
    let rpc = async |request: http::Request<Body>| {
        let codec = ProstCodec::<Account, Account>::default();
        tonic::server::Grpc::new(codec).unary(tower::service_fn(balance), request).await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string().parse()?;
    let app = Router::new().route(PATH, post(rpc)).layer(ServeLayer);
    #[expect(clippy::disallowed_methods, reason = "it runs until the example ends")]
    tokio::spawn(async move { axum::serve(listener, app).await });

    let channel = Channel::new("synod://bank", Arc::new(Fixed::default().with("bank", [address])));
    let mut bank = tonic::client::Grpc::new(channel);
    let context =
        Context::default().with_xid(Some(Xid::parse("10.0.0.1:8091:42")?)).within(Duration::from_secs(5));
    let answer = context::scope(context, async {
        bank.ready().await?;
        let codec = ProstCodec::<Account, Account>::default();
        let account = Request::new(Account { name: "ada".to_owned() });
        bank.unary(account, PathAndQuery::from_static(PATH), codec).await
    });
    println!("{}", answer.await?.into_inner().name);
    Ok(())
}
