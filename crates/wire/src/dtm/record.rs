//! What the server shows of transactions, branches and keys. Empty fields are left out, except those that the original
//! always writes; times that are not known are left out too, since a client in C# cannot read null there.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::limits::DecodeError;
use super::time::Time;
use super::transaction::{Options, Step};
use super::{base64, json};

/// A transaction as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransactionRecord {
    /// A number of the server's; clients in C# keep it in 32 bits.
    pub id: i32,
    /// When it was begun.
    pub create_time: Option<Time>,
    /// When it changed last.
    pub update_time: Option<Time>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gid: String,
    /// Its type.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trans_type: String,
    /// As they were submitted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// As they were submitted, if that was over HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payloads: Vec<String>,
    /// See [`status`](super::status).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Back-check or callback.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query_prepared: String,
    /// `http`, `json-rpc` or `grpc`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// When it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Time>,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_time: Option<Time>,
    /// Of a workflow, in Base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rollback_reason: String,
    /// The options as JSON text: [`Options::text`].
    #[serde(rename = "options", skip_serializing_if = "String::is_empty")]
    pub options_text: String,
    /// As it was sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub custom_data: String,
    /// Seconds from the last attempt to the next.
    #[serde(rename = "next_cron_interval", skip_serializing_if = "Option::is_none")]
    pub next_cron_interval_s: Option<u64>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cron_time: Option<Time>,
    /// Which server process works on it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Further data of the original's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ext_data: String,
    /// The options, each in a field of its own.
    #[serde(flatten)]
    pub options: Options,
    /// Attempts of a saga that is rolled back after so many.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_count: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A branch as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BranchRecord {
    /// A number of the server's.
    pub id: i32,
    /// When it was registered.
    pub create_time: Option<Time>,
    /// When it changed last.
    pub update_time: Option<Time>,
    /// Its transaction.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gid: String,
    /// Where it is called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// What is sent.
    #[serde(with = "binary", skip_serializing_if = "Bytes::is_empty")]
    pub bin_data: Bytes,
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub branch_id: String,
    /// See [`op`](super::op).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// See [`status`](super::status).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Time>,
    /// When it was undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_time: Option<Time>,
}

/// An entry of the server's little key-value store; a topic is one in the category `topics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kv {
    /// A number of the server's.
    pub id: i32,
    /// When it was made.
    pub create_time: Option<Time>,
    /// When it changed last.
    pub update_time: Option<Time>,
    /// Category.
    pub cat: String,
    /// Key.
    pub k: String,
    /// Value; of a topic: [`Subscriber::encode`].
    pub v: String,
    /// Counts changes.
    pub version: u64,
}

/// Who gets the messages of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscriber {
    /// Where.
    pub url: String,
    /// A note for people.
    pub remark: String,
}

/// The answer to `query`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryReply {
    /// In the order in which they were stored.
    #[serde(deserialize_with = "nullable")]
    pub branches: Vec<BranchRecord>,
    /// None if nobody knows it.
    pub transaction: Option<TransactionRecord>,
}

/// The answer to `all`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AllReply {
    /// Where the next page begins; empty after the last one.
    pub next_position: String,
    /// None if one was asked for that nobody knows.
    pub transactions: Option<Vec<TransactionRecord>>,
}

/// The answer to `prepareWorkflow`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkflowReply {
    /// The steps that are done.
    #[serde(deserialize_with = "nullable")]
    pub progresses: Vec<BranchRecord>,
    /// Never left out: the Go client would crash.
    pub transaction: TransactionRecord,
}

/// The answer to `queryKV`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvReply {
    /// One, or none.
    #[serde(deserialize_with = "nullable")]
    pub kv: Vec<Kv>,
}

/// The answer to `scanKV`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanReply {
    /// A page.
    #[serde(deserialize_with = "nullable")]
    pub kv: Vec<Kv>,
    /// Where the next page begins; empty after the last one.
    pub next_position: String,
}

impl Subscriber {
    /// The value of a topic's entry.
    pub fn encode(subscribers: &[Self]) -> String {
        serde_json::to_string(subscribers).expect("texts")
    }

    /// Reads the value of a topic's entry.
    ///
    /// # Errors
    /// It is not such a list.
    pub fn decode(text: &str) -> Result<Vec<Self>, DecodeError> {
        serde_json::from_str(text).map_err(|error| DecodeError::field("v", error.to_string()))
    }
}

/// Reads one of the answers above, as a client does.
///
/// # Errors
/// It is not that answer.
pub fn decode_reply<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_str(json::text(body)?).map_err(|error| DecodeError::Json(error.to_string()))
}

/// Go writes an empty list as null now and then.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

mod binary {
    use super::{Bytes, Deserialize, Deserializer, Serializer, base64};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&base64::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Bytes, D::Error> {
        let text = Option::<String>::deserialize(input)?.unwrap_or_default();
        base64::decode(&text)
            .map(Bytes::from)
            .ok_or_else(|| serde::de::Error::custom("bin_data that is no Base64"))
    }
}
