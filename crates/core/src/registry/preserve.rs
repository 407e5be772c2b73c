//! Self-preservation: when many renewals are missing at once, the network is likelier broken than everybody dead.
//!
//! Measured, not guessed: what is expected is the sum of the rates that the live leases themselves announced, over the same
//! window in which renewals are counted. A clean leave lowers it at once, a lease that merely fell silent keeps counting until
//! it is evicted. `fixed` restores Java's arithmetic (`eureka.md` 3.8) for who depends on it.

use std::collections::VecDeque;

/// How the registry protects itself.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether it does at all.
    pub enabled: bool,
    /// The part of the expected renewals that has to arrive, also the part of all instances that outlives any one window of
    /// evictions; 0.85 in Eureka.
    pub threshold: f64,
    /// How far back renewals, expectations and evictions are counted.
    pub window_ms: u64,
    /// After this time the protection ends by itself, 0 for never.
    pub limit_ms: u64,
    /// Java's way of expecting, if wanted.
    pub fixed: Option<Fixed>,
}

/// Java's arithmetic: every client is taken to renew at one rate, and the count follows registrations, not reality.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// `expectedClientRenewalIntervalSeconds`, in milliseconds.
    pub interval_ms: u64,
    /// How many clients are expected at the start: 1 at Spring, 0 at Netflix (where nothing ever expires then).
    pub clients: u64,
}

/// How often Java counts its clients anew.
const RECOUNT_MS: u64 = 900_000;

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    elapsed_ms: u64,
    expected: f64,
    received: u64,
    evicted: u64,
    stalled_ms: u64,
}

/// What the operator is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct View {
    /// Whether protection is switched on.
    pub enabled: bool,
    /// Whether it holds back evictions now.
    pub active: bool,
    /// Whether the window is not full yet, so that nothing can be said.
    pub warming_up: bool,
    /// Renewals expected within a minute.
    pub expected_per_minute: f64,
    /// Renewals below which protection begins.
    pub threshold_per_minute: f64,
    /// Renewals that came within the last window, scaled to a minute.
    pub received_per_minute: f64,
    /// For how long it has been active.
    pub active_ms: u64,
}

/// The measuring window.
#[derive(Debug)]
pub struct Preservation {
    policy: Policy,
    window: VecDeque<Slice>,
    total: Slice,
    active_ms: u64,
    since_recount_ms: u64,
    fixed_clients: u64,
}

impl Preservation {
    /// An empty window.
    pub fn new(policy: Policy) -> Self {
        let fixed_clients = policy.fixed.map_or(0, |fixed| fixed.clients);
        Self {
            policy,
            window: VecDeque::new(),
            total: Slice::default(),
            active_ms: 0,
            since_recount_ms: 0,
            fixed_clients,
        }
    }

    /// Switches protection on or off while running.
    pub fn enable(&mut self, enabled: bool) {
        self.policy.enabled = enabled;
    }

    /// Closes a slice of time: what was expected of the leases alive, and what came. `late_ms` is how much longer the slice
    /// took than planned: a process that stood still could not hear anybody.
    pub fn advance(
        &mut self,
        elapsed_ms: u64,
        renewals_per_megasecond: u64,
        received: u64,
        late_ms: u64,
        live: u64,
    ) {
        let expected = renewals_per_megasecond as f64 * elapsed_ms as f64 / 1e9;
        let slice = Slice { elapsed_ms, expected, received, evicted: 0, stalled_ms: late_ms };
        self.window.push_back(slice);
        self.add(slice, 1.0);
        while let Some(oldest) = self.window.front().copied()
            && self.total.elapsed_ms - oldest.elapsed_ms >= self.policy.window_ms
        {
            self.window.pop_front();
            self.add(oldest, -1.0);
        }
        self.active_ms = if self.wanted() { self.active_ms + elapsed_ms } else { 0 };
        self.since_recount_ms += elapsed_ms;
        if self.since_recount_ms >= RECOUNT_MS {
            self.since_recount_ms = 0;
            if !self.policy.enabled || live as f64 > self.policy.threshold * self.fixed_clients as f64 {
                self.fixed_clients = live;
            }
        }
    }

