//! The regular work: measuring, evicting what ran out, forgetting what is old enough. Section 3.9 of `eureka.md`.

use std::sync::atomic::Ordering::{Relaxed, Release};

use synod_base::rng::Rng;
use synod_base::time::Now;

use super::expiry::Due;
use super::lease::Application;
use super::listing::{Change, ChangeKind};
use super::store::Registry;

/// How often a lease is looked at that holds only because this process stood still.
const COMPENSATED_LOOK_MS: u64 = 5_000;

enum Fate {
    /// Nothing stands behind this ticket any more.
    Void,
    /// The lease was renewed, or the tomb's time is not over: look again then.
    Later(u64),
    /// The lease ran out.
    Expired,
}

impl<C: Default> Registry<C> {
    /// To be called every [`super::Settings::tick_ms`] or so. `seed` decides whom a capped eviction hits. Returns the
    /// evicted.
    ///
    /// Evictions are this node's own conclusion: they are not told to peers.
    pub fn tick(&self, now: Now, seed: u64) -> Vec<Change> {
        self.measure(now);
        self.age(now);
        let mut expired: Vec<Due> = Vec::new();
        let due = self.expiry().take(now.mono_ms);
        for due in due {
            match self.change(&due.app, |application| self.fate(application, &due, now)) {
                Fate::Void => {}
                Fate::Later(deadline) => self.look_again(due, deadline),
                Fate::Expired => expired.push(due),
            }
        }
        let allowed = self.preservation().allowance(self.totals().instances(), expired.len() as u64) as usize;
        shuffle(&mut expired, allowed, seed);
        for spared in expired.split_off(allowed) {
            self.expiry().keep_overdue(spared);
        }
        let evicted: Vec<Change> = expired.into_iter().filter_map(|due| self.evict(due, now)).collect();
        self.preservation().evicted(evicted.len() as u64);
        evicted
    }

    fn age(&self, now: Now) {
        let mut listing = self.listing();
        listing.age(now);
        self.floor.store(listing.floor(), Release);
    }

    fn measure(&self, now: Now) {
        // The first call begins the measuring, wherever this clock began to count.
        let elapsed = match self.ticked_mono.swap(now.mono_ms, Relaxed) {
            0 => 0,
            before => now.mono_ms.saturating_sub(before),
        };
        let late = if elapsed > 2 * self.settings.tick_ms { elapsed - self.settings.tick_ms } else { 0 };
        let totals = self.totals();
        let mut preservation = self.preservation();
        preservation.advance(
            elapsed,
            totals.renewals_per_megasecond,
            self.take_received(),
            late,
            totals.instances(),
        );
        self.expires.store(preservation.expires(), Relaxed);
        self.compensation_ms.store(preservation.compensation_ms(), Relaxed);
    }

    fn fate(&self, application: &mut Application, due: &Due, now: Now) -> Fate {
        if application.tombs.get(&due.id).is_some_and(|tomb| tomb.ticket == due.ticket) {
            application.tombs.remove(&due.id);
            return Fate::Void;
        }
        let Some(lease) = application.leases.get(&due.id) else { return Fate::Void };
        if lease.ticket != due.ticket {
            return Fate::Void;
        }
        let deadline = lease.deadline_mono(self.settings.double_lease);
        let compensated = deadline + self.compensation_ms.load(Relaxed);
        if now.mono_ms > compensated {
            return Fate::Expired;
        }
        // Compensation is for a while only: a lease that it prolongs is looked at again soon.
        Fate::Later(compensated.min(deadline.max(now.mono_ms + COMPENSATED_LOOK_MS)))
    }

    fn look_again(&self, due: Due, deadline: u64) {
        self.change(&due.app.clone(), |application| {
            if let Some(lease) =
                application.leases.get_mut(&due.id).filter(|lease| lease.ticket == due.ticket)
            {
                lease.ticket_s = self.expiry().refile(due, deadline);
            }
        });
    }

    fn evict(&self, due: Due, now: Now) -> Option<Change> {
        self.change(&due.app.clone(), |application| match self.fate(application, &due, now) {
            Fate::Expired => self.leave(application, &due.id, ChangeKind::Expired, now),
            // A heartbeat came in between.
            Fate::Later(deadline) => {
                let lease = application.leases.get_mut(&due.id)?;
                lease.ticket_s = self.expiry().refile(due, deadline);
                None
            }
            Fate::Void => None,
        })
    }
}

/// Brings a random choice of `count` to the front.
fn shuffle(due: &mut [Due], count: usize, seed: u64) {
    let mut rng = Rng::new(seed);
    if count == due.len() {
        return;
    }
    for at in 0..count {
        let other = at + rng.below((due.len() - at) as u64) as usize;
        due.swap(at, other);
    }
}
