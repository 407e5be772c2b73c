//! Two and more nodes in one thread, joined by links whose messages are carried, lost, delayed or doubled on command.

use std::collections::BTreeMap;

use synod_base::hash::Keyed;

use super::*;
use crate::registry::change::Origin;
use crate::registry::instance::{Instance, Status};
use crate::registry::lane::{Told, What};
use crate::registry::lease::Heard;
use crate::registry::link::{Link, LinkSettings, Peer, notice};
use crate::registry::preserve::Policy;
use crate::registry::store::{Renewal, Settings};

struct Node {
    registry: Registry,
    links: BTreeMap<usize, Link>,
}

struct Cluster {
    now: Now,
    nodes: Vec<Node>,
    cut: Vec<(usize, usize)>,
    /// Of 100 messages, how many are lost, and how many come twice.
    lost: u64,
    doubled: u64,
    rng: Rng,
}

impl Cluster {
    fn new(count: usize, seed: u64) -> Self {
        let preservation =
            Policy { enabled: false, threshold: 0.85, window_ms: 60_000, limit_ms: 0, fixed: None };
        let node = |this: usize| Node {
            registry: Registry::new(Settings { preservation, ..Settings::default() }),
            links: (0..count)
                .filter(|other| *other != this)
                .map(|other| {
                    (other, Link::new(&name(this), LinkSettings::default(), Keyed(1), seed + other as u64))
                })
                .collect(),
        };
        Self {
            now: Now { wall_ms: 1_000_000, mono_ms: 1_000 },
            nodes: (0..count).map(node).collect(),
            cut: Vec::new(),
            lost: 0,
            doubled: 0,
            rng: Rng::new(seed),
        }
    }

    fn arrives(&mut self, from: usize, to: usize) -> bool {
        let cut = self.cut.contains(&(from, to)) || self.cut.contains(&(to, from));
        !cut && !self.rng.percent(self.lost)
    }

