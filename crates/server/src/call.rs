//! Calls to the participants of global transactions: one of the driver's calls goes out, what came of it comes back. When to
//! call and when to call again is the driver's business ([`synod_core::txn::drive`]); here is how.
//!
//! | module | concern |
//! |---|---|
//! | `errand` | what a call is about |
//! | [`native`], `dtm` | dialects: how a call is put, and what an answer means |
//! | `http1`, `grpc` | transports: connections, limits |
//! | [`seata`] | both for branches of Seata clients, who are called over the connections that they keep |
//! | `resolve` | `synod://service`, through the registry |
//! | [`policy`] | who may be called |
//! | [`trace`] | W3C trace context |
//! | `sign` | the signature of notifications |
//!
//! Nothing of a call outlives it but an idle connection. Redirects are not followed. Every wait has an end: that of the call
//! as a whole; and every answer has a limit, beyond which its connection is dropped.

mod dtm;
mod errand;
mod grpc;
mod http1;
pub mod metrics;
pub mod native;
pub mod policy;
mod resolve;
pub mod seata;
mod sign;
#[cfg(test)]
mod tests;
pub mod trace;
mod url;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Protocol, drive};
use synod_wire::dtm as wire;
use tracing::Instrument as _;

pub use self::metrics::CallMetrics;
pub use self::native::{BadHeader, check_header};
pub use self::policy::BadDestination;

use self::errand::Task;
use self::grpc::Grpc;
use self::http1::Http1;
use self::native::Verdict;
use self::policy::{Admission, Allow};
use self::resolve::{Endpoint, Services};
use self::sign::Signer;
use self::trace::Ids;
use self::url::{Scheme, Url};
use crate::clock::Clock;
use crate::config::Config;
use crate::net::tls::{Connector, Trust};
use crate::registry::Registry;
use crate::task;

/// Bytes of what a participant says that are kept.
const TEXT_BYTES_MAX: usize = 1_000;
/// Instances tried in one call.
const TRIES_MAX: usize = 3;
/// How often idle connections are looked after.
const ROUNDS: Duration = Duration::from_secs(2);

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Settings {
    allow: Allow,
    timeout: Duration,
    seata_timeout: Duration,
    connect_timeout: Duration,
    response_bytes_max: usize,
    idle_timeout: Duration,
    idle_max: usize,
    new_traces: bool,
    signer: Option<Signer>,
    address: Box<str>,
}

impl Settings {
    /// From the configuration. `address` is the `host:port` that stands in the text of an XID.
    ///
    /// # Errors
    /// `call.allow` has an entry that is none.
    pub fn new(config: &Config, address: &str) -> Result<Self, BadDestination> {
        let call = &config.call;
        Ok(Self {
            allow: Allow::parse(&call.allow)?,
            timeout: call.timeout,
            seata_timeout: config.face.seata.call_timeout,
            connect_timeout: call.connect_timeout,
            response_bytes_max: call.response_bytes_max,
            idle_timeout: call.idle_timeout,
            idle_max: call.idle_max,
            new_traces: call.trace,
            signer: Signer::new(config.notify.secret.reveal()),
            address: address.into(),
        })
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What it means.
    pub result: CallResult,
    /// Whether anybody answered, or the call was never made: a destination that does not answer is left alone for a while.
    pub answered: bool,
    /// The body of an answer that means "done".
    pub reply: Option<Bytes>,
}

/// Why there is no answer that means anything.
#[derive(Debug)]
struct Trouble {
    text: String,
    /// See [`Delivered::answered`].
    answered: bool,
    /// Certainly nothing was sent.
    unsent: bool,
}

impl Trouble {
    /// The destination is not to blame for its silence.
    fn ours(text: String) -> Self {
        Self { text, answered: true, unsent: false }
    }

    /// There was no answer, or not all of it.
    fn silent(text: String) -> Self {
        Self { text, answered: false, unsent: false }
    }

