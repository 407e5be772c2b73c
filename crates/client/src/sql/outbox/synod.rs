//! Synod as a sink: it takes the message under its own id, and delivers it to the topic's subscribers.

use super::{Message, Sink, Undelivered};
use crate::native::{self, Client};
use crate::sql::BoxFuture;

/// Another message has this id.
const ID_IS_TAKEN: &str = "E2003";

impl Sink for Client {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        let told =
            native::Message::to_topic(&message.topic).gid(&message.id).payload(message.payload.clone());
        let told = message.headers.iter().fold(told, |told, (name, value)| told.header(name, value));
        Box::pin(async move {
            match told.send(self).await {
                Ok(_) => Ok(()),
                Err(error) if error.code() == Some(ID_IS_TAKEN) => Err(Undelivered::Never(error.to_string())),
                // Also when it is refused: a topic may be declared later.
                Err(error) => Err(Undelivered::Again(error.to_string())),
            }
        })
    }
}
