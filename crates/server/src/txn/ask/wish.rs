//! What is to be begun, in the words of the API: nothing is checked yet.

use bytes::Bytes;
use synod_core::txn::Mode;

/// A transaction. What is `None` was not said.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The initiator's own id.
    pub gid: Option<String>,
    /// What kind it is.
    pub mode: Mode,
    /// What people call it; of messages and notifications the topic.
    pub name: String,
    /// How long it may stay undecided (a saga: without an end).
    pub timeout_ms: Option<u64>,
    /// How long a call may take.
    pub call_timeout_ms: Option<u64>,
    /// The first pause before a call is repeated.
    pub retry_ms: Option<u64>,
    /// After so many failed attempts of an action a saga turns back.
    pub retry_limit: Option<u32>,
    /// Not to be delivered before.
    pub delay_ms: Option<u64>,
    /// Branches are called side by side.
    pub concurrent: bool,
    /// A saga that never turns back.
    pub forward_only: bool,
    /// The pauses between the attempts of a notification.
    pub schedule_ms: Option<Vec<u64>>,
    /// Sent with every call.
    pub headers: Vec<(String, String)>,
    /// Whom to call when the initiator is silent.
    pub back_check: Option<String>,
    /// A workflow's input; elsewhere what branches are called with that have no payload of their own.
    pub payload: Option<Bytes>,
    /// Who takes part from the beginning.
    pub branches: Vec<BranchWish>,
    /// Whether it is decided to go forward in the same breath; a notification always is.
    pub submit: Option<bool>,
}

impl Wish {
    /// Nothing but a mode.
    pub fn new(mode: Mode) -> Self {
        Self {
            gid: None,
            mode,
            name: String::new(),
            timeout_ms: None,
            call_timeout_ms: None,
            retry_ms: None,
            retry_limit: None,
            delay_ms: None,
            concurrent: false,
            forward_only: false,
            schedule_ms: None,
            headers: Vec::new(),
            back_check: None,
            payload: None,
            branches: Vec::new(),
            submit: None,
        }
    }
}

/// A branch.
#[derive(Clone, Debug, Default)]
pub struct BranchWish {
    /// The id by which the participant knows it.
    pub id: Option<String>,
    /// Which of several things with one id: of a workflow's step.
    pub label: String,
    /// Whom to call forward.
    pub forward: Option<String>,
    /// Whom to call back.
    pub backward: Option<String>,
    /// With what.
    pub payload: Option<Bytes>,
    /// The branches, by id, that go first.
    pub after: Vec<String>,
    /// A workflow's step that was refused.
    pub refused: bool,
}
