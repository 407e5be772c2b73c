//! What a client sends for one transaction. Every transaction has two branches at the same participant, whose paths say
//! which transaction and which branch it is, so that the participant's count needs no dialect.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

/// What each branch is called with.
const PAYLOAD: &str = r#"{"account":"a-17","amount":30}"#;
/// The same as a JSON string.
const PAYLOAD_TEXT: &str = r#""{\"account\":\"a-17\",\"amount\":30}""#;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// dtm's protocol: a saga of two actions, submitted with `wait_result`.
    Saga,
    /// dtm's protocol: prepare, two times registerBranch, submit with `wait_result`.
    Tcc,
    /// dtm's protocol: prepare a message of two actions, submit it with `wait_result`.
    Message,
    /// dtm's protocol: a message of two actions, submitted without being prepared.
    Submit,
    /// Synod's own API: a saga of two actions in one request that waits.
    Native,
    /// dtm's protocol: a saga of two actions that nobody waits for.
    Accepted,
    /// A saga's three exchanges, all of them with an echo server.
    Echo,
}

/// Which branch is called for what; the first part of the path that is called.
pub(super) const FORWARD: [usize; 2] = [0, 1];
/// Backward calls: nothing in the bench asks for one.
pub(super) const SLOTS: usize = 4;

/// Where a transaction's branches are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) participant: SocketAddr,
    pub(super) number: usize,
}

impl Place {
    fn url(self, slot: usize) -> String {
        format!("http://{}/{slot}/{:08}", self.participant, self.number)
    }

    /// All of the same length: dtm on boltdb loses transactions whose id begins with that of another.
    fn gid(self) -> String {
        format!("bench-{:08}", self.number)
    }
}

impl Work {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Saga => "saga",
            Self::Tcc => "tcc",
            Self::Message => "message",
            Self::Submit => "submit",
            Self::Native => "native",
            Self::Accepted => "accepted",
            Self::Echo => "echo",
        }
    }

    /// In words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Saga => "saga of two actions, waiting for its end (dtm's HTTP protocol)",
            Self::Tcc => "TCC: prepare, two branches, submit, waiting for its end (dtm's HTTP protocol)",
            Self::Message => "message to two: prepare, submit, waiting for its end (dtm's HTTP protocol)",
            Self::Submit => "message to two, submitted at once, waiting for its end (dtm's HTTP protocol)",
            Self::Native => "saga of two actions in one request, waiting for its end (native API)",
            Self::Accepted => "saga of two actions, not waited for (dtm's HTTP protocol)",
            Self::Echo => "a saga's three exchanges with an echo server",
        }
    }

    /// The requests of one transaction, one after the other on one connection.
    pub(super) fn requests(self, place: Place) -> Vec<Vec<u8>> {
        let gid = place.gid();
        let [one, two] = FORWARD.map(|slot| place.url(slot));
        match self {
            Self::Saga => vec![dtm("submit", &saga(place, true))],
            Self::Accepted => vec![dtm("submit", &saga(place, false))],
            Self::Echo => {
                let call =
                    |slot| post(&format!("/{slot}/{:08}?branch_id=01&gid={gid}", place.number), PAYLOAD);
                vec![dtm("submit", &saga(place, true)), call(0), call(1)]
            }
            Self::Tcc => {
                let head = format!(r#""gid":"{gid}","trans_type":"tcc""#);
                let branch = |id, slot| {
                    let (confirm, cancel) = (place.url(slot), place.url(slot + 2));
                    let urls = format!(r#""confirm":"{confirm}","cancel":"{cancel}""#);
                    dtm(
                        "registerBranch",
                        &format!(r#"{{{head},"branch_id":"{id}","data":{PAYLOAD_TEXT},{urls}}}"#),
                    )
                };
                vec![
                    dtm("prepare", &format!("{{{head}}}")),
                    branch("01", 0),
                    branch("02", 1),
                    dtm("submit", &format!(r#"{{{head},"wait_result":true}}"#)),
                ]
            }
            Self::Message | Self::Submit => {
                let steps = format!(r#""steps":[{{"action":"{one}"}},{{"action":"{two}"}}]"#);
                let body = format!(
                    r#"{{"gid":"{gid}","trans_type":"msg",{steps},"payloads":[{PAYLOAD_TEXT},{PAYLOAD_TEXT}],"query_prepared":"{}","wait_result":true}}"#,
                    place.url(3)
                );
                let operations = if self == Self::Submit { &["submit"][..] } else { &["prepare", "submit"] };
                operations.iter().map(|operation| dtm(operation, &body)).collect()
            }
            Self::Native => {
                let branch = |slot| {
                    let (action, compensate) = (place.url(slot), place.url(slot + 2));
                    format!(r#"{{"action":"{action}","compensate":"{compensate}","payload":{PAYLOAD}}}"#)
                };
                let branches = format!("[{},{}]", branch(0), branch(1));
                let body = format!(
                    r#"{{"gid":"{gid}","mode":"saga","submit":true,"wait":"30s","branches":{branches}}}"#
                );
                vec![post("/v1/transactions", &body)]
            }
        }
    }

    /// Whether this is the answer of one that went well, and of the last request of one that finished well.
    ///
    /// # Errors
    /// With what it is instead.
    pub(super) fn check(self, status: u16, body: &[u8]) -> Result<()> {
        let (want, word) = match self {
            Self::Native => (201, &br#""status":"committed""#[..]),
            _ => (200, &br#""dtm_result":"SUCCESS""#[..]),
        };
        let has_word = body.windows(word.len()).any(|part| part == word);
        ensure!(status == want && has_word, "answered {status}: {}", String::from_utf8_lossy(body));
        Ok(())
    }
}

fn saga(place: Place, wait: bool) -> String {
    let step = |slot| format!(r#"{{"action":"{}","compensate":"{}"}}"#, place.url(slot), place.url(slot + 2));
    format!(
        r#"{{"gid":"{}","trans_type":"saga","steps":[{},{}],"payloads":[{PAYLOAD_TEXT},{PAYLOAD_TEXT}],"wait_result":{wait}}}"#,
        place.gid(),
        step(0),
        step(1)
    )
}

fn dtm(operation: &str, body: &str) -> Vec<u8> {
    post(&format!("/api/dtmsvr/{operation}"), body)
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let head = "Host: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\n";
    format!("POST {path} HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Work; 7] =
        [Work::Saga, Work::Tcc, Work::Message, Work::Submit, Work::Native, Work::Accepted, Work::Echo];

    #[test]
    fn bodies_are_json_of_the_announced_length() {
        let place = Place { participant: ([127, 0, 0, 1], 9).into(), number: 17 };
        for work in ALL {
            for request in work.requests(place) {
                let text = String::from_utf8(request).unwrap();
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
                serde_json::from_str::<serde_json::Value>(body).unwrap();
            }
        }
    }

    #[test]
    fn only_the_end_counts() {
        assert!(Work::Saga.check(200, br#"{"dtm_result":"SUCCESS"}"#).is_ok());
        assert!(Work::Saga.check(409, br#"{"dtm_result":"FAILURE"}"#).is_err());
        assert!(Work::Native.check(201, br#"{"status":"committed"}"#).is_ok());
        let error = Work::Native.check(201, br#"{"status":"committing"}"#).unwrap_err();
        assert_eq!(error.to_string(), r#"answered 201: {"status":"committing"}"#);
    }
}
