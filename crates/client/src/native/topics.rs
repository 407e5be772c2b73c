//! Topics: named lists of subscribers, to whom messages go.

use http::Method;
use serde::{Deserialize, Serialize};

use super::Client;
use super::ask::{Ask, Error};
use crate::http_client::escaped;

const TOPICS: &str = "v1/topics";
const NO_SUCH_TOPIC: &str = "E2010";

/// Somebody who gets a topic's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Where they go.
    pub url: String,
    /// For people.
    #[serde(default)]
    pub remark: String,
}

/// A topic.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Who gets its messages.
    pub subscribers: Vec<Subscriber>,
    /// Rises with each change.
    pub version: u64,
}

fn path(topic: &str) -> String {
    format!("{TOPICS}/{}", escaped(topic))
}

/// Gone is gone, also when somebody was faster, or the answer was lost.
fn gone<T>(result: Result<T, Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.code() == Some(NO_SUCH_TOPIC) => Ok(()),
        result => result.map(drop),
    }
}

impl Client {
    /// One topic.
    ///
    /// # Errors
    /// There is none (`E2010`), or nobody answers.
    pub async fn topic(&self, topic: &str) -> Result<Topic, Error> {
        self.read(Ask::get(path(topic))).await
    }

    /// Gives a topic these subscribers and no others; makes it if there is none.
    ///
    /// # Errors
    /// Refused, or nobody knows.
    pub async fn declare_topic(&self, topic: &str, subscribers: &[Subscriber]) -> Result<Topic, Error> {
        let body = serde_json::json!({ "subscribers": subscribers });
        self.read(Ask::send(Method::PUT, path(topic), &body)?).await
    }

    /// Takes a topic away. Messages that were begun go where they went.
    ///
    /// # Errors
    /// Nobody knows.
    pub async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        gone(self.ask(&Ask::delete(path(topic))).await)
    }

    /// Adds a subscriber; makes the topic if there is none.
    ///
    /// # Errors
    /// Refused, or nobody knows.
    pub async fn subscribe(&self, topic: &str, subscriber: &Subscriber) -> Result<Topic, Error> {
        self.read(Ask::send(Method::PUT, format!("{}/subscribers", path(topic)), subscriber)?).await
    }

    /// Takes a subscriber off a topic.
    ///
    /// # Errors
    /// Nobody knows.
    pub async fn unsubscribe(&self, topic: &str, url: &str) -> Result<(), Error> {
        let path = format!("{}/subscribers?url={}", path(topic), escaped(url));
        gone(self.ask(&Ask::delete(path)).await)
    }
}
