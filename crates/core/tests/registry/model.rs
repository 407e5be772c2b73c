//! Random operations, and after each of them everything a reader can ask compared with [`Naive`].

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use synod_core::registry::{Instance, Origin, Registry, Renewal, Settings, Snapshot, Status, Vip};

use super::client::Client;
use super::naive::{Key, Naive};
use super::support::{self, content};

/// The delta reaches this far back, and how much further it may.
const RETENTION_S: u64 = 180;
const RETENTION_SLACK_S: u64 = 17;

#[derive(Clone, Debug)]
enum Op {
    Register {
        key: Key,
        dirty: u64,
        status: Status,
        overridden: Status,
        vip: usize,
        duration_s: u32,
        peer: bool,
    },
    Renew {
        key: Key,
        dirty: u64,
    },
    Cancel {
        key: Key,
    },
    Override {
        key: Key,
        status: Status,
        dirty: u64,
    },
    Clear {
        key: Key,
        status: Option<Status>,
        dirty: u64,
    },
    Metadata {
        key: Key,
        name: &'static str,
        value: &'static str,
    },
    Pass {
        seconds: u64,
    },
    Crowd {
        app: usize,
        count: usize,
    },
    Leave {
        app: usize,
        count: usize,
    },
    Hold,
}

const APPS: [&str; 3] = ["A", "B", "CART"];
const VIPS: [&str; 6] = ["", "a", "a,b", "b,c,b", "c, a", ",a,"];

fn keys() -> impl Strategy<Value = Key> {
    (0..APPS.len(), 0..8usize).prop_map(|(app, id)| (APPS[app].to_owned(), format!("i{id}")))
}

fn statuses() -> impl Strategy<Value = Status> {
    proptest::sample::select(&[
        Status::Up,
        Status::Up,
        Status::Down,
        Status::Starting,
        Status::OutOfService,
        Status::Unknown,
    ])
}

fn ops() -> impl Strategy<Value = Op> {
    let overridden = prop_oneof![4 => Just(Status::Unknown), 1 => statuses()];
    let duration_s = proptest::sample::select(&[1u32, 30, 90]);
    let register = (keys(), 0..6u64, statuses(), overridden, 0..VIPS.len(), duration_s, any::<bool>());
    prop_oneof![
        8 => register.prop_map(|(key, dirty, status, overridden, vip, duration_s, peer)| {
            Op::Register { key, dirty, status, overridden, vip, duration_s, peer }
        }),
        4 => (keys(), 0..6u64).prop_map(|(key, dirty)| Op::Renew { key, dirty }),
        3 => keys().prop_map(|key| Op::Cancel { key }),
        3 => (keys(), statuses(), 0..6u64).prop_map(|(key, status, dirty)| Op::Override { key, status, dirty }),
        3 => (keys(), proptest::option::of(statuses()), 0..6u64)
            .prop_map(|(key, status, dirty)| Op::Clear { key, status, dirty }),
        1 => (keys(), proptest::sample::select(&["k", "l"]), proptest::sample::select(&["v", "w"]))
            .prop_map(|(key, name, value)| Op::Metadata { key, name, value }),
        4 => (1..60u64).prop_map(|seconds| Op::Pass { seconds }),
        1 => (0..APPS.len(), 1..90usize).prop_map(|(app, count)| Op::Crowd { app, count }),
        1 => (0..APPS.len(), 1..90usize).prop_map(|(app, count)| Op::Leave { app, count }),
        1 => Just(Op::Hold),
    ]
}

/// Both sides, the clients that follow, and what was held on to.
struct Pair {
    registry: Registry,
    naive: Naive,
    /// One polls at every step, one every half minute, one as rarely as the retention allows.
    clients: [(u64, Client); 3],
    held: Vec<(Snapshot<()>, String)>,
}

impl Pair {
    fn new(sticky: bool) -> Self {
        Self {
            registry: Registry::new(Settings { sticky_out_of_service: sticky, ..support::unguarded() }),
            naive: Naive { sticky, ..Naive::default() },
            clients: [0, 30, RETENTION_S - 2].map(|every| (every, Client::default())),
            held: Vec::new(),
        }
    }

