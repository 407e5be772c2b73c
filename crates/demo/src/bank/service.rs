//! The bank's service: HTTP on a loopback port. Others ask it for work at `/{mode}/{side}` in their transaction's context, Synod calls
//! it for the rest at `/synod/{name}`. 200 is done, 409 refused, anything else failed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use synod_client::call::{Fixed, http::Client};
use synod_client::native::{self, Participants};
use synod_client::rm::tcc::Tcc;
use synod_client::sql::outbox::{Outbox, Relay, Rules};
use synod_client::sql::sqlx::{MySql, Pool, Postgres, Sqlite};
use synod_client::sql::{Barrier, Op};
use synod_client::{context, seata};
use tokio::net::{TcpListener, TcpStream};

use super::account::Account;
use super::dtm::{self, Dtm};
use super::gate::{Gate, Wish};
use super::outbox::Synod;
use super::posting::{NotDone, Posting, Said, Side};
use super::report::{Kind, tell};
use super::strong::{Coordinators, Strong, XA};
use super::vault::Vault;
use super::{RETRY_INTERVAL, message, outbox};
use crate::args::BankService;
use crate::database::{Database, Dialect};
use crate::mode::Mode;
use crate::task;

/// Largest body taken.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long a bank that starts waits for its database and the coordinator before it listens all the same.
const OPENING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

/// A bank.
pub(super) struct Bank<DB: Vault> {
    /// Where it is asked: `http://host:port`.
    pub(super) base: String,
    pub(super) pool: Pool<DB>,
    pub(super) client: Arc<native::Client>,
    pub(super) outbox: Outbox,
    pub(super) dtm: Option<Dtm>,
    participants: Arc<Participants>,
    tcc: [Tcc<Account<DB>>; 2],
    strong: Option<Arc<dyn Strong>>,
    relay: OnceLock<Relay>,
    gate: Arc<Gate>,
}

/// The answer was lost on the way: the connection is closed without one.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost, as was wished")]
struct LostReply;

/// Serves until the demonstration's end of standard input is closed.
pub(crate) async fn serve(service: &BankService) -> anyhow::Result<()> {
    match Database::parse(&service.database)?.dialect {
        Dialect::Postgres => serve_on::<Postgres>(service).await,
        Dialect::MariaDb => serve_on::<MySql>(service).await,
        Dialect::Sqlite => serve_on::<Sqlite>(service).await,
    }
}

async fn serve_on<DB: Vault>(service: &BankService) -> anyhow::Result<()> {
    let listener = TcpListener::bind(service.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", service.listen))?;
    let bank = Arc::new(Bank::<DB>::open(service).await?);
    // Goes on beside if the database or the coordinator does not answer by then.
    drop(tokio::time::timeout(OPENING, task::spawn(prepare(Arc::clone(&bank)))).await);
    tell(Kind::Listening, &listener.local_addr()?.to_string(), "");
    let left = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        _ = left => {}
        () = accept(&listener, &bank) => {}
    }
    Ok(())
}

/// Much shorter than usual, so that there is something to see: a message of a relay that was killed is taken up after the lease.
fn rules() -> Rules {
    Rules {
        timeout: Duration::from_millis(500),
        lease: Duration::from_secs(1),
        attempts_max: 10_000,
        pause: PAUSE,
        pause_max: Duration::from_secs(2),
        ..Rules::default()
    }
}

/// What is done before a bank can be asked for anything, until it works.
async fn prepare<DB: Vault>(bank: Arc<Bank<DB>>) {
    while let Err(error) = bank.try_prepare().await {
        tell(Kind::Note, "opening", format!("is not quite open yet: {error}"));
        tokio::time::sleep(PAUSE).await;
    }
}

