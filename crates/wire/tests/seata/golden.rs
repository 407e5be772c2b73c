//! What the encoders of Seata 2.2.0 (version 1) and 2.7.0-SNAPSHOT (versions 0 and 2) wrote, each frame a line: all mean what
//! their names say, and all are written again byte for byte.
#![allow(clippy::unwrap_used, reason = "what was recorded is known")]

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use synod_wire::seata::*;

/// Name and bytes of each frame.
pub(crate) fn frames() -> Vec<(&'static str, Bytes)> {
    let lines = [
        include_str!("../../testdata/seata/golden-v1.tsv"),
        include_str!("../../testdata/seata/golden-v0-v2.tsv"),
    ];
    let frame = |line: &'static str| {
        let (name, digits) = line.split_once('\t').unwrap();
        (name, hex(digits))
    };
    lines.into_iter().flat_map(str::lines).map(frame).collect()
}

pub(crate) fn hex(digits: &str) -> Bytes {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The client of all recordings.
pub(crate) const CLIENT: Client = Client { version: ClientVersion::V2_4_0, is_go: false };

pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    Frame::decode(&mut BytesMut::from(bytes), FRAME_BYTES_MAX)
}

pub(crate) const XID: Text = Text::from_static("10.0.0.1:8091:4611");

const fn text(text: &'static str) -> Text {
    Text::from_static(text)
}

fn register(version: &'static str, extra_data: &'static str, resource_ids: &'static str) -> Register {
    Register {
        version: text(version),
        application_id: text("app"),
        transaction_service_group: text("grp"),
        extra_data: text(extra_data),
        resource_ids: text(resource_ids),
    }
}

fn identified(version: &'static str) -> RegisterAnswer {
    RegisterAnswer { is_identified: true, version: text(version), reason: Text::EMPTY }
}

fn refused(reason: &'static str) -> RegisterAnswer {
    RegisterAnswer { is_identified: false, version: text("2.2.0"), reason: text(reason) }
}

fn failed(code: ExceptionCode, reason: &'static str) -> Outcome {
    Err(Failure { code, text: text(reason) })
}

fn end(extra_data: &'static str) -> GlobalEnd {
    GlobalEnd { xid: XID, extra_data: text(extra_data) }
}

fn ended(status: GlobalStatus) -> GlobalEndAnswer {
    GlobalEndAnswer { outcome: Ok(()), status }
}

fn begun(outcome: Outcome, xid: Text) -> Message {
    Message::Answer(Answer::GlobalBegin(GlobalBeginAnswer { outcome, xid, extra_data: Text::EMPTY }))
}

fn branch(lock_key: &'static str, application_data: &'static str) -> BranchRegister {
    BranchRegister {
        xid: XID,
        branch_type: BranchType::At,
        resource_id: text("r1"),
        lock_key: text(lock_key),
        application_data: text(application_data),
    }
}

fn branch_end(branch_type: BranchType, application_data: &'static str) -> BranchEnd {
    BranchEnd {
        xid: XID,
        branch_id: 4612,
        branch_type,
        resource_id: text("r1"),
        application_data: text(application_data),
    }
}

fn branch_ended(status: BranchStatus) -> BranchEndAnswer {
    BranchEndAnswer { outcome: Ok(()), xid: XID, branch_id: 4612, status }
}

fn enlisted(outcome: Outcome, branch_id: i64) -> Answer {
    Answer::BranchRegister(BranchRegisterAnswer { outcome, branch_id })
}

fn lockable() -> Answer {
    Answer::GlobalLockQuery(GlobalLockQueryAnswer { outcome: Ok(()), is_lockable: true })
}

fn registrations() -> Vec<(&'static str, Kind, i32, Message)> {
    use Kind::{OneWay, Request as Ask, Response};
    use Message::*;
    vec![
        (
            r"RegisterTMRequest version=2.2.0 app=app group=grp extra='k=v\n'",
            Ask,
            2,
            RegisterTm(register("2.2.0", "k=v\n", "")),
        ),
        ("RegisterTMResponse identified version=2.2.0", Response, 2, RegisterTmAnswer(identified("2.2.0"))),
        (
            "RegisterRMRequest resourceIds=r1,r2 extra=null",
            Ask,
            3,
            RegisterRm(register("2.2.0", "", "r1,r2")),
        ),
        ("RegisterRMResponse", Response, 3, RegisterRmAnswer(identified("2.2.0"))),
        ("v2 RegisterTMResponse ok", Response, 2, RegisterTmAnswer(identified("2.2.0"))),
        ("v2 RegisterTMResponse failed msg=no", Response, 2, RegisterTmAnswer(refused("no"))),
        ("v1 RegisterTMResponse failed msg=no", Response, 2, RegisterTmAnswer(refused(""))),
        ("v1 UnregisterRMRequest r1", OneWay, 3, UnregisterRm(register("2.7.0", "", "r1"))),
        ("v1 UnregisterRMResponse", Response, 3, UnregisterRmAnswer(identified("2.7.0"))),
        ("v2 UnregisterRMResponse", Response, 3, UnregisterRmAnswer(identified("2.7.0"))),
        ("v0 RegisterTMRequest", Ask, 6, RegisterTm(register("0.7.1", "", ""))),
        ("v0 RegisterTMResponse", Response, 6, RegisterTmAnswer(identified("2.2.0"))),
    ]
}

