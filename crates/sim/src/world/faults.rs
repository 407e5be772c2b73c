//! What goes wrong, and what clients and operators do.

use synod_core::registry::Status;

use super::{Event, SNAPSHOT_MS, World};
use crate::node::{Deed, Disk, Node};
use crate::plan::{DEAD_MAX, Kind, REST_MS};

impl World {
    pub(super) fn start(&mut self, number: usize) {
        if self.life_of(number).is_some() {
            return;
        }
        self.lives[number] += 1;
        let life = self.lives[number];
        let ahead_ms = self.rng.below(self.plan.skew_ms_max + 1);
        self.wakes[number] = None;
        for peer in 0..self.plan.servers() {
            self.net.touch(number, peer, self.now_ms);
        }
        if number < self.plan.nodes {
            let disk = &self.disks[number];
            self.nodes[number] = Some(Node::start(&self.plan, number, life, ahead_ms, disk, self.now_ms));
            let restored = disk.snapshot.len();
            self.note(|| {
                format!("fault node-{number} starts, clock {ahead_ms} ms ahead, {restored} restored")
            });
            self.at(SNAPSHOT_MS, Event::Snapshot { node: number, life });
        } else {
            self.start_java(number, life, ahead_ms);
        }
        let first_tick = 1 + self.rng.below(1_000);
        self.at(first_tick, Event::Tick { node: number, life });
        self.poll(number);
    }

    pub(super) fn write_snapshot(&mut self, number: usize) {
        if let Some(node) = &self.nodes[number] {
            self.disks[number] = node.snapshot(self.now_ms);
        }
    }

    pub(super) fn fault(&mut self) {
        if self.healing {
            return;
        }
        self.report.faults += 1;
        let servers = self.plan.servers();
        let node = self.rng.below(servers as u64) as usize;
        let other = (node + 1 + self.rng.below(servers as u64 - 1) as usize) % servers;
        let lasts_ms_max = [2_000, 30_000, 150_000][self.rng.below(3) as usize];
        let lasts_ms = 1_000 + self.rng.below(lasts_ms_max);
        match self.rng.below(if self.plan.kind.has_stalls() { 14 } else { 10 }) {
            0..2 => self.cut(vec![(node, other)], lasts_ms),
            2..4 => self.cut(vec![(node, other), (other, node)], lasts_ms),
            4..6 => {
                let others = (0..servers).filter(|other| *other != node);
                self.cut(others.flat_map(|other| [(node, other), (other, node)]).collect(), lasts_ms);
            }
            6..9 => self.crash(node, lasts_ms),
            9 => {
                let ahead_ms = self.rng.below(self.plan.skew_ms_max + 1);
                if let Some(Some(running)) = self.nodes.get_mut(node) {
                    running.set_wall(ahead_ms);
                    self.note(|| format!("fault node-{node}'s clock is set {ahead_ms} ms ahead"));
                }
            }
            _ => self.stall(node, lasts_ms),
        }
        let next = 1 + self.rng.below(2 * self.plan.fault_every_ms);
        self.at(next, Event::Fault);
    }

    fn cut(&mut self, ways: Vec<(usize, usize)>, lasts_ms: u64) {
        self.note(|| format!("fault cut for {lasts_ms} ms: {ways:?}"));
        for (from, to) in &ways {
            self.net.set_cut(*from, *to, true, self.now_ms);
        }
        self.at(lasts_ms, Event::Mend(ways));
    }

    pub(super) fn mend(&mut self, ways: &[(usize, usize)]) {
        self.note(|| format!("fault mended: {ways:?}"));
        for (from, to) in ways {
            self.net.set_cut(*from, *to, false, self.now_ms);
        }
    }

