//! What a branch said, on each transport.

use std::borrow::Cow;

use super::limits::DecodeError;
use super::{FAILURE, ONGOING, json, message};

/// What a branch's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused for good. It counts for actions of a saga and back-checks; from others it is an [`Outcome::Error`].
    Failure,
    /// Not yet: ask again after the same interval.
    Ongoing,
    /// Nobody knows: ask again, later each time.
    Error,
}

/// A branch's answer: what it means and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub outcome: Outcome,
    /// What it said.
    pub text: String,
}

/// What JSON-RPC calls a refusal, and what it calls "not yet".
const JSON_RPC_FAILURE: i64 = -32901;
const JSON_RPC_ONGOING: i64 = -32902;

impl Answer {
    /// Of HTTP. Words count more than the status, and no other status than 200 is a success.
    pub fn http(status: u16, body: &[u8]) -> Self {
        let outcome = if status == 425 || contains(body, ONGOING) {
            Outcome::Ongoing
        } else if status == 409 || contains(body, FAILURE) {
            Outcome::Failure
        } else if status == 200 {
            Outcome::Success
        } else {
            Outcome::Error
        };
        Self { outcome, text: String::from_utf8_lossy(body).into_owned() }
    }

    /// Of JSON-RPC: first as HTTP, then by the error in the body.
    pub fn json_rpc(status: u16, body: &[u8]) -> Self {
        let answer = Self::http(status, body);
        if answer.outcome != Outcome::Success {
            return answer;
        }
        Self { outcome: error_code(body).unwrap_or(Outcome::Error), ..answer }
    }

    /// Of gRPC, by its status. Participants in PHP answer with codes of HTTP.
    pub fn grpc(code: i32, message: &str) -> Self {
        let outcome = match code {
            0 => Outcome::Success,
            // Participants before version 1.10 say "not yet" so.
            10 if message == ONGOING => Outcome::Ongoing,
            10 | 409 => Outcome::Failure,
            9 | 425 => Outcome::Ongoing,
            _ => Outcome::Error,
        };
        let text = match outcome {
            // As the original's own library writes it, from where it comes to clients.
            Outcome::Error => format!("rpc error: code = {} desc = {message}", grpc_name(code)),
            _ => message.to_owned(),
        };
        Self { outcome, text }
    }

    /// What it said as the original would repeat it in an error.
    pub fn error_text(&self) -> String {
        let text = self.text.as_str();
        match self.outcome {
            Outcome::Failure => message::failed(text),
            Outcome::Ongoing => format!("{} {ONGOING}", text.strip_suffix(" ONGOING").unwrap_or(text)),
            Outcome::Success | Outcome::Error => text.to_owned(),
        }
    }
}

/// What Go calls a status code of gRPC.
fn grpc_name(code: i32) -> Cow<'static, str> {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("Code({code})").into(), |name| (*name).into())
}

fn contains(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|window| window == word.as_bytes())
}

/// What the member `error` of an answer means.
fn error_code(body: &[u8]) -> Result<Outcome, DecodeError> {
    let mut outcome = Outcome::Success;
    for (key, value) in json::members(json::text(body)?)? {
        if key != "error" {
            continue;
        }
        outcome = if value.raw() == "null" { Outcome::Success } else { Outcome::Error };
        for (key, value) in value.object("error")? {
            // A number by its value: clients may write it with a fraction.
            let code: Option<f64> = if key == "code" { value.raw().parse().ok() } else { None };
            let is = |other: i64| code.is_some_and(|code| (code - other as f64).abs() < 0.5);
            if is(JSON_RPC_FAILURE) {
                outcome = Outcome::Failure;
            } else if is(JSON_RPC_ONGOING) {
                outcome = Outcome::Ongoing;
            }
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use Outcome::{Error, Failure, Ongoing, Success};

    use super::*;

    #[test]
    fn http_in_its_order() {
        for (status, body, expected) in [
            (200, "", Success),
            (200, "{\"dtm_result\":\"FAILURE\"}", Failure),
            (200, "ONGOING FAILURE", Ongoing),
            (409, "ONGOING", Ongoing),
            (425, "FAILURE", Ongoing),
            (409, "", Failure),
            (422, "x FAILURE y", Failure),
            (500, "boom", Error),
            (201, "{}", Error),
            (204, "", Error),
            (302, "", Error),
            (200, "failure", Success),
            (200, "FAILUR", Success),
        ] {
            assert_eq!(Answer::http(status, body.as_bytes()).outcome, expected, "{status} {body}");
        }
        assert_eq!(Answer::http(409, b"\xff no").text, "\u{fffd} no");
    }

    #[test]
    fn json_rpc_after_http() {
        for (status, body, expected) in [
            (200, r#"{"jsonrpc":"2.0","id":"1","result":"ok"}"#, Success),
            (200, r#"{"error":null,"result":{}}"#, Success),
            (200, r#"{"error":{"code":-32901,"message":"no"}}"#, Failure),
            (200, r#"{"error":{"message":"wait","code":-32902.0}}"#, Ongoing),
            (200, r#"{"error":{"code":-32603,"message":"boom"}}"#, Error),
            (200, r#"{"error":{}}"#, Error),
            (200, r#"{"error":"text"}"#, Error),
            (200, "", Error),
            (200, "[]", Error),
            (200, r#"{"error":null,"result":"FAILURE"}"#, Failure),
            (500, r#"{"error":null}"#, Error),
            (425, "", Ongoing),
        ] {
            assert_eq!(Answer::json_rpc(status, body.as_bytes()).outcome, expected, "{status} {body}");
        }
    }

    #[test]
    fn grpc_by_code() {
        for (code, message, expected) in [
            (0, "", Success),
            (0, "FAILURE", Success),
            (10, "no money", Failure),
            (10, "ONGOING", Ongoing),
            (10, "ONGOING ", Failure),
            (9, "", Ongoing),
            (409, "", Failure),
            (425, "", Ongoing),
            (2, "FAILURE", Error),
            (14, "", Error),
            (-1, "", Error),
        ] {
            assert_eq!(Answer::grpc(code, message).outcome, expected, "{code} {message}");
        }
    }

    #[test]
    fn errors_of_grpc_are_told_in_the_words_of_go() {
        assert_eq!(Answer::grpc(2, "boom").error_text(), "rpc error: code = Unknown desc = boom");
        assert_eq!(Answer::grpc(14, "").error_text(), "rpc error: code = Unavailable desc = ");
        assert_eq!(Answer::grpc(99, "x").error_text(), "rpc error: code = Code(99) desc = x");
        assert_eq!(Answer::grpc(10, "no money").error_text(), "no money FAILURE");
    }

    #[test]
    fn the_word_stands_once_at_the_end() {
        assert_eq!(Answer::http(409, b"no").error_text(), "no FAILURE");
        assert_eq!(Answer::http(409, b"no FAILURE").error_text(), "no FAILURE");
        assert_eq!(Answer::http(425, b"ONGOING").error_text(), "ONGOING ONGOING");
        assert_eq!(Answer::http(500, b"boom").error_text(), "boom");
        assert_eq!(message::action_failed("u", "x FAILURE y"), "url:u return failed: x FAILURE y FAILURE");
    }
}
