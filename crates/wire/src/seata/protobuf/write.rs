//! Protobuf of messages.

use bytes::{BufMut, Bytes, BytesMut};

use super::{exception_code, package, proto, type_name};
use crate::seata::code::GlobalStatus;
use crate::seata::error::EncodeError;
use crate::seata::message::{
    Answer, BranchEnd, BranchEndAnswer, BranchRegister, GlobalEnd, GlobalEndAnswer, Message, Outcome,
    Register, RegisterAnswer, Request,
};
use crate::seata::type_code;
use crate::seata::version::{Client, ClientVersion};

/// Appends the body of a frame, which `client` wrote or is to read.
///
/// # Errors
/// The message has no form in protobuf. Nothing is appended then.
pub fn encode(message: &Message, client: Client, output: &mut BytesMut) -> Result<(), EncodeError> {
    let package = package(client.version);
    let (name, body) = match message {
        Message::RegisterTm(client) => (type_name::REGISTER_TM, register(type_code::REGISTER_TM, client)),
        Message::RegisterRm(client) => (type_name::REGISTER_RM, register(type_code::REGISTER_RM, client)),
        Message::RegisterTmAnswer(answer) => {
            (type_name::REGISTER_TM_ANSWER, registered(type_code::REGISTER_TM_ANSWER, answer))
        }
        Message::RegisterRmAnswer(answer) => {
            (type_name::REGISTER_RM_ANSWER, registered(type_code::REGISTER_RM_ANSWER, answer))
        }
        Message::UnregisterRm(_) | Message::UnregisterRmAnswer(_) => {
            return Err(EncodeError::NoForm { message: "unregistration of an RM" });
        }
        Message::Request(asked) => request(asked),
        Message::Answer(answered) => answer(answered),
        Message::MergedWarp(warp) => {
            let messages = warp.requests.iter().map(request);
            (type_name::MERGED_WARP, merged(type_code::MERGED_WARP, package, messages, warp.ids.clone()))
        }
        Message::MergeResult(answers) => {
            let messages = answers.iter().map(answer);
            (type_name::MERGE_RESULT, merged(type_code::MERGE_RESULT, package, messages, Vec::new()))
        }
        Message::BatchResult(answers) => {
            let ids = answers.iter().map(|(id, _)| *id).collect();
            let messages = answers.iter().map(|(_, answered)| answer(answered));
            (type_name::BATCH_RESULT, merged(type_code::BATCH_RESULT, package, messages, ids))
        }
        Message::BranchCommit(branch) => {
            (type_name::BRANCH_COMMIT, branch_end(type_code::BRANCH_COMMIT, branch))
        }
        Message::BranchRollback(branch) => {
            (type_name::BRANCH_ROLLBACK, branch_end(type_code::BRANCH_ROLLBACK, branch))
        }
        Message::BranchCommitAnswer(answer) => {
            (type_name::BRANCH_COMMIT_ANSWER, branch_ended(type_code::BRANCH_COMMIT_ANSWER, answer))
        }
        Message::BranchRollbackAnswer(answer) => {
            (type_name::BRANCH_ROLLBACK_ANSWER, branch_ended(type_code::BRANCH_ROLLBACK_ANSWER, answer))
        }
        Message::UndoLogDelete(order) => {
            let written = proto::UndoLogDelete {
                asked: asked(type_code::UNDO_LOG_DELETE),
                resource_id: order.resource_id.bytes().clone(),
                save_days: order.save_days.into(),
                branch_type: order.branch_type.code().into(),
            };
            (type_name::UNDO_LOG_DELETE, bytes(&written))
        }
    };
    let length = package.len() + name.len();
    output.put_i32(i32::try_from(length).expect("names are short"));
    output.put_slice(package.as_bytes());
    output.put_slice(name.as_bytes());
    output.put_slice(&body);
    Ok(())
}

fn bytes(message: &impl prost::Message) -> Bytes {
    message.encode_to_vec().into()
}

fn head(code: i16) -> Option<proto::Head> {
    Some(proto::Head { message_type: code.into() })
}

fn asked(code: i16) -> Option<proto::Asked> {
    Some(proto::Asked { head: head(code) })
}

