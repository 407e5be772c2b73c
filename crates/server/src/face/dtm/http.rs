//! Paths, bodies and envelopes (dtm.md 1.1), JSON-RPC among them (1.6).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::Deserialize;
use synod_wire::dtm::{Limits, Parameters, Registration, Transaction, json_rpc, reply};

use super::operate as op;
use super::{No, show};
use crate::metrics;
use crate::net::body::{self, BodyError};
use crate::net::{self, Body};
use crate::node::Node;
use crate::txn::Coordinator;

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
/// Where transactions are shown.
const CONSOLE: &str = "/ui/transactions";
const PREFIX: &str = "/api/dtmsvr/";
/// Transactions that one `resetCronTime` makes due, unless the client says.
const RESET_MAX: u32 = 100;
/// How long one has not been touched to count, in seconds: thrice the original's time-out.
const RESET_AFTER_S: u32 = 105;

/// A body that cannot be used is answered by name and place only.
const LIMITS: Limits = Limits::REQUEST;

/// The node as its dtm listener sees it; one clone per connection.
#[derive(Clone, Debug)]
pub struct Front {
    node: Arc<Node>,
    coordinator: Arc<Coordinator>,
    /// The port at which the console is.
    console: u16,
}

/// What a path asks for.
type Answer = Result<Bytes, No>;

impl net::Handler for Front {
    async fn handle(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        // Some clients put two slashes where one belongs.
        let path = without_double_slashes(request.uri().path()).into_owned();
        match (request.method(), &*path) {
            (_, "/api/ping") => answer(StatusCode::OK, JSON, Bytes::from_static(reply::PONG)),
            (&Method::GET, "/api/metrics") => {
                let text = metrics::render(&[&self.node.metrics]);
                answer(StatusCode::OK, metrics::CONTENT_TYPE, text.into())
            }
            (&Method::POST, "/api/json-rpc") => self.json_rpc(request).await,
            (&Method::GET, "/" | "/admin") => self.to_console(request.headers()),
            (&Method::GET, path) if path.starts_with("/admin/") => self.to_console(request.headers()),
            _ => match path.strip_prefix(PREFIX) {
                Some(operation) => self.operation(operation, request).await,
                None => not_found(),
            },
        }
    }
}

impl Front {
    /// The face of a node that coordinates.
    ///
    /// `console` is the port of the console, to which browsers are sent that look for the original's pages.
    pub fn new(node: Arc<Node>, coordinator: Arc<Coordinator>, console: u16) -> Self {
        Self { node, coordinator, console }
    }

