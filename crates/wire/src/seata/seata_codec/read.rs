//! Messages out of bytes.

use bytes::Bytes;

use super::NO_STATUS;
use super::fields::Fields;
use crate::seata::code::{BranchStatus, BranchType, ExceptionCode, GlobalStatus};
use crate::seata::error::DecodeError;
use crate::seata::message::{
    Answer, BranchEnd, BranchEndAnswer, BranchRegister, BranchRegisterAnswer, BranchReport, Failure,
    GlobalBegin, GlobalBeginAnswer, GlobalEnd, GlobalEndAnswer, GlobalLockQueryAnswer, GlobalReport,
    MergedWarp, Message, Outcome, Register, RegisterAnswer, Request, UndoLogDelete,
};
use crate::seata::text::Text;
use crate::seata::type_code;
use crate::seata::version::{Client, ClientVersion};

/// The fewest bytes of a message inside another: its type code and an answer that carries nothing.
const NESTED_BYTES_MIN: usize = 4;

/// Reads the body of a frame of this version of the protocol, which `client` wrote or is to read. What stands behind the last
/// field is passed over, as the original does: a later version may have put it there.
///
/// # Errors
/// It is no message, or a field of it is none.
pub fn decode(body: Bytes, version: u8, client: Client) -> Result<Message, DecodeError> {
    let fields = &mut Fields::new(body);
    let code = fields.i16("typeCode")?;
    Ok(match code {
        type_code::REGISTER_TM => Message::RegisterTm(register(fields)?),
        type_code::REGISTER_RM => Message::RegisterRm(register_rm(fields)?),
        type_code::UNREGISTER_RM => Message::UnregisterRm(register_rm(fields)?),
        type_code::REGISTER_TM_ANSWER => Message::RegisterTmAnswer(register_answer(fields, version)?),
        type_code::REGISTER_RM_ANSWER => Message::RegisterRmAnswer(register_answer(fields, version)?),
        // This one stayed as it was.
        type_code::UNREGISTER_RM_ANSWER => Message::UnregisterRmAnswer(register_answer(fields, 1)?),
        type_code::MERGED_WARP => Message::MergedWarp(merged_warp(fields)?),
        type_code::MERGE_RESULT => Message::MergeResult(merge_result(fields, client)?),
        type_code::BATCH_RESULT => Message::BatchResult(batch_result(fields, client)?),
        type_code::BRANCH_COMMIT => Message::BranchCommit(branch_end(fields)?),
        type_code::BRANCH_ROLLBACK => Message::BranchRollback(branch_end(fields)?),
        type_code::BRANCH_COMMIT_ANSWER => Message::BranchCommitAnswer(branch_end_answer(fields, client)?),
        type_code::BRANCH_ROLLBACK_ANSWER => {
            Message::BranchRollbackAnswer(branch_end_answer(fields, client)?)
        }
        type_code::UNDO_LOG_DELETE => Message::UndoLogDelete(UndoLogDelete {
            branch_type: branch_type(fields)?,
            resource_id: fields.text("resourceId")?,
            save_days: fields.i16("saveDays")?,
        }),
        code => match request(code, fields)? {
            Some(request) => Message::Request(request),
            None => Message::Answer(answer(code, fields, client.version)?.ok_or(DecodeError::Type(code))?),
        },
    })
}

/// Old clients end somewhere before its last field.
fn tail(fields: &mut Fields, field: &'static str) -> Result<Text, DecodeError> {
    if fields.bytes_left() == 0 { Ok(Text::EMPTY) } else { fields.text(field) }
}

fn register(fields: &mut Fields) -> Result<Register, DecodeError> {
    Ok(Register {
        version: fields.text("version")?,
        application_id: tail(fields, "applicationId")?,
        transaction_service_group: tail(fields, "transactionServiceGroup")?,
        extra_data: tail(fields, "extraData")?,
        resource_ids: Text::EMPTY,
    })
}

fn register_rm(fields: &mut Fields) -> Result<Register, DecodeError> {
    let read = register(fields)?;
    let resource_ids =
        if fields.bytes_left() == 0 { Text::EMPTY } else { fields.long_text("resourceIds")? };
    Ok(Register { resource_ids, ..read })
}

fn register_answer(fields: &mut Fields, version: u8) -> Result<RegisterAnswer, DecodeError> {
    let reason = if version < 2 { Text::EMPTY } else { result(fields)?.err().unwrap_or_default() };
    let is_identified = fields.u8("identified")? == 1;
    let reason = if is_identified { Text::EMPTY } else { reason };
    Ok(RegisterAnswer { is_identified, version: fields.text("version")?, reason })
}

