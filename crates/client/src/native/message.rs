//! Messages that are sent if and only if a local transaction commits, and notifications.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::ask::{Ask, Error};
use super::payload::{Payload, serialize_ms};
use super::terms::{Terms, terms};
use super::transaction::Transaction;
use super::{Client, id};
use crate::Xid;
use crate::http_client::escaped;

const MESSAGES: &str = "v1/messages";
const NOTIFICATIONS: &str = "v1/notifications";

/// A message. It has an id of its own from the start: to begin or send it once more does nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    gid: String,
    topic: Option<String>,
    subscribers: Vec<String>,
    #[serde(flatten)]
    payload: Payload,
    back_check: Option<String>,
    #[serde(flatten)]
    terms: Terms,
    #[serde(serialize_with = "serialize_ms")]
    delay: Option<Duration>,
    submit: bool,
}

impl Message {
    /// To whoever has subscribed to `topic` when it is begun.
    pub fn to_topic(topic: impl Into<String>) -> Self {
        Self { topic: Some(topic.into()), ..Self::to(Vec::<String>::new()) }
    }

    /// To these URLs.
    pub fn to<U: Into<String>>(subscribers: impl IntoIterator<Item = U>) -> Self {
        Self {
            gid: id::fresh(),
            topic: None,
            subscribers: subscribers.into_iter().map(Into::into).collect(),
            payload: Payload::default(),
            back_check: None,
            terms: Terms::default(),
            delay: None,
            submit: false,
        }
    }

    /// An id that says what it is about. Keep it in your database with what it tells of, and the back-check is a look-up.
    #[must_use]
    pub fn gid(mut self, gid: impl Into<String>) -> Self {
        self.gid = gid.into();
        self
    }

    /// What it says.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Whom to ask, when nobody has submitted it in time, whether the local transaction has committed: see
    /// [`Participants::on_check`](super::Participants::on_check).
    #[must_use]
    pub fn back_check(mut self, url: impl Into<String>) -> Self {
        self.back_check = Some(url.into());
        self
    }

    terms!("How long until the back-check; the server's `txn.timeout` unless said.");

    /// Not delivered before so long after the begin.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Leaves it with the coordinator, who delivers it when it is submitted. Do this *before* the local transaction commits.
    ///
    /// # Errors
    /// Refused (`E2003`: its gid is another one's; `E2008`: it has no back-check), or nobody knows.
    pub async fn begin<'a>(&self, client: &'a Client) -> Result<HalfMessage<'a>, Error> {
        let transaction: Transaction = client.read(Ask::post(MESSAGES, self)?).await?;
        Ok(HalfMessage { client, xid: transaction.xid })
    }

    /// Sends it at once.
    ///
    /// # Errors
    /// Refused, or nobody knows: send it again.
    pub async fn send(mut self, client: &Client) -> Result<Transaction, Error> {
        self.submit = true;
        client.read(Ask::post(MESSAGES, &self)?).await
    }
}

/// A message that waits for the local transaction. Dropped like this, the back-check says what becomes of it.
#[derive(Debug)]
#[must_use = "submit it when the local transaction has committed"]
pub struct HalfMessage<'a> {
    client: &'a Client,
    xid: Xid,
}

impl HalfMessage<'_> {
    /// Its id.
    pub const fn xid(&self) -> &Xid {
        &self.xid
    }

    /// The local transaction has committed: it is delivered.
    ///
    /// # Errors
    /// Refused (`E2004`: it was aborted), or nobody knows. The back-check will tell.
    pub async fn submit(self) -> Result<Transaction, Error> {
        self.decide("submit", &serde_json::json!({})).await
    }

    /// The local transaction has rolled back: it is dropped.
    ///
    /// # Errors
    /// Refused (`E2004`: it was submitted), or nobody knows. The back-check will tell.
    pub async fn abort(self, reason: &str) -> Result<Transaction, Error> {
        self.decide("abort", &serde_json::json!({ "reason": reason })).await
    }

    async fn decide(&self, what: &str, body: &serde_json::Value) -> Result<Transaction, Error> {
        let path = format!("{MESSAGES}/{}/{what}", escaped(self.xid.as_str()));
        self.client.read(Ask::post(path, body)?).await
    }
}

/// A notification: told on a schedule until it is acknowledged, then given up. To send it once more does nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Notification {
    gid: String,
    topic: Option<String>,
    url: Option<String>,
    #[serde(flatten)]
    payload: Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Vec<String>>,
    #[serde(serialize_with = "serialize_ms")]
    delay: Option<Duration>,
    headers: BTreeMap<String, String>,
}

impl Notification {
    /// To a URL.
    pub fn to(url: impl Into<String>) -> Self {
        let (gid, url, payload, headers) =
            (id::fresh(), Some(url.into()), Payload::default(), BTreeMap::new());
        Self { gid, topic: None, url, payload, schedule: None, delay: None, headers }
    }

    /// To the only subscriber of a topic, on its schedule.
    pub fn to_topic(topic: impl Into<String>) -> Self {
        Self { topic: Some(topic.into()), url: None, ..Self::to(String::new()) }
    }

    /// An id that says what it is about.
    #[must_use]
    pub fn gid(mut self, gid: impl Into<String>) -> Self {
        self.gid = gid.into();
        self
    }

    /// What it says.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = payload.into();
        self
    }

    /// The pauses between attempts; the server's unless said.
    #[must_use]
    pub fn schedule(mut self, pauses: impl IntoIterator<Item = Duration>) -> Self {
        self.schedule = Some(pauses.into_iter().map(super::payload::ms).collect());
        self
    }

    /// Not sent before so long after the begin.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Sent with every attempt.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Gives it to the coordinator.
    ///
    /// # Errors
    /// Refused, or nobody knows: send it again.
    pub async fn send(&self, client: &Client) -> Result<Transaction, Error> {
        client.read(Ask::post(NOTIFICATIONS, self)?).await
    }
}

impl Client {
    /// Starts the schedule of a notification over that was given up.
    ///
    /// # Errors
    /// Refused, or nobody knows. It is asked once only.
    pub async fn resend(&self, id: &str) -> Result<Transaction, Error> {
        let path = format!("{NOTIFICATIONS}/{}/resend", escaped(id));
        self.read(Ask::post(path, &serde_json::json!({}))?.once()).await
    }
}
