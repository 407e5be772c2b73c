//! The messages of gRPC as the same values that JSON carries.

use bytes::Bytes;

use super::custom::WorkflowCustom;
use super::limits::{DecodeError, Limits};
use super::proto;
use super::record::WorkflowReply;
use super::registration::Registration;
use super::transaction::{self, Options, Transaction};

/// The protocol of every transaction that came over gRPC.
pub const GRPC_PROTOCOL: &str = "grpc";

/// The argument of `/workflow.Workflow/Execute`, by which a workflow is resumed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct WorkflowData {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

/// What is sent to resume a workflow whose transaction has this protocol.
pub fn workflow_data(custom: &WorkflowCustom, protocol: &str) -> Bytes {
    if protocol != GRPC_PROTOCOL {
        return custom.data.clone();
    }
    prost::Message::encode_to_vec(&WorkflowData { data: custom.data.clone() }).into()
}

/// Reads a message.
///
/// # Errors
/// It is none of this kind.
pub fn decode_grpc<M: prost::Message + Default>(message: &[u8]) -> Result<M, DecodeError> {
    M::decode(message).map_err(|error| DecodeError::Protobuf(error.to_string()))
}

fn seconds(field: &'static str, number: i64) -> Result<u32, DecodeError> {
    u32::try_from(number).map_err(|_| DecodeError::field(field, "expected a whole number from 0 on"))
}

impl Transaction {
    /// Takes it from a message.
    ///
    /// # Errors
    /// Its steps are not JSON, a number cannot be, or something is over a limit.
    pub fn from_grpc(request: proto::DtmRequest, limits: &Limits) -> Result<Self, DecodeError> {
        let gid = transaction::clean(&request.gid);
        limits.gid(&gid)?;
        for (field, text) in [
            ("trans_type", &request.trans_type),
            ("query_prepared", &request.query_prepared),
            ("custom_data", &request.customed_data),
            ("rollback_reason", &request.rollback_reason),
        ] {
            limits.text(field, text)?;
        }
        limits.pairs("req_extra", request.req_extra.len())?;
        request.req_extra.values().try_for_each(|text| limits.text("req_extra", text))?;
        let (steps, mut inline) = transaction::steps_text(&request.steps, limits)?;
        let mut payloads = request.bin_payloads;
        payloads.append(&mut inline);
        limits.steps("payloads", payloads.len())?;
        payloads.iter().try_for_each(|payload| limits.payload("payloads", payload))?;
        Ok(Self {
            gid,
            trans_type: request.trans_type,
            steps,
            payloads,
            query_prepared: request.query_prepared,
            protocol: GRPC_PROTOCOL.to_owned(),
            custom_data: request.customed_data,
            rollback_reason: request.rollback_reason,
            req_extra: request.req_extra,
            options: Options::from_grpc(request.trans_options.unwrap_or_default(), limits)?,
        })
    }

    /// Makes a message of it. Messages cannot say that the branches of a message run at once.
    pub fn to_grpc(&self) -> proto::DtmRequest {
        proto::DtmRequest {
            gid: self.gid.clone(),
            trans_type: self.trans_type.clone(),
            trans_options: Some(self.options.to_grpc()),
            customed_data: self.custom_data.clone(),
            bin_payloads: self.payloads.clone(),
            query_prepared: self.query_prepared.clone(),
            steps: serde_json::to_string(&self.steps).expect("texts"),
            req_extra: self.req_extra.clone(),
            rollback_reason: self.rollback_reason.clone(),
        }
    }
}

impl Options {
    fn from_grpc(options: proto::DtmTransOptions, limits: &Limits) -> Result<Self, DecodeError> {
        limits.pairs("branch_headers", options.branch_headers.len())?;
        for (name, value) in &options.branch_headers {
            limits.text("branch_headers", name)?;
            limits.text("branch_headers", value)?;
        }
        Ok(Self {
            wait_result: options.wait_result,
            timeout_to_fail_s: seconds("timeout_to_fail", options.timeout_to_fail)?,
            request_timeout_s: seconds("request_timeout", options.request_timeout)?,
            retry_interval_s: seconds("retry_interval", options.retry_interval)?,
            branch_headers: transaction::headers(options.branch_headers)?,
            concurrent: false,
            retry_limit: seconds("retry_limit", options.retry_limit)?,
        })
    }

    fn to_grpc(&self) -> proto::DtmTransOptions {
        proto::DtmTransOptions {
            wait_result: self.wait_result,
            timeout_to_fail: self.timeout_to_fail_s.into(),
            retry_interval: self.retry_interval_s.into(),
            branch_headers: self.branch_headers.clone(),
            request_timeout: self.request_timeout_s.into(),
            retry_limit: self.retry_limit.into(),
        }
    }
}

impl Registration {
    /// Takes it from a message.
    ///
    /// # Errors
    /// Something is over a limit.
    pub fn from_grpc(request: proto::DtmBranchRequest, limits: &Limits) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for (key, text) in request.data {
            read.field(&key, text);
        }
        read.gid = transaction::clean(&request.gid);
        read.trans_type = request.trans_type;
        read.branch_id = request.branch_id;
        read.data = request.busi_payload;
        if !request.op.is_empty() {
            read.op = request.op;
        }
        read.check(limits)?;
        Ok(read)
    }

    /// Makes a message of it.
    pub fn to_grpc(&self) -> proto::DtmBranchRequest {
        let data = [
            ("confirm", &self.confirm),
            ("cancel", &self.cancel),
            ("url", &self.url),
            ("op", &self.op),
            ("status", &self.status),
        ];
        let data = data.into_iter().filter(|(_, text)| !text.is_empty());
        proto::DtmBranchRequest {
            gid: self.gid.clone(),
            trans_type: self.trans_type.clone(),
            branch_id: self.branch_id.clone(),
            op: String::new(),
            data: data.map(|(name, text)| (name.to_owned(), text.clone())).collect(),
            busi_payload: self.data.clone(),
        }
    }
}

