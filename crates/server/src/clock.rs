//! The one place that reads clocks; everything below is told the moment as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use synod_base::time::Now;

/// A source of moments, cheap to clone. Tests put a [`Clock::manual`] in its place.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { origin: Instant },
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    wall_ms: AtomicU64,
    mono_ms: AtomicU64,
}

impl Clock {
    /// The machine's clocks; monotonic time counts from this call.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads clocks")]
    pub fn system() -> Self {
        Self(Source::System { origin: Instant::now() })
    }

    /// A clock that stands at `now` until it is moved with [`Clock::advance`]; clones share it.
    pub fn manual(now: Now) -> Self {
        let (wall_ms, mono_ms) = (AtomicU64::new(now.wall_ms), AtomicU64::new(now.mono_ms));
        Self(Source::Manual(Arc::new(Manual { wall_ms, mono_ms })))
    }

    /// The present moment: two reads of the kernel's shared page, no system call.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads clocks")]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System { origin } => Now {
                // A wall clock before 1970 is a machine without a clock; its times are wrong either way.
                wall_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
                mono_ms: millis(origin.elapsed()),
            },
            Source::Manual(manual) => Now {
                wall_ms: manual.wall_ms.load(Ordering::Relaxed),
                mono_ms: manual.mono_ms.load(Ordering::Relaxed),
            },
        }
    }

    /// Moves a manual clock forward.
    ///
    /// # Panics
    /// When this is the system's clock: nobody but a test moves time.
    pub fn advance(&self, by: Duration) {
        let Source::Manual(manual) = &self.0 else { unreachable!("only a manual clock can be moved") };
        manual.wall_ms.fetch_add(millis(by), Ordering::Relaxed);
        manual.mono_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// Whole milliseconds of a duration; 64 bits of them last for half a billion years.
fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Now { wall_ms: 1_000, mono_ms: 5 });
        let other = clock.clone();
        clock.advance(Duration::from_millis(7));
        assert_eq!(other.now(), Now { wall_ms: 1_007, mono_ms: 12 });
    }

    #[test]
    fn the_system_clock_is_of_this_century_and_never_goes_back() {
        let clock = Clock::system();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.wall_ms > 1_600_000_000_000);
        assert!(second.mono_ms >= first.mono_ms);
    }
}
