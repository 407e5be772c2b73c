//! Java servers in the world.

use synod_core::registry::sync::{Ask, Greeting, Reply};

use super::{Event, Route, Talk, World};
use crate::dialect;
use crate::java::registry::Info;
use crate::java::{Java, Said};
use crate::node::{Deed, Done};
use crate::serve::{Request, Response};
use crate::truth::Key;

impl World {
    /// What a server is called.
    pub fn name(&self, server: usize) -> String {
        let synod = server < self.plan.nodes;
        if synod { format!("node-{server}") } else { format!("java-{server}") }
    }

    fn java(&mut self, server: usize) -> Option<&mut Java> {
        self.javas[server - self.plan.nodes].as_mut()
    }

    /// It starts with a copy of what the first peer that answers shows.
    pub(super) fn start_java(&mut self, number: usize, life: u32, ahead_ms: u64) {
        let mut java = Java::start(&self.plan, number, life, ahead_ms, self.now_ms);
        let reached = |peer: &usize| *peer != number && !self.net.is_cut_between(number, *peer);
        let list = (0..self.plan.servers()).filter(reached).find_map(|peer| self.list_of(peer));
        let copied = list.map_or(0, |list| java.copy(list, self.now_ms));
        self.javas[number - self.plan.nodes] = Some(java);
        self.note(|| format!("fault java-{number} starts, clock {ahead_ms} ms ahead, {copied} copied"));
    }

    /// What a server shows, if it does.
    fn list_of(&self, server: usize) -> Option<Vec<Info>> {
        if self.is_stalled(server) {
            return None;
        }
        match server.checked_sub(self.plan.nodes) {
            Some(java) => {
                let java = self.javas[java].as_ref()?;
                Some(java.registry.infos().map(|(_, info)| info).collect())
            }
            None => {
                let node = self.nodes[server].as_ref().filter(|node| node.open)?;
                Some(node.registry.snapshot().records().map(|record| dialect::info(record)).collect())
            }
        }
    }

    pub(super) fn tick_java(&mut self, server: usize) {
        let now_ms = self.now_ms;
        let gone = self.java(server).map(|java| java.tick(now_ms)).unwrap_or_default();
        self.report.evicted += gone.len() as u64;
        for (app, id) in gone {
            self.note(|| format!("java-{server} Expired {app} {id}"));
        }
        self.poll_java(server);
    }

    /// Lets a Java server send what is due, and wakes it when something is due next.
    pub(super) fn poll_java(&mut self, server: usize) {
        let now_ms = self.now_ms;
        let Some(java) = self.java(server) else { return };
        let (life, mut out, mut wake) = (java.life, Vec::new(), None);
        for (peer, queue) in java.queues.iter_mut().enumerate() {
            let Some(queue) = queue else { continue };
            while let Some((number, items)) = queue.poll(now_ms) {
                let route = Route { asker: server, life, peer, talk: Talk::Batch, number };
                out.push((route, Request::Eureka(items)));
            }
            wake = [wake, queue.due_ms()].into_iter().flatten().min();
        }
        for (route, request) in out {
            self.send_request(route, request);
        }
        if let Some(wake) = wake {
            self.wake_at(server, life, wake.max(now_ms + 1));
        }
    }

    /// What a Java server answers.
    pub(super) fn ask_java(&mut self, server: usize, request: Request) -> Option<Response> {
        let now_ms = self.now_ms;
        if let Request::Ask(Ask::Look(keys)) = &request {
            self.report.settled += keys.len() as u64;
        }
        let java = self.java(server)?;
        Some(match request {
            Request::Eureka(items) => Response::Eureka(java.execute(items, now_ms)),
            Request::Ask(Ask::Hello) => Response::Ask(Reply::Hello(Greeting::Eureka)),
            Request::Ask(Ask::List { first }) => Response::List { first, shown: java.list(now_ms) },
            Request::Ask(Ask::Look(keys)) => {
                let keys: Vec<Key> = keys.iter().map(|(app, id)| (app.to_string(), id.to_string())).collect();
                Response::Ask(Reply::Looked(java.look(&keys, now_ms)))
            }
            Request::Batch(_) | Request::Ask(_) => unreachable!("only Synod nodes are told and asked this"),
        })
    }

    /// A Java server heard a peer's answer to a batch.
    pub(super) fn java_answered(&mut self, route: Route, said: Vec<Said>) {
        let now_ms = self.now_ms;
        let Some(java) = self.java(route.asker) else { return };
        java.answered(route.peer, route.number, said, now_ms);
        self.poll_java(route.asker);
    }

    /// A Java server heard nothing. One that cannot connect tries again sooner.
    pub(super) fn java_timed_out(&mut self, route: Route) {
        let now_ms = self.now_ms;
        let congested = self.life_of(route.peer).is_some() && !self.net.is_cut(route.asker, route.peer);
        let Some(java) = self.java(route.asker) else { return };
        if let Some(queue) = &mut java.queues[route.peer] {
            queue.failed(route.number, congested, now_ms);
        }
        self.poll_java(route.asker);
    }

    /// A Java server does what it is asked. Returns the version that it holds afterwards.
    pub(super) fn act_java(&mut self, server: usize, key: &Key, deed: &Deed) -> Option<(Done, u64)> {
        let now_ms = self.now_ms;
        let java = self.java(server)?;
        let done = java.act(key, deed, now_ms);
        Some((done, java.dirty_of(key)))
    }

    pub(super) fn wake_at(&mut self, server: usize, life: u32, wake_ms: u64) {
        let now_ms = self.now_ms;
        if self.wakes[server].is_none_or(|known| wake_ms < known || known <= now_ms) {
            self.wakes[server] = Some(wake_ms);
            self.at(wake_ms - now_ms, Event::Wake { node: server, life });
        }
    }
}
