//! What nodes and clients send each other.

use super::{Event, Request, Response, Route, Step, Talk, World, in_words};
use crate::client::{DELAY_MS_MAX, Pending, TIMEOUT_MS};
use crate::dialect;
use crate::invariant;
use crate::node::{Deed, Done};
use crate::serve;
use crate::truth::{Key, Sign};

use synod_core::registry::Change;
use synod_core::registry::lane::{Dialect, Failure};
use synod_core::registry::link;
use synod_core::registry::sync::{Reply, listed};

impl World {
    /// Lets a node send what is due, and wakes it when something is due next.
    pub(super) fn poll(&mut self, number: usize) {
        if number >= self.plan.nodes {
            return self.poll_java(number);
        }
        let now_ms = self.now_ms;
        let mut out = Vec::new();
        let Some(node) = &mut self.nodes[number] else { return };
        let now = node.now(now_ms);
        let mut wake = None;
        for (peer, link) in node.links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            let route =
                |talk, number_of| Route { asker: number, life: node.life, peer, talk, number: number_of };
            if let Some((dialect, batch)) = link.poll_batch(&node.registry, now) {
                let items = batch.items.iter();
                let request = match dialect {
                    Dialect::Synod => Request::Batch(items.map(|item| link::notice(item, now)).collect()),
                    Dialect::Eureka => Request::Eureka(items.map(dialect::item).collect()),
                };
                out.push((route(Talk::Batch, batch.number), request));
            }
            if let Some((number_of, ask)) = link.poll_ask(&node.registry, now) {
                out.push((route(Talk::Ask, number_of), Request::Ask(ask)));
            }
            wake = [wake, link.next_batch_wake(), link.next_ask_wake()].into_iter().flatten().min();
        }
        let wake = wake.map(|mono_ms| node.world_ms(mono_ms).max(now_ms + 1));
        let life = node.life;
        for (route, request) in out {
            self.send_request(route, request);
        }
        if let Some(wake) = wake {
            self.wake_at(number, life, wake);
        }
    }

    pub(super) fn send_request(&mut self, route: Route, request: Request) {
        self.at(self.plan.timeout_ms(), Event::Timeout(route));
        for delay in self.net.send(route.asker, route.peer) {
            self.at(delay, Event::Request(route, Box::new(request.clone())));
        }
    }

    pub(super) fn request_arrived(&mut self, route: Route, request: Request) -> Step {
        if self.net.is_cut(route.asker, route.peer) {
            return Ok(());
        }
        let line = format!(
            "{} from {}: {}",
            self.name(route.peer),
            self.name(route.asker),
            in_words::request(&request)
        );
        let Some((response, changes)) = self.answer(route.peer, request) else { return Ok(()) };
        self.report.requests += 1;
        self.note(|| line);
        if route.peer < self.plan.nodes {
            self.changed(route.peer, &changes)?;
            invariant::lease::check(self, route.peer)?;
        }
        for delay in self.net.send(route.peer, route.asker) {
            self.at(delay, Event::Response(route, Box::new(response.clone())));
        }
        Ok(())
    }

    /// What a server answers, if it runs, and what changed there.
    fn answer(&mut self, server: usize, request: Request) -> Option<(Response, Vec<Change>)> {
        if server >= self.plan.nodes {
            return self.ask_java(server, request).map(|response| (response, Vec::new()));
        }
        let node = self.nodes[server].as_ref()?;
        Some(serve::serve(&node.registry, server, request, node.now(self.now_ms)))
    }

    pub(super) fn response_arrived(&mut self, route: Route, response: Response) -> Step {
        let now_ms = self.now_ms;
        let Route { asker, life, peer, number, .. } = route;
        if !self.is_alive(asker, life) || self.net.is_cut(peer, asker) {
            return Ok(());
        }
        if asker >= self.plan.nodes {
            if let Response::Eureka(said) = response {
                self.java_answered(route, said);
            }
            return Ok(());
        }
        let node = self.nodes[asker].as_mut().expect("it is alive");
        let now = node.now(now_ms);
        let link = node.links[peer].as_mut().expect("nobody asks itself");
        let changes = match response {
            Response::Batch(answers) => link.answered(&node.registry, number, answers, now),
            Response::Eureka(said) => link.answered(&node.registry, number, dialect::answers(said), now),
            Response::Ask(reply) => link.replied(&node.registry, number, reply, now),
            Response::List { first, shown } => {
                let outcome = listed::compare(&node.registry, shown, first, now);
                link.replied(&node.registry, number, Reply::Listed(outcome), now)
            }
        };
        self.changed(asker, &changes)?;
        invariant::lease::check(self, asker)?;
        self.poll(asker);
        Ok(())
    }

    pub(super) fn timed_out(&mut self, route: Route) {
        let Route { asker, life, peer, talk, number } = route;
        if !self.is_alive(asker, life) {
            return;
        }
        if asker >= self.plan.nodes {
            return self.java_timed_out(route);
        }
        // A dead peer refuses connections, a cut or lossy network lets them time out.
        let failure = if self.life_of(peer).is_none() { Failure::Unreachable } else { Failure::Congested };
        let now_ms = self.now_ms;
        let node = self.nodes[asker].as_mut().expect("it is alive");
        let now = node.now(now_ms);
        let link = node.links[peer].as_mut().expect("nobody asks itself");
        match talk {
            Talk::Batch => link.batch_failed(number, failure, now),
            Talk::Ask => link.ask_failed(number, failure, now),
        }
        self.poll(asker);
    }

    pub(super) fn poll_client(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let Some(pending) = client.poll(self.now_ms) else { return };
        let (node, life) = (client.node, client.life);
        self.at(TIMEOUT_MS, Event::ClientTimeout { client: number, number: pending.number });
        if !self.rng.percent(self.client_loss()) {
            let delay = 1 + self.rng.below(DELAY_MS_MAX);
            let Pending { number: request, deed } = pending;
            let event = Event::ClientRequest { client: number, life, number: request, node, deed };
            self.at(delay, event);
        }
    }

    fn client_loss(&self) -> u64 {
        if self.healing { 0 } else { self.plan.loss / 2 }
    }

    pub(super) fn client_request(
        &mut self,
        client: usize,
        life: u32,
        number: u64,
        node: usize,
        deed: &Deed,
    ) -> Step {
        let Some(done) = self.act(client, life, node, deed)? else { return Ok(()) };
        if !self.rng.percent(self.client_loss()) {
            let delay = 1 + self.rng.below(DELAY_MS_MAX);
            self.at(delay, Event::ClientResponse { client, number, done });
        }
        Ok(())
    }

    /// A server does what the client in one of its lives asked, or an operator in its place; `None` when the server is down.
    fn act(
        &mut self,
        client: usize,
        asked_by: u32,
        server: usize,
        deed: &Deed,
    ) -> Result<Option<Done>, invariant::Broken> {
        let key = self.clients[client].key.clone();
        let now_ms = self.now_ms;
        let Some(life) = self.life_of(server) else { return Ok(None) };
        let acted = if let Some(node) = self.nodes.get_mut(server) {
            let done = node.as_mut().map(|node| node.act(&key.0, &key.1, deed, now_ms));
            done.map(|done| (done, self.dirty_at(server, &key)))
        } else {
            self.act_java(server, &key, deed)
        };
        let Some((done, dirty_ms)) = acted else { return Ok(None) };
        self.touched[client] = now_ms;
        let heard = matches!(done, Done::Yes | Done::No { heard: true });
        let leaves = matches!(deed, Deed::Cancel);
        if heard && !leaves {
            self.truth.sign(&key, Sign { at_ms: now_ms, node: server, life, dirty_ms });
        } else if heard && asked_by == self.clients[client].life {
            self.truth.left(&key, now_ms, server);
        }
        let name = self.name(server);
        self.note(|| format!("{name} asked by {} {}: {} -> {done:?}", key.0, key.1, in_words::deed(deed)));
        if server < self.plan.nodes {
            self.changed(server, &[])?;
            invariant::lease::check(self, server)?;
        }
        self.poll(server);
        Ok(Some(done))
    }

    fn dirty_at(&self, node: usize, (app, id): &Key) -> u64 {
        let told = self.nodes[node].as_ref().and_then(|node| node.registry.told(app, id));
        told.map_or(0, |(record, _)| record.dirty_ms)
    }

    /// After an answer or the lack of one.
    pub(super) fn client_went_on(&mut self, number: usize, over: bool) {
        if over {
            let key = self.clients[number].key.clone();
            self.note(|| format!("client {} {} is gone", key.0, key.1));
            self.truth.gone(&key, self.now_ms);
        }
        self.wake_client(number);
    }

    pub(super) fn wake_client(&mut self, number: usize) {
        if let Some(wake) = self.clients[number].wake_ms() {
            self.at(wake.saturating_sub(self.now_ms), Event::ClientWake { client: number });
        }
    }
}