/// Whether it succeeded; if not, why.
fn result(fields: &mut Fields) -> Result<Result<(), Text>, DecodeError> {
    match fields.u8("resultCode")? {
        0 => Ok(Err(fields.text("msg")?)),
        1 => Ok(Ok(())),
        code => Err(DecodeError::Code { field: "resultCode", code: code.into() }),
    }
}

fn outcome(fields: &mut Fields, client: ClientVersion) -> Result<Outcome, DecodeError> {
    let result = result(fields)?;
    exception(fields, client, result)
}

fn exception(
    fields: &mut Fields,
    client: ClientVersion,
    result: Result<(), Text>,
) -> Result<Outcome, DecodeError> {
    let code = ExceptionCode::from_code(fields.u8("transactionExceptionCode")?, client);
    Ok(result.map_err(|text| Failure { code, text }))
}

fn request(code: i16, fields: &mut Fields) -> Result<Option<Request>, DecodeError> {
    Ok(Some(match code {
        type_code::GLOBAL_BEGIN => Request::GlobalBegin(GlobalBegin {
            timeout_ms: fields.i32("timeout")?,
            name: fields.text("transactionName")?,
        }),
        type_code::GLOBAL_COMMIT => Request::GlobalCommit(global_end(fields)?),
        type_code::GLOBAL_ROLLBACK => Request::GlobalRollback(global_end(fields)?),
        type_code::GLOBAL_STATUS => Request::GlobalStatus(global_end(fields)?),
        type_code::GLOBAL_REPORT => {
            let GlobalEnd { xid, extra_data } = global_end(fields)?;
            let status = match fields.u8("globalStatus")? {
                NO_STATUS => None,
                code => Some(GlobalStatus::from_code(code).ok_or_else(|| unknown_status(code))?),
            };
            Request::GlobalReport(GlobalReport { xid, extra_data, status })
        }
        type_code::BRANCH_REGISTER => Request::BranchRegister(branch_register(fields)?),
        type_code::GLOBAL_LOCK_QUERY => Request::GlobalLockQuery(branch_register(fields)?),
        type_code::BRANCH_REPORT => Request::BranchReport(BranchReport {
            xid: fields.text("xid")?,
            branch_id: fields.i64("branchId")?,
            status: branch_status(fields)?,
            resource_id: fields.text("resourceId")?,
            application_data: fields.long_text("applicationData")?,
            branch_type: branch_type(fields)?,
        }),
        _ => return Ok(None),
    }))
}

const fn unknown_status(code: u8) -> DecodeError {
    DecodeError::Code { field: "globalStatus", code: code as i64 }
}

fn branch_status(fields: &mut Fields) -> Result<BranchStatus, DecodeError> {
    fields.code("branchStatus", BranchStatus::from_code)
}

fn branch_type(fields: &mut Fields) -> Result<BranchType, DecodeError> {
    fields.code("branchType", BranchType::from_code)
}

fn global_end(fields: &mut Fields) -> Result<GlobalEnd, DecodeError> {
    Ok(GlobalEnd { xid: fields.text("xid")?, extra_data: fields.text("extraData")? })
}

fn branch_register(fields: &mut Fields) -> Result<BranchRegister, DecodeError> {
    Ok(BranchRegister {
        xid: fields.text("xid")?,
        branch_type: branch_type(fields)?,
        resource_id: fields.text("resourceId")?,
        lock_key: fields.long_text("lockKey")?,
        application_data: fields.long_text("applicationData")?,
    })
}

fn answer(code: i16, fields: &mut Fields, client: ClientVersion) -> Result<Option<Answer>, DecodeError> {
    Ok(Some(match code {
        type_code::GLOBAL_BEGIN_ANSWER => Answer::GlobalBegin(GlobalBeginAnswer {
            outcome: outcome(fields, client)?,
            xid: fields.text("xid")?,
            extra_data: fields.text("extraData")?,
        }),
        type_code::GLOBAL_COMMIT_ANSWER => Answer::GlobalCommit(global_end_answer(fields, client)?),
        type_code::GLOBAL_ROLLBACK_ANSWER => Answer::GlobalRollback(global_end_answer(fields, client)?),
        type_code::GLOBAL_STATUS_ANSWER => Answer::GlobalStatus(global_end_answer(fields, client)?),
        type_code::GLOBAL_REPORT_ANSWER => Answer::GlobalReport(global_end_answer(fields, client)?),
        type_code::BRANCH_REGISTER_ANSWER => Answer::BranchRegister(BranchRegisterAnswer {
            outcome: outcome(fields, client)?,
            branch_id: fields.i64("branchId")?,
        }),
        type_code::BRANCH_REPORT_ANSWER => Answer::BranchReport(outcome(fields, client)?),
        type_code::GLOBAL_LOCK_QUERY_ANSWER => Answer::GlobalLockQuery(GlobalLockQueryAnswer {
            outcome: outcome(fields, client)?,
            is_lockable: fields.i16("lockable")? == 1,
        }),
        _ => return Ok(None),
    }))
}

