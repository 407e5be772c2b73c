//! Bytes of messages.

use bytes::{BufMut, BytesMut};

use super::NO_STATUS;
use crate::seata::code::GlobalStatus;
use crate::seata::error::EncodeError;
use crate::seata::message::{
    Answer, BranchEnd, BranchEndAnswer, BranchRegister, GlobalEnd, GlobalEndAnswer, MergedWarp, Message,
    Outcome, Register, RegisterAnswer, Request,
};
use crate::seata::type_code;
use crate::seata::version::Client;

/// The longest text that 16 bits can say.
const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// Appends the body of a frame of this version of the protocol, which `client` wrote or is to read. Reasons of failures are cut
/// where they are too long.
///
/// # Errors
/// Another text or a list is longer than can be said. Part of the message has been appended then.
pub fn encode(
    message: &Message,
    version: u8,
    client: Client,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    let writer = &mut Writer { output, client };
    match message {
        Message::RegisterTm(client) => writer.register(type_code::REGISTER_TM, client),
        Message::RegisterRm(client) => writer.register_rm(type_code::REGISTER_RM, client),
        Message::UnregisterRm(client) => writer.register_rm(type_code::UNREGISTER_RM, client),
        Message::RegisterTmAnswer(answer) => {
            writer.register_answer(type_code::REGISTER_TM_ANSWER, answer, version)
        }
        Message::RegisterRmAnswer(answer) => {
            writer.register_answer(type_code::REGISTER_RM_ANSWER, answer, version)
        }
        // This one stayed as it was.
        Message::UnregisterRmAnswer(answer) => {
            writer.register_answer(type_code::UNREGISTER_RM_ANSWER, answer, 1)
        }
        Message::Request(request) => writer.request(request),
        Message::Answer(answer) => writer.answer(answer),
        Message::MergedWarp(merged) => writer.merged_warp(merged),
        Message::MergeResult(answers) => {
            writer.output.put_i16(type_code::MERGE_RESULT);
            writer.nested(answers, Writer::answer, &[])
        }
        Message::BatchResult(answers) => {
            writer.output.put_i16(type_code::BATCH_RESULT);
            let ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
            writer.nested(answers, |writer, (_, answer)| writer.answer(answer), &ids)
        }
        Message::BranchCommit(branch) => writer.branch_end(type_code::BRANCH_COMMIT, branch),
        Message::BranchRollback(branch) => writer.branch_end(type_code::BRANCH_ROLLBACK, branch),
        Message::BranchCommitAnswer(answer) => {
            writer.branch_end_answer(type_code::BRANCH_COMMIT_ANSWER, answer)
        }
        Message::BranchRollbackAnswer(answer) => {
            writer.branch_end_answer(type_code::BRANCH_ROLLBACK_ANSWER, answer)
        }
        Message::UndoLogDelete(order) => {
            writer.output.put_i16(type_code::UNDO_LOG_DELETE);
            writer.output.put_u8(order.branch_type.code());
            writer.text("resourceId", &order.resource_id)?;
            writer.output.put_i16(order.save_days);
            Ok(())
        }
    }
}

/// The longest beginning of `text` that fits.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

struct Writer<'a> {
    output: &'a mut BytesMut,
    client: Client,
}

