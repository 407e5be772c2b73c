//! Messages out of protobuf. As everywhere in protobuf, what is missing is empty or 0.

use bytes::{Buf, Bytes};
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, int32, skip_field};

use super::{exception_code, proto, type_name};
use crate::seata::code::{BranchStatus, BranchType, GlobalStatus};
use crate::seata::error::DecodeError;
use crate::seata::message::{
    Answer, BranchEnd, BranchEndAnswer, BranchRegister, BranchRegisterAnswer, BranchReport, Failure,
    GlobalBegin, GlobalBeginAnswer, GlobalEnd, GlobalEndAnswer, GlobalLockQueryAnswer, GlobalReport,
    MergedWarp, Message, Outcome, Register, RegisterAnswer, Request, UndoLogDelete,
};
use crate::seata::text::Text;

/// As many messages as the protocol's own codec can say.
const MESSAGES_MAX: usize = i16::MAX as usize;

type Read<T> = Result<T, DecodeError>;

/// Reads the body of a frame.
///
/// # Errors
/// It is no message, or a field of it is none.
pub fn decode(mut body: Bytes) -> Read<Message> {
    const FIELD: &str = "typeName";
    let length = body.try_get_i32().map_err(|_| DecodeError::Short { field: FIELD })?;
    let bytes =
        usize::try_from(length).map_err(|_| DecodeError::Length { field: FIELD, length: length.into() })?;
    if bytes > body.len() {
        return Err(DecodeError::Short { field: FIELD });
    }
    let name = body.split_to(bytes);
    let name = super::local_name(&name).ok_or_else(|| super::unknown_name(&name))?;
    Ok(match name {
        type_name::REGISTER_TM => Message::RegisterTm(register(body)?),
        type_name::REGISTER_RM => Message::RegisterRm(register(body)?),
        type_name::REGISTER_TM_ANSWER => Message::RegisterTmAnswer(registered(body)?),
        type_name::REGISTER_RM_ANSWER => Message::RegisterRmAnswer(registered(body)?),
        type_name::MERGED_WARP => {
            let (requests, ids) = merged(body, request)?;
            if !ids.is_empty() && ids.len() != requests.len() {
                return Err(bad_count(ids.len()));
            }
            Message::MergedWarp(MergedWarp { requests, ids })
        }
        type_name::MERGE_RESULT => Message::MergeResult(merged(body, answer)?.0),
        type_name::BATCH_RESULT => {
            let (answers, ids) = merged(body, answer)?;
            if ids.len() != answers.len() {
                return Err(bad_count(ids.len()));
            }
            Message::BatchResult(ids.into_iter().zip(answers).collect())
        }
        type_name::BRANCH_COMMIT => Message::BranchCommit(branch_end(body)?),
        type_name::BRANCH_ROLLBACK => Message::BranchRollback(branch_end(body)?),
        type_name::BRANCH_COMMIT_ANSWER => Message::BranchCommitAnswer(branch_ended(body)?),
        type_name::BRANCH_ROLLBACK_ANSWER => Message::BranchRollbackAnswer(branch_ended(body)?),
        type_name::UNDO_LOG_DELETE => {
            let read = proto::UndoLogDelete::decode(body)?;
            let save_days =
                i16::try_from(read.save_days).map_err(|_| bad_code("saveDays", read.save_days))?;
            Message::UndoLogDelete(UndoLogDelete {
                branch_type: branch_type(read.branch_type)?,
                resource_id: text("resourceId", read.resource_id)?,
                save_days,
            })
        }
        _ => match request(name, body.clone())? {
            Some(request) => Message::Request(request),
            None => Message::Answer(answer(name, body)?.ok_or_else(|| super::unknown_name(name.as_bytes()))?),
        },
    })
}

fn text(field: &'static str, bytes: Bytes) -> Read<Text> {
    Text::from_utf8(bytes).ok_or(DecodeError::Utf8 { field })
}

fn bad_code(field: &'static str, code: i32) -> DecodeError {
    DecodeError::Code { field, code: code.into() }
}

fn bad_count(found: usize) -> DecodeError {
    DecodeError::Length { field: "msgIds", length: i64::try_from(found).unwrap_or(i64::MAX) }
}

fn code<T>(field: &'static str, code: i32, from_code: impl FnOnce(u8) -> Option<T>) -> Read<T> {
    u8::try_from(code).ok().and_then(from_code).ok_or_else(|| bad_code(field, code))
}