    fn step(&mut self, op: Op) {
        let now = support::s(self.naive.now_s);
        match op {
            Op::Register { key: (app, id), dirty, status, overridden, vip, duration_s, peer } => {
                let (vip, secure_vip) = (Some(VIPS[vip].into()), Some(VIPS[VIPS.len() - 1 - vip].into()));
                let plain = Instance::new(&app, &id);
                let told =
                    Instance { status, overridden, vip, secure_vip, duration_s, dirty_ms: dirty, ..plain };
                let origin = if peer { Origin::Peer } else { Origin::Client };
                self.registry.register(told.clone(), origin, now).expect("below the limit");
                self.naive.register(told, peer);
            }
            Op::Renew { key, dirty } => {
                let answer = match self.registry.renew(&key.0, &key.1, Some(dirty), now) {
                    Renewal::Unknown => None,
                    Renewal::Outdated(_) => Some(std::cmp::Ordering::Less),
                    Renewal::Renewed(_) => Some(std::cmp::Ordering::Equal),
                    Renewal::Newer(_) => Some(std::cmp::Ordering::Greater),
                };
                assert_eq!(answer, self.naive.renew(&key, dirty));
            }
            Op::Cancel { key } => {
                assert_eq!(self.registry.cancel(&key.0, &key.1, now).is_some(), self.naive.cancel(&key));
            }
            Op::Override { key, status, dirty } => {
                let done = self.registry.set_override(&key.0, &key.1, status, Some(dirty), now).is_some();
                assert_eq!(done, self.naive.set_override(&key, status, dirty));
            }
            Op::Clear { key, status, dirty } => {
                let done = self.registry.clear_override(&key.0, &key.1, status, Some(dirty), now).is_some();
                assert_eq!(done, self.naive.clear_override(&key, status, dirty));
            }
            Op::Metadata { key, name, value } => {
                let done = self.registry.set_metadata(&key.0, &key.1, &[(name, Some(value))], now);
                assert_eq!(
                    done.expect("within the limits").is_some(),
                    self.naive.set_metadata(&key, name, value)
                );
            }
            Op::Pass { seconds } => (0..seconds).for_each(|_| self.pass_second()),
            Op::Crowd { .. } | Op::Leave { .. } => self.crowd(op),
            Op::Hold => {
                let snapshot = self.registry.snapshot();
                let text = frozen(&snapshot);
                self.held.push((snapshot, text));
            }
        }
    }

    fn crowd(&mut self, op: Op) {
        let (Op::Crowd { app, count } | Op::Leave { app, count }) = op else { return };
        for at in 0..count {
            let id = format!("c{at}");
            let key = (APPS[app].to_owned(), id);
            if matches!(op, Op::Crowd { .. }) {
                let told = Instance::new(&key.0, &key.1);
                self.registry
                    .register(told.clone(), Origin::Client, support::s(self.naive.now_s))
                    .expect("below the limit");
                self.naive.register(told, false);
            } else {
                let gone = self.registry.cancel(&key.0, &key.1, support::s(self.naive.now_s));
                assert_eq!(gone.is_some(), self.naive.cancel(&key));
            }
        }
    }

    fn pass_second(&mut self) {
        let expected = self.naive.pass_second();
        let evicted = self.registry.tick(support::s(self.naive.now_s), 0);
        let key = |record: &synod_core::registry::Record| {
            (record.instance.app.to_string(), record.instance.id.to_string())
        };
        assert_eq!(evicted.iter().map(|change| key(&change.record)).collect::<BTreeSet<_>>(), expected);
        let snapshot = self.registry.snapshot();
        for (every, client) in &mut self.clients {
            if client.polled_s.is_none_or(|polled| self.naive.now_s >= polled + *every) {
                client.poll(&snapshot, self.naive.now_s);
            }
        }
    }

    fn compare(&mut self) {
        let snapshot = self.registry.snapshot();
        support::check(&snapshot);
        assert_eq!(snapshot.version, self.naive.version);
        assert_eq!(self.registry.version(), self.naive.version);
        assert_eq!(snapshot.totals.hash(), self.naive.hash());
        let expected = self.naive.live.iter().map(|(key, entry)| {
            let status = (entry.shown, entry.overridden, entry.dirty);
            (key.clone(), format!("{} {} {} {:?}", status.0, status.1, status.2, entry.told.metadata))
        });
        assert_eq!(content(&snapshot), expected.collect::<BTreeMap<_, _>>());
        self.compare_applications();
        self.compare_vips();
        self.compare_delta(&snapshot);
        for (snapshot, text) in &self.held {
            assert_eq!(frozen(snapshot), *text, "a held snapshot changed");
        }
    }

