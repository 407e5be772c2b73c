//! What nodes and clients send each other.

use super::{Event, Request, Response, Route, Step, Talk, World};
use crate::client::{DELAY_MS_MAX, TIMEOUT_MS};
use crate::invariant;
use crate::node::{Deed, Done};
use crate::serve;
use crate::truth::Sign;

use synod_core::registry::lane::Failure;
use synod_core::registry::link;

impl World {
    /// Lets a node send what is due, and wakes it when something is due next.
    pub(super) fn poll(&mut self, number: usize) {
        let now_ms = self.now_ms;
        let mut out = Vec::new();
        let Some(node) = &mut self.nodes[number] else { return };
        let now = node.now(now_ms);
        let mut wake = None;
        for (peer, link) in node.links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            let route =
                |talk, number_of| Route { asker: number, life: node.life, peer, talk, number: number_of };
            if let Some((_, batch)) = link.poll_batch(&node.registry, now) {
                let notices = batch.items.iter().map(|item| link::notice(item, now)).collect();
                out.push((route(Talk::Batch, batch.number), Request::Batch(notices)));
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
        if let Some(wake) = wake
            && self.wakes[number].is_none_or(|known| wake < known || known <= now_ms)
        {
            self.wakes[number] = Some(wake);
            self.at(wake - now_ms, Event::Wake { node: number, life });
        }
    }

    fn send_request(&mut self, route: Route, request: Request) {
        self.at(self.plan.timeout_ms(), Event::Timeout(route));
        for delay in self.net.send(route.asker, route.peer) {
            self.at(delay, Event::Request(route, Box::new(request.clone())));
        }
    }

    pub(super) fn request_arrived(&mut self, route: Route, request: Request) -> Step {
        let now_ms = self.now_ms;
        let Some(node) = &self.nodes[route.peer] else { return Ok(()) };
        if self.net.is_cut(route.asker, route.peer) {
            return Ok(());
        }
        self.report.requests += 1;
        let line = format!("node-{} from node-{}: {}", route.peer, route.asker, summary(&request));
        let (response, changes) = serve::serve(&node.registry, route.peer, request, node.now(now_ms));
        self.note(|| line);
        self.changed(route.peer, &changes)?;
        invariant::lease::check(self, route.peer)?;
        for delay in self.net.send(route.peer, route.asker) {
            self.at(delay, Event::Response(route, Box::new(response.clone())));
        }
        Ok(())
    }

    pub(super) fn response_arrived(&mut self, route: Route, response: Response) -> Step {
        let now_ms = self.now_ms;
        let Route { asker, life, peer, number, .. } = route;
        if !self.is_alive(asker, life) || self.net.is_cut(peer, asker) {
            return Ok(());
        }
        let node = self.nodes[asker].as_mut().expect("it is alive");
        let now = node.now(now_ms);
        let link = node.links[peer].as_mut().expect("nobody asks itself");
        let changes = match response {
            Response::Batch(answers) => link.answered(&node.registry, number, answers, now),
            Response::Ask(reply) => link.replied(&node.registry, number, reply, now),
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
        // A dead peer refuses connections, a cut or lossy network lets them time out.
        let failure = if self.nodes[peer].is_none() { Failure::Unreachable } else { Failure::Congested };
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
        let node = client.node;
        self.at(TIMEOUT_MS, Event::ClientTimeout { client: number, number: pending.number });
        if !self.rng.percent(self.client_loss()) {
            let delay = 1 + self.rng.below(DELAY_MS_MAX);
            let event =
                Event::ClientRequest { client: number, number: pending.number, node, deed: pending.deed };
            self.at(delay, event);
        }
    }

    fn client_loss(&self) -> u64 {
        if self.healing { 0 } else { self.plan.loss / 2 }
    }

    pub(super) fn client_request(&mut self, client: usize, number: u64, node: usize, deed: &Deed) -> Step {
        let Some(done) = self.act(client, node, deed)? else { return Ok(()) };
        if !self.rng.percent(self.client_loss()) {
            let delay = 1 + self.rng.below(DELAY_MS_MAX);
            self.at(delay, Event::ClientResponse { client, number, done });
        }
        Ok(())
    }

    /// A node does what it is asked; `None` when it is down.
    pub(super) fn act(
        &mut self,
        client: usize,
        number: usize,
        deed: &Deed,
    ) -> Result<Option<Done>, invariant::Broken> {
        let (app, id) = self.clients[client].key.clone();
        let now_ms = self.now_ms;
        let Some(node) = &mut self.nodes[number] else { return Ok(None) };
        let life = node.life;
        let done = node.act(&app, &id, deed, now_ms);
        let dirty_ms = node.registry.told(&app, &id).map_or(0, |(record, _)| record.dirty_ms);
        let key = (app, id);
        let heard = matches!(done, Done::Yes | Done::No { heard: true });
        if heard && matches!(deed, Deed::Cancel) {
            self.truth.left(&key, now_ms, number);
        } else if heard {
            self.truth.sign(&key, Sign { at_ms: now_ms, node: number, life, dirty_ms });
        }
        self.note(|| format!("node-{number} asked by {} {}: {} -> {done:?}", key.0, key.1, in_words(deed)));
        self.changed(number, &[])?;
        invariant::lease::check(self, number)?;
        self.poll(number);
        Ok(Some(done))
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

fn in_words(deed: &Deed) -> String {
    match deed {
        Deed::Register(instance) => format!("register {} dirty {}", instance.status, instance.dirty_ms),
        Deed::Renew(dirty_ms) => format!("renew dirty {dirty_ms}"),
        Deed::Cancel => "cancel".to_owned(),
        Deed::Override(status) => format!("override {status}"),
        Deed::ClearOverride => "clear the override".to_owned(),
        Deed::Metadata(value) => format!("set metadata {value}"),
    }
}

fn summary(request: &Request) -> String {
    use synod_core::registry::sync::{Ask, Notice};
    let one = |notice: &Notice| match notice {
        Notice::Record(news) => {
            format!("record {} {} age {}", news.instance.app, news.instance.id, news.age_ms)
        }
        Notice::Heartbeat(sign) => format!("heartbeat {} {} age {}", sign.app, sign.id, sign.age_ms),
        Notice::Ended(ended) => format!("end {} {}", ended.app, ended.id),
    };
    match request {
        Request::Batch(notices) => notices.iter().map(one).collect::<Vec<_>>().join(", "),
        Request::Ask(Ask::Hello) => "hello".to_owned(),
        Request::Ask(Ask::Compare { fading }) => {
            let names: Vec<_> = fading.iter().map(|sign| format!("{} {}", sign.app, sign.id)).collect();
            format!("compare, fading: {}", names.join(", "))
        }
        Request::Ask(Ask::Exchange(holdings)) => {
            let names: Vec<_> =
                holdings.signs.iter().map(|sign| format!("{} {}", sign.app, sign.id)).collect();
            let ends: Vec<_> = holdings.ends.iter().map(|end| format!("{} {}", end.app, end.id)).collect();
            format!("exchange, held: {}; ended: {}", names.join(", "), ends.join(", "))
        }
        Request::Ask(Ask::List { .. }) => "list".to_owned(),
    }
}