    fn add(&mut self, slice: Slice, sign: f64) {
        let step = |total: &mut u64, by: u64| {
            *total = if sign > 0.0 { *total + by } else { *total - by };
        };
        step(&mut self.total.elapsed_ms, slice.elapsed_ms);
        step(&mut self.total.received, slice.received);
        step(&mut self.total.evicted, slice.evicted);
        step(&mut self.total.stalled_ms, slice.stalled_ms);
        // Sums of floats drift; an empty window starts over at exactly nothing.
        let expected = self.total.expected + sign * slice.expected;
        self.total.expected = if self.window.is_empty() { 0.0 } else { expected.max(0.0) };
    }

    /// A new lease, in Java's count.
    pub fn joined(&mut self) {
        if self.fixed_clients > 0 {
            self.fixed_clients += 1;
        }
    }

    /// A lease that ended, in Java's count.
    pub fn left(&mut self) {
        self.fixed_clients = self.fixed_clients.saturating_sub(1);
    }

    /// How many of `due` leases may be evicted now, when `live` are there (the due ones among them). Two reasons to spare
    /// some: protection is active, or the window's share of evictions (`eureka.md` 3.9) is used up.
    pub fn allowance(&self, live: u64, due: u64) -> u64 {
        if self.holds() {
            return 0;
        }
        let size = live + self.total.evicted;
        let share = size - (size as f64 * self.policy.threshold) as u64;
        share.saturating_sub(self.total.evicted).min(due)
    }

    /// Notes evictions in the running slice.
    pub fn evicted(&mut self, count: u64) {
        if let Some(slice) = self.window.back_mut() {
            slice.evicted += count;
            self.total.evicted += count;
        }
    }

    /// Time by which every lease is prolonged because this process stood still within the window.
    pub fn compensation_ms(&self) -> u64 {
        self.total.stalled_ms
    }

    /// Whether expired leases are to be treated as gone (`eureka.md` 3.3, last paragraph).
    pub fn expires(&self) -> bool {
        !self.holds()
    }

    fn holds(&self) -> bool {
        self.wanted() && (self.policy.limit_ms == 0 || self.active_ms < self.policy.limit_ms)
    }

    fn wanted(&self) -> bool {
        self.policy.enabled && (self.warming_up() || self.below())
    }

    fn warming_up(&self) -> bool {
        self.total.elapsed_ms < self.policy.window_ms
    }

    fn below(&self) -> bool {
        let threshold = self.threshold();
        match self.policy.fixed {
            // Java: nothing expires while nothing is expected.
            Some(_) => threshold == 0.0 || self.total.received as f64 <= threshold,
            None => self.total.expected > 0.0 && self.total.received as f64 <= threshold,
        }
    }

    /// Renewals within the window below which protection begins.
    fn threshold(&self) -> f64 {
        match self.policy.fixed {
            Some(fixed) => {
                let each = self.policy.window_ms as f64 / fixed.interval_ms.max(1) as f64;
                (self.fixed_clients as f64 * each * self.policy.threshold).trunc()
            }
            None => self.total.expected * self.policy.threshold,
        }
    }

    /// The numbers as the operator is shown them.
    pub fn view(&self) -> View {
        let minute = 60_000.0 / self.total.elapsed_ms.max(1) as f64;
        View {
            enabled: self.policy.enabled,
            active: self.policy.enabled && !self.warming_up() && self.holds(),
            warming_up: self.warming_up(),
            expected_per_minute: self.total.expected * minute,
            threshold_per_minute: self.threshold() * minute,
            received_per_minute: self.total.received as f64 * minute,
            active_ms: self.active_ms,
        }
    }
}