fn branch_type(number: i32) -> Read<BranchType> {
    code("branchType", number, BranchType::from_code)
}

fn branch_status(number: i32) -> Read<BranchStatus> {
    code("branchStatus", number, BranchStatus::from_code)
}

fn global_status(number: i32) -> Read<GlobalStatus> {
    code("globalStatus", number, GlobalStatus::from_code)
}

/// The messages of a list one by one, and the ids.
fn merged<T>(mut rest: Bytes, read: impl Fn(&str, Bytes) -> Read<Option<T>>) -> Read<(Vec<T>, Vec<i32>)> {
    let (mut messages, mut ids) = (Vec::new(), Vec::new());
    while rest.has_remaining() {
        let (field, kind) = decode_key(&mut rest)?;
        match (field, kind) {
            (2, WireType::LengthDelimited) => {
                let length = decode_varint(&mut rest)?;
                let length = usize::try_from(length).ok().filter(|length| *length <= rest.len());
                let part = rest.split_to(length.ok_or(DecodeError::Short { field: "msgs" })?);
                if messages.len() == MESSAGES_MAX {
                    let length = i64::from(i16::MAX) + 1;
                    return Err(DecodeError::Length { field: "msgs", length });
                }
                let any = proto::Any::decode(part)?;
                let nested = || super::unknown_nested(&any.type_url);
                let url =
                    any.type_url.iter().rposition(|&byte| byte == b'/').map(|at| &any.type_url[at + 1..]);
                let name = url.and_then(super::local_name).ok_or_else(nested)?;
                messages.push(read(name, any.value.clone())?.ok_or_else(nested)?);
            }
            (3, _) => int32::merge_repeated(kind, &mut ids, &mut rest, DecodeContext::default())?,
            _ => skip_field(kind, field, &mut rest, DecodeContext::default())?,
        }
    }
    Ok((messages, ids))
}

fn register(body: Bytes) -> Read<Register> {
    let read = proto::Register::decode(body)?;
    let identify = read.identify.unwrap_or_default();
    Ok(Register {
        version: text("version", identify.version)?,
        application_id: text("applicationId", identify.application_id)?,
        transaction_service_group: text("transactionServiceGroup", identify.transaction_service_group)?,
        extra_data: text("extraData", identify.extra_data)?,
        resource_ids: text("resourceIds", read.resource_ids)?,
    })
}

fn registered(body: Bytes) -> Read<RegisterAnswer> {
    let identified = proto::Registered::decode(body)?.identified.unwrap_or_default();
    Ok(RegisterAnswer {
        is_identified: identified.identified,
        version: text("version", identified.version)?,
        reason: text("msg", identified.result.unwrap_or_default().msg)?,
    })
}

fn outcome(answered: Option<proto::Answered>) -> Read<Outcome> {
    let answered = answered.unwrap_or_default();
    let result = answered.result.unwrap_or_default();
    match result.result_code {
        1 => Ok(Ok(())),
        0 => {
            let code = exception_code::read(answered.exception_code);
            Ok(Err(Failure { code, text: text("msg", result.msg)? }))
        }
        code => Err(bad_code("resultCode", code)),
    }
}

fn named(named: Option<proto::GlobalNamed>) -> Read<GlobalEnd> {
    let named = named.unwrap_or_default();
    Ok(GlobalEnd { xid: text("xid", named.xid)?, extra_data: text("extraData", named.extra_data)? })
}

fn global_end(body: Bytes) -> Read<GlobalEnd> {
    named(proto::GlobalEnd::decode(body)?.named)
}

fn branch_register(read: proto::BranchRegister) -> Read<BranchRegister> {
    Ok(BranchRegister {
        xid: text("xid", read.xid)?,
        branch_type: branch_type(read.branch_type)?,
        resource_id: text("resourceId", read.resource_id)?,
        lock_key: text("lockKey", read.lock_key)?,
        application_data: text("applicationData", read.application_data)?,
    })
}

