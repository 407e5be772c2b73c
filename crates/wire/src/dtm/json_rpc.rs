//! JSON-RPC 2.0 as the server speaks it at `/api/json-rpc`. The parameters are the same objects as over HTTP.

use serde::Serialize;
use serde_json::value::RawValue;

use super::json::{self, Value};
use super::limits::{DecodeError, Limits};
use super::registration::Registration;
use super::reply::Refusal;
use super::transaction::Transaction;

/// Not JSON, or not of this shape.
pub const PARSE_ERROR: i32 = -32700;
/// JSON, but no request of version 2.0.
pub const BAD_REQUEST: i32 = -32600;
/// An unknown method.
pub const NO_METHOD: i32 = -32601;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As JSON text, to be repeated in the answer. The original takes texts only; numbers are taken too.
    pub id: String,
    /// Which operation.
    pub method: String,
    params: String,
}

/// A request that cannot be dispatched, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Status of HTTP; the original sends the body as `text/plain` unless it is 200.
    pub http_status: u16,
    /// What was found of the id, as JSON text.
    pub id: String,
    /// What is wrong.
    pub reply: Reply,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// The answer to `newGid`.
    Gid(String),
    /// The operation was refused.
    Refused(Refusal, String),
    /// There was no operation.
    Invalid(i32, String),
}

/// The id of a request that has none.
const NO_ID: &str = "\"\"";

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// It is none; the error has the answer.
    pub fn decode(body: &[u8]) -> Result<Self, Invalid> {
        let (mut id, mut method, mut version, mut params) =
            (NO_ID.to_owned(), String::new(), String::new(), "null");
        let mut read = || {
            for (key, value) in json::members(json::text(body)?)? {
                match &*json::lower(&key) {
                    "id" => id = read_id(value)?,
                    "method" => method = value.text("method")?.unwrap_or_default().into_owned(),
                    "jsonrpc" => version = value.text("jsonrpc")?.unwrap_or_default().into_owned(),
                    "params" => params = value.raw(),
                    _ => {}
                }
            }
            Ok(())
        };
        if let Err(error) = read() {
            let error: DecodeError = error;
            let reply = Reply::Invalid(PARSE_ERROR, format!("Parse json error: {error}"));
            return Err(Invalid { http_status: 400, id: NO_ID.to_owned(), reply });
        }
        if id == NO_ID || version != "2.0" {
            let quoted = |text: &str| serde_json::to_string(text).expect("a text");
            let request = format!(
                "{{\"method\":{},\"jsonrpc\":{},\"params\":{params},\"id\":{id}}}",
                quoted(&method),
                quoted(&version)
            );
            let reply = Reply::Invalid(BAD_REQUEST, format!("Bad json request: {request}"));
            return Err(Invalid { http_status: 200, id, reply });
        }
        Ok(Self { id, method, params: params.to_owned() })
    }

    /// The parameters as a transaction.
    ///
    /// # Errors
    /// As [`Transaction::decode`].
    pub fn transaction(&self, limits: &Limits) -> Result<Transaction, DecodeError> {
        Transaction::parse(&self.params, limits)
    }

    /// The parameters as a registration.
    ///
    /// # Errors
    /// As [`Registration::decode`].
    pub fn registration(&self, limits: &Limits) -> Result<Registration, DecodeError> {
        Registration::parse(&self.params, limits)
    }

    /// The answer to a method that does not exist.
    pub fn no_method(&self) -> Reply {
        Reply::Invalid(NO_METHOD, format!("Method not found: {}", self.method))
    }
}

fn read_id(value: Value<'_>) -> Result<String, DecodeError> {
    match value.raw().as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(value.raw().to_owned()),
        _ => Ok(serde_json::to_string(&value.text("id")?.unwrap_or_default()).expect("a text")),
    }
}

#[derive(Serialize)]
struct Written<'a> {
    error: Option<WrittenError<'a>>,
    id: &'a RawValue,
    jsonrpc: &'static str,
    result: &'a RawValue,
}

#[derive(Serialize)]
struct WrittenError<'a> {
    code: i32,
    message: &'a str,
}

