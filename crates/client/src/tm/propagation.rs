//! What happens when work that wants a global transaction finds one, or none, in its context.

/// As Seata has them, but for failures of work that joins: whoever swallows one has not undone what was done before it. So work that
/// joins and fails (its future returns `Err`, panics, or is dropped half-way) marks the transaction, and its commit becomes a rollback,
/// with [`TxError::RollbackOnly`](super::TxError::RollbackOnly). JTA and Spring do so; Seata's Java client commits. A failure that is not to count is returned
/// as a value: `Ok(Err(…))`. The mark is that of the process that has begun the transaction; others tell of their failures in
/// their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Joins the one that is there; begins one if there is none.
    #[default]
    Required,
    /// Begins its own, and leaves the one that is there alone until it has ended.
    RequiresNew,
    /// Works without, and leaves the one that is there alone.
    NotSupported,
    /// Joins the one that is there; works without if there is none.
    Supports,
    /// Joins the one that is there; there must be one.
    Mandatory,
    /// Works without; there must be none.
    Never,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Begin,
    Join,
    Without,
    Refuse,
}

impl Propagation {
    pub(super) const fn course(self, is_in_one: bool) -> Course {
        match (self, is_in_one) {
            (Self::Required, false) | (Self::RequiresNew, _) => Course::Begin,
            (Self::Required | Self::Supports | Self::Mandatory, true) => Course::Join,
            (Self::NotSupported, _) | (Self::Supports | Self::Never, false) => Course::Without,
            (Self::Mandatory, false) | (Self::Never, true) => Course::Refuse,
        }
    }
}
