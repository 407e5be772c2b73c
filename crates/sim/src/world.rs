//! The loop over events: virtual time jumps from one to the next.

mod faults;
mod in_words;
mod javas;
mod stalls;
mod traffic;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use synod_base::rng::Rng;
use synod_core::registry::Change;

use crate::client::Client;
use crate::invariant::{self, Broken, Violation};
use crate::java::Java;
use crate::net::Net;
use crate::node::{Deed, Disk, Done, Node};
use crate::plan::Plan;
use crate::serve::{Request, Response};
use crate::timeline::Timeline;
use crate::truth::Truth;

pub use self::stalls::Stall;

/// How often a node writes its snapshot.
const SNAPSHOT_MS: u64 = 20_000;
/// Events that one run may take; more would be an endless exchange between nodes.
const EVENTS_MAX: u64 = 5_000_000;

/// Which of a link's two conversations something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    Batch,
    Ask,
}

/// A message's way: asked by a node in one of its lives, of another.
#[derive(Clone, Copy, Debug)]
struct Route {
    asker: usize,
    life: u32,
    peer: usize,
    talk: Talk,
    number: u64,
}

#[derive(Debug)]
enum Event {
    Tick { node: usize, life: u32 },
    Wake { node: usize, life: u32 },
    Snapshot { node: usize, life: u32 },
    Request(Route, Box<Request>),
    Response(Route, Box<Response>),
    Timeout(Route),
    ClientWake { client: usize },
    ClientRequest { client: usize, life: u32, number: u64, node: usize, deed: Deed },
    ClientResponse { client: usize, number: u64, done: Done },
    ClientTimeout { client: usize, number: u64 },
    Deed,
    Fault,
    Mend(Vec<(usize, usize)>),
    Start { node: usize },
    Resume { node: usize },
}

/// What a run that went well came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// Requests between nodes that arrived.
    pub requests: u64,
    /// Records evicted, on all nodes.
    pub evicted: u64,
    /// Faults of all kinds.
    pub faults: u64,
    /// Among them servers that stood still.
    pub stalls: u64,
    /// Seconds that nodes spent protecting leases that had run out.
    pub preserving: u64,
    /// Instances of which a Java server and a node showed different things for so long that they were looked at.
    pub settled: u64,
    /// Instances listed at the end.
    pub listed: u64,
    /// Virtual milliseconds from the end of the faults until all nodes agreed for good.
    pub healed_ms: u64,
}

impl Report {
    /// Adds another run's figures.
    pub fn add(&mut self, other: &Self) {
        let Self { events, requests, evicted, faults, stalls, preserving, settled, listed, healed_ms } =
            other;
        self.events += events;
        self.requests += requests;
        self.evicted += evicted;
        self.faults += faults;
        self.stalls += stalls;
        self.preserving += preserving;
        self.settled += settled;
        self.listed += listed;
        self.healed_ms = self.healed_ms.max(*healed_ms);
    }
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// What the seed stands for.
    pub plan: Plan,
    /// Virtual time.
    pub now_ms: u64,
    /// The running nodes.
    pub nodes: Vec<Option<Node>>,
    /// The running Java servers; their numbers begin after those of the nodes.
    pub javas: Vec<Option<Java>>,
    /// The clients.
    pub clients: Vec<Client>,
    /// The network.
    pub net: Net,
    /// What really happened.
    pub truth: Truth,
    /// When servers stood still.
    pub stalls: Vec<Vec<Stall>>,
    backlogs: Vec<Vec<Event>>,
    /// When something was last done to a client's instance.
    touched: Vec<u64>,
    disks: Vec<Disk>,
    lives: Vec<u32>,
    wakes: Vec<Option<u64>>,
    checked: BTreeMap<usize, (u32, u64)>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    last_event: u64,
    rng: Rng,
    healing: bool,
    timeline: Timeline,
    report: Report,
}

type Step = Result<(), Broken>;