    fn crash(&mut self, number: usize, lasts_ms: u64) {
        if self.life_of(number).is_none() {
            return;
        }
        self.end_stall(number);
        if let Some(java) = number.checked_sub(self.plan.nodes) {
            self.javas[java] = None;
            self.note(|| format!("fault java-{number} crashes, for {lasts_ms} ms"));
            return self.at(lasts_ms, Event::Start { node: number });
        }
        let how = match self.rng.below(4) {
            0 => {
                self.write_snapshot(number);
                "stops cleanly"
            }
            1 => {
                self.disks[number] = Disk::default();
                "crashes and loses its disk"
            }
            _ => "crashes",
        };
        self.nodes[number] = None;
        self.note(|| format!("fault node-{number} {how}, for {lasts_ms} ms"));
        self.at(lasts_ms, Event::Start { node: number });
    }

    /// A client or an operator does something.
    pub(super) fn deed(&mut self) {
        if self.healing {
            return;
        }
        let number = self.rng.below(self.plan.clients as u64) as usize;
        if self.plan.kind != Kind::Calm || self.rests(number) {
            self.deed_by(number);
        }
        let next = 1 + self.rng.below(2 * self.plan.deed_every_ms);
        self.at(next, Event::Deed);
    }

    fn deed_by(&mut self, number: usize) {
        let now_ms = self.now_ms;
        let client = &mut self.clients[number];
        let key = client.key.clone();
        if !client.running {
            let dirty_ms = client.start(now_ms);
            self.truth.born(&key, dirty_ms);
            self.note(|| format!("client {} {} starts, dirty {dirty_ms}", key.0, key.1));
        } else if !client.is_leaving() {
            self.deed_of(number);
        }
        self.wake_client(number);
    }

    /// Whether nothing was done to an instance for a while, nor is going to be.
    fn rests(&self, number: usize) -> bool {
        let client = &self.clients[number];
        let wake_ms = if client.running { client.wake_ms() } else { Some(u64::MAX) };
        self.touched[number] + REST_MS < self.now_ms
            && wake_ms.is_some_and(|wake_ms| wake_ms > self.now_ms + REST_MS)
    }

    /// Where self-preservation never ends by itself, most of the dead come back when the world heals: else it would hold for
    /// ever, as it has to.
    pub(super) fn revive_most(&mut self) {
        if self.plan.kind != Kind::Preserve || self.plan.preserve_limit_ms > 0 {
            return;
        }
        let dead: Vec<usize> =
            (0..self.clients.len()).filter(|number| !self.clients[*number].running).collect();
        for number in dead.into_iter().skip(DEAD_MAX) {
            let key = self.clients[number].key.clone();
            let dirty_ms = self.clients[number].start(self.now_ms);
            self.truth.born(&key, dirty_ms);
            self.wake_client(number);
        }
    }

    fn deed_of(&mut self, number: usize) {
        let now_ms = self.now_ms;
        let status = [Status::Up, Status::Down, Status::OutOfService][self.rng.below(3) as usize];
        let client = &mut self.clients[number];
        let key = client.key.clone();
        let deed = match self.rng.below(100) {
            0..10 if self.plan.kind != Kind::Calm => {
                client.die();
                self.truth.gone(&key, now_ms);
                return self.note(|| format!("client {} {} dies", key.0, key.1));
            }
            0..25 => {
                client.leave(now_ms);
                return self.note(|| format!("client {} {} is going to leave", key.0, key.1));
            }
            25..45 => {
                client.set_status(status, now_ms);
                return self.note(|| format!("client {} {} becomes {status}", key.0, key.1));
            }
            45..60 => return client.fail_over(self.plan.servers()),
            60..75 => Deed::Override(status),
            75..85 => Deed::ClearOverride,
            85..90 => Deed::Metadata(now_ms.to_string()),
            _ => return,
        };
        let node = self.rng.below(self.plan.servers() as u64) as usize;
        let life = self.clients[number].life;
        let event = Event::ClientRequest { client: number, life, number: 0, node, deed };
        self.at(1, event);
    }
}