    /// There is no connection.
    fn unsent(to: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let text = format!("no connection to {to}: {}", http1::reason(error));
        Self { text, answered: false, unsent: true }
    }
}

/// Makes calls. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    clock: Clock,
    metrics: CallMetrics,
    services: Services,
    http: Http1,
    grpc: Grpc,
    seata: seata::Channels,
    ids: Ids,
}

impl Caller {
    /// Without connections. Says in the log whom it may call. To be made inside the runtime: a task of its own closes
    /// connections that are not used, for as long as a clone of this lives.
    pub fn new(
        settings: Settings,
        registry: Arc<Registry>,
        trust: Arc<Trust>,
        clock: Clock,
        metrics: CallMetrics,
    ) -> Self {
        if settings.allow.is_open() {
            tracing::info!("participants of transactions may be anywhere (\"call.allow\" is empty)");
        }
        let connector = Connector::new(settings.connect_timeout, trust);
        let (bytes_max, idle_timeout) = (settings.response_bytes_max, settings.idle_timeout);
        let inner = Arc::new(Inner {
            http: Http1::new(connector.clone(), bytes_max, settings.idle_max, idle_timeout),
            grpc: Grpc::new(connector, bytes_max, idle_timeout),
            seata: seata::Channels::default(),
            services: Services::new(registry),
            ids: Ids::new(crate::node::seed()),
            settings,
            clock,
            metrics,
        });
        task::spawn("idle-connections", look_after(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Makes a call and waits for its end; takes no longer than the transaction, or `call.timeout`, allows. Dropping the
    /// future abandons the request.
    pub async fn deliver(&self, call: &drive::Call) -> Delivered {
        let inner = &*self.0;
        let Some(task) = Task::new(call, &inner.settings.address) else {
            return Delivered { result: CallResult::Done, answered: true, reply: None };
        };
        let gid = task.txn.gid.as_deref().unwrap_or_default();
        let branch = task.branch.unwrap_or_default();
        let span = tracing::debug_span!("call", xid = &*task.xid, gid, branch, op = task.op.as_str());
        inner.carry_out(&task).instrument(span).await
    }

    /// The headers of a request that travel with all calls of the transaction it begins (`traceparent`, `tracestate`), to be
    /// put among [`synod_core::txn::Begin::headers`].
    pub fn trace(&self, headers: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
        trace::carried(headers, self.0.settings.new_traces.then_some(&self.0.ids))
    }

    /// The connections of Seata clients, over which their branches are called.
    pub fn channels(&self) -> &seata::Channels {
        &self.0.seata
    }

    /// Connections over HTTP/1.1 that are kept without a call.
    pub fn idle_connections(&self) -> usize {
        self.0.http.idle_len()
    }
}

async fn look_after(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(ROUNDS).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.http.look_after(inner.clock.now().mono_ms);
    }
}

impl Inner {
    async fn carry_out(&self, task: &Task<'_>) -> Delivered {
        let measured = self.metrics.begin(task.target.protocol, task.op.as_str(), self.clock.now().mono_ms);
        let timeout = match task.txn.options.call_timeout_ms {
            0 if task.target.protocol == Protocol::Seata => self.settings.seata_timeout,
            0 => self.settings.timeout,
            ms => Duration::from_millis(ms),
        };
        let end = tokio::time::timeout(timeout, self.attempt(task, timeout)).await;
        let end = end.unwrap_or_else(|_| {
            Err(Trouble::silent(format!("no answer from {} within {timeout:?}", task.target.url)))
        });
        let delivered = match end {
            Ok((result, reply)) => Delivered { result, answered: true, reply },
            Err(Trouble { text, answered, .. }) => {
                let result = CallResult::Failed(clipped(&text).into());
                Delivered { result, answered, reply: None }
            }
        };
        let took_ms = measured.end(&delivered.result, self.clock.now().mono_ms);
        let said = match &delivered.result {
            CallResult::Refused(text) | CallResult::Failed(text) => &**text,
            CallResult::Done | CallResult::Ongoing => "",
        };
        let result = metrics::result_name(&delivered.result);
        tracing::debug!(url = &*task.target.url, result, said, took_ms, "called a participant");
        delivered
    }

    /// One call; of a service, another instance is tried when there is no connection to the first.
    async fn attempt(&self, task: &Task<'_>, timeout: Duration) -> Result<Verdict, Trouble> {
        let Some((name, rest)) = url::service(&task.target.url) else {
            return self.send(task, &task.target.url, timeout).await;
        };
        let mut tries = 0;
        loop {
            let is_grpc = matches!(task.target.protocol, Protocol::Grpc | Protocol::DtmGrpc);
            let (endpoint, count) = self.services.pick(name, is_grpc, self.clock.now().mono_ms)?;
            let sent = self.send(task, &instance_url(task.target.protocol, &endpoint, rest), timeout).await;
            tries += 1;
            match sent {
                Err(Trouble { unsent: true, text, .. }) if tries < count.min(TRIES_MAX) => {
                    self.services.shun(&endpoint, self.clock.now().mono_ms);
                    tracing::debug!(instance = &*endpoint.authority, error = text, "trying another instance");
                }
                Err(trouble) => {
                    if trouble.unsent {
                        self.services.shun(&endpoint, self.clock.now().mono_ms);
                    }
                    return Err(trouble);
                }
                Ok(verdict) => return Ok(verdict),
            }
        }
    }

    async fn send(&self, task: &Task<'_>, url: &str, timeout: Duration) -> Result<Verdict, Trouble> {
        match task.target.protocol {
            Protocol::Http => self.send_http(task, url).await,
            Protocol::Grpc => self.send_grpc(task, url, timeout).await,
            Protocol::DtmHttp => {
                let headers = dtm::headers(task, &self.ids);
                let call = dtm::call(task, url, &headers).http();
                let answer = self.send_dtm(task, &call).await?;
                let read = wire::Answer::http(answer.status.as_u16(), &answer.body);
                Ok(dtm::read(task, read, answer.body, || answer.status.to_string()))
            }
            Protocol::DtmJsonRpc => {
                let headers = dtm::headers(task, &self.ids);
                let id = format!("{:032x}", self.ids.long_id());
                let call =
                    dtm::call(task, url, &headers).json_rpc(&id).map_err(|error| dtm::bad(url, error))?;
                let answer = self.send_dtm(task, &call).await?;
                let read = wire::Answer::json_rpc(answer.status.as_u16(), &answer.body);
                Ok(dtm::read(task, read, answer.body, || answer.status.to_string()))
            }
            Protocol::DtmGrpc => self.send_dtm_grpc(task, url, timeout).await,
            Protocol::Seata => seata::send(&self.seata, task, url, self.clock.now().wall_ms).await,
        }
    }

    async fn send_http(&self, task: &Task<'_>, url: &str) -> Result<Verdict, Trouble> {
        let url = self.web(url)?;
        let (origin, target) = (self.admitted(&url).await?, url.target()?);
        let now_s = || self.clock.now().wall_ms / 1_000;
        let sign = |body: &[u8]| self.settings.signer.as_ref().map(|signer| signer.sign(now_s(), body));
        let make = || native::http(task, url.authority, target.clone(), &self.ids, sign);
        let answer = self.http.send(&origin, make, || self.clock.now().mono_ms).await?;
        Ok(native::read_http(answer))
    }

    async fn send_dtm(&self, task: &Task<'_>, call: &wire::HttpCall<'_>) -> Result<http1::Answer, Trouble> {
        let url = self.web(&call.url)?;
        let (origin, target) = (self.admitted(&url).await?, url.target()?);
        let make = || Ok(dtm::request(call, &task.payload, url.authority, target.clone()));
        self.http.send(&origin, make, || self.clock.now().mono_ms).await
    }

    async fn send_grpc(&self, task: &Task<'_>, text: &str, timeout: Duration) -> Result<Verdict, Trouble> {
        let url = Url::parse(text)?;
        if url.scheme != Scheme::Grpc {
            let why = "gRPC is spoken with \"grpc://host:port/package.Service/Method\"";
            return Err(Trouble::ours(format!("\"{text}\" cannot be called: {why}")));
        }
        let origin = self.admitted(&url).await?;
        let authority = &origin["grpc://".len()..];
        let method = url.target()?;
        let metadata = native::headers(task, &self.ids)?;
        let answer = self.grpc.call(authority, method.path(), metadata, &task.payload, timeout).await?;
        Ok(native::read_grpc(answer))
    }

    async fn send_dtm_grpc(&self, task: &Task<'_>, url: &str, timeout: Duration) -> Result<Verdict, Trouble> {
        let headers = dtm::headers(task, &self.ids);
        let call = dtm::call(task, url, &headers).grpc().map_err(|error| dtm::bad(url, error))?;
        let text = format!("grpc://{}", call.server);
        let origin = self.admitted(&Url::parse(&text)?).await?;
        let authority = &origin["grpc://".len()..];
        let mut metadata = HeaderMap::with_capacity(call.metadata.len() + 4);
        dtm::insert_all(&mut metadata, call.metadata.iter().map(|(name, value)| (&**name, *value)));
        metadata.entry(header::USER_AGENT).or_insert(native::USER_AGENT);
        let answer = self.grpc.call(authority, call.method, metadata, call.message, timeout).await?;
        let read = wire::Answer::grpc(answer.code, &answer.message);
        Ok(dtm::read(task, read, answer.reply, || format!("gRPC status {}", answer.code)))
    }

    /// A URL that is spoken HTTP to.
    fn web<'a>(&self, text: &'a str) -> Result<Url<'a>, Trouble> {
        let url = Url::parse(text)?;
        if url.scheme == Scheme::Grpc {
            return Err(Trouble::ours(format!(
                "\"{text}\" cannot be called: HTTP is spoken with http and https"
            )));
        }
        Ok(url)
    }