#[derive(Serialize)]
struct WrittenGid<'a> {
    gid: &'a str,
}

impl Reply {
    /// The body of the answer to the request with this id, which is JSON text.
    pub fn encode(&self, id: &str) -> Vec<u8> {
        let (error, result) = match self {
            Self::Done => (None, "null".to_owned()),
            Self::Gid(gid) => (None, serde_json::to_string(&WrittenGid { gid }).expect("a text")),
            Self::Refused(refusal, message) => {
                (Some(WrittenError { code: refusal.json_rpc_code(), message }), "{}".to_owned())
            }
            Self::Invalid(code, message) => (Some(WrittenError { code: *code, message }), "null".to_owned()),
        };
        let written = Written { error, id: &raw(id), jsonrpc: "2.0", result: &raw(&result) };
        serde_json::to_vec(&written).expect("texts and numbers")
    }
}

/// JSON text that is written as it is. What is no JSON, which only a mistake of ours could make, becomes empty text.
fn raw(text: &str) -> Box<RawValue> {
    let raw = RawValue::from_string(text.to_owned());
    raw.unwrap_or_else(|_| RawValue::from_string(NO_ID.to_owned()).expect("two quotes are JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> (u16, String) {
        let invalid = Request::decode(body.as_bytes()).unwrap_err();
        (invalid.http_status, String::from_utf8(invalid.reply.encode(&invalid.id)).unwrap())
    }

    #[test]
    fn requests_with_text_or_number_as_id() {
        for (id, written) in [("\"x\"", "\"x\""), ("7", "7"), ("\"\\u0041\"", "\"A\"")] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"prepare","params":{{"gid":"g"}},"id":{id}}}"#);
            let request = Request::decode(body.as_bytes()).unwrap();
            assert_eq!((&*request.method, &*request.id), ("prepare", written));
            assert_eq!(request.transaction(&Limits::REQUEST).unwrap().gid, "g");
            assert_eq!(request.registration(&Limits::REQUEST).unwrap().gid, "g");
        }
    }

    #[test]
    fn what_is_no_request_gets_its_answer() {
        let (status, text) = answer("hello");
        assert_eq!(status, 400);
        assert!(text.starts_with(r#"{"error":{"code":-32700,"message":"Parse json error: "#), "{text}");
        assert!(text.ends_with(r#"},"id":"","jsonrpc":"2.0","result":null}"#), "{text}");
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":1,"id":"x"}"#).0, 400);
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":"m","id":{}}"#).0, 400);
        let (status, text) = answer(r#"{"jsonrpc":"1.0","method":"newGid","id":"x"}"#);
        let expected = r#"{"error":{"code":-32600,"message":"Bad json request: {\"method\":\"newGid\",\"jsonrpc\":\"1.0\",\"params\":null,\"id\":\"x\"}"},"id":"x","jsonrpc":"2.0","result":null}"#;
        assert_eq!((status, &*text), (200, expected));
        for body in
            [r#"{"jsonrpc":"2.0","method":"m"}"#, r#"{"jsonrpc":"2.0","method":"m","id":""}"#, "{}", "null"]
        {
            assert!(answer(body).1.contains("-32600"), "{body}");
        }
    }

    #[test]
    fn answers() {
        let text = |reply: Reply| String::from_utf8(reply.encode("\"x\"")).unwrap();
        assert_eq!(text(Reply::Done), r#"{"error":null,"id":"x","jsonrpc":"2.0","result":null}"#);
        assert_eq!(
            text(Reply::Gid("g".to_owned())),
            r#"{"error":null,"id":"x","jsonrpc":"2.0","result":{"gid":"g"}}"#
        );
        assert_eq!(
            text(Reply::Refused(Refusal::Failure, "no".to_owned())),
            r#"{"error":{"code":-32901,"message":"no"},"id":"x","jsonrpc":"2.0","result":{}}"#
        );
        assert_eq!(Reply::Done.encode("broken"), br#"{"error":null,"id":"","jsonrpc":"2.0","result":null}"#);
    }
}
