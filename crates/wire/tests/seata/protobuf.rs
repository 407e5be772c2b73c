//! What `ProtobufSerializer` of Seata 2.0.0 and 2.2.0 wrote, and what must not be believed in protobuf.
#![allow(clippy::unwrap_used, reason = "what was recorded is known")]

use bytes::{BufMut, Bytes, BytesMut};
use synod_wire::seata::*;

use crate::golden::{decode, hex, messages};

/// Version of the client, name and bytes of each frame.
fn frames() -> Vec<(Client, &'static str, Bytes)> {
    let frame = |line: &'static str| {
        let (name, digits) = line.split_once('\t').unwrap();
        let (version, name) = name.strip_prefix("protobuf ").unwrap().split_once(' ').unwrap();
        let client = Client { version: ClientVersion::parse(version).unwrap(), is_go: false };
        (client, name, hex(digits))
    };
    include_str!("../../testdata/seata/golden-protobuf.tsv").lines().map(frame).collect()
}

#[test]
fn frames_mean_what_their_names_say() {
    let expected = messages();
    for (client, name, bytes) in frames() {
        let frame = decode(&bytes).unwrap().unwrap();
        let key = if name.contains("failed msg=no") { format!("v2 {name}") } else { name.to_owned() };
        let (kind, id, message) = expected.get(&*key).unwrap_or_else(|| panic!("no message for {key}"));
        let header = Header { version: 1, kind: *kind, codec: CODEC_PROTOBUF, compressor: 0, id: *id };
        assert_eq!(frame.header, header, "{name}");
        assert_eq!(read(&frame, client).as_ref(), Ok(message), "{name}");
    }
}

#[test]
fn frames_are_written_byte_for_byte_in_the_clients_package() {
    for (client, name, bytes) in frames() {
        let frame = decode(&bytes).unwrap().unwrap();
        let mut written = BytesMut::new();
        write(frame.header, &read(&frame, client).unwrap(), client, &mut written).unwrap();
        assert_eq!(written, bytes, "{name} of {}", client.version);
    }
}

#[test]
fn a_cut_body_never_means_more() {
    for (client, name, bytes) in frames() {
        let frame = decode(&bytes).unwrap().unwrap();
        let body = frame.body.len();
        let cut = |length| Frame { body: frame.body.slice(..length), ..frame.clone() };
        let whole = read(&frame, client).unwrap();
        for length in 0..body {
            // What is missing is empty or 0 in protobuf: cut between two fields it is still a message.
            if let Ok(message) = read(&cut(length), client) {
                assert_ne!(message, whole, "{length} of {body} bytes of {name}");
            }
        }
    }
}

#[test]
fn failures_have_their_own_numbers() {
    use ExceptionCode::*;
    let expected = [
        (Unknown, None),
        (BeginFailed, None),
        (LockKeyConflict, Some(1)),
        (LockKeyConflictFailFast, Some(1)),
        (Io, Some(2)),
        (BranchTransactionNotExist, Some(8)),
        (FailedStore, Some(17)),
        (NotRaftLeader, None),
        (TransactionTimeout, None),
    ];
    for (code, number) in expected {
        let failure = Failure { code, text: Text::EMPTY };
        let message = Message::Answer(Answer::BranchReport(Err(failure)));
        let mut body = BytesMut::new();
        let client = Client { version: ClientVersion::V2_4_0, is_go: false };
        protobuf::encode(&message, client, &mut body).unwrap();
        // BranchReportResponseProto { answered: { result: { head: { 14 } }, code } }
        let inner = match number {
            None => b"\x0a\x06\x0a\x04\x0a\x02\x08\x0e".to_vec(),
            Some(number) => [&b"\x0a\x08\x0a\x04\x0a\x02\x08\x0e\x10"[..], &[number]].concat(),
        };
        assert!(body.ends_with(&inner), "{code:?}: {body:x?}");
        let read = protobuf::decode(body.freeze()).unwrap();
        let Message::Answer(Answer::BranchReport(Err(failure))) = read else { panic!("{read:?}") };
        let expected = match code {
            LockKeyConflictFailFast => LockKeyConflict,
            BeginFailed | NotRaftLeader | TransactionTimeout => Unknown,
            code => code,
        };
        assert_eq!(failure.code, expected);
    }
}