impl World {
    /// The beginning: all nodes start, no client runs.
    pub fn new(plan: Plan, verbose: bool) -> Self {
        let mut world = Self {
            now_ms: 0,
            nodes: (0..plan.nodes).map(|_| None).collect(),
            javas: (0..plan.javas).map(|_| None).collect(),
            clients: (0..plan.clients).map(|number| Client::new(&plan, number)).collect(),
            net: Net::new(&plan),
            truth: Truth::default(),
            stalls: vec![Vec::new(); plan.servers()],
            backlogs: (0..plan.servers()).map(|_| Vec::new()).collect(),
            touched: vec![0; plan.clients],
            disks: vec![Disk::default(); plan.nodes],
            lives: vec![0; plan.servers()],
            wakes: vec![None; plan.servers()],
            checked: BTreeMap::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            last_event: 0,
            rng: Rng::new(plan.seed),
            healing: false,
            timeline: Timeline::new(verbose),
            report: Report::default(),
            plan,
        };
        for node in 0..world.plan.servers() {
            let at = world.rng.below(2_000);
            world.at(at, Event::Start { node });
        }
        world.at(1_000, Event::Deed);
        if world.plan.fault_every_ms > 0 {
            world.at(5_000, Event::Fault);
        }
        world
    }

    /// Both phases. The error has the timeline.
    pub fn run(mut self) -> Result<Report, Box<Violation>> {
        let broken = match self.storm_and_heal() {
            Ok(()) => return Ok(self.report),
            Err(broken) => broken,
        };
        Err(Box::new(Violation {
            seed: self.plan.seed,
            at_ms: self.now_ms,
            timeline: self.timeline.excerpt(&broken.subject),
            plan: self.plan,
            broken,
        }))
    }

    fn storm_and_heal(&mut self) -> Step {
        self.pass_until(self.plan.storm_ms)?;
        self.note(|| "fault heal: from now on everything works".to_owned());
        self.healing = true;
        self.net.heal(self.now_ms);
        for node in 0..self.plan.servers() {
            if self.life_of(node).is_none() {
                self.at(0, Event::Start { node });
            }
        }
        self.revive_most();
        let end = self.now_ms + self.plan.heal_ms();
        let mut agreed_since = None;
        while self.now_ms < end {
            self.pass_until((self.now_ms + 1_000).min(end))?;
            agreed_since = match invariant::convergence::check(self) {
                Ok(()) => agreed_since.or(Some(self.now_ms)),
                Err(_) => None,
            };
        }
        invariant::convergence::check(self)?;
        self.report.healed_ms = agreed_since.unwrap_or(end) - self.plan.storm_ms;
        self.report.listed =
            self.nodes.iter().flatten().next().map_or(0, |node| node.registry.totals().instances());
        Ok(())
    }

