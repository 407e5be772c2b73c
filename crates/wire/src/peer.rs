//! What Synod nodes tell each other about the registry, in JSON over HTTP, protocol version [`PROTOCOL`].
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/peer/hello` | – | [`Hello`] |
//! | `POST /v1/peer/changes` | [`Changes`] | [`Answers`], one for each item, in order |
//! | `POST /v1/peer/digest` | [`Fading`] | [`Compared`] |
//! | `POST /v1/peer/buckets` | [`Holdings`] | [`Exchanged`] |
//!
//! A record's version is a [`Rank`]; the greater one wins everywhere. Ages are milliseconds since the last heartbeat, so
//! that clocks need not agree. Fields that a reader does not know are passed over, fields that it needs must be there.
//! All counts are bounded by [`ITEMS_MAX`]; the size of a body is bounded by whoever reads it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod instance;

pub use instance::{DataCenter, Instance, Port, Status};

/// The version of the protocol that this build speaks.
pub const PROTOCOL: u32 = 1;

/// Items, signs, ends or records in one message at most.
pub const ITEMS_MAX: usize = 200_000;

/// Text, borrowed when it is written, owned when it was read.
pub type Text<'a> = Cow<'a, str>;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The version of the protocol; the name of the field says who speaks.
    pub synod_peer: u32,
    /// Identity of the node.
    pub id: Text<'a>,
    /// What people call it.
    pub name: Text<'a>,
}

/// The version of a record: (`lastDirtyTimestamp`, when its override was touched, digest of the rest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rank(pub u64, pub u64, pub u64);

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// What the client said.
    pub instance: Instance<'a>,
    /// The status shown.
    pub status: Status,
    /// The override, `UNKNOWN` for none.
    pub overridden: Status,
    /// When the override was touched, in ms since 1970; 0 for never.
    pub override_ms: u64,
    /// The version number that counts; may be above the client's own.
    pub dirty_ms: u64,
    /// When it registered, in ms since 1970.
    pub registered_ms: u64,
    /// When it was first up, in ms since 1970; 0 for never.
    pub up_ms: u64,
    /// Name of the last heartbeat: wall time at the node that got it.
    pub stamp_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
}

/// That a node holds a record, or that a heartbeat came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign<'a> {
    /// Application.
    pub app: Text<'a>,
    /// Instance.
    pub id: Text<'a>,
    /// The version held.
    pub rank: Rank,
    /// Name of the last heartbeat.
    pub stamp_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
}

/// How an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The version that ended.
    pub rank: Rank,
    /// Name of its last heartbeat.
    pub stamp_ms: u64,
    /// How long its leases were, in seconds.
    pub duration_s: u32,
}

/// An end and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended<'a> {
    /// Application.
    pub app: Text<'a>,
    /// Instance.
    pub id: Text<'a>,
    /// How it ended.
    pub end: End,
}

/// What clients did at the sender, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes<'a> {
    /// At most one per instance.
    pub items: Vec<Item<'a>>,
}

/// One of [`Changes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item<'a> {
    /// Here is the whole record.
    Record(Box<Record<'a>>),
    /// It lives.
    Heartbeat(Sign<'a>),
    /// It left.
    Ended(Ended<'a>),
}

/// What became of [`Changes`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers<'a> {
    /// One for each item, in their order.
    pub answers: Vec<Answer<'a>>,
}

/// One of [`Answers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<'a> {
    /// Taken, or nothing new.
    Done,
    /// Send the record.
    Unknown,
    /// Here is a later version.
    Newer(Box<Record<'a>>),
    /// It left.
    Ended(End),
    /// It could not be used.
    Refused,
}

/// Leases that fade at the asker; a request for the fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fading<'a> {
    /// What the asker knows of them.
    pub fading: Vec<Sign<'a>>,
}

/// The answer to [`Fading`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared<'a> {
    /// Sum and count of each bucket.
    pub fingerprint: Vec<(u64, u32)>,
    /// Those of the fading leases that were heard of later.
    pub fresher: Vec<Sign<'a>>,
}

/// What the asker holds of some buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings<'a> {
    /// Which.
    pub buckets: Vec<u16>,
    /// The versions held.
    pub signs: Vec<Sign<'a>>,
    /// The clean leaves remembered.
    pub ends: Vec<Ended<'a>>,
}

/// The answer to [`Holdings`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged<'a> {
    /// Records that the asker lacks or holds in an earlier version.
    pub records: Vec<Record<'a>>,
    /// The clean leaves remembered.
    pub ends: Vec<Ended<'a>>,
    /// Application and id of the records that the asker should tell.
    pub wanted: Vec<(Text<'a>, Text<'a>)>,
}

/// Why a message was refused.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not the JSON that this message should be.
    #[error("not a message of kind {message}: {reason}")]
    Malformed {
        /// Which message was expected.
        message: &'static str,
        /// What is wrong and where.
        reason: String,
    },
    /// It has more parts than [`ITEMS_MAX`].
    #[error("more than {ITEMS_MAX} items in a message of kind {message}")]
    TooMuch {
        /// Which message was expected.
        message: &'static str,
    },
}

/// A message: what its errors call it, and how many parts it has.
pub trait Message: Serialize + DeserializeOwned {
    /// What errors call it.
    const NAME: &'static str;

    /// How many parts it has.
    fn items(&self) -> usize;
}

macro_rules! messages {
    ($($message:ident $name:literal [$($list:ident)*];)*) => { $(
        impl Message for $message<'static> {
            const NAME: &'static str = $name;

            fn items(&self) -> usize {
                0 $(+ self.$list.len())*
            }
        }
    )* };
}

messages! {
    Hello "hello" [];
    Changes "changes" [items];
    Answers "answers" [answers];
    Fading "digest" [fading];
    Compared "digest answer" [fingerprint fresher];
    Holdings "buckets" [buckets signs ends];
    Exchanged "buckets answer" [records ends wanted];
}

/// Reads a message.
///
/// # Errors
/// When the body is not this message, or has too many parts.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, DecodeError> {
    let malformed =
        |error: serde_json::Error| DecodeError::Malformed { message: M::NAME, reason: error.to_string() };
    let message: M = serde_json::from_slice(body).map_err(malformed)?;
    if message.items() > ITEMS_MAX {
        return Err(DecodeError::TooMuch { message: M::NAME });
    }
    Ok(message)
}

/// Writes a message.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages are plain structs, lists and texts")
}
