//! What goes wrong, and what clients and operators do.

use synod_core::registry::Status;

use super::{Event, SNAPSHOT_MS, World};
use crate::node::{Deed, Disk, Node};

impl World {
    pub(super) fn start(&mut self, number: usize) {
        if self.nodes[number].is_some() {
            return;
        }
        self.lives[number] += 1;
        let life = self.lives[number];
        let ahead_ms = self.rng.below(self.plan.skew_ms_max + 1);
        let node = Node::start(&self.plan, number, life, ahead_ms, &self.disks[number], self.now_ms);
        self.nodes[number] = Some(node);
        self.wakes[number] = None;
        for peer in 0..self.plan.nodes {
            self.net.touch(number, peer, self.now_ms);
        }
        let restored = self.disks[number].snapshot.len();
        self.note(|| format!("fault node-{number} starts, clock {ahead_ms} ms ahead, {restored} restored"));
        let first_tick = 1 + self.rng.below(1_000);
        self.at(first_tick, Event::Tick { node: number, life });
        self.at(SNAPSHOT_MS, Event::Snapshot { node: number, life });
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
        let node = self.rng.below(self.plan.nodes as u64) as usize;
        let other = (node + 1 + self.rng.below(self.plan.nodes as u64 - 1) as usize) % self.plan.nodes;
        let lasts_ms_max = [2_000, 30_000, 150_000][self.rng.below(3) as usize];
        let lasts_ms = 1_000 + self.rng.below(lasts_ms_max);
        match self.rng.below(10) {
            0..2 => self.cut(vec![(node, other)], lasts_ms),
            2..4 => self.cut(vec![(node, other), (other, node)], lasts_ms),
            4..6 => {
                let others = (0..self.plan.nodes).filter(|other| *other != node);
                self.cut(others.flat_map(|other| [(node, other), (other, node)]).collect(), lasts_ms);
            }
            6..9 => self.crash(node, lasts_ms),
            _ => {
                let ahead_ms = self.rng.below(self.plan.skew_ms_max + 1);
                if let Some(node) = &mut self.nodes[node] {
                    node.set_wall(ahead_ms);
                }
                self.note(|| format!("fault node-{node}'s clock is set {ahead_ms} ms ahead"));
            }
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
        if self.nodes[number].is_none() {
            return;
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
        let next = 1 + self.rng.below(2 * self.plan.deed_every_ms);
        self.at(next, Event::Deed);
    }

    fn deed_of(&mut self, number: usize) {
        let now_ms = self.now_ms;
        let status = [Status::Up, Status::Down, Status::OutOfService][self.rng.below(3) as usize];
        let client = &mut self.clients[number];
        let key = client.key.clone();
        let deed = match self.rng.below(100) {
            0..10 => {
                client.die();
                self.truth.gone(&key, now_ms);
                return self.note(|| format!("client {} {} dies", key.0, key.1));
            }
            10..25 => {
                client.leave(now_ms);
                return self.note(|| format!("client {} {} is going to leave", key.0, key.1));
            }
            25..45 => {
                client.set_status(status, now_ms);
                return self.note(|| format!("client {} {} becomes {status}", key.0, key.1));
            }
            45..60 => return client.fail_over(self.plan.nodes),
            60..75 => Deed::Override(status),
            75..85 => Deed::ClearOverride,
            85..90 => Deed::Metadata(now_ms.to_string()),
            _ => return,
        };
        let node = self.rng.below(self.plan.nodes as u64) as usize;
        let event = Event::ClientRequest { client: number, number: 0, node, deed };
        self.at(1, event);
    }
}
