//! Two services over HTTP, in one process: `shop` calls `bank` by its name, and the transaction, the trace and the deadline go along.
//!
//!     cargo run -p synod-client --features http --example http_service

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::uri::Authority;
use axum::routing::get;
use synod_client::call::http::Client;
use synod_client::call::{Fixed, ServeLayer};
use synod_client::context::{self, Context, Trace};
use synod_client::{Xid, call};
use tokio::net::TcpListener;

/// `bank`: says in which transaction it was asked, and how long it has.
async fn balance() -> String {
    let here = context::current();
    format!("bank: transaction {:?}, span {:?}, {:?} left", here.xid, here.trace, here.remaining())
}

/// `shop`: asks `bank`. Nothing is handed over by hand.
async fn buy(State(client): State<Client>) -> Result<String, String> {
    let answer = client.get("synod://bank/balance").await.map_err(|error: call::Error| error.to_string())?;
    let trace = context::current().trace;
    Ok(format!("shop: span {trace:?}\n{}", String::from_utf8_lossy(answer.body())))
}

/// Serves it on a free port. With a registry, `registry::Provider` would announce the address.
async fn serve(app: Router) -> Result<Authority, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string().parse()?;
    let serve = async move { axum::serve(listener, app.layer(ServeLayer)).await };
    #[expect(clippy::disallowed_methods, reason = "it runs until the example ends")]
    tokio::spawn(serve);
    Ok(address)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bank = serve(Router::new().route("/balance", get(balance))).await?;
    let client = Client::new(Fixed::default().with("bank", [bank]));
    let shop = serve(Router::new().route("/buy", get(buy)).with_state(client)).await?;

    let client = Client::new(Fixed::default().with("shop", [shop]));
    let context = Context { trace: Some(Trace::start(true)), ..Context::default() };
    let context = context.with_xid(Some(Xid::parse("10.0.0.1:8091:42")?)).within(Duration::from_secs(5));
    let answer = context::scope(context, client.get("synod://shop/buy")).await?;
    println!("{}", String::from_utf8_lossy(answer.body()));
    Ok(())
}
