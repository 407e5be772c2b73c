//! Replication: what one server tells another about its clients' changes, many at a time, in JSON only.

use std::borrow::Cow;

use super::{DecodeError, Instance};

mod read;
mod write;

pub use read::{decode_batch, decode_batch_response};
pub use write::{write_batch, write_batch_response};

/// One change in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchItem<'a> {
    /// Application of the instance.
    pub app_name: Option<Cow<'a, str>>,
    /// Id of the instance.
    pub id: Option<Cow<'a, str>>,
    /// The record's version number, in ms since 1970.
    pub last_dirty: Option<i64>,
    /// Status by name; kept as text since an item with a bad one has an answer of its own.
    pub status: Option<Cow<'a, str>>,
    /// Status set by an operator, by name.
    pub overridden: Option<Cow<'a, str>>,
    /// The whole record, with a registration. Boxed because most items have none.
    pub instance: Option<Box<Instance<'a>>>,
    /// What happened.
    pub action: ItemAction<'a>,
    /// Why a field of a received item could not be read. The other items of its batch are not to blame, so it
    /// is not an error of the whole. Writing passes over it.
    pub refused: Option<DecodeError>,
}

/// The action of an item: what can be wrong with it has different answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ItemAction<'a> {
    /// One of the five.
    Known(ActionKind),
    /// Another name.
    Unknown(Cow<'a, str>),
    /// None at all.
    #[default]
    Missing,
}

/// The changes that are replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// A registration, with the instance.
    Register,
    /// A renewal.
    Heartbeat,
    /// A cancellation.
    Cancel,
    /// A status set by an operator.
    StatusUpdate,
    /// The end of such a status.
    DeleteStatusOverride,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Register, Self::Heartbeat, Self::Cancel, Self::StatusUpdate, Self::DeleteStatusOverride];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "Register",
            Self::Heartbeat => "Heartbeat",
            Self::Cancel => "Cancel",
            Self::StatusUpdate => "StatusUpdate",
            Self::DeleteStatusOverride => "DeleteStatusOverride",
        }
    }

    /// The action of exactly this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The answer to one item of a batch. There must be exactly one for each, in the same order, or a Java sender
/// drops them all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemAnswer<'a> {
    /// HTTP status code.
    pub status: u16,
    /// The receiver's own record, when it is newer (409).
    pub instance: Option<Box<Instance<'a>>>,
}
