//! The mark that a transaction can only be rolled back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Xid;

/// Whether the transaction can only be rolled back, as far as the process knows that has begun it: a part of the work has failed there.
/// All who work in the transaction there share it; to other processes it does not go along, and what is begun elsewhere has none.
/// `tm` says when it is set, and heeds it.
#[derive(Clone, Default)]
pub struct RollbackOnly(Option<Arc<Mark>>);

#[cfg_attr(
    not(any(feature = "native", feature = "seata")),
    allow(dead_code, reason = "nothing begins a transaction")
)]
struct Mark {
    xid: Xid,
    is_set: AtomicBool,
}

impl RollbackOnly {
    /// One that is not set, for a transaction that is begun here.
    #[cfg(any(feature = "native", feature = "seata"))]
    pub(crate) fn new(xid: Xid) -> Self {
        Self(Some(Arc::new(Mark { xid, is_set: AtomicBool::new(false) })))
    }

    /// Sets it, if it is that of this transaction.
    #[cfg(any(feature = "native", feature = "seata"))]
    pub(crate) fn set(&self, xid: &Xid) {
        if let Some(mark) = self.0.as_ref().filter(|mark| mark.xid == *xid)
            && !mark.is_set.swap(true, Ordering::Relaxed)
        {
            tracing::debug!(%xid, "a global transaction can only be rolled back: a part of it has failed");
        }
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|mark| mark.is_set.load(Ordering::Relaxed))
    }
}

/// The same mark.
impl PartialEq for RollbackOnly {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for RollbackOnly {}

impl fmt::Debug for RollbackOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.is_set())
    }
}