    fn pass_until(&mut self, until_ms: u64) -> Step {
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > until_ms {
                break;
            }
            self.queue.pop();
            let event = self.events.remove(&number).expect("each number in the queue has its event");
            self.now_ms = at;
            self.report.events += 1;
            if self.report.events > EVENTS_MAX {
                return Err(Broken::new("progress", "", "no end of events".to_owned()));
            }
            self.step(event)?;
        }
        self.now_ms = until_ms;
        Ok(())
    }

    /// Since when two nodes have been running and could reach each other; `None` while they cannot.
    pub fn open_since(&self, a: usize, b: usize) -> Option<u64> {
        let since_ms = self.net.open_since(a, b)?;
        Some(since_ms.max(self.running_since(a)?).max(self.running_since(b)?))
    }

    /// Whether all nodes have been running and could reach each other since then.
    pub fn is_undisturbed_since(&self, since_ms: u64) -> bool {
        let nodes = 0..self.nodes.len();
        let open = |a, b| self.open_since(a, b).is_some_and(|open_ms| open_ms <= since_ms);
        nodes
            .clone()
            .all(|a| nodes.clone().all(|b| if a == b { self.nodes[a].is_some() } else { open(a, b) }))
    }

    fn at(&mut self, in_ms: u64, event: Event) {
        self.last_event += 1;
        self.queue.push(Reverse((self.now_ms + in_ms, self.last_event)));
        self.events.insert(self.last_event, event);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.timeline.note(self.now_ms, line());
    }

    fn step(&mut self, event: Event) -> Step {
        let Some(event) = self.unless_stalled(event) else { return Ok(()) };
        match event {
            Event::Tick { node, life } => self.tick(node, life)?,
            Event::Wake { node, life } => {
                if self.is_alive(node, life) {
                    self.wakes[node] = None;
                    self.poll(node);
                }
            }
            Event::Snapshot { node, life } => {
                if self.is_alive(node, life) {
                    self.write_snapshot(node);
                    self.at(SNAPSHOT_MS, Event::Snapshot { node, life });
                }
            }
            Event::Request(route, request) => self.request_arrived(route, *request)?,
            Event::Response(route, response) => self.response_arrived(route, *response)?,
            Event::Timeout(route) => self.timed_out(route),
            Event::ClientWake { client } => self.poll_client(client),
            Event::ClientRequest { client, life, number, node, deed } => {
                self.client_request(client, life, number, node, &deed)?;
            }
            Event::ClientResponse { client, number, done } => {
                let over = self.clients[client].answered(number, done, self.now_ms);
                self.client_went_on(client, over);
            }
            Event::ClientTimeout { client, number } => {
                let over = self.clients[client].timed_out(number, self.plan.servers(), self.now_ms);
                self.client_went_on(client, over);
            }
            Event::Deed => self.deed(),
            Event::Fault => self.fault(),
            Event::Mend(ways) => self.mend(&ways),
            Event::Start { node } => self.start(node),
            Event::Resume { node } => self.resume(node),
        }
        Ok(())
    }

    fn is_alive(&self, server: usize, life: u32) -> bool {
        self.life_of(server) == Some(life)
    }

    /// Whether this is a Synod node in this life.
    pub fn is_node_alive(&self, server: usize, life: u32) -> bool {
        server < self.plan.nodes && self.is_alive(server, life)
    }

    /// Which of its lives a server lives, if it runs.
    pub fn life_of(&self, server: usize) -> Option<u32> {
        match server.checked_sub(self.plan.nodes) {
            None => self.nodes[server].as_ref().map(|node| node.life),
            Some(java) => self.javas[java].as_ref().map(|java| java.life),
        }
    }

    fn tick(&mut self, node: usize, life: u32) -> Step {
        if !self.is_alive(node, life) {
            return Ok(());
        }
        let now_ms = self.now_ms;
        self.at(1_000, Event::Tick { node, life });
        if node >= self.plan.nodes {
            self.tick_java(node);
            return Ok(());
        }
        let gone = self.nodes[node].as_mut().map(|node| node.tick(now_ms)).unwrap_or_default();
        let preserves = |node: &Node| !node.registry.is_expiring() && node.registry.preservation_view().1 > 0;
        self.report.preserving += u64::from(self.nodes[node].as_ref().is_some_and(preserves));
        self.changed(node, &gone)?;
        invariant::each_second(self, node)?;
        self.poll(node);
        Ok(())
    }

    /// Checks what a node's list became. To be called after everything that may have changed it.
    fn changed(&mut self, number: usize, changes: &[Change]) -> Step {
        for change in changes {
            let record = &change.record;
            self.note(|| {
                let (app, id) = (&record.instance.app, &record.instance.id);
                let provisional = if record.provisional { " provisional" } else { "" };
                format!(
                    "node-{number} {:?} {app} {id} {} dirty {}{provisional}",
                    change.kind, record.status, record.dirty_ms
                )
            });
            if change.kind.is_removal() {
                self.report.evicted += 1;
                invariant::eviction::removed(self, number, change)?;
                invariant::preserved::removed(self, number, change)?;
            }
        }
        let Some(node) = &self.nodes[number] else { return Ok(()) };
        let (life, version) = (node.life, node.registry.version());
        let before = self.checked.insert(number, (life, version));
        match before.filter(|(checked, _)| *checked == life) {
            Some((_, checked)) if checked == version => Ok(()),
            Some((_, checked)) if checked > version => Err(Broken::new(
                "hash",
                "",
                format!("node-{number} went back from version {checked} to {version}"),
            )),
            _ => invariant::hash::check(node),
        }
    }
}