fn requests() -> Vec<(&'static str, i32, Request)> {
    use Request::*;
    let begin = GlobalBegin(synod_wire::seata::GlobalBegin { timeout_ms: 60_000, name: text("tx") });
    let report = BranchReport(synod_wire::seata::BranchReport {
        xid: XID,
        branch_id: 4612,
        status: BranchStatus::PhaseOneFailed,
        resource_id: text("r1"),
        application_data: Text::EMPTY,
        branch_type: BranchType::At,
    });
    let status = Some(synod_wire::seata::GlobalStatus::Committed);
    let global_report = synod_wire::seata::GlobalReport { xid: XID, extra_data: Text::EMPTY, status };
    vec![
        ("GlobalBeginRequest timeout=60000 name=tx", 4, begin.clone()),
        ("GlobalBeginRequest with headMap {k:'',b:null}", 4, begin.clone()),
        ("v2 GlobalBeginRequest", 4, begin.clone()),
        ("v0 GlobalBeginRequest", 4, begin),
        ("GlobalCommitRequest", 5, GlobalCommit(end(""))),
        ("GlobalRollbackRequest extra=e", 6, GlobalRollback(end("e"))),
        ("GlobalStatusRequest", 7, GlobalStatus(end(""))),
        ("GlobalReportRequest Committed", 8, GlobalReport(global_report)),
        ("BranchRegisterRequest AT r1 lock=t:1,2 data={}", 9, BranchRegister(branch("t:1,2", "{}"))),
        ("GlobalLockQueryRequest", 10, GlobalLockQuery(branch("t:1", ""))),
        ("BranchReportRequest PhaseOne_Failed appData=null", 11, report),
    ]
}

fn answers() -> Vec<(&'static str, i32, Message)> {
    let answers = [
        ("GlobalCommitResponse Committed", 5, Answer::GlobalCommit(ended(GlobalStatus::Committed))),
        ("GlobalRollbackResponse Rollbacked", 6, Answer::GlobalRollback(ended(GlobalStatus::Rollbacked))),
        ("GlobalStatusResponse Begin", 7, Answer::GlobalStatus(ended(GlobalStatus::Begin))),
        ("GlobalReportResponse Committed", 8, Answer::GlobalReport(ended(GlobalStatus::Committed))),
        ("BranchRegisterResponse branchId=4612", 9, enlisted(Ok(()), 4612)),
        (
            "BranchRegisterResponse failed LockKeyConflict msg=lk",
            9,
            enlisted(failed(ExceptionCode::LockKeyConflict, "lk"), 0),
        ),
        ("GlobalLockQueryResponse lockable", 10, lockable()),
        ("BranchReportResponse", 11, Answer::BranchReport(Ok(()))),
    ];
    let begun = [
        ("GlobalBeginResponse ok", 4, begun(Ok(()), XID)),
        (
            "GlobalBeginResponse failed msg=no code=BeginFailed",
            4,
            begun(failed(ExceptionCode::BeginFailed, "no"), Text::EMPTY),
        ),
        ("v0 GlobalBeginResponse xid=x", 4, begun(Ok(()), text("x"))),
        (
            "BranchCommitResponse PhaseTwo_Committed",
            12,
            Message::BranchCommitAnswer(branch_ended(BranchStatus::PhaseTwoCommitted)),
        ),
        (
            "BranchRollbackResponse PhaseTwo_Rollbacked",
            13,
            Message::BranchRollbackAnswer(branch_ended(BranchStatus::PhaseTwoRollbacked)),
        ),
    ];
    answers.into_iter().map(|(name, id, answer)| (name, id, Message::Answer(answer))).chain(begun).collect()
}