impl WorkflowReply {
    /// Makes a message of it, with the result that the original forgets.
    pub fn to_grpc(&self) -> proto::DtmProgressesReply {
        let progress = |branch: &super::BranchRecord| proto::DtmProgress {
            status: branch.status.clone(),
            bin_data: branch.bin_data.clone(),
            branch_id: branch.branch_id.clone(),
            op: branch.op.clone(),
        };
        proto::DtmProgressesReply {
            transaction: Some(proto::DtmTransaction {
                gid: self.transaction.gid.clone(),
                status: self.transaction.status.clone(),
                rollback_reason: self.transaction.rollback_reason.clone(),
                result: self.transaction.result.clone(),
            }),
            progresses: self.progresses.iter().map(progress).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::dtm::{BranchRecord, Step, TransactionRecord};

    #[test]
    fn fields_have_their_numbers() {
        let request = proto::DtmRequest {
            gid: "g".to_owned(),
            trans_type: "t".to_owned(),
            trans_options: Some(proto::DtmTransOptions { retry_limit: 3, ..Default::default() }),
            customed_data: "c".to_owned(),
            bin_payloads: vec![Bytes::from_static(b"p")],
            query_prepared: "q".to_owned(),
            steps: "s".to_owned(),
            req_extra: [("k".to_owned(), "v".to_owned())].into(),
            rollback_reason: "r".to_owned(),
        };
        let expected =
            b"\x0a\x01g\x12\x01t\x1a\x02\x38\x03\x22\x01c\x2a\x01p\x32\x01q\x3a\x01s\x42\x06\x0a\x01k\x12\x01v\x4a\x01r";
        assert_eq!(request.encode_to_vec(), expected);
        let branch = proto::DtmBranchRequest {
            gid: "g".to_owned(),
            trans_type: "t".to_owned(),
            branch_id: "b".to_owned(),
            op: "o".to_owned(),
            data: [("k".to_owned(), "v".to_owned())].into(),
            busi_payload: Bytes::from_static(b"p"),
        };
        let expected = b"\x0a\x01g\x12\x01t\x1a\x01b\x22\x01o\x2a\x06\x0a\x01k\x12\x01v\x32\x01p";
        assert_eq!(branch.encode_to_vec(), expected);
    }

    #[test]
    fn options_of_the_php_client_are_read() {
        // Field 4 held the names of headers once.
        let message = b"\x1a\x09\x08\x01\x22\x01h\x10\x07\x30\x08";
        let request: proto::DtmRequest = decode_grpc(message).unwrap();
        let options = Transaction::from_grpc(request, &Limits::REQUEST).unwrap().options;
        assert_eq!((options.wait_result, options.timeout_to_fail_s, options.request_timeout_s), (true, 7, 8));
    }

    #[test]
    fn steps_are_json_text() {
        let read = |steps: &str| {
            let request = proto::DtmRequest { steps: steps.to_owned(), ..Default::default() };
            Transaction::from_grpc(request, &Limits::REQUEST).map(|read| read.steps)
        };
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("null"), Ok(vec![]));
        let step = Step { action: "a".to_owned(), compensate: "c".to_owned() };
        assert_eq!(read(r#"[{"action":"a","compensate":"c"}]"#), Ok(vec![step]));
        for text in ["x", "{}", "[],\"x\":1", "[1]", "]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_and_limits_are_checked() {
        let options = proto::DtmTransOptions { retry_limit: -1, ..Default::default() };
        let request = proto::DtmRequest { trans_options: Some(options), ..Default::default() };
        let error = Transaction::from_grpc(request, &Limits::REQUEST).unwrap_err();
        assert_eq!(error.to_string(), "retry_limit: expected a whole number from 0 on");
        let limits = Limits { payload_bytes_max: 1, ..Limits::REQUEST };
        let request =
            proto::DtmRequest { bin_payloads: vec![Bytes::from_static(b"ab")], ..Default::default() };
        assert!(Transaction::from_grpc(request, &limits).is_err());
        let request =
            proto::DtmBranchRequest { busi_payload: Bytes::from_static(b"ab"), ..Default::default() };
        assert!(Registration::from_grpc(request, &limits).is_err());
    }

    #[test]
    fn a_workflow_is_resumed_in_its_own_protocol() {
        let custom = WorkflowCustom { name: "w".to_owned(), data: Bytes::from_static(b"d") };
        assert_eq!(workflow_data(&custom, "http"), "d");
        assert_eq!(workflow_data(&custom, "grpc"), &b"\x0a\x01d"[..]);
        assert_eq!(workflow_data(&WorkflowCustom::default(), "grpc"), "");
    }

    #[test]
    fn progress_has_the_result() {
        let transaction = TransactionRecord { result: "cmVz".to_owned(), ..TransactionRecord::default() };
        let branch = BranchRecord { bin_data: Bytes::from_static(b"r"), ..BranchRecord::default() };
        let message = WorkflowReply { progresses: vec![branch], transaction }.to_grpc().encode_to_vec();
        assert_eq!(message, b"\x0a\x06\x22\x04cmVz\x12\x03\x12\x01r");
    }
}