    /// The origin to connect to, if it may be called. Where networks are allowed that is an address, so that the name cannot
    /// mean another one a moment later.
    async fn admitted<'a>(&self, url: &Url<'a>) -> Result<Cow<'a, str>, Trouble> {
        let allow = &self.settings.allow;
        let refused =
            |who: &str| Trouble::ours(format!("{who} may not be called: \"call.allow\" does not name it"));
        match allow.admits(url.host, url.port) {
            Admission::Yes => return Ok(Cow::Borrowed(url.origin)),
            Admission::No => return Err(refused(url.authority)),
            Admission::ByAddress => {}
        }
        let found = tokio::net::lookup_host((url.host, url.port)).await;
        let mut found = found.map_err(|error| Trouble::unsent(url.authority, &error))?;
        if url.scheme == Scheme::Https {
            // It is called by its name, for which it has to show a certificate.
            let all = found.all(|address| allow.admits_address(address.ip()));
            return if all { Ok(Cow::Borrowed(url.origin)) } else { Err(refused(url.authority)) };
        }
        let address = found.find(|address| allow.admits_address(address.ip()));
        let address = address.ok_or_else(|| refused(url.authority))?;
        let scheme = &url.origin[..url.origin.len() - url.authority.len()];
        Ok(Cow::Owned(format!("{scheme}{address}")))
    }
}

/// The URL of an instance, in place of the service's.
fn instance_url(protocol: Protocol, endpoint: &Endpoint, rest: &str) -> String {
    let scheme = match protocol {
        Protocol::Http | Protocol::DtmHttp | Protocol::DtmJsonRpc if endpoint.secure => "https://",
        Protocol::Http | Protocol::DtmHttp | Protocol::DtmJsonRpc => "http://",
        Protocol::Grpc => "grpc://",
        Protocol::DtmGrpc | Protocol::Seata => "",
    };
    let mut url = String::with_capacity(scheme.len() + endpoint.authority.len() + rest.len());
    write!(url, "{scheme}{}{rest}", endpoint.authority).expect("writing to a string cannot fail");
    url
}

/// The beginning of a text, as much as is kept.
fn clipped(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}