    /// Everything that is due now, until nothing is.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            let pairs: Vec<_> =
                (0..self.nodes.len()).flat_map(|a| (0..self.nodes.len()).map(move |b| (a, b))).collect();
            let mut busy = false;
            for (from, to) in pairs.into_iter().filter(|(a, b)| a != b) {
                busy |= self.carry_batch(from, to) | self.carry_ask(from, to);
            }
            if !busy {
                return;
            }
        }
        panic!("the nodes do not come to rest");
    }

    fn link(&mut self, from: usize, to: usize) -> (&Registry, &mut Link) {
        let Node { registry, links } = &mut self.nodes[from];
        (registry, links.get_mut(&to).unwrap())
    }

    fn carry_batch(&mut self, from: usize, to: usize) -> bool {
        let now = self.now;
        let (registry, link) = self.link(from, to);
        let Some((_, batch)) = link.poll_batch(registry, now) else { return false };
        let notices: Vec<Notice> = batch.items.iter().map(|item| notice(item, now)).collect();
        let mut answers = None;
        if self.arrives(from, to) {
            if self.rng.percent(self.doubled) {
                changes(&self.nodes[to].registry, notices.clone(), now);
            }
            answers = Some(changes(&self.nodes[to].registry, notices, now).0);
        }
        let answered = self.arrives(to, from);
        let (registry, link) = self.link(from, to);
        match answers {
            Some(answers) if answered => drop(link.answered(registry, batch.number, answers, now)),
            _ => link.batch_failed(batch.number, Failure::Congested, now),
        }
        true
    }

    fn carry_ask(&mut self, from: usize, to: usize) -> bool {
        let now = self.now;
        let (registry, link) = self.link(from, to);
        let Some((number, ask)) = link.poll_ask(registry, now) else { return false };
        let mut reply = None;
        if self.arrives(from, to) {
            let theirs = &self.nodes[to].registry;
            reply = Some(match ask {
                Ask::Hello => Reply::Hello(Greeting::Synod { id: name(to).into(), name: "some node".into() }),
                Ask::Compare { fading } => Reply::Compared(compare(theirs, &fading, now)),
                Ask::Exchange(holdings) => Reply::Exchanged(exchange(theirs, &holdings, now).0),
                Ask::List { .. } | Ask::Look(_) => unreachable!("all are Synod nodes"),
            });
        }
        let answered = self.arrives(to, from);
        let (registry, link) = self.link(from, to);
        match reply {
            Some(reply) if answered => drop(link.replied(registry, number, reply, now)),
            _ => link.ask_failed(number, Failure::Unreachable, now),
        }
        true
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.now.mono_ms += 50;
            self.now.wall_ms += 50;
            if self.now.mono_ms.is_multiple_of(1_000) {
                self.nodes.iter().for_each(|node| drop(node.registry.tick(self.now, 1)));
            }
            self.settle();
        }
    }

    fn tell(&mut self, at: usize, told: Told) {
        let now = self.now;
        self.nodes[at].links.values_mut().for_each(|link| link.tell(told.clone(), now));
    }

    fn register(&mut self, at: usize, id: &str, dirty_ms: u64) {
        let instance =
            Instance { dirty_ms, duration_s: 9, renewal_interval_s: 3, ..Instance::new("APP", id) };
        let change = self.nodes[at].registry.register(instance, Origin::Client, self.now).unwrap();
        self.tell_of(at, What::Registered, change.record);
    }

    fn tell_of(&mut self, at: usize, what: What, record: Arc<crate::registry::Record>) {
        let found = self.nodes[at].registry.told(&record.instance.app, &record.instance.id);
        let heard = found.map_or(Heard::now(self.now), |(_, heard)| heard);
        self.tell(at, Told { what, record, heard });
    }

    /// What a client does: a heartbeat, and a registration if that is refused.
    fn beat(&mut self, at: usize, id: &str, dirty_ms: u64) {
        match self.nodes[at].registry.renew("APP", id, Some(dirty_ms), self.now) {
            Renewal::Renewed(record) | Renewal::Newer(record) => self.tell_of(at, What::Renewed, record),
            Renewal::Outdated(_) | Renewal::Unknown => self.register(at, id, dirty_ms),
        }
    }

    fn cancel(&mut self, at: usize, id: &str) {
        if let Some(change) = self.nodes[at].registry.cancel("APP", id, self.now) {
            self.tell_of(at, What::Cancelled, change.record);
        }
    }

    fn shut(&mut self, at: usize, id: &str) {
        let registry = &self.nodes[at].registry;
        if let Some(edit) = registry.set_override("APP", id, Status::OutOfService, None, self.now) {
            self.tell_of(at, edit.told(What::StatusSet), edit.change.record);
        }
    }

    fn list(&self, at: usize) -> String {
        let mut list: Vec<_> = self.nodes[at]
            .registry
            .snapshot()
            .records()
            .map(|record| format!("{}@{}={}", record.instance.id, record.dirty_ms, record.status))
            .collect();
        list.sort();
        list.join(" ")
    }

    fn assert_lists(&self, expect: &str) {
        for node in 0..self.nodes.len() {
            assert_eq!(self.list(node), expect, "node {node}");
        }
        let first = self.nodes[0].registry.fingerprint();
        assert!(self.nodes.iter().all(|node| node.registry.fingerprint() == first), "fingerprints differ");
    }
}

fn name(node: usize) -> String {
    format!("node-{node}")
}

#[test]
fn a_change_is_everywhere_at_once() {
    let mut cluster = Cluster::new(3, 1);
    cluster.settle();
    cluster.register(0, "a", 5);
    cluster.settle();
    cluster.assert_lists("a@5=UP");
    cluster.shut(1, "a");
    cluster.settle();
    cluster.assert_lists("a@5=OUT_OF_SERVICE");
    cluster.cancel(2, "a");
    cluster.settle();
    cluster.assert_lists("");
}