fn global_end_answer(fields: &mut Fields, client: ClientVersion) -> Result<GlobalEndAnswer, DecodeError> {
    Ok(GlobalEndAnswer {
        outcome: outcome(fields, client)?,
        status: fields.code("globalStatus", GlobalStatus::from_code)?,
    })
}

fn branch_end(fields: &mut Fields) -> Result<BranchEnd, DecodeError> {
    Ok(BranchEnd {
        xid: fields.text("xid")?,
        branch_id: fields.i64("branchId")?,
        branch_type: branch_type(fields)?,
        resource_id: fields.text("resourceId")?,
        application_data: fields.long_text("applicationData")?,
    })
}

/// seata-go writes the text of a failure behind one byte of length here (`branch_commit_response_codec.go`): what does not add
/// up the usual way is tried like that.
fn branch_end_answer(fields: &Fields, client: Client) -> Result<BranchEndAnswer, DecodeError> {
    let rest = |result: Result<(), Text>, fields: &mut Fields| {
        let read = BranchEndAnswer {
            outcome: exception(fields, client.version, result)?,
            xid: fields.text("xid")?,
            branch_id: fields.i64("branchId")?,
            status: branch_status(fields)?,
        };
        fields.end("branchStatus").map(|()| read)
    };
    let usual = |mut fields: Fields| {
        let result = result(&mut fields)?;
        rest(result, &mut fields)
    };
    let go = |mut fields: Fields| match fields.u8("resultCode")? {
        0 => {
            let text = fields.tiny_text("msg")?;
            rest(Err(text), &mut fields)
        }
        code => Err(DecodeError::Code { field: "resultCode", code: code.into() }),
    };
    usual(fields.clone()).or_else(|error| go(fields.clone()).map_err(|_| error))
}

/// The messages inside another and what follows them. The length before them counts both.
fn nested<T>(
    fields: &mut Fields,
    read: impl Fn(i16, &mut Fields) -> Result<Option<T>, DecodeError>,
) -> Result<(Vec<T>, Fields), DecodeError> {
    let length = fields.i32("length")?;
    let length = usize::try_from(length).map_err(|_| bad_length("length", length))?;
    let mut list = fields.part("length", length)?;
    let count = list.i16("count")?;
    let count = usize::try_from(count).map_err(|_| bad_length("count", count.into()))?;
    let mut messages = Vec::with_capacity(count.min(list.bytes_left() / NESTED_BYTES_MIN));
    for _ in 0..count {
        let code = list.i16("typeCode")?;
        messages.push(read(code, &mut list)?.ok_or(DecodeError::Nested(code))?);
    }
    Ok((messages, list))
}

fn bad_length(field: &'static str, length: i32) -> DecodeError {
    DecodeError::Length { field, length: length.into() }
}

/// As many ids as there are messages.
fn ids(mut fields: Fields, count: usize) -> Result<Vec<i32>, DecodeError> {
    let mut all = fields.part("msgIds", count * 4)?;
    fields.end("msgIds")?;
    (0..count).map(|_| all.i32("msgIds")).collect()
}

fn merged_warp(fields: &mut Fields) -> Result<MergedWarp, DecodeError> {
    let (requests, rest) = nested(fields, request)?;
    let ids = if rest.bytes_left() == 0 { Vec::new() } else { ids(rest, requests.len())? };
    Ok(MergedWarp { requests, ids })
}

fn merge_result(fields: &mut Fields, client: Client) -> Result<Vec<Answer>, DecodeError> {
    let (answers, rest) = nested(fields, |code, fields| answer(code, fields, client.version))?;
    rest.end("results")?;
    Ok(answers)
}

fn batch_result(fields: &mut Fields, client: Client) -> Result<Vec<(i32, Answer)>, DecodeError> {
    let (answers, rest) = nested(fields, |code, fields| answer(code, fields, client.version))?;
    Ok(ids(rest, answers.len())?.into_iter().zip(answers).collect())
}
