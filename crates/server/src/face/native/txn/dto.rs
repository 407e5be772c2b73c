//! How a transaction is told as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use synod_core::txn::Mode;
use utoipa::ToSchema;

use super::look::DetailsDto;
use crate::txn::ask::{Desk, Stand};

/// A transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionDto {
    /// Its id: `host:port:number`.
    pub(super) xid: String,
    /// Its initiator's own id.
    gid: Option<String>,
    /// `xa`, `tcc`, `saga`, `message`, `notification`, `workflow` or `mixed`; null when its details are gone.
    mode: Option<&'static str>,
    /// What people call it; of messages and notifications the topic.
    name: String,
    /// `active`, `committing`, `rolling_back`, `given_up`, `committed`, `rolled_back` or `stopped`.
    status: &'static str,
    /// Whether nothing more will be done: the last three.
    ended: bool,
    /// Why it was rolled back, stopped or given up.
    reason: String,
    /// What its initiator left as its result.
    result: Option<ContentDto>,
    /// When it was begun; null when its details are gone.
    begun_ms: Option<u64>,
    /// When it was decided, or turned.
    decided_ms: Option<u64>,
    /// When anything happened to it last.
    touched_ms: Option<u64>,
    /// The rest, where one transaction is looked at; not there when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<DetailsDto>,
}

impl TransactionDto {
    pub(super) fn new(desk: &Desk<'_>, stand: Stand) -> Self {
        Self {
            xid: desk.text(stand.xid),
            gid: stand.gid.as_deref().map(str::to_owned),
            mode: stand.mode.map(Mode::as_str),
            name: stand.name.into(),
            status: stand.status.as_str(),
            ended: matches!(stand.status, synod_core::txn::Status::Ended(_)),
            reason: stand.reason.into(),
            result: ContentDto::new(&stand.result, usize::MAX),
            begun_ms: stand.begun_ms,
            decided_ms: stand.decided_ms,
            touched_ms: stand.touched_ms,
            details: None,
        }
    }
}

/// Bytes: one of the three, or none of them when they are many.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContentDto {
    /// How many they are.
    bytes: usize,
    /// As JSON, when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    json: Option<Box<RawValue>>,
    /// Else as text, when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Else in Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl ContentDto {
    /// Shows bytes if they are not more than `bytes_max`; nothing if they are none.
    pub(super) fn new(bytes: &[u8], bytes_max: usize) -> Option<Self> {
        let mut content = Self { bytes: bytes.len(), json: None, text: None, base64: None };
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() > bytes_max {
            return Some(content);
        }
        match std::str::from_utf8(bytes) {
            Err(_) => content.base64 = Some(STANDARD.encode(bytes)),
            Ok(text) => match RawValue::from_string(text.to_owned()) {
                Ok(json) => content.json = Some(json),
                Err(_) => content.text = Some(text.to_owned()),
            },
        }
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        let shown = |bytes: &[u8]| serde_json::to_string(&ContentDto::new(bytes, 8)).unwrap();
        assert_eq!(shown(b""), "null");
        assert_eq!(shown(b"{\"a\": 1}"), "{\"bytes\":8,\"json\":{\"a\": 1}}");
        assert_eq!(shown(b"a b"), "{\"bytes\":3,\"text\":\"a b\"}");
        assert_eq!(shown(&[0xff]), "{\"bytes\":1,\"base64\":\"/w==\"}");
        assert_eq!(shown(b"123456789"), "{\"bytes\":9}");
    }
}
