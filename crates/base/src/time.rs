//! Time as an argument: the pure rooms never read a clock, they are told the moment.

/// One moment, as the shell read it: on the wall and on the monotonic clock.
///
/// Wall time is what clients are shown; monotonic time is what leases are measured with, so that a clock that is set
/// back or forth neither kills nor immortalises anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Milliseconds since some fixed point in the life of this process; never goes back.
    pub mono_ms: u64,
}
