//! What has to be told next, and when: decided from what servers have said.

use std::time::Duration;

use synod_wire::eureka::Status;

use crate::backoff::Backoff;
use crate::registry::Instance;

/// The first pause after a failure; it doubles up to the renewal interval.
const PAUSE: Duration = Duration::from_millis(500);

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Register the instance, with this status and version.
    Register { status: Status, dirty_ms: u64 },
    /// Renew the lease.
    Renew,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Done.
    Yes,
    /// The server has no such lease, or an older description.
    Unknown,
    /// Nobody has done it, for this reason, as far as is known.
    Failed(String),
}

/// What servers are known to have.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Status and version that were registered last.
    told: Option<(Status, u64)>,
    failures: u32,
    /// Whether a server may have the instance: a registration without an answer counts.
    tried: bool,
}

/// A version that is newer than `old`, with room for one between the two.
pub(super) fn dirtier(old: u64, now_ms: u64) -> u64 {
    now_ms.max(old.saturating_add(2))
}

impl Standing {
    /// What brings the servers nearer to `wanted`.
    pub(super) fn next(&self, wanted: &Instance) -> Step {
        use Status::{OutOfService, Starting, Up};
        match (self.told, wanted.status) {
            (Some((_, dirty_ms)), _) if dirty_ms == wanted.dirty_ms => Step::Renew,
            // Java servers keep an existing lease's UP or OUT_OF_SERVICE whatever a client says, until it has been neither.
            (None | Some((Up, _)), OutOfService) | (Some((OutOfService, _)), Up) => {
                Step::Register { status: Starting, dirty_ms: wanted.dirty_ms.saturating_sub(1) }
            }
            (_, status) => Step::Register { status, dirty_ms: wanted.dirty_ms },
        }
    }

    /// Takes in how a step went; says how long after its beginning the next one comes.
    pub(super) fn heard(&mut self, step: &Step, heard: &Heard, wanted: &Instance) -> Duration {
        self.tried |= matches!(step, Step::Register { .. });
        match (heard, step) {
            (Heard::Yes, step) => {
                self.failures = 0;
                if let Step::Register { status, dirty_ms } = *step {
                    self.told = Some((status, dirty_ms));
                    if dirty_ms != wanted.dirty_ms {
                        return Duration::ZERO;
                    }
                }
                wanted.renew_interval
            }
            (Heard::Unknown, _) => {
                self.failures = 0;
                self.told = None;
                Duration::ZERO
            }
            (Heard::Failed(_), _) => {
                self.failures = self.failures.saturating_add(1);
                Backoff::new(PAUSE, wanted.renew_interval).after(self.failures)
            }
        }
    }

    pub(super) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(super) const fn may_be_known(&self) -> bool {
        self.tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(status: Status, dirty_ms: u64) -> Instance {
        Instance { dirty_ms, ..Instance::new("A", "a", "h", 1).with_status(status) }
    }

    /// The statuses that are registered until nothing is left to tell.
    fn told(standing: &mut Standing, wanted: &Instance) -> Vec<Status> {
        let mut told = Vec::new();
        while let step @ Step::Register { status, .. } = standing.next(wanted) {
            standing.heard(&step, &Heard::Yes, wanted);
            told.push(status);
        }
        told
    }

    #[test]
    fn a_status_that_java_would_keep_is_changed_by_a_detour() {
        use Status::{Down, OutOfService, Starting, Up};
        let mut standing = Standing::default();
        for (number, (status, steps)) in [
            (Up, vec![Up]),
            (OutOfService, vec![Starting, OutOfService]),
            (OutOfService, vec![OutOfService]),
            (Up, vec![Starting, Up]),
            (Down, vec![Down]),
            (OutOfService, vec![OutOfService]),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(told(&mut standing, &wanted(status, 10 + 2 * number as u64)), steps, "{number}");
        }
    }

    #[test]
    fn an_instance_that_begins_out_of_service_may_have_been_up_in_an_earlier_life() {
        let out = wanted(Status::OutOfService, 10);
        assert_eq!(told(&mut Standing::default(), &out), [Status::Starting, Status::OutOfService]);
    }

    #[test]
    fn a_forgotten_instance_is_registered_at_once_and_failures_are_spaced_out() {
        let (mut standing, up) = (Standing::default(), wanted(Status::Up, 10));
        assert!(!standing.may_be_known());
        let register = standing.next(&up);
        let failed = Heard::Failed(String::new());
        let pauses: Vec<u64> =
            (0..8).map(|_| standing.heard(&register, &failed, &up).as_millis() as u64).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert!(standing.may_be_known());
        assert_eq!(standing.heard(&register, &Heard::Yes, &up), up.renew_interval);
        assert_eq!(standing.next(&up), Step::Renew);
        assert_eq!(standing.heard(&Step::Renew, &Heard::Unknown, &up), Duration::ZERO);
        let dirty_ms = dirtier(up.dirty_ms, 5);
        assert_eq!(dirty_ms, 12, "newer than before, although the clock is behind");
        assert_eq!(
            standing.next(&wanted(Status::Up, dirty_ms)),
            Step::Register { status: Status::Up, dirty_ms }
        );
    }
}