impl Writer<'_> {
    fn text(&mut self, field: &'static str, text: &str) -> Result<(), EncodeError> {
        let found = text.len();
        let too_long = |_| EncodeError::TooLong { field, found, max: TEXT_BYTES_MAX };
        self.output.put_i16(i16::try_from(found).map_err(too_long)?);
        self.output.put_slice(text.as_bytes());
        Ok(())
    }

    fn long_text(&mut self, field: &'static str, text: &str) -> Result<(), EncodeError> {
        let found = text.len();
        let too_long = |_| EncodeError::TooLong { field, found, max: i32::MAX as usize };
        self.output.put_i32(i32::try_from(found).map_err(too_long)?);
        self.output.put_slice(text.as_bytes());
        Ok(())
    }

    fn register(&mut self, code: i16, client: &Register) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        self.text("version", &client.version)?;
        self.text("applicationId", &client.application_id)?;
        self.text("transactionServiceGroup", &client.transaction_service_group)?;
        self.text("extraData", &client.extra_data)
    }

    fn register_rm(&mut self, code: i16, client: &Register) -> Result<(), EncodeError> {
        self.register(code, client)?;
        self.long_text("resourceIds", &client.resource_ids)
    }

    fn register_answer(
        &mut self,
        code: i16,
        answer: &RegisterAnswer,
        version: u8,
    ) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        if version >= 2 {
            self.result(if answer.is_identified { None } else { Some(&answer.reason) })?;
        }
        self.output.put_u8(answer.is_identified.into());
        self.text("version", &answer.version)
    }

    /// Success, or why not.
    fn result(&mut self, failure: Option<&str>) -> Result<(), EncodeError> {
        self.output.put_u8(failure.is_none().into());
        failure.map_or(Ok(()), |text| self.text("msg", cut(text)))
    }

    fn outcome(&mut self, outcome: &Outcome) -> Result<(), EncodeError> {
        self.result(outcome.as_ref().err().map(|failure| failure.text.as_str()))?;
        self.exception(outcome);
        Ok(())
    }

    fn exception(&mut self, outcome: &Outcome) {
        let code = outcome.as_ref().err().map_or(0, |failure| failure.code.code(self.client.version));
        self.output.put_u8(code);
    }

    /// seata-go reads the text of a failure wrongly in two answers (`branch_statue_report_response_codec.go`,
    /// `global_lock_query_resp_codec.go`), and takes its length for what follows; without text that does no harm.
    fn outcome_without_text_for_go(&mut self, outcome: &Outcome) -> Result<(), EncodeError> {
        let text = outcome.as_ref().err().map(|failure| failure.text.as_str());
        self.result(if self.client.is_go { text.map(|_| "") } else { text })?;
        self.exception(outcome);
        Ok(())
    }

    fn request(&mut self, request: &Request) -> Result<(), EncodeError> {
        match request {
            Request::GlobalBegin(begin) => {
                self.output.put_i16(type_code::GLOBAL_BEGIN);
                self.output.put_i32(begin.timeout_ms);
                self.text("transactionName", &begin.name)
            }
            Request::GlobalCommit(end) => self.global_end(type_code::GLOBAL_COMMIT, end),
            Request::GlobalRollback(end) => self.global_end(type_code::GLOBAL_ROLLBACK, end),
            Request::GlobalStatus(end) => self.global_end(type_code::GLOBAL_STATUS, end),
            Request::GlobalReport(report) => {
                self.output.put_i16(type_code::GLOBAL_REPORT);
                self.text("xid", &report.xid)?;
                self.text("extraData", &report.extra_data)?;
                self.output.put_u8(report.status.map_or(NO_STATUS, GlobalStatus::code));
                Ok(())
            }
            Request::BranchRegister(branch) => self.branch_register(type_code::BRANCH_REGISTER, branch),
            Request::GlobalLockQuery(branch) => self.branch_register(type_code::GLOBAL_LOCK_QUERY, branch),
            Request::BranchReport(report) => {
                self.output.put_i16(type_code::BRANCH_REPORT);
                self.text("xid", &report.xid)?;
                self.output.put_i64(report.branch_id);
                self.output.put_u8(report.status.code());
                self.text("resourceId", &report.resource_id)?;
                self.long_text("applicationData", &report.application_data)?;
                self.output.put_u8(report.branch_type.code());
                Ok(())
            }
        }
    }

    fn global_end(&mut self, code: i16, end: &GlobalEnd) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        self.text("xid", &end.xid)?;
        self.text("extraData", &end.extra_data)
    }

    fn branch_register(&mut self, code: i16, branch: &BranchRegister) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        self.text("xid", &branch.xid)?;
        self.output.put_u8(branch.branch_type.code());
        self.text("resourceId", &branch.resource_id)?;
        self.long_text("lockKey", &branch.lock_key)?;
        self.long_text("applicationData", &branch.application_data)
    }

    fn answer(&mut self, answer: &Answer) -> Result<(), EncodeError> {
        match answer {
            Answer::GlobalBegin(begin) => {
                self.output.put_i16(type_code::GLOBAL_BEGIN_ANSWER);
                self.outcome(&begin.outcome)?;
                self.text("xid", &begin.xid)?;
                self.text("extraData", &begin.extra_data)
            }
            Answer::GlobalCommit(end) => self.global_end_answer(type_code::GLOBAL_COMMIT_ANSWER, end),
            Answer::GlobalRollback(end) => self.global_end_answer(type_code::GLOBAL_ROLLBACK_ANSWER, end),
            Answer::GlobalStatus(end) => self.global_end_answer(type_code::GLOBAL_STATUS_ANSWER, end),
            Answer::GlobalReport(end) => self.global_end_answer(type_code::GLOBAL_REPORT_ANSWER, end),
            Answer::BranchRegister(branch) => {
                self.output.put_i16(type_code::BRANCH_REGISTER_ANSWER);
                self.outcome(&branch.outcome)?;
                self.output.put_i64(branch.branch_id);
                Ok(())
            }
            Answer::BranchReport(outcome) => {
                self.output.put_i16(type_code::BRANCH_REPORT_ANSWER);
                self.outcome_without_text_for_go(outcome)
            }
            Answer::GlobalLockQuery(query) => {
                self.output.put_i16(type_code::GLOBAL_LOCK_QUERY_ANSWER);
                self.outcome_without_text_for_go(&query.outcome)?;
                self.output.put_i16(query.is_lockable.into());
                Ok(())
            }
        }
    }

    fn global_end_answer(&mut self, code: i16, answer: &GlobalEndAnswer) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        self.outcome(&answer.outcome)?;
        self.output.put_u8(answer.status.told(self.client.version).code());
        Ok(())
    }

    fn branch_end(&mut self, code: i16, branch: &BranchEnd) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        self.text("xid", &branch.xid)?;
        self.output.put_i64(branch.branch_id);
        self.output.put_u8(branch.branch_type.code());
        self.text("resourceId", &branch.resource_id)?;
        self.long_text("applicationData", &branch.application_data)
    }

    fn branch_end_answer(&mut self, code: i16, answer: &BranchEndAnswer) -> Result<(), EncodeError> {
        self.output.put_i16(code);
        self.outcome(&answer.outcome)?;
        self.text("xid", &answer.xid)?;
        self.output.put_i64(answer.branch_id);
        self.output.put_u8(answer.status.code());
        Ok(())
    }

    fn merged_warp(&mut self, merged: &MergedWarp) -> Result<(), EncodeError> {
        self.output.put_i16(type_code::MERGED_WARP);
        self.nested(&merged.requests, Self::request, &merged.ids)
    }

    /// The length of all that follows, how many messages, the messages, their ids.
    fn nested<T>(
        &mut self,
        messages: &[T],
        write: impl Fn(&mut Self, &T) -> Result<(), EncodeError>,
        ids: &[i32],
    ) -> Result<(), EncodeError> {
        let at = self.output.len();
        self.output.put_i32(0);
        let too_many =
            |_| EncodeError::TooLong { field: "count", found: messages.len(), max: TEXT_BYTES_MAX };
        self.output.put_i16(i16::try_from(messages.len()).map_err(too_many)?);
        for message in messages {
            write(self, message)?;
        }
        for &id in ids {
            self.output.put_i32(id);
        }
        let found = self.output.len() - at - 4;
        let too_long = |_| EncodeError::TooLong { field: "length", found, max: i32::MAX as usize };
        let length = i32::try_from(found).map_err(too_long)?;
        self.output[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}
