//! Self-preservation (`eureka.md` 3.8), measured by default and as Java counts it.

use synod_core::registry::preserve::{Fixed, Policy, View};
use synod_core::registry::{Registry, Settings};

use super::support::*;

/// A fleet on one registry: each renews every 30 s while it is told to.
struct Fleet {
    registry: Registry,
    at: u64,
    evicted: usize,
}

impl Fleet {
    fn new(policy: Policy, count: u64) -> Self {
        let registry = Registry::new(Settings { preservation: policy, ..Settings::default() });
        let mut fleet = Self { registry, at: 0, evicted: 0 };
        fleet.join(0, count);
        fleet
    }

    fn join(&mut self, from: u64, to: u64) {
        for id in from..to {
            register(&self.registry, instance("CART", &id.to_string(), 1), s(self.at));
        }
    }

    /// Lets `seconds` pass, in which `alive` renew.
    fn pass(&mut self, seconds: u64, alive: impl Fn(u64) -> bool) -> View {
        for _ in 0..seconds {
            self.at += 1;
            for id in (0..400).filter(|id| id % 30 == self.at % 30 && alive(*id)) {
                self.registry.renew("CART", &id.to_string(), None, s(self.at));
            }
            self.evicted += self.registry.tick(s(self.at), self.at).len();
        }
        self.registry.preservation_view().0
    }

    fn live(&self) -> u64 {
        self.registry.totals().instances()
    }
}

fn policy() -> Policy {
    Settings::default().preservation
}

#[test]
fn a_healthy_fleet_is_not_protected_and_warms_up_for_a_minute() {
    let mut fleet = Fleet::new(policy(), 100);
    let view = fleet.pass(59, |_| true);
    assert!(view.warming_up && !view.active);
    let view = fleet.pass(60, |_| true);
    assert!(!view.warming_up && !view.active, "{view:?}");
    assert!((view.expected_per_minute - 200.0).abs() < 2.0, "{view:?}");
    assert!((view.threshold_per_minute - 170.0).abs() < 2.0, "{view:?}");
    assert!((view.received_per_minute - 200.0).abs() < 8.0, "{view:?}");
    assert_eq!(fleet.evicted, 0);
}

#[test]
fn mass_death_is_held_back_and_ends_when_they_are_heard_of_again() {
    let mut fleet = Fleet::new(policy(), 100);
    fleet.pass(300, |_| true);
    let view = fleet.pass(600, |id| id % 2 == 0);
    assert!(view.active && view.active_ms > 500_000, "{view:?}");
    assert_eq!((fleet.evicted, fleet.live()), (0, 100));
    let (_, protected) = fleet.registry.preservation_view();
    assert_eq!(protected, 50);
    assert!(fleet.registry.find("CART", "1", s(fleet.at)).is_some(), "visible while protected");
    let view = fleet.pass(120, |_| true);
    assert!(!view.active && view.active_ms == 0);
    assert_eq!((fleet.evicted, fleet.registry.preservation_view().1), (0, 0));
}

#[test]
fn a_few_deaths_are_no_disaster() {
    let mut fleet = Fleet::new(policy(), 100);
    fleet.pass(300, |_| true);
    let view = fleet.pass(300, |id| id >= 10);
    assert!(!view.active, "{view:?}");
    assert_eq!((fleet.evicted, fleet.live()), (10, 90));
}

#[test]
fn clean_leaves_lower_the_expectation_at_once() {
    let mut fleet = Fleet::new(policy(), 100);
    fleet.pass(300, |_| true);
    for id in 0..80 {
        fleet.registry.cancel("CART", &id.to_string(), s(fleet.at));
    }
    for _ in 0..120 {
        assert!(!fleet.pass(1, |id| id >= 80).active, "at {}", fleet.at);
    }
    assert_eq!((fleet.evicted, fleet.live()), (0, 20));
}

