//! Services by name over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::timeout_at;

use super::{Error, HashKey, Resolver};
use crate::balance::RetryBudget;
use crate::http_client::{Pool, Trust, pool, reason};
use crate::{Context, context};

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Longest time to connect to one instance. 1 s.
    pub connect: Duration,
    /// Longest time from the start of a call to the end of its answer, repetitions included. The context's deadline counts where it comes
    /// earlier. 10 s.
    pub total: Duration,
    /// Most instances that are tried for one call. 3.
    pub tries: u32,
    /// Longest body of an answer, in bytes. 8 MiB.
    pub answer_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        let (connect, total) = (Duration::from_secs(1), Duration::from_secs(10));
        Self { connect, total, tries: 3, answer_max: 8 << 20 }
    }
}

/// Calls services as `synod://service/path`, in the context of the task that calls; `http://host:port/path` goes where it says, and so does
/// `https://…` with the feature `tls`. Cheap to clone; the clones share connections and [`RetryBudget`]. With a [`HashKey`] in its extensions a request goes to the instance of that key, where the service's
/// balancer hashes.
///
/// An instance to which there is no connection has been sent nothing: the call goes to another one. So does a call of an idempotent
/// method (`GET`, `PUT`, `DELETE`, …) that was sent and had no answer, or had 502, 503 or 504. All that within the budget.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
    resolver: Arc<dyn Resolver>,
    budget: Arc<RetryBudget>,
    config: Config,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What became of one try.
enum Tried {
    /// It is over, one way or the other.
    Over(Result<Response<Bytes>, Error>),
    /// It was not sent.
    NotSent(Error),
    /// It may have been carried out, and the answer is not worth having.
    Failed(Result<Response<Bytes>, Error>),
}

impl Client {
    /// A client with the usual limits.
    pub fn new(resolver: impl Resolver) -> Self {
        Self::with_config(resolver, Config::default())
    }

    /// A client with limits of its own.
    pub fn with_config(resolver: impl Resolver, config: Config) -> Self {
        let pool = pool(config.connect, Trust::default());
        Self { pool, resolver: Arc::new(resolver), budget: Arc::default(), config }
    }

    /// With a budget of its own for repeated calls.
    #[must_use]
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Arc::new(budget);
        self
    }

    /// Whom to trust where a URL says `https`: the system's authorities unless said.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.pool = pool(self.config.connect, trust);
        self
    }

    /// `GET`.
    ///
    /// # Errors
    /// There is no answer; see [`Error`].
    pub async fn get(&self, uri: &str) -> Result<Response<Bytes>, Error> {
        self.send(request(Method::GET, uri, Bytes::new())?).await
    }

    /// `POST`.
    ///
    /// # Errors
    /// There is no answer; see [`Error`].
    pub async fn post(&self, uri: &str, body: impl Into<Bytes>) -> Result<Response<Bytes>, Error> {
        self.send(request(Method::POST, uri, body.into())?).await
    }

    /// Sends a request, and returns the whole answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer; see [`Error`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let context = context::current().within(self.config.total);
        if context.remaining().is_some_and(|left| left.is_zero()) {
            return Err(Error::DeadlineExceeded);
        }
        let all = self.send_in(&context, request);
        match context.deadline {
            Some(deadline) => timeout_at(deadline, all).await.unwrap_or(Err(Error::DeadlineExceeded)),
            None => all.await,
        }
    }

    async fn send_in(&self, context: &Context, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let service = match (request.uri().scheme_str(), request.uri().authority()) {
            (Some("synod"), Some(service)) => service.clone(),
            (Some(scheme @ ("http" | "https")), Some(address)) => {
                let scheme = if scheme == "http" { Scheme::HTTP } else { Scheme::HTTPS };
                return match self.try_at((scheme, address), context, &request).await {
                    Tried::Over(result) | Tried::Failed(result) => result,
                    Tried::NotSent(error) => Err(error),
                };
            }
            _ => return Err(Error::BadTarget(request.uri().to_string())),
        };
        let service = service.host();
        let mut result = Err(Error::NoInstance(service.to_owned()));
        let Some(balancer) = self.resolver.balancer(service) else { return result };
        let key = request.extensions().get::<HashKey>().map(|key| &*key.0);
        for pick in balancer.attempts(&self.budget, key, self.config.tries) {
            let one = match pick.address().parse() {
                Ok(address) => self.try_at((Scheme::HTTP, &address), context, &request).await,
                Err(_) => Tried::NotSent(Error::BadTarget(pick.address().to_owned())),
            };
            match one {
                Tried::Over(result) => {
                    match &result {
                        Ok(answer) if answer.status().is_server_error() => pick.failure(),
                        Ok(_) => pick.success(),
                        Err(_) => drop(pick),
                    }
                    return result;
                }
                Tried::NotSent(error) => {
                    pick.unreachable();
                    self.resolver.unreachable(service);
                    // What was sent once stays unknown.
                    if !matches!(result, Ok(_) | Err(Error::Unknown(_))) {
                        result = Err(error);
                    }
                }
                Tried::Failed(one) => {
                    pick.failure();
                    result = one;
                    if !request.method().is_idempotent() {
                        break;
                    }
                }
            }
        }
        result
    }

    async fn try_at(
        &self,
        (scheme, address): (Scheme, &Authority),
        context: &Context,
        request: &Request<Bytes>,
    ) -> Tried {
        if scheme == Scheme::HTTPS && cfg!(not(feature = "tls")) {
            let why = "https needs the feature `tls` of synod-client";
            return Tried::Over(Err(Error::BadTarget(format!("{}: {why}", request.uri()))));
        }
        let one = match addressed((scheme, address), context, request) {
            Ok(one) => one,
            Err(error) => return Tried::Over(Err(error)),
        };
        let answer = match self.pool.request(one).await {
            Ok(answer) => answer,
            Err(error) => {
                let why = format!("{address}: {}", reason(&error));
                let is_connect = error.is_connect();
                return if is_connect {
                    Tried::NotSent(Error::NotSent(why))
                } else {
                    Tried::Failed(Err(Error::Unknown(why)))
                };
            }
        };
        let (parts, body) = answer.into_parts();
        match Limited::new(body, self.config.answer_max).collect().await {
            Err(error) => Tried::Failed(Err(Error::Unknown(format!("{address}: {}", reason(&*error))))),
            Ok(body) => {
                let answer = Response::from_parts(parts, body.to_bytes());
                let is_elsewhere_better = matches!(
                    answer.status(),
                    StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
                );
                if is_elsewhere_better { Tried::Failed(Ok(answer)) } else { Tried::Over(Ok(answer)) }
            }
        }
    }
}

fn request(method: Method, uri: &str, body: Bytes) -> Result<Request<Bytes>, Error> {
    let request = Request::builder().method(method).uri(uri).body(body);
    request.map_err(|error| Error::BadTarget(format!("{uri:?}: {error}")))
}

/// The request as it goes to this address, with the context as it is now.
fn addressed(
    (scheme, address): (Scheme, &Authority),
    context: &Context,
    request: &Request<Bytes>,
) -> Result<Request<Full<Bytes>>, Error> {
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(scheme).authority(address.clone()).path_and_query(path).build();
    let uri = uri.map_err(|error| Error::BadTarget(format!("{address}: {error}")))?;
    let mut one = Request::new(Full::new(request.body().clone()));
    *one.method_mut() = request.method().clone();
    *one.uri_mut() = uri;
    *one.headers_mut() = request.headers().clone();
    context::inject(context, one.headers_mut());
    Ok(one)
}
