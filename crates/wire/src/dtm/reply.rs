//! The envelopes in which the server answers, and how each transport says that something was refused.

use serde::{Deserialize, Serialize};

use super::{FAILURE, ONGOING, SUCCESS};

/// Why a request is not answered with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The business, or the state of the transaction, says no.
    Failure,
    /// Not yet.
    Ongoing,
    /// Anything else; clients take it for unknown.
    Error,
}

impl Refusal {
    /// Status of HTTP.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Failure => 409,
            Self::Ongoing => 425,
            Self::Error => 500,
        }
    }

    /// Status code of gRPC.
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::Failure => 10,
            Self::Ongoing => 9,
            Self::Error => 2,
        }
    }

    /// Code of JSON-RPC.
    pub const fn json_rpc_code(self) -> i32 {
        match self {
            Self::Failure => -32901,
            Self::Ongoing | Self::Error => -32603,
        }
    }

    /// The body of the answer over HTTP.
    pub fn body(self, message: &str) -> Vec<u8> {
        let dtm_result = match self {
            Self::Failure => Some(FAILURE),
            Self::Ongoing => Some(ONGOING),
            Self::Error => None,
        };
        written(&Refused { dtm_result, message })
    }
}

#[derive(Serialize)]
struct Refused<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    dtm_result: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct NewGid<'a> {
    dtm_result: &'a str,
    gid: &'a str,
}

#[derive(Deserialize)]
struct Gid {
    gid: String,
}

#[derive(Serialize)]
struct Reset {
    has_remaining: bool,
    succeed_count: u64,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
}

fn written(reply: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(reply).expect("texts, numbers and flags")
}

/// Done.
pub const DONE: &[u8] = br#"{"dtm_result":"SUCCESS"}"#;

/// The answer to `/api/ping`.
pub const PONG: &[u8] = br#"{"msg":"pong"}"#;

/// The answer to an unknown path or a wrong method, with status 404, as `text/plain`.
pub const NOT_FOUND: &[u8] = b"404 page not found";

/// The answer to `newGid`.
pub fn new_gid(gid: &str) -> Vec<u8> {
    written(&NewGid { dtm_result: SUCCESS, gid })
}

/// Reads the answer to `newGid`.
pub fn read_gid(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Gid>(body).ok().map(|reply| reply.gid).filter(|gid| !gid.is_empty())
}

/// The answer to `resetCronTime`.
pub fn reset(succeed_count: u64, has_remaining: bool) -> Vec<u8> {
    written(&Reset { has_remaining, succeed_count })
}

/// The answer to `version`.
pub fn version(version: &str) -> Vec<u8> {
    written(&Version { version })
}

/// The answer to anything that shows [records](super::QueryReply).
pub fn shown(reply: &impl Serialize) -> Vec<u8> {
    written(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: Vec<u8>) -> String {
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn envelopes() {
        assert_eq!(text(new_gid("g")), r#"{"dtm_result":"SUCCESS","gid":"g"}"#);
        assert_eq!(text(Refusal::Failure.body("no")), r#"{"dtm_result":"FAILURE","message":"no"}"#);
        assert_eq!(text(Refusal::Ongoing.body("wait")), r#"{"dtm_result":"ONGOING","message":"wait"}"#);
        assert_eq!(text(Refusal::Error.body("a \"b\"")), r#"{"message":"a \"b\""}"#);
        assert_eq!(text(reset(3, true)), r#"{"has_remaining":true,"succeed_count":3}"#);
        assert_eq!(text(version("1")), r#"{"version":"1"}"#);
    }

    #[test]
    fn gids_are_read() {
        assert_eq!(read_gid(&new_gid("g")).as_deref(), Some("g"));
        assert_eq!(read_gid(br#"{"gid":""}"#), None);
        assert_eq!(read_gid(&Refusal::Error.body("")), None);
    }
}
