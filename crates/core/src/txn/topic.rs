//! Named lists of subscribers: a message to a topic goes to each of them.

use std::collections::BTreeMap;

use super::apply::Refusal;
use super::model::Limits;

/// Somebody who gets a topic's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Where they go.
    pub url: Box<str>,
    /// For people.
    pub remark: Box<str>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// In the order in which they came.
    pub subscribers: Vec<Subscriber>,
    /// Rises with each change.
    pub version: u64,
    /// When it came to be.
    pub created_ms: u64,
    /// When it changed last.
    pub changed_ms: u64,
}

/// All topics.
pub type Topics = BTreeMap<Box<str>, Topic>;

pub(super) fn subscribe(
    topics: &mut Topics,
    limits: &Limits,
    (name, url, remark): (&str, &str, &str),
    at_ms: u64,
) -> Result<(), Refusal> {
    if name.is_empty() || url.is_empty() {
        return Err(Refusal::Invalid("a subscription needs a topic and a URL"));
    }
    if name.len() > limits.id_bytes_max
        || url.len() > limits.text_bytes_max
        || remark.len() > limits.text_bytes_max
    {
        return Err(Refusal::TooLarge("a topic's name, URL or remark"));
    }
    if topics.len() >= limits.topics_max && !topics.contains_key(name) {
        return Err(Refusal::Busy("topics"));
    }
    let topic = topics.entry(name.into()).or_insert_with(|| Topic { created_ms: at_ms, ..Topic::default() });
    match topic.subscribers.iter().position(|known| *known.url == *url) {
        Some(at) if *topic.subscribers[at].remark == *remark => return Ok(()),
        Some(at) => topic.subscribers[at].remark = remark.into(),
        None if topic.subscribers.len() >= limits.subscribers_max => {
            return Err(Refusal::Busy("subscribers of the topic"));
        }
        None => topic.subscribers.push(Subscriber { url: url.into(), remark: remark.into() }),
    }
    topic.version += 1;
    topic.changed_ms = at_ms;
    Ok(())
}

pub(super) fn unsubscribe(topics: &mut Topics, name: &str, url: &str, at_ms: u64) -> Result<(), Refusal> {
    let topic = topics.get_mut(name).ok_or(Refusal::NoSuchTopic)?;
    let before = topic.subscribers.len();
    topic.subscribers.retain(|known| *known.url != *url);
    if topic.subscribers.len() == before {
        return Err(Refusal::NoSuchTopic);
    }
    topic.version += 1;
    topic.changed_ms = at_ms;
    Ok(())
}

pub(super) fn delete(topics: &mut Topics, name: &str) -> Result<(), Refusal> {
    topics.remove(name).map(drop).ok_or(Refusal::NoSuchTopic)
}
