//! Sagas that the coordinator drives: it calls the actions, and the compensations if one of them is refused.

use std::time::Duration;

use serde::Serialize;

use super::ask::{Ask, Error};
use super::begin::TRANSACTIONS;
use super::payload::Payload;
use super::terms::{Terms, terms};
use super::transaction::Transaction;
use super::{Client, id};

/// A step of a saga, by the URLs of its halves. A [`rm::saga::Step`](crate::rm::saga::Step) has both at
/// [`Participants::url`](super::Participants::url).
#[derive(Clone, Debug, Serialize)]
pub struct SagaStep {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    action: String,
    compensate: Option<String>,
    #[serde(flatten)]
    payload: Payload,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
}

impl SagaStep {
    /// A step that needs no compensation unless one is said. Its id is its number (`01`, …) unless said.
    pub fn new(action: impl Into<String>) -> Self {
        let (id, compensate, payload, after) = (None, None, Payload::default(), Vec::new());
        Self { id, action: action.into(), compensate, payload, after }
    }

    /// How the participant knows it.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Whom to call to undo it.
    #[must_use]
    pub fn compensate(mut self, url: impl Into<String>) -> Self {
        self.compensate = Some(url.into());
        self
    }

    /// What both are called with.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = payload.into();
        self
    }

    /// In a concurrent saga: not before the step of this id is done. It must stand before this one.
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after.push(id.into());
        self
    }
}

/// A saga. It has an id of its own from the start: to submit it once more submits nothing new.
#[derive(Clone, Debug, Serialize)]
pub struct Saga {
    gid: String,
    mode: &'static str,
    name: String,
    submit: bool,
    branches: Vec<SagaStep>,
    concurrent: bool,
    forward_only: bool,
    retry_limit: Option<u32>,
    #[serde(flatten)]
    terms: Terms,
}

impl Saga {
    /// One with a fresh id. The name is for people.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            gid: id::fresh(),
            mode: "saga",
            name: name.into(),
            submit: true,
            branches: Vec::new(),
            concurrent: false,
            forward_only: false,
            retry_limit: None,
            terms: Terms::default(),
        }
    }

    /// An id that says what it is about, such as the order's: then also another process can repeat it.
    #[must_use]
    pub fn gid(mut self, gid: impl Into<String>) -> Self {
        self.gid = gid.into();
        self
    }

    /// One step more.
    #[must_use]
    pub fn step(mut self, step: SagaStep) -> Self {
        self.branches.push(step);
        self
    }

    /// All actions at once, but for those that come [`after`](SagaStep::after) others.
    #[must_use]
    pub const fn concurrent(mut self) -> Self {
        self.concurrent = true;
        self
    }

    /// It never turns back: actions are repeated until they are done.
    #[must_use]
    pub const fn forward_only(mut self) -> Self {
        self.forward_only = true;
        self
    }

    /// It turns back after so many failed attempts of an action; never unless said.
    #[must_use]
    pub const fn retry_limit(mut self, attempts: u32) -> Self {
        self.retry_limit = Some(attempts);
        self
    }

    terms!("It turns back if it has not ended after so long; never unless said.");

    /// Gives it to the coordinator, who keeps it until it has ended. [`Client::wait`] tells how it ends.
    ///
    /// # Errors
    /// Refused (`E2003`: its gid is another one's), or nobody knows: submit it again.
    pub async fn submit(&self, client: &Client) -> Result<Transaction, Error> {
        client.read(Ask::post(TRANSACTIONS, self)?).await
    }
}
