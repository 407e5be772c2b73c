//! A replicator of one, in memory: applies at once and remembers nothing. For tests of what is built on top.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use synod_core::txn::codec::v1;
use synod_core::txn::{Batch, Limits};

use crate::machine::{Applied, Machine};
use crate::replicator::{Later, Metrics, ProposeError, ReadError, Replicator, Role, Room, Sink};

/// See the module.
pub struct Solo {
    machine: Arc<Machine>,
    sink: Arc<dyn Sink>,
    next: Mutex<u64>,
}

impl Solo {
    /// The leader of a group of one, with an empty state.
    pub fn new(limits: Limits, sink: Arc<dyn Sink>) -> Self {
        Self { machine: Arc::new(Machine::new(limits)), sink, next: Mutex::new(1) }
    }

    /// Its state.
    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    fn next(&self) -> u64 {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        *next - 1
    }
}

impl Replicator for Solo {
    fn propose(&self, batch: Batch) -> Later<'_, Result<Applied, ProposeError>> {
        Box::pin(async move {
            // Through bytes, as everywhere else.
            let applied = self.machine.apply(self.next(), &v1::encode(&batch));
            let (applied, tidings) =
                applied.map_err(|damage| ProposeError::Fatal(damage.to_string().into()))?;
            self.sink.take(tidings).await;
            Ok(applied)
        })
    }

    fn read_barrier(&self) -> Later<'_, Result<(), ReadError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn role(&self) -> Role {
        Role::Leader { term: 1 }
    }

    fn role_after(&self, seen: Role) -> Later<'_, Role> {
        let role = self.role();
        if seen == role { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(role)) }
    }

    fn metrics(&self) -> Metrics {
        let index = self.machine.read(|view| view.index);
        Metrics {
            role: self.role(),
            term: 1,
            last_index: index,
            applied_index: index,
            snapshot_index: 0,
            first_index: 1,
            log_bytes: 0,
            snapshot_bytes: 0,
            disk_bytes: 0,
            room: Room::Any,
        }
    }
}

impl fmt::Debug for Solo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solo").field("machine", &self.machine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use synod_core::txn::Command;

    use super::*;
    use crate::machine::Tidings;

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<u64>>);

    impl Sink for Kept {
        fn take(&self, tidings: Tidings) -> Later<'_, ()> {
            let Tidings::Applied { index, .. } = tidings else { panic!("{tidings:?}") };
            self.0.lock().unwrap().push(index);
            Box::pin(std::future::ready(()))
        }
    }

    fn now<T>(mut later: Later<'_, T>) -> T {
        match later.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("has to wait"),
        }
    }

    #[test]
    fn applies_in_order_and_tells() {
        let kept = Arc::new(Kept::default());
        let solo = Solo::new(Limits::default(), Arc::clone(&kept) as _);
        for below in [10, 20] {
            let batch = Batch { at_ms: below, commands: vec![Command::Reserve { below }] };
            let applied = now(solo.propose(batch)).unwrap();
            assert_eq!((applied.at_ms, applied.outcomes.len()), (below, 1));
        }
        assert_eq!(*kept.0.lock().unwrap(), [1, 2]);
        assert_eq!(solo.machine().read(|view| (view.state.reserved(), view.index)), (20, 2));
        assert!(now(solo.read_barrier()).is_ok());
        assert_eq!(now(solo.role_after(Role::Stopped)), solo.role());
    }
}