fn request(name: &str, body: Bytes) -> Read<Option<Request>> {
    Ok(Some(match name {
        type_name::GLOBAL_BEGIN => {
            let read = proto::GlobalBegin::decode(body)?;
            let name = text("transactionName", read.transaction_name)?;
            Request::GlobalBegin(GlobalBegin { timeout_ms: read.timeout, name })
        }
        type_name::GLOBAL_COMMIT => Request::GlobalCommit(global_end(body)?),
        type_name::GLOBAL_ROLLBACK => Request::GlobalRollback(global_end(body)?),
        type_name::GLOBAL_STATUS => Request::GlobalStatus(global_end(body)?),
        type_name::GLOBAL_REPORT => {
            let read = proto::GlobalReport::decode(body)?;
            let GlobalEnd { xid, extra_data } = named(read.named)?;
            let status = Some(global_status(read.status)?);
            Request::GlobalReport(GlobalReport { xid, extra_data, status })
        }
        type_name::BRANCH_REGISTER => {
            Request::BranchRegister(branch_register(proto::BranchRegister::decode(body)?)?)
        }
        type_name::GLOBAL_LOCK_QUERY => {
            let branch = proto::GlobalLockQuery::decode(body)?.branch.unwrap_or_default();
            Request::GlobalLockQuery(branch_register(branch)?)
        }
        type_name::BRANCH_REPORT => {
            let read = proto::BranchReport::decode(body)?;
            Request::BranchReport(BranchReport {
                xid: text("xid", read.xid)?,
                branch_id: read.branch_id,
                status: branch_status(read.status)?,
                resource_id: text("resourceId", read.resource_id)?,
                application_data: text("applicationData", read.application_data)?,
                branch_type: branch_type(read.branch_type)?,
            })
        }
        _ => return Ok(None),
    }))
}

fn global_ended(body: Bytes) -> Read<GlobalEndAnswer> {
    let state = proto::GlobalEnded::decode(body)?.state.unwrap_or_default();
    Ok(GlobalEndAnswer { outcome: outcome(state.answered)?, status: global_status(state.status)? })
}

fn answer(name: &str, body: Bytes) -> Read<Option<Answer>> {
    Ok(Some(match name {
        type_name::GLOBAL_BEGIN_ANSWER => {
            let read = proto::GlobalBegun::decode(body)?;
            Answer::GlobalBegin(GlobalBeginAnswer {
                outcome: outcome(read.answered)?,
                xid: text("xid", read.xid)?,
                extra_data: text("extraData", read.extra_data)?,
            })
        }
        type_name::GLOBAL_COMMIT_ANSWER => Answer::GlobalCommit(global_ended(body)?),
        type_name::GLOBAL_ROLLBACK_ANSWER => Answer::GlobalRollback(global_ended(body)?),
        type_name::GLOBAL_STATUS_ANSWER => Answer::GlobalStatus(global_ended(body)?),
        type_name::GLOBAL_REPORT_ANSWER => Answer::GlobalReport(global_ended(body)?),
        type_name::BRANCH_REGISTER_ANSWER => {
            let read = proto::BranchRegistered::decode(body)?;
            let outcome = outcome(read.answered)?;
            Answer::BranchRegister(BranchRegisterAnswer { outcome, branch_id: read.branch_id })
        }
        type_name::BRANCH_REPORT_ANSWER => {
            Answer::BranchReport(outcome(proto::BranchReported::decode(body)?.answered)?)
        }
        type_name::GLOBAL_LOCK_QUERY_ANSWER => {
            let read = proto::GlobalLockQueried::decode(body)?;
            let outcome = outcome(read.answered)?;
            Answer::GlobalLockQuery(GlobalLockQueryAnswer { outcome, is_lockable: read.lockable })
        }
        _ => return Ok(None),
    }))
}

fn branch_end(body: Bytes) -> Read<BranchEnd> {
    let named = proto::BranchEnd::decode(body)?.named.unwrap_or_default();
    Ok(BranchEnd {
        xid: text("xid", named.xid)?,
        branch_id: named.branch_id,
        branch_type: branch_type(named.branch_type)?,
        resource_id: text("resourceId", named.resource_id)?,
        application_data: text("applicationData", named.application_data)?,
    })
}

fn branch_ended(body: Bytes) -> Read<BranchEndAnswer> {
    let state = proto::BranchEnded::decode(body)?.state.unwrap_or_default();
    Ok(BranchEndAnswer {
        outcome: outcome(state.answered)?,
        xid: text("xid", state.xid)?,
        branch_id: state.branch_id,
        status: branch_status(state.status)?,
    })
}