#[test]
fn a_client_that_never_raises_its_timestamp_is_not_undone_by_a_tie() {
    for n in 0..20 {
        let mut cluster = Cluster::new(2, n);
        cluster.settle();
        cluster.register(0, "a", 5);
        cluster.settle();
        let again = Instance { dirty_ms: 5, host: format!("host-{n}").into(), ..Instance::new("APP", "a") };
        let change = cluster.nodes[1].registry.register(again, Origin::Client, cluster.now).unwrap();
        cluster.tell_of(1, What::Registered, change.record);
        cluster.settle();
        for node in &cluster.nodes {
            let (record, _) = node.registry.told("APP", "a").unwrap();
            assert_eq!(&*record.instance.host, format!("host-{n}"));
        }
    }
}

#[test]
fn a_new_node_gets_everything_with_what_is_left_of_each_lease() {
    let mut cluster = Cluster::new(2, 1);
    cluster.cut = vec![(0, 1)];
    cluster.register(0, "a", 5);
    for _ in 0..2 {
        cluster.pass(3_000);
        cluster.beat(0, "a", 5);
    }
    cluster.pass(2_000);
    cluster.register(0, "b", 6);
    cluster.cut.clear();
    cluster.pass(5_000);
    assert_eq!(cluster.list(1), "a@5=UP b@6=UP");
    assert_eq!(cluster.nodes[1].links[&0].start(), Some(Start::Nothing), "a cut link counts as an answer");
    let (_, heard) = cluster.nodes[1].registry.told("APP", "a").unwrap();
    assert_eq!(heard.age_ms(cluster.now), 7_000);
    cluster.pass(4_000);
    cluster.assert_lists("b@6=UP");
}

#[test]
fn the_first_round_tells_whether_there_was_anything() {
    let mut cluster = Cluster::new(2, 1);
    cluster.register(0, "a", 5);
    assert_eq!(cluster.nodes[1].links[&0].start(), None);
    cluster.settle();
    assert_eq!(cluster.nodes[1].links[&0].start(), Some(Start::Data));
    assert_eq!(cluster.nodes[0].links[&1].peer(), &Peer::Synod("some node".into()));
}

#[test]
fn a_heartbeat_brings_the_record_to_a_node_that_has_lost_it() {
    let mut cluster = Cluster::new(2, 1);
    cluster.register(0, "a", 5);
    cluster.settle();
    let rounds = cluster.nodes[0].links[&1].next_ask_wake();
    cluster.nodes[1].registry = Registry::new(Settings::default());
    cluster.beat(0, "a", 5);
    cluster.pass(100);
    cluster.assert_lists("a@5=UP");
    assert_eq!(cluster.nodes[0].links[&1].next_ask_wake(), rounds, "without comparing everything");
}

#[test]
fn a_lease_fades_when_half_of_it_is_over() {
    for (age_ms, fades) in [(4_500, 0), (4_501, 1), (9_001, 1)] {
        let mut cluster = Cluster::new(1, 1);
        cluster.register(0, "a", 5);
        cluster.now.mono_ms += age_ms;
        assert_eq!(cluster.nodes[0].registry.fading(10, cluster.now).len(), fades, "{age_ms}");
        assert_eq!(cluster.nodes[0].registry.fading(0, cluster.now).len(), 0);
    }
}

#[test]
fn a_batch_tells_of_the_last_heartbeat_when_it_leaves() {
    let mut cluster = Cluster::new(2, 1);
    cluster.register(0, "a", 5);
    cluster.settle();
    let (record, heard) = cluster.nodes[0].registry.told("APP", "a").unwrap();
    cluster.now.mono_ms += 5_000;
    cluster.now.wall_ms += 5_000;
    cluster.nodes[0].registry.renew("APP", "a", None, cluster.now);
    cluster.tell(0, Told { what: What::Renewed, record, heard });
    cluster.pass(100);
    let (_, heard) = cluster.nodes[1].registry.told("APP", "a").unwrap();
    assert_eq!(heard.age_ms(cluster.now), 100);
}