async fn accept<DB: Vault>(listener: &TcpListener, bank: &Arc<Bank<DB>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(task::spawn(connection(stream, Arc::clone(bank)))),
            // Out of files, or gone before it was accepted: the next one may be luckier.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn connection<DB: Vault>(stream: TcpStream, bank: Arc<Bank<DB>>) {
    let service = service_fn(move |request| {
        let bank = Arc::clone(&bank);
        async move { bank.answer(request).await }
    });
    let mut server = http1::Builder::new();
    // How it ends is told where the answer was lost, and otherwise the caller's concern.
    drop(server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await);
}

impl<DB: Vault> Bank<DB> {
    async fn open(service: &BankService) -> anyhow::Result<Self> {
        let base = format!("http://{}", service.listen);
        let pool = DB::pool(&service.database)?;
        let participants = Participants::new(&base)?;
        let client = native::Client::new([&service.synod])?.participants(Arc::clone(&participants));
        let client = Arc::new(client.retry_interval(RETRY_INTERVAL));
        let config = |server| seata::Config::new([server], "synod-demo", "default_tx_group");
        let seata = service.seata.clone().map(|server| seata::Client::start(config(server))).transpose()?;
        let account = |mode, side| Account { pool: pool.clone(), mode, side };
        let [debit, credit] =
            Side::BOTH.map(|side| (format!("tcc.{}", side.as_str()), account(Mode::Tcc, side)));
        let tcc = [
            Tcc::register(client.clone(), &debit.0, debit.1).await?,
            Tcc::register(client.clone(), &credit.0, credit.1).await?,
        ];
        for side in Side::BOTH {
            participants.step(format!("saga.{}", side.as_str()), account(Mode::Saga, side));
        }
        let sender = Arc::new(account(Mode::Message, Side::Debit));
        participants.on_check(message::CHECKED, move |asked| message::check(Arc::clone(&sender), asked));
        for mode in [Mode::Message, Mode::Outbox] {
            let receiver = Arc::new(account(mode, Side::Credit));
            let name = format!("{}.credit", mode.as_str());
            participants.on_message(name, move |asked| message::receive(Arc::clone(&receiver), asked));
        }
        let strong = DB::strong(
            &pool,
            &Coordinators { native: client.clone(), seata, address: service.seata.clone() },
        );
        let dtm = service.dtm.clone().map(|url| Dtm { url, client: Client::new(Fixed::default()) });
        let (outbox, relay, gate) = (Outbox::default(), OnceLock::new(), Arc::default());
        Ok(Self { base, pool, client, outbox, dtm, participants, tcc, strong, relay, gate })
    }

    /// Tells the coordinators, makes the SDK's tables, and has messages relayed.
    async fn try_prepare(&self) -> Result<(), NotDone> {
        // First: what this bank has prepared before waits for it, and may be in the way of the rest.
        if let Some(strong) = &self.strong {
            strong.register().await?;
        }
        Barrier::create_table(&self.pool).await?;
        Outbox::create_table(&self.pool).await?;
        self.relay.get_or_init(|| {
            let sink = Arc::new(Synod { client: Arc::clone(&self.client), gate: Arc::clone(&self.gate) });
            Relay::start(&self.outbox, self.pool.clone(), sink, rules())
        });
        Ok(())
    }

    /// One side of the accounts, in one mode.
    pub(super) fn account(&self, mode: Mode, side: Side) -> Account<DB> {
        Account { pool: self.pool.clone(), mode, side }
    }

    /// Where Synod finds what is registered under this name.
    pub(super) fn url(&self, name: &str) -> String {
        self.participants.url(name)
    }

