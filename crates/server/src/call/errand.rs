//! What a call is about: whom it calls, for what, and with what. Read out of the transaction once, for all protocols.

use std::borrow::Cow;

use bytes::Bytes;
use synod_core::txn::drive::Call;
use synod_core::txn::mode::Errand;
use synod_core::txn::{Mode, Protocol, Target, Txn, Way};
use synod_wire::dtm;

/// What a participant is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Action,
    Compensate,
    Confirm,
    Cancel,
    Commit,
    Rollback,
    Deliver,
    Notify,
    Check,
    Run,
}

impl Op {
    fn of(mode: Mode, errand: Errand) -> Self {
        match (mode, errand) {
            (Mode::Workflow, Errand::BackCheck) => Self::Run,
            (_, Errand::BackCheck) => Self::Check,
            (Mode::Tcc | Mode::Mixed, Errand::Leg(_, Way::Forward)) => Self::Confirm,
            (Mode::Tcc | Mode::Mixed, Errand::Leg(_, Way::Backward)) => Self::Cancel,
            (Mode::Xa, Errand::Leg(_, Way::Forward)) => Self::Commit,
            (Mode::Xa, Errand::Leg(_, Way::Backward)) => Self::Rollback,
            (Mode::Message, Errand::Leg(_, Way::Forward)) => Self::Deliver,
            (Mode::Notification, Errand::Leg(_, Way::Forward)) => Self::Notify,
            (_, Errand::Leg(_, Way::Forward)) => Self::Action,
            (_, Errand::Leg(_, Way::Backward)) => Self::Compensate,
        }
    }

    /// The word of the native dialect, in logs and in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensate => "compensate",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Deliver => "deliver",
            Self::Notify => "notify",
            Self::Check => "check",
            Self::Run => "run",
        }
    }
}

/// One of the driver's calls.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) txn: &'a Txn,
    /// As participants know it.
    pub(super) xid: String,
    pub(super) target: &'a Target,
    /// The branch's id; `None` when the initiator is called.
    pub(super) branch: Option<&'a str>,
    pub(super) op: Op,
    /// Which way it is to go.
    pub(super) way: Way,
    pub(super) payload: Cow<'a, Bytes>,
    /// Which attempt it is, from 1 on, where attempts are counted.
    pub(super) attempt: u32,
}

impl<'a> Task<'a> {
    /// `None` when there is nobody to call. `address` stands in the text of the XID.
    pub(super) fn new(call: &'a Call, address: &str) -> Option<Self> {
        let txn = &*call.txn;
        let (target, branch, way, payload, attempts) = match call.errand {
            Errand::Leg(number, way) => {
                let branch = txn.branches.get(usize::from(number))?;
                let leg = branch.leg(way);
                let payload = Cow::Borrowed(&branch.payload);
                (leg.target.as_ref()?, Some(&*branch.id), way, payload, leg.attempts)
            }
            Errand::BackCheck => {
                let target = txn.back_check.as_ref()?;
                (target, None, Way::Forward, initial(txn, target.protocol), 0)
            }
        };
        Some(Self {
            txn,
            xid: txn.xid.text(address),
            target,
            branch,
            op: Op::of(txn.mode, call.errand),
            way,
            payload,
            attempt: attempts.saturating_add(1),
        })
    }
}

/// What an initiator is called with: a workflow with what it was begun with, others with nothing.
fn initial(txn: &Txn, protocol: Protocol) -> Cow<'_, Bytes> {
    match protocol {
        _ if txn.mode != Mode::Workflow => Cow::Owned(Bytes::new()),
        Protocol::Http | Protocol::Grpc => Cow::Borrowed(&txn.note),
        Protocol::DtmHttp | Protocol::DtmJsonRpc => Cow::Owned(workflow_data(&txn.note, "http")),
        Protocol::DtmGrpc => Cow::Owned(workflow_data(&txn.note, dtm::GRPC_PROTOCOL)),
        // Seata has no workflows.
        Protocol::Seata => Cow::Owned(Bytes::new()),
    }
}

/// The argument out of dtm's custom data, which is the JSON value that the note begins with. The face has read it before.
fn workflow_data(note: &[u8], protocol: &str) -> Bytes {
    let mut values = serde_json::Deserializer::from_slice(note).into_iter::<serde::de::IgnoredAny>();
    let end = values.next().and_then(Result::ok).map_or(0, |_| values.byte_offset());
    let text = std::str::from_utf8(&note[..end]).unwrap_or_default();
    let custom = dtm::WorkflowCustom::decode(text, &dtm::Limits::REQUEST).unwrap_or_default();
    dtm::workflow_data(&custom, protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_of_a_workflow_is_found_in_its_note() {
        // "ZGF0YQ==" is "data".
        let note = br#"{"name":"w","data":"ZGF0YQ=="}"#;
        assert_eq!(workflow_data(note, "http"), "data");
        assert_eq!(workflow_data(note, "grpc"), &b"\x0a\x04data"[..]);
        let more = [&note[..], b"\0and more"].concat();
        assert_eq!(workflow_data(&more, "http"), "data");
        for odd in [&b""[..], b"x", b"{}", b"[1]", b"\xff", br#"{"data":"!"}"#] {
            assert_eq!(workflow_data(odd, "http"), "", "{odd:?}");
        }
    }

    #[test]
    fn each_mode_has_its_words() {
        use Mode::{Message, Notification, Saga, Tcc, Workflow, Xa};
        let (forward, backward) = (Errand::Leg(0, Way::Forward), Errand::Leg(0, Way::Backward));
        for (mode, errand, word) in [
            (Saga, forward, "action"),
            (Saga, backward, "compensate"),
            (Tcc, forward, "confirm"),
            (Tcc, backward, "cancel"),
            (Xa, forward, "commit"),
            (Xa, backward, "rollback"),
            (Message, forward, "deliver"),
            (Message, Errand::BackCheck, "check"),
            (Notification, forward, "notify"),
            (Workflow, Errand::BackCheck, "run"),
        ] {
            assert_eq!(Op::of(mode, errand).as_str(), word);
        }
    }
}
