//! Clients that differ: without ids, in Go, with texts too long.
#![allow(clippy::unwrap_used, reason = "what was recorded is known")]

use bytes::{Bytes, BytesMut};
use synod_wire::seata::*;

use crate::golden::{CLIENT, XID, hex};

const GO: Client = Client { is_go: true, ..CLIENT };

fn frame(body: Bytes) -> Frame {
    let header = Header { version: 1, kind: Kind::Response, codec: 1, compressor: 0, id: 1 };
    Frame { header, head_map: Bytes::new(), body }
}

fn read_body(body: &str) -> Result<Message, DecodeError> {
    read(&frame(hex(body)), CLIENT)
}

fn body(message: &Message, client: Client) -> Vec<u8> {
    let mut output = BytesMut::new();
    seata_codec::encode(message, 1, client, &mut output).unwrap();
    output.to_vec()
}

#[test]
fn merged_requests_need_no_ids() {
    let merged = "003b 0000000f 0002 0007 0001 78 0000 0007 0000 0000".replace(' ', "");
    let Ok(Message::MergedWarp(read)) = read_body(&merged) else { panic!("{:?}", read_body(&merged)) };
    assert_eq!((read.requests.len(), &read.ids[..]), (2, &[][..]));
    assert_eq!(body(&Message::MergedWarp(read), CLIENT), hex(&merged));
    let some = "003b 00000013 0002 0007 0001 78 0000 0007 0000 0000 00000001".replace(' ', "");
    assert_eq!(read_body(&some), Err(DecodeError::Short { field: "msgIds" }));
    let more = "003b 0000000d 0001 0007 0000 0000 00000001 00".replace(' ', "");
    assert_eq!(read_body(&more), Err(DecodeError::Behind { field: "msgIds", bytes: 1 }));
}

#[test]
fn only_requests_are_merged() {
    // A merged message inside itself, a registration, an answer.
    for code in ["003b", "0065", "0008"] {
        let merged = format!("003b0000000c0001{code}0000000000000000");
        let code = i16::from_str_radix(code, 16).unwrap();
        assert_eq!(read_body(&merged), Err(DecodeError::Nested(code)));
    }
    assert_eq!(read_body("003bffffffff"), Err(DecodeError::Length { field: "length", length: -1 }));
    assert_eq!(read_body("003b00000002ffff"), Err(DecodeError::Length { field: "count", length: -1 }));
    assert_eq!(read_body("003b7fffffff7fff"), Err(DecodeError::Short { field: "length" }));
    assert_eq!(read_body("003b000000027fff"), Err(DecodeError::Short { field: "typeCode" }));
}

#[test]
fn failures_of_go_have_short_texts() {
    let read = |text: &str| {
        let xid = "0012 31302e302e302e313a383039313a34363131".replace(' ', "");
        match read_body(&format!("000400{text}00{xid}000000000000120406")) {
            Ok(Message::BranchCommitAnswer(answer)) => answer,
            other => panic!("{other:?}"),
        }
    };
    for (written, expected) in [("00026e6f", "no"), ("0000", ""), ("026e6f", "no"), ("00", "")] {
        let failure = Failure { code: ExceptionCode::Unknown, text: expected.into() };
        let status = BranchStatus::PhaseTwoCommitFailedRetryable;
        let answer = BranchEndAnswer { outcome: Err(failure), xid: XID, branch_id: 4612, status };
        assert_eq!(read(written), answer, "{written}");
    }
    assert_eq!(read_body("0004000102"), Err(DecodeError::Short { field: "msg" }));
}