#[test]
fn what_ran_out_elsewhere_is_taken_only_while_nothing_expires_here() {
    let mut cluster = Cluster::new(1, 1);
    cluster.register(0, "a", 5);
    let news = News { age_ms: 9_000, ..cluster.nodes[0].registry.news_of("APP", "a", cluster.now).unwrap() };
    cluster.cancel(0, "a");
    // A registry that has just started protects everybody.
    let young: Registry = Registry::new(Settings::default());
    young.merge(news.clone(), cluster.now);
    assert_eq!(young.totals().instances(), 1);
    let unprotected = Cluster::new(1, 1);
    unprotected.nodes[0].registry.merge(news, cluster.now);
    assert_eq!(unprotected.list(0), "");
}

#[test]
fn an_exchange_names_who_is_to_tell_whom() {
    let cluster = &mut Cluster::new(2, 1);
    let now = cluster.now;
    for (at, id, dirty_ms) in
        [(0, "same", 1), (0, "mine", 1), (0, "newer", 2), (0, "older", 1), (0, "left", 1)]
    {
        cluster.register(at, id, dirty_ms);
    }
    for (id, dirty_ms) in [("theirs", 1), ("newer", 1), ("older", 2), ("left", 1), ("gone", 1)] {
        cluster.register(1, id, dirty_ms);
    }
    let same = cluster.nodes[0].registry.news_of("APP", "same", now).unwrap();
    cluster.nodes[1].registry.merge(same, now);
    cluster.nodes[1].registry.cancel("APP", "gone", now);
    cluster.nodes[0].registry.cancel("APP", "left", now);
    let all: Vec<u16> = (0..1_024).collect();
    let (reply, changes) =
        exchange(&cluster.nodes[1].registry, &holdings(&cluster.nodes[0].registry, &all, now), now);
    let mut news: Vec<_> = reply.news.iter().map(|news| &*news.instance.id).collect();
    news.sort_unstable();
    assert_eq!(news, ["older", "theirs"]);
    assert_eq!(reply.wanted.iter().map(|(_, id)| &**id).collect::<Vec<_>>(), ["mine", "newer"]);
    assert_eq!(reply.ends.iter().map(|ended| &*ended.id).collect::<Vec<_>>(), ["gone", "left"]);
    assert_eq!(changes.iter().map(|change| &*change.record.instance.id).collect::<Vec<_>>(), ["left"]);
}

#[test]
fn what_both_sides_missed_heals_both_ways() {
    let mut cluster = Cluster::new(2, 1);
    for n in 0..40 {
        cluster.register(n % 2, &format!("{n:02}"), 1);
    }
    cluster.settle();
    // Nobody tells anybody; only the comparing can find out.
    let now = cluster.now;
    cluster.nodes[0].registry.cancel("APP", "00", now);
    cluster.nodes[1].registry.cancel("APP", "01", now);
    cluster.nodes[0].registry.set_override("APP", "02", Status::OutOfService, None, now);
    cluster.nodes[1].registry.set_override("APP", "03", Status::Down, None, now);
    for at in [0, 1] {
        let news = Instance { dirty_ms: 9, ..Instance::new("APP", &format!("new-{at}")) };
        cluster.nodes[at].registry.register(news, Origin::Client, now).unwrap();
    }
    assert_ne!(cluster.list(0), cluster.list(1));
    for _ in 0..38 {
        cluster.pass(1_000);
        for n in 2..40 {
            cluster.nodes[0].registry.renew("APP", &format!("{n:02}"), None, cluster.now);
            cluster.nodes[1].registry.renew("APP", &format!("{n:02}"), None, cluster.now);
        }
    }
    let list = cluster.list(0);
    assert!(list.starts_with("02@1=OUT_OF_SERVICE 03@1=DOWN 04@1=UP"), "{list}");
    assert!(list.ends_with("new-0@9=UP new-1@9=UP"), "{list}");
    cluster.assert_lists(&list);
}

