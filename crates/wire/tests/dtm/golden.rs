//! What dtm 1.19.0 and its clients in Go and Python said to each other, each exchange a line: all requests are
//! understood, and all answers are written again byte for byte.
#![allow(clippy::unwrap_used, reason = "what was recorded is known")]

use serde::Deserialize;
use serde_json::Value;
use synod_wire::dtm::*;

const EXCHANGES: &str = include_str!("../../testdata/dtm/exchanges.jsonl");

#[derive(Deserialize)]
struct Exchange {
    method: String,
    path: String,
    body: String,
    status: u16,
    answer: String,
}

impl Exchange {
    /// The operation: the last part of the path.
    fn operation(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

fn exchanges() -> Vec<Exchange> {
    EXCHANGES.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

/// Go writes three characters in their long form, which reads the same.
fn plain(answer: &str) -> String {
    answer.replace(r"\u0026", "&").replace(r"\u003c", "<").replace(r"\u003e", ">")
}

#[test]
fn requests_are_understood() {
    let limits = Limits::REQUEST;
    let mut understood = 0;
    for exchange in exchanges().iter().filter(|exchange| exchange.body.starts_with('{')) {
        let body = exchange.body.as_bytes();
        match exchange.operation() {
            "registerBranch" => {
                assert_eq!(
                    Registration::decode(body, &limits).is_ok(),
                    exchange.status != 400,
                    "{}",
                    exchange.body
                );
            }
            "json-rpc" => match json_rpc::Request::decode(body) {
                Ok(request) if request.method == "registerBranch" => {
                    drop(request.registration(&limits).unwrap())
                }
                Ok(request) => drop(request.transaction(&limits).unwrap()),
                Err(invalid) => assert!(exchange.answer.contains("-32600"), "{invalid:?}"),
            },
            _ => drop(Transaction::decode(body, &limits).unwrap()),
        }
        understood += 1;
    }
    assert!(understood > 50, "only {understood} requests are recorded");
}

#[test]
fn what_go_sends_is_what_is_written() {
    let mut compared = 0;
    let is_go =
        |exchange: &&Exchange| exchange.body.starts_with(r#"{"gid":""#) && exchange.body.contains("protocol");
    for exchange in exchanges().iter().filter(is_go) {
        let read = Transaction::decode(exchange.body.as_bytes(), &Limits::REQUEST).unwrap();
        let written = text(read.encode().unwrap());
        assert_eq!(written, exchange.body.replace(r#""protocol":"""#, r#""protocol":"http""#));
        compared += 1;
    }
    assert!(compared > 10, "only {compared} requests of Go's are recorded");
}

#[test]
fn custom_data_is_understood() {
    let limits = Limits::REQUEST;
    let mut seen = [0; 3];
    for exchange in exchanges() {
        let Ok(read) = Transaction::decode(exchange.body.as_bytes(), &limits) else { continue };
        match (&*read.trans_type, read.custom_data.is_empty()) {
            ("saga", false) => {
                let custom = SagaCustom::decode(&read.custom_data, &limits).unwrap();
                assert!(custom.concurrent && custom.orders[&2] == [0, 1]);
                assert_eq!(custom.encode(), read.custom_data);
                seen[0] += 1;
            }
            ("msg", false) => {
                assert_eq!(MessageCustom::decode(&read.custom_data), Ok(MessageCustom { delay_s: 2 }));
                seen[1] += 1;
            }
            ("workflow", false) => {
                let custom = WorkflowCustom::decode(&read.custom_data, &limits).unwrap();
                assert_eq!((&*custom.name, &custom.data[..]), ("ok", &br#"{"amount":30}"#[..]));
                assert_eq!(custom.encode(), read.custom_data);
                seen[2] += 1;
            }
            _ => {}
        }
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn answers_are_written_as_they_were() {
    for exchange in exchanges() {
        // A number as an id is taken here, and refused there.
        if exchange.body.contains(r#""id":7"#) {
            continue;
        }
        let what = format!("{} {} {}", exchange.method, exchange.path, exchange.answer);
        assert_eq!(text(rewritten(&exchange)), plain(&exchange.answer), "{what}");
    }
}

/// The answer, read and written again.
fn rewritten(exchange: &Exchange) -> Vec<u8> {
    let answer = exchange.answer.as_bytes();
    if exchange.operation() == "json-rpc" {
        return json_rpc_again(&exchange.answer);
    }
    match (exchange.status, exchange.operation()) {
        (404, _) => reply::NOT_FOUND.to_vec(),
        (200, "query") => reply::shown(&decode_reply::<QueryReply>(answer).unwrap()),
        (200, "all") => reply::shown(&decode_reply::<AllReply>(answer).unwrap()),
        (200, "prepareWorkflow") => reply::shown(&decode_reply::<WorkflowReply>(answer).unwrap()),
        (200, "queryKV") => reply::shown(&decode_reply::<KvReply>(answer).unwrap()),
        (200, "scanKV") => reply::shown(&decode_reply::<ScanReply>(answer).unwrap()),
        (200, "newGid") => reply::new_gid(&reply::read_gid(answer).unwrap()),
        (200, "ping") => reply::PONG.to_vec(),
        (200, "version") => reply::version(value(answer)["version"].as_str().unwrap()),
        (200, "resetCronTime") => {
            let read = value(answer);
            reply::reset(read["succeed_count"].as_u64().unwrap(), read["has_remaining"].as_bool().unwrap())
        }
        (200, _) => reply::DONE.to_vec(),
        (status, _) => {
            let refusals = [Refusal::Failure, Refusal::Ongoing, Refusal::Error];
            let refusal = refusals.into_iter().find(|refusal| refusal.http_status() == status);
            refusal.unwrap_or(Refusal::Error).body(value(answer)["message"].as_str().unwrap())
        }
    }
}

fn value(answer: &[u8]) -> Value {
    serde_json::from_slice(answer).unwrap()
}

fn json_rpc_again(answer: &str) -> Vec<u8> {
    let read = value(answer.as_bytes());
    let message = read["error"]["message"].as_str().unwrap_or_default().to_owned();
    let reply = match read["error"]["code"].as_i64() {
        Some(-32901) => json_rpc::Reply::Refused(Refusal::Failure, message),
        Some(-32603) => json_rpc::Reply::Refused(Refusal::Error, message),
        Some(code) => json_rpc::Reply::Invalid(i32::try_from(code).unwrap(), message),
        None => match read["result"]["gid"].as_str() {
            Some(gid) => json_rpc::Reply::Gid(gid.to_owned()),
            None => json_rpc::Reply::Done,
        },
    };
    reply.encode(&read["id"].to_string())
}