fn answered(code: i16, outcome: &Outcome) -> Option<proto::Answered> {
    let (result_code, exception_code, msg) = match outcome {
        Ok(()) => (1, 0, Bytes::new()),
        Err(failure) => (0, exception_code::written(failure.code), failure.text.bytes().clone()),
    };
    let result = Some(proto::Result { head: head(code), result_code, msg });
    Some(proto::Answered { result, exception_code })
}

fn merged(
    code: i16,
    package: &str,
    messages: impl Iterator<Item = (&'static str, Bytes)>,
    ids: Vec<i32>,
) -> Bytes {
    let any =
        |(name, value)| proto::Any { type_url: format!("type.googleapis.com/{package}{name}").into(), value };
    bytes(&proto::Merged { head: head(code), messages: messages.map(any).collect(), ids })
}

fn register(code: i16, client: &Register) -> Bytes {
    let identify = Some(proto::Identify {
        head: head(code),
        version: client.version.bytes().clone(),
        application_id: client.application_id.bytes().clone(),
        transaction_service_group: client.transaction_service_group.bytes().clone(),
        extra_data: client.extra_data.bytes().clone(),
    });
    bytes(&proto::Register { identify, resource_ids: client.resource_ids.bytes().clone() })
}

fn registered(code: i16, answer: &RegisterAnswer) -> Bytes {
    let result = proto::Result {
        head: head(code),
        result_code: answer.is_identified.into(),
        msg: answer.reason.bytes().clone(),
    };
    let identified = proto::Identified {
        result: Some(result),
        version: answer.version.bytes().clone(),
        extra_data: Bytes::new(),
        identified: answer.is_identified,
    };
    bytes(&proto::Registered { identified: Some(identified) })
}

fn named(code: i16, end: &GlobalEnd) -> Option<proto::GlobalNamed> {
    let (xid, extra_data) = (end.xid.bytes().clone(), end.extra_data.bytes().clone());
    Some(proto::GlobalNamed { asked: asked(code), xid, extra_data })
}

fn global_end(code: i16, end: &GlobalEnd) -> Bytes {
    bytes(&proto::GlobalEnd { named: named(code, end) })
}

fn branch_register(code: i16, branch: &BranchRegister) -> proto::BranchRegister {
    proto::BranchRegister {
        asked: asked(code),
        xid: branch.xid.bytes().clone(),
        branch_type: branch.branch_type.code().into(),
        resource_id: branch.resource_id.bytes().clone(),
        lock_key: branch.lock_key.bytes().clone(),
        application_data: branch.application_data.bytes().clone(),
    }
}

fn request(request: &Request) -> (&'static str, Bytes) {
    match request {
        Request::GlobalBegin(begin) => {
            let asked = asked(type_code::GLOBAL_BEGIN);
            let transaction_name = begin.name.bytes().clone();
            let written = proto::GlobalBegin { asked, timeout: begin.timeout_ms, transaction_name };
            (type_name::GLOBAL_BEGIN, bytes(&written))
        }
        Request::GlobalCommit(end) => (type_name::GLOBAL_COMMIT, global_end(type_code::GLOBAL_COMMIT, end)),
        Request::GlobalRollback(end) => {
            (type_name::GLOBAL_ROLLBACK, global_end(type_code::GLOBAL_ROLLBACK, end))
        }
        Request::GlobalStatus(end) => (type_name::GLOBAL_STATUS, global_end(type_code::GLOBAL_STATUS, end)),
        Request::GlobalReport(report) => {
            let end = GlobalEnd { xid: report.xid.clone(), extra_data: report.extra_data.clone() };
            let status = report.status.unwrap_or(GlobalStatus::Unknown).code().into();
            let named = named(type_code::GLOBAL_REPORT, &end);
            (type_name::GLOBAL_REPORT, bytes(&proto::GlobalReport { named, status }))
        }
        Request::BranchRegister(branch) => {
            (type_name::BRANCH_REGISTER, bytes(&branch_register(type_code::BRANCH_REGISTER, branch)))
        }
        Request::GlobalLockQuery(branch) => {
            let branch = Some(branch_register(type_code::GLOBAL_LOCK_QUERY, branch));
            (type_name::GLOBAL_LOCK_QUERY, bytes(&proto::GlobalLockQuery { branch }))
        }
        Request::BranchReport(report) => {
            let written = proto::BranchReport {
                asked: asked(type_code::BRANCH_REPORT),
                xid: report.xid.bytes().clone(),
                branch_id: report.branch_id,
                resource_id: report.resource_id.bytes().clone(),
                status: report.status.code().into(),
                application_data: report.application_data.bytes().clone(),
                branch_type: report.branch_type.code().into(),
            };
            (type_name::BRANCH_REPORT, bytes(&written))
        }
    }
}

/// The states that came with 1.5.0 and later have no numbers here: all clients are told of them as old ones are.
fn global_ended(code: i16, answer: &GlobalEndAnswer) -> Bytes {
    let status = answer.status.told(ClientVersion::default()).code().into();
    let state = proto::GlobalState { answered: answered(code, &answer.outcome), status };
    bytes(&proto::GlobalEnded { state: Some(state) })
}

fn answer(answer: &Answer) -> (&'static str, Bytes) {
    match answer {
        Answer::GlobalBegin(begin) => {
            let written = proto::GlobalBegun {
                answered: answered(type_code::GLOBAL_BEGIN_ANSWER, &begin.outcome),
                xid: begin.xid.bytes().clone(),
                extra_data: begin.extra_data.bytes().clone(),
            };
            (type_name::GLOBAL_BEGIN_ANSWER, bytes(&written))
        }
        Answer::GlobalCommit(end) => {
            (type_name::GLOBAL_COMMIT_ANSWER, global_ended(type_code::GLOBAL_COMMIT_ANSWER, end))
        }
        Answer::GlobalRollback(end) => {
            (type_name::GLOBAL_ROLLBACK_ANSWER, global_ended(type_code::GLOBAL_ROLLBACK_ANSWER, end))
        }
        Answer::GlobalStatus(end) => {
            (type_name::GLOBAL_STATUS_ANSWER, global_ended(type_code::GLOBAL_STATUS_ANSWER, end))
        }
        Answer::GlobalReport(end) => {
            (type_name::GLOBAL_REPORT_ANSWER, global_ended(type_code::GLOBAL_REPORT_ANSWER, end))
        }
        Answer::BranchRegister(branch) => {
            let answered = answered(type_code::BRANCH_REGISTER_ANSWER, &branch.outcome);
            let written = proto::BranchRegistered { answered, branch_id: branch.branch_id };
            (type_name::BRANCH_REGISTER_ANSWER, bytes(&written))
        }
        Answer::BranchReport(outcome) => {
            let answered = answered(type_code::BRANCH_REPORT_ANSWER, outcome);
            (type_name::BRANCH_REPORT_ANSWER, bytes(&proto::BranchReported { answered }))
        }
        Answer::GlobalLockQuery(query) => {
            let answered = answered(type_code::GLOBAL_LOCK_QUERY_ANSWER, &query.outcome);
            let written = proto::GlobalLockQueried { answered, lockable: query.is_lockable };
            (type_name::GLOBAL_LOCK_QUERY_ANSWER, bytes(&written))
        }
    }
}

fn branch_end(code: i16, branch: &BranchEnd) -> Bytes {
    let named = proto::BranchNamed {
        asked: asked(code),
        xid: branch.xid.bytes().clone(),
        branch_id: branch.branch_id,
        branch_type: branch.branch_type.code().into(),
        resource_id: branch.resource_id.bytes().clone(),
        application_data: branch.application_data.bytes().clone(),
    };
    bytes(&proto::BranchEnd { named: Some(named) })
}

fn branch_ended(code: i16, answer: &BranchEndAnswer) -> Bytes {
    let state = proto::BranchState {
        answered: answered(code, &answer.outcome),
        xid: answer.xid.bytes().clone(),
        branch_id: answer.branch_id,
        status: answer.status.code().into(),
    };
    bytes(&proto::BranchEnded { state: Some(state) })
}