#[test]
fn switched_off_it_lets_them_go_in_shares() {
    let mut fleet = Fleet::new(policy(), 100);
    fleet.pass(300, |_| true);
    fleet.pass(200, |_| false);
    assert_eq!(fleet.evicted, 0);
    fleet.registry.preserve(false);
    assert!(fleet.registry.find("CART", "1", s(fleet.at)).is_none());
    let view = fleet.pass(60, |_| false);
    assert!(!view.enabled && !view.active);
    assert_eq!(fleet.evicted, 15);
    fleet.registry.preserve(true);
    fleet.pass(60, |_| false);
    assert_eq!(fleet.evicted, 15);
}

#[test]
fn with_a_limit_it_ends_and_stays_ended() {
    let mut fleet = Fleet::new(Policy { limit_ms: 600_000, ..policy() }, 100);
    fleet.pass(300, |_| true);
    fleet.pass(500, |_| false);
    assert_eq!(fleet.evicted, 0);
    fleet.pass(3_600, |_| false);
    assert_eq!(fleet.live(), 0);
}

#[test]
fn an_empty_registry_is_not_in_danger() {
    let mut fleet = Fleet::new(policy(), 0);
    assert!(!fleet.pass(200, |_| false).active);
    fleet.join(0, 10);
    fleet.pass(300, |_| true);
    assert_eq!((fleet.evicted, fleet.live()), (0, 10));
}

#[test]
fn each_client_is_expected_at_its_own_rate() {
    let registry: Registry = Registry::new(Settings::default());
    for (id, renewal_interval_s) in [("quick", 1), ("slow", 60)] {
        let mut own = instance("CART", id, 1);
        own.renewal_interval_s = renewal_interval_s;
        register(&registry, own, s(0));
    }
    run(&registry, 0, 120);
    let expected = registry.preservation_view().0.expected_per_minute;
    assert!((expected - 61.0).abs() < 0.1, "{expected}");
}

/// (clients at the start, registered, expected threshold): `trunc(E × 2 × 0.85)`
#[test]
fn javas_threshold() {
    for (clients, registered, threshold) in [(1, 0, 1.0), (1, 15, 27.0), (0, 50, 0.0), (10, 0, 17.0)] {
        let fixed = Some(Fixed { interval_ms: 30_000, clients });
        let mut fleet = Fleet::new(Policy { fixed, ..policy() }, registered);
        let view = fleet.pass(60, |_| true);
        assert!((view.threshold_per_minute - threshold).abs() < 0.5, "{view:?} for {clients} + {registered}");
    }
}

#[test]
fn java_standalone_never_lets_anybody_go() {
    let fixed = Some(Fixed { interval_ms: 30_000, clients: 0 });
    let mut fleet = Fleet::new(Policy { fixed, ..policy() }, 10);
    fleet.pass(600, |_| false);
    assert_eq!((fleet.evicted, fleet.live()), (0, 10));
}

#[test]
fn java_counts_leaves_and_evictions() {
    let fixed = Some(Fixed { interval_ms: 30_000, clients: 1 });
    let mut fleet = Fleet::new(Policy { fixed, ..policy() }, 99);
    assert!(!fleet.pass(120, |_| true).active);
    for id in 0..50 {
        fleet.registry.cancel("CART", &id.to_string(), s(fleet.at));
    }
    let view = fleet.pass(1, |id| id >= 50);
    assert!((view.threshold_per_minute - 85.0).abs() < 1.5, "{view:?}");
    assert!(fleet.pass(300, |id| id >= 80).active);
    assert_eq!(fleet.evicted, 0);
}

#[test]
fn java_counts_anew_every_quarter_of_an_hour() {
    let fixed = Some(Fixed { interval_ms: 30_000, clients: 1 });
    let mut fleet = Fleet::new(Policy { fixed, ..policy() }, 9);
    let view = fleet.pass(899, |_| true);
    assert!((view.threshold_per_minute - 17.0).abs() < 0.5, "{view:?}");
    // Nine are there, ten were expected: 9 > 8.5.
    let view = fleet.pass(2, |_| true);
    assert!((view.threshold_per_minute - 15.0).abs() < 0.5, "{view:?}");
}
