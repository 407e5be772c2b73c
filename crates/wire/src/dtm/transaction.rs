//! A global transaction as a client describes it: prepare, submit, abort, prepareWorkflow, forceStop.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::json::{self, Value};
use super::limits::{DecodeError, Limits};

/// What stands in the body of all requests about a transaction. Absent and empty are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Unique name, without the characters that the original drops.
    pub gid: String,
    /// One of [`trans_type`](super::trans_type), or what the client takes for one.
    pub trans_type: String,
    /// Of a saga or message.
    pub steps: Vec<Step>,
    /// One for each step; of steps in the old form the payloads that stood in them come last.
    pub payloads: Vec<Bytes>,
    /// Of a message the URL of the back-check, of a workflow that which resumes it.
    pub query_prepared: String,
    /// `http`, `json-rpc` or `grpc`.
    pub protocol: String,
    /// JSON text whose meaning depends on the type: see [`SagaCustom`](super::SagaCustom) and the others.
    pub custom_data: String,
    /// Why it is aborted.
    pub rollback_reason: String,
    /// Of a workflow's submit: `status`, `rollback_reason`, `result`.
    pub req_extra: BTreeMap<String, String>,
    /// The rest.
    pub options: Options,
}

/// One step of a saga or message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// URL, or for a message also [`TOPIC_PREFIX`](super::TOPIC_PREFIX) and a topic.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub compensate: String,
}

/// How a transaction is driven. Zero means that the client leaves it to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The submit is answered after the first attempt.
    #[serde(skip_serializing_if = "is_false")]
    pub wait_result: bool,
    /// Saga, TCC, XA: when to give up; message: when to check back.
    #[serde(rename = "timeout_to_fail", skip_serializing_if = "is_zero")]
    pub timeout_to_fail_s: u32,
    /// Patience with one branch call.
    #[serde(rename = "request_timeout", skip_serializing_if = "is_zero")]
    pub request_timeout_s: u32,
    /// Base of the intervals between attempts.
    #[serde(rename = "retry_interval", skip_serializing_if = "is_zero")]
    pub retry_interval_s: u32,
    /// Added to every branch call.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub branch_headers: BTreeMap<String, String>,
    /// Message: all branches at once. Of a saga [`SagaCustom`](super::SagaCustom) says it.
    pub concurrent: bool,
    /// Saga: attempts after which it is rolled back.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_limit: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The order of the fields that clients send.
#[derive(Serialize)]
struct Written<'a> {
    gid: &'a str,
    trans_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    custom_data: &'a str,
    #[serde(flatten)]
    options: &'a Options,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    steps: &'a [Step],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    payloads: Vec<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    query_prepared: &'a str,
    protocol: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    rollback_reason: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    req_extra: &'a BTreeMap<String, String>,
}

/// Why a transaction cannot be written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// JSON carries text only.
    #[error("payload {index} is no text")]
    Binary {
        /// Which, from 0.
        index: usize,
    },
}

impl Transaction {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// It is not JSON, a field has a wrong type, or something is over a limit. Fields that are merely absent are not an
    /// error here.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        Self::parse(json::text(body)?, limits)
    }

    pub(super) fn parse(text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        let mut inline = Vec::new();
        for (key, value) in json::members(text)? {
            read.field(&json::lower(&key), value, &mut inline, limits)?;
        }
        read.payloads.append(&mut inline);
        limits.steps("payloads", read.payloads.len())?;
        if read.protocol.is_empty() {
            "http".clone_into(&mut read.protocol);
        }
        Ok(read)
    }

    fn field(
        &mut self,
        key: &str,
        value: Value<'_>,
        inline: &mut Vec<Bytes>,
        limits: &Limits,
    ) -> Result<(), DecodeError> {
        let options = &mut self.options;
        match key {
            "gid" => self.gid = gid(value, limits)?,
            "trans_type" => set(&mut self.trans_type, value, "trans_type", limits)?,
            "steps" => (self.steps, *inline) = steps(value, limits)?,
            "payloads" => self.payloads = payloads(value, limits)?,
            "query_prepared" => set(&mut self.query_prepared, value, "query_prepared", limits)?,
            "protocol" => set(&mut self.protocol, value, "protocol", limits)?,
            "custom_data" => set(&mut self.custom_data, value, "custom_data", limits)?,
            "rollback_reason" => set(&mut self.rollback_reason, value, "rollback_reason", limits)?,
            "req_extra" => self.req_extra = value.texts("req_extra", limits)?,
            "wait_result" => options.wait_result = value.boolean("wait_result")?,
            "concurrent" => options.concurrent = value.boolean("concurrent")?,
            "timeout_to_fail" => options.timeout_to_fail_s = value.count("timeout_to_fail")?,
            "request_timeout" => options.request_timeout_s = value.count("request_timeout")?,
            "retry_interval" => options.retry_interval_s = value.count("retry_interval")?,
            "retry_limit" => options.retry_limit = value.count("retry_limit")?,
            "branch_headers" => options.branch_headers = headers(value.texts("branch_headers", limits)?)?,
            _ => {}
        }
        Ok(())
    }

    /// Writes the body of a request as the Go client does.
    ///
    /// # Errors
    /// A payload is not UTF-8.
    pub fn encode(&self) -> Result<Vec<u8>, TransactionError> {
        let text =
            |(index, payload)| std::str::from_utf8(payload).map_err(|_| TransactionError::Binary { index });
        let payloads = self.payloads.iter().map(|payload| &payload[..]).enumerate().map(text);
        let written = Written {
            gid: &self.gid,
            trans_type: &self.trans_type,
            custom_data: &self.custom_data,
            options: &self.options,
            steps: &self.steps,
            payloads: payloads.collect::<Result<_, _>>()?,
            query_prepared: &self.query_prepared,
            protocol: &self.protocol,
            rollback_reason: &self.rollback_reason,
            req_extra: &self.req_extra,
        };
        Ok(serde_json::to_vec(&written).expect("texts, numbers and maps of texts"))
    }

    /// The first step that has no payload, which the original refuses.
    pub const fn lacks_payload(&self) -> Option<usize> {
        if self.payloads.len() < self.steps.len() { Some(self.payloads.len()) } else { None }
    }
}