    /// To our own pages, at the host that the browser knows.
    fn to_console(&self, headers: &HeaderMap) -> Response<Body> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        let host = host.as_ref().map_or("localhost", Authority::host);
        let to = format!("http://{host}:{}{CONSOLE}", self.console);
        let mut response = answer(StatusCode::FOUND, TEXT, format!("the console is at {to}\n").into());
        let to = HeaderValue::from_str(&to).expect("a host and a path");
        response.headers_mut().insert(header::LOCATION, to);
        response
    }

    async fn operation(&self, operation: &str, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let parameters = Parameters::decode(parts.uri.query().unwrap_or_default());
        let result = match parts.method {
            Method::GET => self.look(operation, &parameters).await,
            Method::DELETE => match operation.strip_prefix("topic/") {
                Some(topic) => Some(done(op::delete_topic(&self.coordinator, &decoded(topic)).await)),
                None => None,
            },
            Method::POST => match body::read_inflated(&parts.headers, body, self.node.body_limits).await {
                Ok(body) => self.act(operation, &parts.headers, &body).await,
                Err(error) => return unreadable(&error),
            },
            _ => None,
        };
        match result {
            Some(Ok(body)) => answer(StatusCode::OK, JSON, body),
            Some(Err(no)) => refused(no, is_registration(operation)),
            None => not_found(),
        }
    }

    /// What has no body.
    async fn look(&self, operation: &str, parameters: &Parameters<'_>) -> Option<Answer> {
        let coordinator = &*self.coordinator;
        let bad = |error: synod_wire::dtm::DecodeError| No::error(error.to_string());
        Some(match operation {
            "version" => Ok(reply::version(env!("CARGO_PKG_VERSION")).into()),
            "newGid" => Ok(reply::new_gid(&op::new_gid()).into()),
            "query" => show::query(coordinator, parameters.text("gid")).await.map(|shown| shown_as(&shown)),
            "all" => match parameters.all().map_err(bad) {
                Ok(asked) => show::all(coordinator, &asked).await.map(|shown| shown_as(&shown)),
                Err(no) => Err(no),
            },
            "queryKV" => Ok(shown_as(&show::kv(coordinator, &parameters.kv()))),
            "scanKV" => {
                parameters.scan().map_err(bad).map(|asked| shown_as(&show::scan(coordinator, &asked)))
            }
            "resetCronTime" => match parameters.reset().map_err(bad) {
                Ok(asked) => Ok(self.reset(asked.timeout_s, asked.limit).await),
                Err(no) => Err(no),
            },
            "subscribe" => {
                let asked = parameters.topic();
                done(op::subscribe(coordinator, &asked.topic, &asked.url, &asked.remark).await)
            }
            "unsubscribe" => {
                let asked = parameters.topic();
                done(op::unsubscribe(coordinator, &asked.topic, &asked.url).await)
            }
            _ => return None,
        })
    }

    async fn act(&self, operation: &str, headers: &HeaderMap, body: &[u8]) -> Option<Answer> {
        let coordinator = &*self.coordinator;
        let bad = |error: synod_wire::dtm::DecodeError| No::error(error.to_string());
        if is_registration(operation) {
            return Some(match Registration::decode(body, &LIMITS).map_err(bad) {
                Ok(registration) => done(op::register(coordinator, &registration, "http").await),
                Err(no) => Err(no),
            });
        }
        if matches!(operation, "forceStop" | "resetNextCronTime") {
            let Ok(Named { gid }) = serde_json::from_slice(body) else {
                return Some(Err(No::error("malformed JSON: expected an object with a gid")));
            };
            return Some(done(match operation {
                "forceStop" => op::force_stop(coordinator, &gid).await,
                _ => op::retry_now(coordinator, &gid).await,
            }));
        }
        if !matches!(operation, "prepare" | "submit" | "abort" | "prepareWorkflow") {
            return None;
        }
        let transaction = match Transaction::decode(body, &LIMITS) {
            Ok(transaction) => transaction,
            Err(error) => return Some(Err(bad(error))),
        };
        Some(match operation {
            "prepare" => done(op::prepare(coordinator, headers, &transaction).await),
            "submit" => done(op::submit(coordinator, headers, &transaction).await),
            "abort" => done(op::abort(coordinator, &transaction).await),
            _ => op::prepare_workflow(coordinator, headers, &transaction)
                .await
                .and_then(|known| show::workflow(&transaction.gid, &known))
                .map(|shown| shown_as(&shown)),
        })
    }

    /// Makes due what has not been touched for long.
    async fn reset(&self, after_s: Option<u32>, limit: Option<u32>) -> Bytes {
        let before_ms = self
            .coordinator
            .now()
            .wall_ms
            .saturating_sub(u64::from(after_s.unwrap_or(RESET_AFTER_S)) * 1_000);
        let limit = limit.unwrap_or(RESET_MAX) as usize;
        let old: Vec<_> = self.coordinator.read(|state| {
            let old = state.iter().filter(|txn| txn.touched_ms <= before_ms);
            old.map(|txn| txn.xid).take(limit.saturating_add(1)).collect()
        });
        for xid in old.iter().take(limit) {
            self.coordinator.retry_now(*xid).await;
        }
        reply::reset(old.len().min(limit) as u64, old.len() > limit).into()
    }

    async fn json_rpc(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = match body::read_inflated(&parts.headers, body, self.node.body_limits).await {
            Ok(body) => body,
            Err(error) => return unreadable(&error),
        };
        let request = match json_rpc::Request::decode(&body) {
            Ok(request) => request,
            Err(invalid) => {
                let status = StatusCode::from_u16(invalid.http_status).unwrap_or(StatusCode::BAD_REQUEST);
                let content_type = if status == StatusCode::OK { JSON } else { TEXT };
                return answer(status, content_type, invalid.reply.encode(&invalid.id).into());
            }
        };
        let reply = match self.call(&request, &parts.headers).await {
            Ok(reply) => reply,
            Err(No::Refused(refusal, text)) => json_rpc::Reply::Refused(refusal, text),
            Err(No::Unanswered) => return net::unanswered(),
        };
        answer(StatusCode::OK, JSON, reply.encode(&request.id).into())
    }

    async fn call(&self, request: &json_rpc::Request, headers: &HeaderMap) -> Result<json_rpc::Reply, No> {
        let coordinator = &*self.coordinator;
        let bad = |error: synod_wire::dtm::DecodeError| No::error(error.to_string());
        let transaction = || request.transaction(&LIMITS).map_err(bad);
        match request.method.as_str() {
            "newGid" => return Ok(json_rpc::Reply::Gid(op::new_gid())),
            "prepare" => op::prepare(coordinator, headers, &transaction()?).await?,
            "submit" => op::submit(coordinator, headers, &transaction()?).await?,
            "abort" => op::abort(coordinator, &transaction()?).await?,
            "registerBranch" => {
                let registration = request.registration(&LIMITS).map_err(bad)?;
                op::register(coordinator, &registration, "json-rpc").await?;
            }
            _ => return Ok(request.no_method()),
        }
        Ok(json_rpc::Reply::Done)
    }
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    gid: String,
}

/// Old clients call it by two other names.
fn is_registration(operation: &str) -> bool {
    matches!(operation, "registerBranch" | "registerXaBranch" | "registerTccBranch")
}

fn done(result: Result<(), No>) -> Answer {
    result.map(|()| Bytes::from_static(reply::DONE))
}

fn shown_as(shown: &impl serde::Serialize) -> Bytes {
    reply::shown(shown).into()
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refused(no: No, registration: bool) -> Response<Body> {
    let No::Refused(refusal, text) = no else { return net::unanswered() };
    let malformed =
        registration && refusal == synod_wire::dtm::Refusal::Error && text.starts_with("malformed");
    if malformed {
        // The one place where the original answers a malformed body otherwise (dtm.md 1.1).
        return answer(StatusCode::BAD_REQUEST, TEXT, refusal.body(&text).into());
    }
    let status = StatusCode::from_u16(refusal.http_status()).expect("one of ours");
    answer(status, JSON, refusal.body(&text).into())
}

fn not_found() -> Response<Body> {
    answer(StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(reply::NOT_FOUND))
}

fn unreadable(error: &BodyError) -> Response<Body> {
    let body = synod_wire::dtm::Refusal::Error.body(&error.to_string());
    answer(error.status(), JSON, body.into())
}

fn without_double_slashes(path: &str) -> std::borrow::Cow<'_, str> {
    if !path.contains("//") {
        return path.into();
    }
    let mut single = String::with_capacity(path.len());
    for char in path.chars().filter(|char| *char != '\0') {
        if char != '/' || !single.ends_with('/') {
            single.push(char);
        }
    }
    single.into()
}

/// A path segment without its percent signs.
fn decoded(segment: &str) -> String {
    let query = format!("name={}", segment.replace('+', "%2B"));
    Parameters::decode(&query).text("name").to_owned()
}
