//! Calls over gRPC, to a participant made with tonic: an implementation that is not ours.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use synod_core::registry::{Instance, Origin, Port};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Mode, Protocol};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

use crate::participant::{Participant, reply};
use crate::rig::{Rig, back_check, backward, failed, forward, txn};

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}

#[derive(Clone, Debug)]
struct Called {
    path: String,
    metadata: HeaderMap,
    message: Bytes,
}

impl Called {
    fn metadata(&self, name: &str) -> &str {
        self.metadata.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Record = Arc<Mutex<Vec<Called>>>;

/// Answers by the last part of the path.
fn answer(called: &Called) -> Result<Bytes, Status> {
    let code = match called.path.rsplit('/').next().unwrap() {
        "Ok" => return Ok(Bytes::from_static(b"pong")),
        "Big" => return Ok(vec![0; 1 << 20].into()),
        "Refused" => return Err(Status::aborted("no money €")),
        "DtmOngoing" => return Err(Status::aborted("ONGOING")),
        "Ongoing" => Code::FailedPrecondition,
        "Unavailable" => Code::Unavailable,
        _ => Code::Unimplemented,
    };
    Err(Status::new(code, "said so"))
}

async fn participant() -> (Participant, Record) {
    let record = Record::default();
    let keep = Arc::clone(&record);
    let serve = move |_, stream| {
        let record = Arc::clone(&keep);
        async move {
            let service = service_fn(|request: Request<Incoming>| {
                let record = Arc::clone(&record);
                async move {
                    let path = request.uri().path().to_owned();
                    let method = tower::service_fn(move |request: tonic::Request<Bytes>| {
                        let (metadata, _, message) = request.into_parts();
                        let called =
                            Called { path: path.clone(), metadata: metadata.into_headers(), message };
                        let answer = answer(&called);
                        record.lock().unwrap().push(called);
                        async move { answer.map(tonic::Response::new) }
                    });
                    let response = tonic::server::Grpc::new(Raw).unary(method, request).await;
                    Ok::<_, Infallible>(response)
                }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        }
    };
    (Participant::raw(serve).await, record)
}

#[tokio::test]
async fn our_own_dialect() {
    let (participant, record) = participant().await;
    let rig = Rig::new(&[]);
    let saga = |method: &str| {
        let url = format!("grpc://{}/bank.Account/{method}", participant.address);
        let mut saga = txn(Mode::Saga, Protocol::Grpc, &url);
        saga.headers = vec![("X-Tenant".into(), "t1".into())];
        saga.options.call_timeout_ms = 2_500;
        saga
    };
    let delivered = rig.caller.deliver(&forward(saga("Ok"))).await;
    assert_eq!((delivered.result, delivered.answered), (CallResult::Done, true));
    assert_eq!(delivered.reply.unwrap(), "pong");
    let refused = CallResult::Refused("no money €".into());
    assert_eq!(rig.result(&forward(saga("Refused"))).await, refused);
    assert_eq!(rig.result(&backward(saga("Ongoing"))).await, CallResult::Ongoing);
    for method in ["Unavailable", "Nowhere", "Big"] {
        let delivered = rig.caller.deliver(&forward(saga(method))).await;
        assert!(delivered.answered && delivered.reply.is_none(), "{method}");
        assert!(!failed(delivered.result).is_empty());
    }

    let seen = record.lock().unwrap().clone();
    assert_eq!(seen[0].path, "/bank.Account/Ok");
    assert_eq!(seen[0].message, r#"{"amount":30}"#);
    for (name, value) in [
        ("synod-xid", "synod.example:8091:77"),
        ("synod-gid", "order-1"),
        ("synod-branch", "b1"),
        ("synod-op", "action"),
        ("synod-mode", "saga"),
        ("x-tenant", "t1"),
        ("grpc-timeout", "2500m"),
    ] {
        assert_eq!(seen[0].metadata(name), value, "{name}");
    }
    assert_eq!(seen[2].metadata("synod-op"), "compensate");
    assert_eq!(participant.connections(), 1);
}

#[tokio::test]
async fn dtms_dialect() {
    let (participant, record) = participant().await;
    let rig = Rig::new(&[]);
    let of = |mode, method: &str| {
        let url = format!("{}/busi.Busi/{method}", participant.address);
        let mut txn = txn(mode, Protocol::DtmGrpc, &url);
        txn.headers = vec![("test_header".into(), "yes".into())];
        txn
    };
    assert_eq!(rig.result(&forward(of(Mode::Saga, "Ok"))).await, CallResult::Done);
    let reason = format!("url:{}/busi.Busi/Refused return failed: no money € FAILURE", participant.address);
    assert_eq!(rig.result(&forward(of(Mode::Saga, "Refused"))).await, CallResult::Refused(reason.into()));
    for method in ["Ongoing", "DtmOngoing"] {
        assert_eq!(rig.result(&forward(of(Mode::Saga, method))).await, CallResult::Ongoing, "{method}");
    }
    let unavailable = failed(rig.result(&forward(of(Mode::Tcc, "Unavailable"))).await);
    assert_eq!(unavailable, "rpc error: code = Unavailable desc = said so");
    assert_eq!(rig.result(&back_check(of(Mode::Message, "Ok"))).await, CallResult::Done);
    let mut workflow = of(Mode::Workflow, "Ok");
    workflow.note = Bytes::from_static(br#"{"name":"order","data":"aGVsbG8="}"#);
    assert_eq!(rig.result(&back_check(workflow)).await, CallResult::Done);

    let seen = record.lock().unwrap().clone();
    assert_eq!(seen[0].path, "/busi.Busi/Ok");
    for (name, value) in [
        ("dtm-gid", "order-1"),
        ("dtm-trans_type", "saga"),
        ("dtm-branch_id", "b1"),
        ("dtm-op", "action"),
        ("test_header", "yes"),
        ("synod-xid", ""),
    ] {
        assert_eq!(seen[0].metadata(name), value, "{name}");
    }
    let [.., check, run] = &*seen else { panic!("too few") };
    assert_eq!((check.metadata("dtm-op"), check.metadata("dtm-branch_id")), ("msg", "00"));
    assert!(check.message.is_empty());
    assert_eq!((run.metadata("dtm-op"), &*run.message), ("order", &b"\x0a\x05hello"[..]));
    let with_scheme = forward(txn(Mode::Saga, Protocol::DtmGrpc, "etcd:///busi/busi.Busi/Ok"));
    assert!(failed(rig.result(&with_scheme).await).contains("scheme"));
}

#[tokio::test]
async fn services_are_found() {
    let (participant, record) = participant().await;
    let rig = Rig::new(&[]);
    let mut instance = Instance::new("bank", "1");
    instance.host = "127.0.0.1".into();
    instance.port = Port { number: participant.address.port().into(), enabled: true };
    rig.registry.register(instance, Origin::Client).unwrap();
    for protocol in [Protocol::Grpc, Protocol::DtmGrpc] {
        let call = forward(txn(Mode::Tcc, protocol, "synod://bank/bank.Account/Ok"));
        assert_eq!(rig.result(&call).await, CallResult::Done);
    }
    assert!(record.lock().unwrap().iter().all(|called| called.path == "/bank.Account/Ok"));
}

#[tokio::test]
async fn who_does_not_speak_grpc_is_found_out() {
    let web = Participant::http(|_| reply(200, "")).await;
    let rig = Rig::new(&[]);
    for address in [web.address.to_string(), "127.0.0.1:1".to_owned()] {
        let mut saga = txn(Mode::Saga, Protocol::Grpc, &format!("grpc://{address}/p.S/M"));
        saga.options.call_timeout_ms = 2_000;
        let delivered = rig.caller.deliver(&forward(saga)).await;
        assert!(!delivered.answered);
        assert!(!failed(delivered.result).is_empty());
    }
    for url in ["grpc://h/p.S/M", "http://127.0.0.1:1/p.S/M"] {
        let delivered = rig.caller.deliver(&forward(txn(Mode::Saga, Protocol::Grpc, url))).await;
        assert!(delivered.answered, "{url}");
    }
    let allowed = Rig::new(&["call.allow=example.org"]);
    let call = forward(txn(Mode::Saga, Protocol::DtmGrpc, &format!("{}/p.S/M", web.address)));
    assert!(failed(allowed.result(&call).await).contains("call.allow"));
}

#[tokio::test]
async fn a_silent_one_costs_no_more_than_the_timeout() {
    let silent = Participant::raw(|_, stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let rig = Rig::new(&[]);
    let mut saga = txn(Mode::Saga, Protocol::Grpc, &format!("grpc://{}/p.S/M", silent.address));
    saga.options.call_timeout_ms = 50;
    let call = forward(saga);
    let ended = tokio::time::timeout(Duration::from_secs(10), rig.caller.deliver(&call)).await.unwrap();
    assert!(!ended.answered);
    assert!(failed(ended.result).contains("within 50ms"));
}
