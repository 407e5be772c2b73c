//! An instance of two services, `bank` over HTTP and `ledger` over gRPC, on one port: what `tests/sdk_call.rs` starts, asks to leave, and kills.
//!
//! `NAME SYNOD_URL PORT`: announces both until SIGTERM, then leaves, and ends when the calls under way are answered. It answers whatever it
//! is asked with one line: its name, and the transaction, the trace and the milliseconds that it was asked with.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use synod_client::call::ServeLayer;
use synod_client::context;
use synod_client::registry::{Instance, Provider, Servers};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// `message Text { string text = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

fn line(name: &str) -> String {
    let here = context::current();
    let xid = here.xid.as_ref().map_or("-".to_owned(), ToString::to_string);
    let trace = here.trace.as_ref().map_or("-".to_owned(), |trace| format!("{:032x}", trace.trace_id()));
    format!("{name} {xid} {trace} {}", here.remaining().map_or(-1, |left| left.as_millis() as i64))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, synod, port] = &*arguments else { return Err("usage: NAME SYNOD_URL PORT".into()) };

    let (over_http, over_grpc) = (name.clone(), name.clone());
    let say = tower::service_fn(move |_: Request<Text>| {
        let text = line(&over_grpc);
        async { Ok::<_, Status>(Response::new(Text { text })) }
    });
    let rpc = async move |request: http::Request<Body>| {
        tonic::server::Grpc::new(ProstCodec::<Text, Text>::default()).unary(say, request).await
    };
    let balance = async move || line(&over_http);
    let app = Router::new().route("/balance", get(balance)).route("/ledger.Ledger/Say", post(rpc));

    let port = port.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let announce = |service: &str| {
        let instance = Instance::new(service, &format!("{service}-{name}"), "127.0.0.1", port)
            .with_lease(Duration::from_secs(1), Duration::from_secs(3));
        Provider::register(&Servers::new([synod]), instance)
    };
    let (bank, ledger) = (announce("bank")?, announce("ledger")?);
    let left = async {
        let left = tokio::join!(bank.leave_on_signal(), ledger.leave_on_signal());
        left.0.and(left.1).unwrap_or_default();
    };
    axum::serve(listener, app.layer(ServeLayer)).with_graceful_shutdown(left).await?;
    Ok(())
}
