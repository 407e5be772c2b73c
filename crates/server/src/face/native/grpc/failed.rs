//! Why a call has no other answer, as a status of gRPC. The stable code stands before the text and in the metadata.

use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code as Grpc, Status};

use super::super::problem;
use crate::net;
use crate::txn::ask::{Code, No};

/// Why a request about a transaction has no other answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// It cannot be read.
    Unreadable(String),
    /// It is refused, or nobody knows.
    No(No),
}

impl Failed {
    pub(super) fn unreadable(detail: impl Into<String>) -> Self {
        Self::Unreadable(detail.into())
    }
}

impl From<No> for Failed {
    fn from(no: No) -> Self {
        Self::No(no)
    }
}

/// The status code of a refusal. Those that are not to be mixed up have different ones: what is forgotten is not unknown.
const fn grpc(code: Code) -> Grpc {
    match code {
        Code::NotFound | Code::NoTopic | Code::NoBranch => Grpc::NotFound,
        Code::Forgotten => Grpc::OutOfRange,
        Code::Conflict | Code::BranchConflict => Grpc::AlreadyExists,
        Code::Standing => Grpc::FailedPrecondition,
        Code::Busy | Code::NotReady => Grpc::Unavailable,
        Code::TooLong | Code::Senseless | Code::Destination => Grpc::InvalidArgument,
    }
}

impl From<Failed> for Status {
    fn from(failed: Failed) -> Self {
        let (status, code, detail, xid, standing) = match failed {
            Failed::No(No::Unanswered) => return net::grpc::no_answer(),
            Failed::Unreadable(detail) => {
                // As over HTTP.
                (Grpc::InvalidArgument, problem::Code::BadBody.parts().1, detail, None, None)
            }
            Failed::No(No::Refused { code, detail, xid, standing }) => {
                (grpc(code), code.parts().1, detail, xid, standing)
            }
        };
        let mut status = Self::new(status, format!("{code}: {detail}"));
        let told = [
            ("synod-code", Some(code)),
            ("synod-xid", xid.as_deref()),
            ("synod-standing", standing.map(synod_core::txn::Status::as_str)),
        ];
        for (name, value) in told {
            let value = value.and_then(|value| MetadataValue::<Ascii>::try_from(value).ok());
            if let Some(value) = value {
                status.metadata_mut().insert(name, value);
            }
        }
        status
    }
}

impl From<No> for Status {
    fn from(no: No) -> Self {
        Failed::No(no).into()
    }
}
