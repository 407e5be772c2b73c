//! The task of one peer: carries its batches and its questions, each in a loop of its own so that a long list does not
//! hold up a change.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{self, HeaderMap, HeaderValue};
use serde::Serialize;
use synod_core::registry::lane::{Batch, Dialect, Failure};
use synod_core::registry::link::notice;
use synod_core::registry::sync::listed::{self, Key, Outcome, Shown};
use synod_core::registry::sync::{Answer, Ask, Greeting, Notice, Reply};
use synod_wire::eureka::DecodeError;
use synod_wire::peer::{self as wire, Message};
use tokio::sync::Notify;

use super::client::{Answered, Client, Trouble};
use super::{End, Handle, eureka, synod};
use crate::node::Node;

/// How long a stopping node goes on telling its peers what they have not heard yet.
const FLUSH: Duration = Duration::from_secs(3);
/// A whole list may take this many times as long as any other answer.
const PATIENCE: u32 = 12;

/// Runs until the peer is off the list or the node stops.
pub(super) async fn run(node: Arc<Node>, peer: Arc<Handle>, client: Client) {
    let carrier = Carrier { node: &node, peer: &peer, client: &client };
    let mut end = peer.end.subscribe();
    tokio::select! {
        _ = end.wait_for(|end| *end != End::NotYet) => {}
        () = carrier.batches() => {}
        () = carrier.asks() => {}
    }
    if *end.borrow() == End::Now {
        return;
    }
    // Whatever was in flight when the node began to stop is lost from sight; it goes out again at once.
    peer.link().abandon_batch();
    if tokio::time::timeout(FLUSH, carrier.flush()).await.is_err() {
        tracing::warn!(peer = peer.target.url, "stopped before the peer heard everything");
    }
}

struct Carrier<'a> {
    node: &'a Arc<Node>,
    peer: &'a Handle,
    client: &'a Client,
}