    /// Waits where the demonstration wants it.
    pub(super) async fn pass(&self, point: &str, words: &str) {
        self.gate.pass(point, words).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, LostReply> {
        let (parts, body) = request.into_parts();
        let point = point(&parts);
        if parts.uri.path() != "/gate" {
            self.pass(&point, "is asked for it").await;
        }
        let response = if parts.uri.path().starts_with("/synod/") {
            let response = self.participants.handle(Request::from_parts(parts, body)).await;
            if point.starts_with(XA) && response.status() == StatusCode::OK {
                tell(Kind::Done, &point, "ends what it had prepared");
            }
            response
        } else {
            match Limited::new(body, BODY_BYTES_MAX).collect().await {
                Ok(body) => self.serve(&parts, &body.to_bytes()).await,
                Err(error) => respond(StatusCode::BAD_REQUEST, error.to_string()),
            }
        };
        if self.gate.loses(&point) { Err(LostReply) } else { Ok(response) }
    }

    async fn serve(&self, parts: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        if parts.method != Method::POST {
            return respond(StatusCode::METHOD_NOT_ALLOWED, "a bank is asked with POST".to_owned());
        }
        // In the transaction of whoever asks.
        let context = context::extract(&parts.headers);
        match context::scope(context, self.work(parts, body)).await {
            Ok(Ok(words)) => respond(StatusCode::OK, words),
            Ok(Err(error @ NotDone::Refused(_))) => respond(StatusCode::CONFLICT, error.to_string()),
            Ok(Err(error @ NotDone::Failed(_))) => {
                respond(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            Err(Unserved::Nothing) => {
                respond(StatusCode::NOT_FOUND, "this bank does nothing of that name".to_owned())
            }
            Err(Unserved::Unreadable(why)) => respond(StatusCode::BAD_REQUEST, why),
        }
    }

    async fn work(&self, parts: &Parts, body: &[u8]) -> Result<Said, Unserved> {
        let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
        let (mode, side, rest) = match path[..] {
            ["gate"] => {
                self.gate.set(read::<Wish>(body)?);
                return Ok(Ok(String::new()));
            }
            ["message", "debit"] => return Ok(message::send(self, &read(body)?).await),
            ["outbox", "debit"] => return Ok(outbox::put(self, &read(body)?).await),
            [mode, "debit", ref rest @ ..] => (mode, Side::Debit, rest),
            [mode, "credit", ref rest @ ..] => (mode, Side::Credit, rest),
            _ => return Err(Unserved::Nothing),
        };
        let query = parts.uri.query().unwrap_or_default();
        match (mode, rest) {
            ("dtm", ["confirm"]) => return Ok(dtm::end(self, side, Op::Confirm, query, body).await),
            ("dtm", ["cancel"]) => return Ok(dtm::end(self, side, Op::Cancel, query, body).await),
            _ => {}
        }
        let posting: Posting = read(body)?;
        let is_amount = (1..=1_000_000_000).contains(&posting.amount);
        if !is_amount {
            return Err(Unserved::Unreadable(format!("{} is no amount to transfer", posting.amount)));
        }
        let xid = context::current().xid;
        let xid = xid.ok_or_else(|| Unserved::Unreadable("there is no transaction".to_owned()))?;
        let strong = || self.strong.as_ref().ok_or(Unserved::Nothing);
        Ok(match (mode, rest) {
            ("tcc", []) => self.tcc[side as usize].call(&posting).await.map_err(NotDone::from),
            ("dtm", []) => dtm::call(self, &xid, side, posting).await,
            ("xa", []) => strong()?.xa(&xid, side, posting).await,
            ("at", []) => strong()?.at(side, posting).await,
            _ => return Err(Unserved::Nothing),
        })
    }
}

/// Why a request was not even tried.
enum Unserved {
    Nothing,
    Unreadable(String),
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unserved> {
    serde_json::from_slice(body).map_err(|error| Unserved::Unreadable(error.to_string()))
}

/// What a request is called here: `mode/side`, and of a call of Synod's also what it is for.
fn point(parts: &Parts) -> String {
    let path = parts.uri.path().trim_start_matches('/');
    match path.strip_prefix("synod/") {
        Some(name) => {
            let op = parts.headers.get("synod-op").and_then(|op| op.to_str().ok()).unwrap_or_default();
            format!("{}/{op}", name.replace('.', "/"))
        }
        None => path.to_owned(),
    }
}

fn respond(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(words)));
    *response.status_mut() = status;
    response
}
