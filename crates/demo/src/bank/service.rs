//! The bank's service: HTTP on a loopback port. It answers as a participant of Synod's does: 200 done, 409 refused, anything else
//! failed.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::gate::{Gate, Wish};
use super::order::{self, Order};
use super::report::{Kind, tell};
use super::{Said, local, producer, xa};
use crate::args::{BankService, Mode};
use crate::database::Database;
use crate::task;

/// Largest body taken.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A bank.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) database: Database,
    pub(super) gate: Gate,
}

/// The answer was lost on the way: the connection is closed without one.
#[derive(Debug)]
struct LostReply;

impl std::fmt::Display for LostReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer is lost, as was wished")
    }
}

impl std::error::Error for LostReply {}

/// Serves until the demonstration's end of standard input is closed.
pub(crate) async fn serve(service: &BankService) -> anyhow::Result<()> {
    let bank = Arc::new(Bank { database: Database::parse(&service.database)?, gate: Gate::default() });
    let listener = TcpListener::bind(service.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", service.listen))?;
    tell(Kind::Listening, &listener.local_addr()?.to_string(), "");
    let left = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        _ = left => Ok(()),
        () = accept(&listener, &bank) => Ok(()),
    }
}

async fn accept(listener: &TcpListener, bank: &Arc<Bank>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => task::spawn(connection(stream, Arc::clone(bank))),
            // Out of files, or gone before it was accepted: the next one may be luckier.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn connection(stream: TcpStream, bank: Arc<Bank>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&bank)));
    let mut server = http1::Builder::new();
    // How it ends is told where the answer was lost, and otherwise the caller's concern.
    drop(server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, bank: Arc<Bank>) -> Result<Response<Full<Bytes>>, LostReply> {
    let (parts, body) = request.into_parts();
    let reply = |status, words: String| {
        let mut response = Response::new(Full::new(Bytes::from(words)));
        *response.status_mut() = status;
        Ok(response)
    };
    if parts.method != Method::POST {
        return reply(StatusCode::METHOD_NOT_ALLOWED, "a bank is asked with POST".to_owned());
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return reply(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let point = parts.uri.path().trim_start_matches('/').to_owned();
    let route = order::route(parts.uri.path());
    let said = match (point.as_str(), route) {
        ("gate", _) => match serde_json::from_slice::<Wish>(&body) {
            Ok(wish) => {
                bank.gate.set(wish);
                Ok(Said::Done(String::new()))
            }
            Err(error) => return reply(StatusCode::BAD_REQUEST, error.to_string()),
        },
        (producer::POINT, _) => producer::send(&bank, &body).await,
        (_, Some(route)) => match Order::read(route, &parts.headers, &body) {
            Ok(order) => bank.carry_out(&point, &order).await,
            Err(error) => return reply(StatusCode::BAD_REQUEST, format!("{error:#}")),
        },
        (_, None) => return reply(StatusCode::NOT_FOUND, "this bank does nothing of that name".to_owned()),
    };
    if bank.gate.loses(&point) {
        tell(Kind::Lost, &point, "its answer is lost on the way");
        return Err(LostReply);
    }
    match said {
        Ok(Said::Done(words)) => reply(StatusCode::OK, words),
        Ok(Said::Refused(words)) => reply(StatusCode::CONFLICT, words),
        Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    }
}

impl Bank {
    /// Waits where the demonstration wants it.
    pub(super) async fn pass(&self, point: &str, words: &str) {
        if self.gate.holds(point) {
            tell(Kind::Held, point, words);
            self.gate.pass(point).await;
        }
    }

    /// Does a step and tells of it.
    pub(super) async fn carry_out(&self, point: &str, order: &Order) -> anyhow::Result<Said> {
        self.pass(point, "is asked for it").await;
        let said = match order.mode {
            Mode::Xa => xa::carry_out(&self.database, order).await,
            Mode::Tcc | Mode::Saga | Mode::Message => local::carry_out(&self.database, order).await,
        };
        match &said {
            Ok(Said::Done(words)) => tell(Kind::Done, point, words),
            Ok(Said::Refused(words)) => tell(Kind::Refused, point, words),
            Err(error) => tell(Kind::Failed, point, format!("{error:#}")),
        }
        said
    }
}
