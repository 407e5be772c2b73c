//! Named lists of subscribers.

use synod_core::txn::Command;
use synod_core::txn::topic::{Subscriber, Topic};
use synod_core::txn::{Mode, Target};

use super::draft::target;
use super::{Code, Desk, No, shown_url};

/// A topic.
#[derive(Clone, Debug)]
pub struct TopicView {
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub topic: Topic,
}

fn no_topic(name: &str) -> No {
    No::new(Code::NoTopic, format!("there is no topic {name:?}"))
}

impl Desk<'_> {
    /// Topics by name, from behind `after` on, and whether there are more.
    pub fn topics(&self, after: Option<&str>, limit: usize) -> (Vec<TopicView>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};
        self.coordinator.read(|state| {
            let lower = after.map_or(Unbounded, Excluded);
            let mut topics = state.topics().range::<str, _>((lower, Unbounded));
            let some = topics.by_ref().take(limit);
            let some =
                some.map(|(name, topic)| TopicView { name: name.clone(), topic: topic.clone() }).collect();
            (some, topics.next().is_some())
        })
    }

    /// One topic.
    ///
    /// # Errors
    /// There is none.
    pub fn topic(&self, name: &str) -> Result<TopicView, No> {
        let topic = self.coordinator.read(|state| state.topic(name).cloned());
        topic.map(|topic| TopicView { name: name.into(), topic }).ok_or_else(|| no_topic(name))
    }

    /// Adds a subscriber, or replaces its remark.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn subscribe(&self, topic: &str, url: &str, remark: &str) -> Result<TopicView, No> {
        target(url)?;
        let command = Command::Subscribe { topic: topic.into(), url: url.into(), remark: remark.into() };
        self.coordinator.propose(command).await?;
        self.topic(topic)
    }

    /// Takes a subscriber off a topic.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn unsubscribe(&self, topic: &str, url: &str) -> Result<(), No> {
        let known = self.topic(topic)?;
        if !known.topic.subscribers.iter().any(|subscriber| *subscriber.url == *url) {
            return Err(No::new(Code::NoTopic, format!("{url:?} has not subscribed to {topic:?}")));
        }
        let command = Command::Unsubscribe { topic: topic.into(), url: url.into() };
        self.coordinator.propose(command).await?;
        Ok(())
    }

    /// Takes a topic away with all its subscribers.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn delete_topic(&self, name: &str) -> Result<(), No> {
        self.topic(name)?;
        self.coordinator.propose(Command::DeleteTopic { topic: name.into() }).await?;
        Ok(())
    }

    /// Makes these the subscribers of a topic, one after the other; to repeat it is harmless.
    ///
    /// # Errors
    /// One of them is refused, or nobody knows.
    pub async fn declare_topic(&self, name: &str, subscribers: &[Subscriber]) -> Result<TopicView, No> {
        if subscribers.is_empty() {
            return Err(No::senseless("a topic without subscribers is none: delete it"));
        }
        subscribers.iter().try_for_each(|subscriber| target(&subscriber.url).map(drop))?;
        for Subscriber { url, remark } in subscribers {
            self.subscribe(name, url, remark).await?;
        }
        let known = self.topic(name)?.topic.subscribers;
        let gone = known.iter().filter(|known| subscribers.iter().all(|wanted| wanted.url != known.url));
        for Subscriber { url, .. } in gone {
            self.unsubscribe(name, url).await?;
        }
        self.topic(name)
    }

    /// Where a message to a topic goes now; where it went, if this is the repetition of a begin.
    ///
    /// # Errors
    /// There is no such topic, or nobody has subscribed to it.
    pub fn receivers(&self, topic: &str, gid: Option<&str>) -> Result<Vec<String>, No> {
        let before = gid.and_then(|gid| self.find(gid).ok());
        let before = before
            .as_ref()
            .and_then(|found| found.txn())
            .filter(|txn| matches!(txn.mode, Mode::Message | Mode::Notification) && *txn.name == *topic);
        if let Some(txn) = before {
            let targets = txn.branches.iter().filter_map(|branch| branch.forward.target.as_ref());
            return Ok(targets.map(|target: &Target| shown_url(target)).collect());
        }
        let known = self.topic(topic)?;
        if known.topic.subscribers.is_empty() {
            return Err(No::new(Code::NoTopic, format!("nobody has subscribed to {topic:?}")));
        }
        Ok(known.topic.subscribers.iter().map(|subscriber| subscriber.url.to_string()).collect())
    }
}