    fn compare_applications(&self) {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (app, _) in self.naive.live.keys() {
            *counts.entry(app).or_default() += 1;
        }
        for app in APPS {
            let (version, records) = self.registry.application(app);
            assert_eq!(version, self.naive.version);
            assert_eq!(records.len() as u64, counts.get(app).copied().unwrap_or(0));
            let service = self.registry.service(app);
            assert_eq!(service.map(|totals| totals.instances()), counts.get(app).copied());
            for record in records {
                let entry = &self.naive.live[&(app.to_owned(), record.instance.id.to_string())];
                assert_eq!(record.registered_ms, support::s(entry.registered_s).wall_ms);
                assert_eq!(record.up_ms, entry.up_s.map_or(0, |at| support::s(at).wall_ms));
                let found = self
                    .registry
                    .find(app, &record.instance.id, support::s(self.naive.now_s))
                    .expect("it is listed");
                let deadline_s = entry.heard_s + u64::from(entry.told.duration_s);
                assert_eq!(found.remaining_ms, (deadline_s - self.naive.now_s) * 1_000);
                assert_eq!(found.renewed_ms, support::s(entry.heard_s).wall_ms);
            }
        }
        let first = self.registry.services(None, 2, |_| true);
        let rest =
            first.last().map_or(Vec::new(), |last| self.registry.services(Some(&last.app), 9, |_| true));
        let listed = first.iter().chain(&rest).map(|one| (&*one.app, one.totals.instances()));
        assert_eq!(listed.collect::<BTreeMap<_, _>>(), counts);
    }

    fn compare_vips(&self) {
        for (which, secure) in [(Vip::Plain, false), (Vip::Secure, true)] {
            for vip in ["a", "b", "c", " a", "d", ""] {
                let expected = if vip.is_empty() { BTreeMap::new() } else { self.naive.vip(vip, secure) };
                let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
                for record in self.registry.vip(which, vip).into_iter().flatten() {
                    let ids = found.entry(record.instance.app.to_string()).or_default();
                    assert!(ids.insert(record.instance.id.to_string()));
                }
                assert_eq!(found, expected, "{vip} {which:?}");
            }
        }
    }

    fn compare_delta(&self, snapshot: &Snapshot<()>) {
        let own = snapshot.own.iter().flat_map(|(_, chunks)| chunks);
        let mut delta: BTreeMap<Key, bool> = BTreeMap::new();
        for chunk in snapshot.shared.iter().chain(own) {
            let changed = chunk.live.iter().filter(|record| record.version > snapshot.floor);
            for (record, lives) in
                changed.map(|record| (record, true)).chain(chunk.dead.iter().map(|dead| (dead, false)))
            {
                let key = (record.instance.app.to_string(), record.instance.id.to_string());
                assert!(delta.insert(key, lives).is_none(), "each instance once");
            }
        }
        for (key, changed_s) in &self.naive.changed_s {
            let age_s = self.naive.now_s - changed_s;
            match delta.get(key) {
                Some(lives) => {
                    assert!(age_s <= RETENTION_S + RETENTION_SLACK_S, "{key:?} is {age_s} s old");
                    assert_eq!(*lives, self.naive.live.contains_key(key));
                }
                None => assert!(age_s >= RETENTION_S, "{key:?} of {age_s} s ago is missing"),
            }
        }
        assert!(delta.keys().all(|key| self.naive.changed_s.contains_key(key)));
        let changes = self.registry.changes(0, usize::MAX).expect("fewer than are kept");
        let versions = changes.iter().map(|change| change.record.version);
        assert!(versions.eq(1..=self.naive.version));
    }
}

/// All of a snapshot as text.
fn frozen(snapshot: &Snapshot<()>) -> String {
    format!("{snapshot:?}")
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_registry_does_what_the_naive_one_does(ops in vec(ops(), 1..60), sticky in any::<bool>()) {
        let mut pair = Pair::new(sticky);
        for op in ops {
            pair.step(op);
            pair.compare();
        }
    }
}