#[test]
fn a_third_node_bridges_a_cut_between_two() {
    let settings = SyncSettings { interval_ms: 2_000, ..SyncSettings::default() };
    let mut cluster = Cluster::new(3, 1);
    for node in &mut cluster.nodes {
        for (other, link) in &mut node.links {
            *link = Link::new(
                "x",
                LinkSettings { sync: settings, ..LinkSettings::default() },
                Keyed(1),
                *other as u64,
            );
        }
    }
    cluster.register(0, "a", 5);
    cluster.settle();
    cluster.cut = vec![(0, 2)];
    for _ in 0..20 {
        cluster.pass(3_000);
        cluster.beat(0, "a", 5);
        assert_eq!(cluster.list(2), "a@5=UP");
    }
    assert_eq!(cluster.nodes[2].registry.recent()[1].len(), 0, "it was evicted in between");
    cluster.pass(12_000);
    cluster.assert_lists("");
}

#[test]
fn provisional_records_are_told_to_nobody_and_confirmed_by_a_peer_that_names_them() {
    let mut cluster = Cluster::new(2, 1);
    let now = cluster.now;
    for id in ["kept", "gone"] {
        let instance = Instance { dirty_ms: 5, ..Instance::new("APP", id) };
        let change =
            Registry::<()>::new(Settings::default()).register(instance, Origin::Client, now).unwrap();
        cluster.nodes[0].registry.restore(News::of(&change.record, Heard::now(now), now), now);
    }
    cluster.register(1, "kept", 4);
    cluster.settle();
    assert_eq!(cluster.nodes[0].links[&1].start(), Some(Start::Data));
    assert_eq!(cluster.list(1), "kept@5=UP", "the memory was of a later version");
    let dropped = cluster.nodes[0].registry.drop_provisional(now);
    assert_eq!(dropped.len(), 1);
    assert_eq!(cluster.list(0), "kept@5=UP");
    for _ in 0..8 {
        cluster.pass(5_000);
        cluster.beat(0, "kept", 5);
    }
    cluster.assert_lists("kept@5=UP");
}

#[test]
fn an_overflowing_lane_heals() {
    let mut cluster = Cluster::new(2, 1);
    let mut settings = LinkSettings::default();
    settings.lane.queue_max = 10;
    cluster.settle();
    cluster.nodes[0].links.insert(1, Link::new("x", settings, Keyed(1), 1));
    cluster.cut = vec![(0, 1)];
    for n in 0..100 {
        cluster.register(0, &format!("{n:02}"), 1);
    }
    cluster.pass(500);
    cluster.cut.clear();
    cluster.pass(8_000);
    let list = cluster.list(0);
    assert_eq!(list.split(' ').count(), 100);
    cluster.assert_lists(&list);
}

#[test]
fn nodes_agree_after_any_weather() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(3, seed);
        let mut rng = Rng::new(seed);
        (cluster.lost, cluster.doubled) = (rng.below(40), rng.below(20));
        let mut alive: BTreeMap<String, u64> = BTreeMap::new();
        for step in 1..=60u64 {
            let (at, id) = (rng.below(3) as usize, format!("{}", rng.below(6)));
            match rng.below(8) {
                0..3 => {
                    alive.insert(id.clone(), step);
                    cluster.register(at, &id, step);
                }
                3 => {
                    alive.remove(&id);
                    cluster.cancel(at, &id);
                }
                4 => cluster.shut(at, &id),
                5 => cluster.cut = vec![(at, (at + 1) % 3)],
                6 => cluster.cut.clear(),
                _ => {}
            }
            cluster.pass(rng.below(3) * 500);
            for (id, dirty) in alive.clone() {
                cluster.beat(rng.below(3) as usize, &id, dirty);
            }
        }
        (cluster.lost, cluster.doubled, cluster.cut) = (0, 0, Vec::new());
        for _ in 0..40 {
            cluster.pass(1_000);
            for (id, dirty) in alive.clone() {
                cluster.beat(rng.below(3) as usize, &id, dirty);
            }
        }
        cluster.settle();
        cluster.pass(100);
        let list = cluster.list(0);
        let ids: Vec<_> = list.split(' ').filter_map(|one| one.split_once('@')).map(|(id, _)| id).collect();
        assert_eq!(ids, alive.keys().collect::<Vec<_>>(), "seed {seed}");
        cluster.assert_lists(&list);
    }
}
