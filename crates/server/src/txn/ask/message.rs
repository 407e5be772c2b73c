//! Messages and notifications in words of their own, and what they are among transactions.

use bytes::Bytes;
use synod_core::txn::Mode;

use super::{BranchWish, Desk, No, Wish};

/// A message. What is `None` was not said.
#[derive(Clone, Debug, Default)]
pub struct MessageWish {
    /// The initiator's own id.
    pub gid: Option<String>,
    /// To the subscribers of this topic.
    pub topic: Option<String>,
    /// Or to these URLs.
    pub subscribers: Vec<String>,
    /// What it says.
    pub payload: Option<Bytes>,
    /// Whom to ask what became of it.
    pub back_check: Option<String>,
    /// After how long without a submit.
    pub timeout_ms: Option<u64>,
    /// How long a call may take.
    pub call_timeout_ms: Option<u64>,
    /// The first pause before a delivery is repeated.
    pub retry_ms: Option<u64>,
    /// Not to be delivered before.
    pub delay_ms: Option<u64>,
    /// Whether receivers need not wait for each other; they need not unless said.
    pub concurrent: Option<bool>,
    /// Sent with every call.
    pub headers: Vec<(String, String)>,
    /// Whether it is submitted at once.
    pub submit: bool,
}

/// A notification. What is `None` was not said.
#[derive(Clone, Debug, Default)]
pub struct NotificationWish {
    /// The initiator's own id.
    pub gid: Option<String>,
    /// Whose schedule it has; and whose only subscriber it goes to if there is no URL.
    pub topic: Option<String>,
    /// Where it goes.
    pub url: Option<String>,
    /// What it says.
    pub payload: Option<Bytes>,
    /// The pauses between the attempts.
    pub schedule_ms: Option<Vec<u64>>,
    /// How long a call may take.
    pub call_timeout_ms: Option<u64>,
    /// Not to be sent before.
    pub delay_ms: Option<u64>,
    /// Sent with every call.
    pub headers: Vec<(String, String)>,
}

fn receivers(urls: Vec<String>) -> Vec<BranchWish> {
    urls.into_iter().map(|url| BranchWish { forward: Some(url), ..BranchWish::default() }).collect()
}

impl Desk<'_> {
    /// The transaction that a message is; a topic stands for its subscribers as they are now.
    ///
    /// # Errors
    /// It has no receivers.
    pub fn message(&self, wish: MessageWish) -> Result<Wish, No> {
        let (name, urls) = match (wish.topic, wish.subscribers.is_empty()) {
            (Some(topic), true) => {
                let urls = self.receivers(&topic, wish.gid.as_deref())?;
                (topic, urls)
            }
            (None, false) => (String::new(), wish.subscribers),
            _ => {
                return Err(No::senseless(
                    "a message goes to a \"topic\" or to \"subscribers\": give one of them",
                ));
            }
        };
        Ok(Wish {
            gid: wish.gid,
            name,
            timeout_ms: wish.timeout_ms,
            call_timeout_ms: wish.call_timeout_ms,
            retry_ms: wish.retry_ms,
            delay_ms: wish.delay_ms,
            concurrent: wish.concurrent.unwrap_or(true),
            headers: wish.headers,
            back_check: wish.back_check,
            payload: wish.payload,
            branches: receivers(urls),
            submit: Some(wish.submit),
            ..Wish::new(Mode::Message)
        })
    }

    /// The transaction that a notification is.
    ///
    /// # Errors
    /// It has no receiver, or more than one.
    pub fn notification(&self, wish: NotificationWish) -> Result<Wish, No> {
        let url = match (wish.url, &wish.topic) {
            (Some(url), _) => url,
            (None, None) => return Err(No::senseless("a notification needs a \"url\" or a \"topic\"")),
            (None, Some(topic)) => match <[String; 1]>::try_from(self.receivers(topic, wish.gid.as_deref())?)
            {
                Ok([url]) => url,
                Err(all) => {
                    let count = all.len();
                    return Err(No::senseless(format!(
                        "a notification has one receiver, and topic {topic:?} has {count}: give a \"url\""
                    )));
                }
            },
        };
        Ok(Wish {
            gid: wish.gid,
            name: wish.topic.unwrap_or_default(),
            call_timeout_ms: wish.call_timeout_ms,
            delay_ms: wish.delay_ms,
            schedule_ms: wish.schedule_ms,
            headers: wish.headers,
            payload: wish.payload,
            branches: receivers(vec![url]),
            submit: Some(true),
            ..Wish::new(Mode::Notification)
        })
    }
}