fn orders_and_lists() -> Vec<(&'static str, Kind, i32, Message)> {
    use Kind::{OneWay, Request as Ask, Response};
    let requests =
        vec![Request::BranchRegister(branch("t:1,2", "{}")), Request::GlobalLockQuery(branch("t:1", ""))];
    let answers = vec![enlisted(Ok(()), 4612), lockable()];
    let forget = UndoLogDelete { branch_type: BranchType::At, resource_id: text("r1"), save_days: 7 };
    vec![
        ("BranchCommitRequest TCC", Ask, 12, Message::BranchCommit(branch_end(BranchType::Tcc, "{}"))),
        (
            "BranchRollbackRequest XA appData=null",
            Ask,
            13,
            Message::BranchRollback(branch_end(BranchType::Xa, "")),
        ),
        ("UndoLogDeleteRequest AT r1 7", OneWay, 14, Message::UndoLogDelete(forget)),
        (
            "MergedWarpMessage [BranchRegister id21, LockQuery id22]",
            OneWay,
            23,
            Message::MergedWarp(MergedWarp { requests, ids: vec![21, 22] }),
        ),
        ("MergeResultMessage", Response, 23, Message::MergeResult(answers.clone())),
        (
            "BatchResultMessage",
            Response,
            23,
            Message::BatchResult([21, 22].into_iter().zip(answers).collect()),
        ),
    ]
}

/// What the frames say, by their names.
pub(crate) fn messages() -> HashMap<&'static str, (Kind, i32, Message)> {
    let requests =
        requests().into_iter().map(|(name, id, ask)| (name, Kind::Request, id, Message::Request(ask)));
    let answers = answers().into_iter().map(|(name, id, answer)| (name, Kind::Response, id, answer));
    let all = registrations().into_iter().chain(orders_and_lists()).chain(requests).chain(answers);
    all.map(|(name, kind, id, message)| (name, (kind, id, message))).collect()
}

#[test]
fn frames_mean_what_their_names_say() {
    let mut expected = messages();
    for (name, bytes) in frames() {
        let frame = decode(&bytes).unwrap().unwrap();
        if matches!(frame.header.kind, Kind::Ping | Kind::Pong) {
            let is_pong = name.contains("pong") && !name.starts_with("v0");
            assert_eq!(frame.header.kind == Kind::Pong, is_pong, "{name}");
            assert!(frame.body.is_empty() && [1, 5].contains(&frame.header.id), "{name}");
            continue;
        }
        let (kind, id, message) = expected.remove(name).unwrap_or_else(|| panic!("no message for {name}"));
        let version = if name.starts_with("v0") { 0 } else { 1 + u8::from(name.starts_with("v2")) };
        let header = Header { version, kind, codec: 1, compressor: 0, id };
        assert_eq!(frame.header, header, "{name}");
        assert_eq!(read(&frame, CLIENT), Ok(message), "{name}");
        assert_eq!(frame.head_map.is_empty(), !name.contains("headMap"), "{name}");
    }
    assert!(expected.is_empty(), "not recorded: {:?}", expected.keys());
}

#[test]
fn frames_are_written_byte_for_byte() {
    for (name, bytes) in frames() {
        let frame = decode(&bytes).unwrap().unwrap();
        let mut written = BytesMut::from("before");
        match frame.header.kind {
            Kind::Ping | Kind::Pong => write_heartbeat(frame.header, &mut written),
            _ => write(frame.header, &read(&frame, CLIENT).unwrap(), CLIENT, &mut written).unwrap(),
        }
        // Nobody writes a head map but the original.
        let map = frame.head_map.len();
        let mut expected = bytes.to_vec();
        if map > 0 {
            expected.drain(16..16 + map);
            expected[6] -= u8::try_from(map).unwrap();
            expected[8] -= u8::try_from(map).unwrap();
        }
        assert_eq!(written.split_off(6), expected, "{name}");
    }
}

#[test]
fn the_front_of_a_frame_is_no_frame() {
    for (name, bytes) in frames() {
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Ok(None), "{length} bytes of {name}");
        }
    }
}

#[test]
fn bodies_that_end_early_are_refused() {
    for (name, bytes) in frames() {
        let frame = decode(&bytes).unwrap().unwrap();
        for length in 0..frame.body.len() {
            let cut = Frame { body: frame.body.slice(..length), ..frame.clone() };
            // The tail of a registration may be missing.
            if let Ok(message) = read(&cut, CLIENT) {
                let registers = matches!(
                    message,
                    Message::RegisterTm(_) | Message::RegisterRm(_) | Message::UnregisterRm(_)
                );
                assert!(registers, "{length} bytes of {name}: {message:?}");
            }
        }
    }
}

#[test]
fn frames_come_one_after_the_other() {
    let all: BytesMut = frames().into_iter().flat_map(|(_, bytes)| bytes).collect();
    for piece in [1, 7, 64, all.len()] {
        let mut input = BytesMut::new();
        let mut read = 0;
        for bytes in all.chunks(piece) {
            input.extend_from_slice(bytes);
            while Frame::decode(&mut input, FRAME_BYTES_MAX).unwrap().is_some() {
                read += 1;
            }
        }
        assert_eq!((read, input.len()), (frames().len(), 0), "pieces of {piece} bytes");
    }
}