#[test]
fn go_gets_no_text_where_it_reads_it_wrongly() {
    let failure = Failure { code: ExceptionCode::LockKeyConflict, text: "lk".into() };
    let report = Message::Answer(Answer::BranchReport(Err(failure.clone())));
    let query = GlobalLockQueryAnswer { outcome: Err(failure.clone()), is_lockable: false };
    let query = Message::Answer(Answer::GlobalLockQuery(query));
    assert_eq!(body(&report, CLIENT), hex("000e0000026c6b02"));
    assert_eq!(body(&report, GO), hex("000e00000002"));
    assert_eq!(body(&query, GO), hex("0016000000020000"));
    let enlist = Answer::BranchRegister(BranchRegisterAnswer { outcome: Err(failure), branch_id: 0 });
    assert_eq!(body(&Message::Answer(enlist), GO), hex("000c0000026c6b020000000000000000"));
}

#[test]
fn clients_are_told_what_they_know() {
    let fail_fast = Failure { code: ExceptionCode::LockKeyConflictFailFast, text: Text::EMPTY };
    let enlist = Answer::BranchRegister(BranchRegisterAnswer { outcome: Err(fail_fast), branch_id: 0 });
    let stopped = GlobalEndAnswer { outcome: Ok(()), status: GlobalStatus::StopCommitOrCommitRetry };
    let both = Message::MergeResult(vec![enlist, Answer::GlobalStatus(stopped)]);
    for (version, code, status) in [("1.4.2", 2, 2), ("1.8.0", 19, 2), ("2.2.0", 20, 2), ("2.6.0", 20, 19)] {
        let client = Client { version: ClientVersion::parse(version).unwrap(), is_go: false };
        let written = body(&both, client);
        assert_eq!((written[13], written[26]), (code, status), "{version}: {written:x?}");
    }
}

#[test]
fn reasons_are_cut_and_other_texts_refused() {
    let text = Text::from("é".repeat(20_000));
    let failure = Failure { code: ExceptionCode::Unknown, text: text.clone() };
    let report = Message::Answer(Answer::BranchReport(Err(failure)));
    let written = body(&report, CLIENT);
    assert_eq!((&written[3..5], written.len()), (&32_766_u16.to_be_bytes()[..], 5 + 32_766 + 1));
    assert!(read(&frame(written.into()), CLIENT).is_ok());
    let commit = Message::Request(Request::GlobalCommit(GlobalEnd { xid: text, extra_data: Text::EMPTY }));
    let mut output = BytesMut::from("before");
    let error = EncodeError::TooLong { field: "xid", found: 40_000, max: 32_767 };
    assert_eq!(write(Header::ping(1), &commit, CLIENT, &mut output), Err(error.clone()));
    assert_eq!(output, "before");
    assert_eq!(error.to_string(), "xid: 40000 is more than the 32767 that the protocol can say");
}

#[test]
fn errors_name_what_was_wrong() {
    for (body, expected) in [
        ("", "typeCode: the body ends before it does"),
        ("0063", "type code 99: no such message"),
        ("0007000178", "extraData: the body ends before it does"),
        ("00070001ff0000", "xid: not UTF-8"),
        ("000b0001780500", "branchType: 5 has no meaning"),
        ("00080200", "resultCode: 2 has no meaning"),
        ("0008010015", "globalStatus: 21 has no meaning"),
    ] {
        assert_eq!(read_body(body).unwrap_err().to_string(), expected);
    }
    let fory = Frame { header: Header { codec: 87, ..Header::ping(1) }, ..frame(Bytes::new()) };
    let expected = "codec 87 (fory) is not supported: set the client's `transport.serialization` to `seata`";
    assert_eq!(read(&fory, CLIENT).unwrap_err().to_string(), expected);
}

#[test]
fn what_stands_behind_is_passed_over() {
    let commit = GlobalEnd { xid: "x".into(), extra_data: Text::EMPTY };
    assert_eq!(read_body("00070001780000ffff"), Ok(Message::Request(Request::GlobalCommit(commit))));
    let read = read_body("00650005322e322e30").unwrap();
    assert_eq!(read, Message::RegisterTm(Register { version: "2.2.0".into(), ..Register::default() }));
    let report = read_body("001100000000ff").unwrap();
    assert_eq!(report, Message::Request(Request::GlobalReport(GlobalReport::default())));
    assert_eq!(body(&report, CLIENT), hex("001100000000ff"));
}