impl Options {
    /// The JSON text that the original keeps and shows as `options`.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("numbers, flags and a map of texts")
    }
}

/// Global ids go into URLs, headers and SQL; the original drops these three characters.
pub(super) fn clean(gid: &str) -> String {
    gid.replace(['\n', '\r', ';'], "")
}

fn gid(value: Value<'_>, limits: &Limits) -> Result<String, DecodeError> {
    let gid = clean(&value.text("gid")?.unwrap_or_default());
    limits.gid(&gid)?;
    Ok(gid)
}

fn set(into: &mut String, value: Value<'_>, field: &'static str, limits: &Limits) -> Result<(), DecodeError> {
    let text = value.text(field)?.unwrap_or_default();
    limits.text(field, &text)?;
    *into = text.into_owned();
    Ok(())
}

/// Steps, and the payloads that stand in them.
fn steps(value: Value<'_>, limits: &Limits) -> Result<(Vec<Step>, Vec<Bytes>), DecodeError> {
    let items = value.list("steps")?;
    limits.steps("steps", items.len())?;
    let (mut steps, mut inline) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        let mut step = Step::default();
        let mut data = Bytes::new();
        for (key, value) in item.object("steps")? {
            let text = value.text("steps")?.unwrap_or_default();
            match &*key {
                "action" => step.action = checked(&text, limits)?,
                "compensate" => step.compensate = checked(&text, limits)?,
                "data" => {
                    limits.payload("steps", text.as_bytes())?;
                    data = Bytes::from(text.into_owned());
                }
                _ => {}
            }
        }
        steps.push(step);
        inline.extend(Some(data).filter(|data| !data.is_empty()));
    }
    Ok((steps, inline))
}

fn checked(text: &str, limits: &Limits) -> Result<String, DecodeError> {
    limits.text("steps", text)?;
    Ok(text.to_owned())
}

/// Steps as they stand in a gRPC request: the same list as JSON text.
pub(super) fn steps_text(text: &str, limits: &Limits) -> Result<(Vec<Step>, Vec<Bytes>), DecodeError> {
    if text.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    // A list is no object, so that it is read as the only member of one.
    let wrapped = format!("{{\"steps\":{text}}}");
    match json::members(&wrapped)?.as_slice() {
        [(_, value)] => steps(*value, limits),
        _ => Err(DecodeError::field("steps", "expected one list")),
    }
}

fn payloads(value: Value<'_>, limits: &Limits) -> Result<Vec<Bytes>, DecodeError> {
    let items = value.list("payloads")?;
    limits.steps("payloads", items.len())?;
    let one = |item: Value<'_>| {
        let text = item.text("payloads")?.unwrap_or_default();
        limits.payload("payloads", text.as_bytes())?;
        Ok(Bytes::from(text.into_owned()))
    };
    items.into_iter().map(one).collect()
}

/// Headers that can be sent: otherwise every call of every branch would fail.
pub(super) fn headers(headers: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, DecodeError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name_works = |name: &String| !name.is_empty() && name.bytes().all(is_token);
    let value_works =
        |value: &String| value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    if !headers.keys().all(name_works) {
        return Err(DecodeError::field("branch_headers", "a name that no header can have"));
    }
    if !headers.values().all(value_works) {
        return Err(DecodeError::field("branch_headers", "a value that no header can have"));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