#[test]
fn new_states_are_told_as_to_old_clients() {
    let answer = GlobalEndAnswer { outcome: Ok(()), status: GlobalStatus::CommitRetryTimeout };
    let mut body = BytesMut::new();
    let client = Client { version: ClientVersion::V2_4_0, is_go: false };
    protobuf::encode(&Message::Answer(Answer::GlobalStatus(answer)), client, &mut body).unwrap();
    let answer = GlobalEndAnswer { outcome: Ok(()), status: GlobalStatus::CommitFailed };
    assert_eq!(protobuf::decode(body.freeze()), Ok(Message::Answer(Answer::GlobalStatus(answer))));
}

fn named(name: &str, body: &[u8]) -> Result<Message, DecodeError> {
    let name = format!("org.apache.seata.protocol.protobuf.{name}");
    let mut all = BytesMut::new();
    all.put_i32(i32::try_from(name.len()).unwrap());
    all.put_slice(name.as_bytes());
    all.put_slice(body);
    protobuf::decode(all.freeze())
}

fn text(error: Result<Message, DecodeError>) -> String {
    error.unwrap_err().to_string()
}

#[test]
fn errors_name_what_was_wrong() {
    assert_eq!(text(protobuf::decode(Bytes::new())), "typeName: the body ends before it does");
    assert_eq!(text(protobuf::decode(hex("ffffffff"))), "typeName: its length cannot be -1");
    assert_eq!(text(protobuf::decode(hex("7fffffff78"))), "typeName: the body ends before it does");
    assert_eq!(text(protobuf::decode(hex("0000000178"))), "\"x\": no such message");
    assert_eq!(text(named("HeartbeatMessageProto", b"")), "\"HeartbeatMessageProto\": no such message");
    assert_eq!(text(named("BranchRegisterRequestProto", b"\x18\x09")), "branchType: 9 has no meaning");
    assert_eq!(text(named("BranchRegisterRequestProto", b"\x12\x01\xff")), "xid: not UTF-8");
    let malformed = text(named("BranchRegisterRequestProto", b"\x12\x05x"));
    assert!(malformed.starts_with("malformed protobuf message: "), "{malformed}");
    let unregister = Message::UnregisterRm(Register::default());
    let mut output = BytesMut::new();
    let error = protobuf::encode(&unregister, Client::default(), &mut output).unwrap_err();
    assert_eq!(error.to_string(), "unregistration of an RM: the codec has no form for it");
}

#[test]
fn only_requests_are_merged() {
    let any = |name: &str| {
        let url = format!("type.googleapis.com/io.seata.protocol.protobuf.{name}");
        let length = u8::try_from(url.len()).unwrap();
        [&[0x12, length + 2, 0x0a, length], url.as_bytes()].concat()
    };
    let commit = named("MergedWarpMessageProto", &any("GlobalCommitRequestProto")).unwrap();
    let requests = vec![Request::GlobalCommit(GlobalEnd::default())];
    assert_eq!(commit, Message::MergedWarp(MergedWarp { requests, ids: vec![] }));
    for name in ["MergedWarpMessageProto", "RegisterTMRequestProto", "GlobalCommitResponseProto", "X"] {
        let error = text(named("MergedWarpMessageProto", &any(name)));
        assert!(error.ends_with("inside another message: not one that may be merged"), "{error}");
    }
    // Nothing, many times over, is refused at the first.
    assert!(matches!(
        named("MergedWarpMessageProto", &[0x12, 0].repeat(1 << 20)),
        Err(DecodeError::NestedName(_))
    ));
    let many = any("GlobalCommitRequestProto").repeat(40_000);
    assert_eq!(text(named("MergedWarpMessageProto", &many)), "msgs: its length cannot be 32768");
    let ids = [any("GlobalCommitRequestProto"), vec![0x1a, 2, 1, 2]].concat();
    assert_eq!(text(named("MergedWarpMessageProto", &ids)), "msgIds: its length cannot be 2");
    assert_eq!(text(named("MergedWarpMessageProto", b"\x12\x05x")), "msgs: the body ends before it does");
}