impl Carrier<'_> {
    async fn batches(&self) {
        loop {
            if !self.batch().await {
                self.sleep(self.peer.next_batch_wake(), &self.peer.batch).await;
            }
        }
    }

    async fn asks(&self) {
        loop {
            if !self.ask().await {
                let wake = self.peer.link().next_ask_wake();
                self.sleep(wake, &self.peer.ask).await;
            }
        }
    }

    async fn flush(&self) {
        while self.peer.link().view(self.node.clock.now()).reachable
            && let Some(wake) = self.peer.next_batch_wake()
        {
            if !self.batch().await {
                self.sleep(Some(wake), &self.peer.batch).await;
            }
        }
    }

    async fn sleep(&self, wake_mono: Option<u64>, notify: &Notify) {
        let Some(wake_mono) = wake_mono else { return notify.notified().await };
        let pause = wake_mono.saturating_sub(self.node.clock.now().mono_ms);
        // Nothing more to wait for is no error, and neither is being called earlier.
        drop(tokio::time::timeout(Duration::from_millis(pause), notify.notified()).await);
    }

    /// Carries a batch if one is due.
    async fn batch(&self) -> bool {
        let registry = &self.node.registry;
        let now = self.node.clock.now();
        self.peer.deliver(now);
        let polled = self.peer.link().poll_batch(registry.core(), now);
        let Some((dialect, batch)) = polled else { return false };
        let answers = match dialect {
            Dialect::Synod => self.tell_synod(&batch).await,
            Dialect::Eureka => self.tell_eureka(&batch).await,
        };
        let now = self.node.clock.now();
        match answers {
            Ok(answers) => {
                let changes = self.peer.link().answered(registry.core(), batch.number, answers, now);
                changes.iter().for_each(|change| registry.announce(change));
                self.peer.note_error(None);
            }
            Err(trouble) => {
                self.peer.link().batch_failed(batch.number, trouble.failure, now);
                self.note(trouble);
            }
        }
        // Either loop may have made work for the other.
        self.peer.ask.notify_one();
        true
    }

    /// Asks a question if one is due.
    async fn ask(&self) -> bool {
        let registry = &self.node.registry;
        let polled = self.peer.link().poll_ask(registry.core(), self.node.clock.now());
        let Some((number, ask)) = polled else { return false };
        let reply = self.reply(ask).await;
        let now = self.node.clock.now();
        match reply {
            Ok(reply) => {
                let changes = self.peer.link().replied(registry.core(), number, reply, now);
                changes.iter().for_each(|change| registry.announce(change));
            }
            Err(trouble) => {
                self.peer.link().ask_failed(number, trouble.failure, now);
                self.note(trouble);
            }
        }
        self.peer.batch.notify_one();
        self.peer.round.send_modify(|round| *round += 1);
        true
    }

    fn note(&self, trouble: Trouble) {
        tracing::debug!(peer = self.peer.target.url, failure = ?trouble.failure, "{}", trouble.text);
        self.peer.note_error(Some(trouble.text));
    }

    async fn tell_synod(&self, batch: &Batch) -> Result<Vec<Answer>, Trouble> {
        let now = self.node.clock.now();
        let notices: Vec<Notice> = batch.items.iter().map(|item| notice(item, now)).collect();
        let answers: wire::Answers<'static> = self.post("changes", &synod::changes_out(&notices)).await?;
        if answers.answers.len() != notices.len() {
            return Err(Trouble::new(Failure::Refused, "a batch was answered with another number of items"));
        }
        Ok(synod::answers_in(answers))
    }

    async fn tell_eureka(&self, batch: &Batch) -> Result<Vec<Answer>, Trouble> {
        let body = eureka::batch(&batch.items, self.node.clock.now());
        let url = format!("{}peerreplication/batch/", self.peer.target.url);
        let target = &self.peer.target;
        let answered = self.client.send(target, Method::POST, &url, &eureka::headers(), body, 1).await?;
        let body = succeeded(answered, "a batch")?;
        let answers = eureka::answers(&body, self.lease_duration_s(), self.node.clock.now())
            .map_err(|error| Trouble::new(Failure::Refused, format!("the answer to a batch: {error}")))?;
        if answers.len() != batch.items.len() {
            return Err(Trouble::new(Failure::Refused, "a batch was answered with another number of items"));
        }
        Ok(answers)
    }

    async fn reply(&self, ask: Ask) -> Result<Reply, Trouble> {
        Ok(match ask {
            Ask::Hello => Reply::Hello(self.hello().await?),
            Ask::Compare { fading } => {
                let compared = self.post("digest", &synod::fading_out(&fading)).await?;
                Reply::Compared(synod::compared_in(compared))
            }
            Ask::Exchange(holdings) => {
                let exchanged = self.post("buckets", &synod::holdings_out(&holdings)).await?;
                Reply::Exchanged(synod::exchanged_in(exchanged))
            }
            Ask::List { first } => Reply::Listed(self.list(first).await?),
            Ask::Look(doubtful) => Reply::Looked(self.look(&doubtful).await?),
        })
    }

    /// Whoever does not say that it is a Synod node, speaking this version of the protocol, is taken for a Eureka server:
    /// that dialect everybody understands.
    async fn hello(&self) -> Result<Greeting, Trouble> {
        let target = &self.peer.target;
        let url = format!("{}/v1/peer/hello", target.origin);
        let answered = self.client.send(target, Method::GET, &url, &headers(), Vec::new(), 1).await?;
        if answered.status.is_server_error() {
            return Err(Trouble::new(
                Failure::Congested,
                format!("the greeting was answered {}", answered.status),
            ));
        }
        let hello = wire::decode::<wire::Hello<'static>>(&answered.body).ok();
        let hello = hello.filter(|hello| answered.status.is_success() && hello.synod_peer == wire::PROTOCOL);
        Ok(hello.map_or(Greeting::Eureka, |hello| Greeting::Synod {
            id: hello.id.into_owned().into(),
            name: hello.name.into_owned().into(),
        }))
    }

    async fn list(&self, first: bool) -> Result<Outcome, Trouble> {
        let url = format!("{}apps/", self.peer.target.url);
        let target = &self.peer.target;
        let answered =
            self.client.send(target, Method::GET, &url, &eureka::headers(), Vec::new(), PATIENCE).await?;
        // Closed to readers, which for a node that starts is an answer: there is nothing to be had.
        let body = match answered.status {
            http::StatusCode::FORBIDDEN => return Ok(Outcome::default()),
            _ => succeeded(answered, "the whole list")?,
        };
        let (node, lease_duration_s) = (Arc::clone(self.node), self.lease_duration_s());
        let compare = move || {
            let now = node.clock.now();
            let theirs = eureka::list(&body, lease_duration_s, now)?;
            Ok(listed::compare(node.registry.core(), theirs, first, now))
        };
        // Some hundred milliseconds for a big list, which nobody's request should wait for.
        let compared = tokio::task::spawn_blocking(compare).await;
        let compared: Result<Outcome, DecodeError> =
            compared.map_err(|error| Trouble::new(Failure::Refused, error.to_string()))?;
        compared.map_err(|error| Trouble::new(Failure::Refused, format!("the whole list: {error}")))
    }

    /// Asks for instances one by one; whom the peer does not have or cannot show is left out.
    async fn look(&self, doubtful: &[Key]) -> Result<Vec<Shown>, Trouble> {
        let target = &self.peer.target;
        let mut found = Vec::new();
        for (app, id) in doubtful {
            let url = format!("{}{}", target.url, eureka::path(app, id));
            let answered =
                self.client.send(target, Method::GET, &url, &eureka::headers(), Vec::new(), 1).await?;
            if answered.status.is_success() {
                let now = self.node.clock.now();
                found.extend(eureka::one(&answered.body, self.lease_duration_s(), now));
            }
        }
        Ok(found)
    }

    async fn post<M: Message>(&self, path: &str, message: &impl Serialize) -> Result<M, Trouble> {
        let target = &self.peer.target;
        let url = format!("{}/v1/peer/{path}", target.origin);
        let answered =
            self.client.send(target, Method::POST, &url, &headers(), wire::encode(message), 1).await?;
        let body = succeeded(answered, path)?;
        wire::decode(&body).map_err(|error| Trouble::new(Failure::Refused, error.to_string()))
    }

    fn lease_duration_s(&self) -> u32 {
        u32::try_from(self.node.config.registry.lease_duration.as_secs()).unwrap_or(u32::MAX).max(1)
    }
}

fn headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let agent = HeaderValue::from_static(concat!("synod/", env!("CARGO_PKG_VERSION")));
    HeaderMap::from_iter([
        (header::ACCEPT, json.clone()),
        (header::CONTENT_TYPE, json),
        (header::USER_AGENT, agent),
    ])
}

fn succeeded(answered: Answered, what: &str) -> Result<bytes::Bytes, Trouble> {
    if answered.status.is_success() { Ok(answered.body) } else { Err(Trouble::status(answered.status, what)) }
}
