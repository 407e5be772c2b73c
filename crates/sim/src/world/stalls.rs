//! Servers that stand still: a long collection of garbage, a stopped process, a machine that is moved. Their clocks run on.
//! What was sent to them lies in their sockets, and their timers come up late.

use super::{Event, World};

/// A time in which a server stood still.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// The beginning.
    pub from_ms: u64,
    /// The end.
    pub until_ms: u64,
}

impl Event {
    /// The server that has to run for it.
    fn server(&self) -> Option<usize> {
        match self {
            Self::Tick { node, .. } | Self::Wake { node, .. } | Self::Snapshot { node, .. } => Some(*node),
            Self::Request(route, _) => Some(route.peer),
            Self::Response(route, _) | Self::Timeout(route) => Some(route.asker),
            Self::ClientRequest { node, .. } => Some(*node),
            _ => None,
        }
    }

    fn is_timer(&self) -> bool {
        matches!(self, Self::Tick { .. } | Self::Wake { .. } | Self::Snapshot { .. })
    }
}

impl World {
    pub(super) fn stall(&mut self, server: usize, lasts_ms: u64) {
        if self.life_of(server).is_none() || self.is_stalled(server) {
            return;
        }
        let name = self.name(server);
        self.note(|| format!("fault {name} stands still for {lasts_ms} ms"));
        self.report.stalls += 1;
        self.stalls[server].push(Stall { from_ms: self.now_ms, until_ms: self.now_ms + lasts_ms });
        self.at(lasts_ms, Event::Resume { node: server });
    }

    /// It crashed: what lay in its sockets is lost.
    pub(super) fn end_stall(&mut self, server: usize) {
        self.backlogs[server].clear();
        if let Some(stall) = self.stalls[server].last_mut() {
            stall.until_ms = stall.until_ms.min(self.now_ms);
        }
    }

    pub(super) fn resume(&mut self, server: usize) {
        if self.is_stalled(server) {
            return;
        }
        let (timers, messages): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.backlogs[server]).into_iter().partition(Event::is_timer);
        let timers_first = self.rng.percent(50);
        let [first, then] = if timers_first { [timers, messages] } else { [messages, timers] };
        first.into_iter().chain(then).for_each(|event| self.at(0, event));
    }

    /// An event that can happen now; others wait.
    pub(super) fn unless_stalled(&mut self, event: Event) -> Option<Event> {
        match event.server().filter(|server| self.is_stalled(*server)) {
            Some(server) => {
                self.backlogs[server].push(event);
                None
            }
            None => Some(event),
        }
    }

    /// Whether a server stands still.
    pub fn is_stalled(&self, server: usize) -> bool {
        self.stalls[server].last().is_some_and(|stall| stall.until_ms > self.now_ms)
    }

    /// Since when a server has been running without standing still; `None` while it does not. (When it started, the network
    /// knows.)
    pub(super) fn running_since(&self, server: usize) -> Option<u64> {
        self.life_of(server).filter(|_| !self.is_stalled(server))?;
        Some(self.stalls[server].last().map_or(0, |stall| stall.until_ms))
    }

    /// For how long a server stood still in that time.
    pub fn stood_still_ms(&self, server: usize, from_ms: u64, until_ms: u64) -> u64 {
        let part = |stall: &Stall| stall.until_ms.min(until_ms).saturating_sub(stall.from_ms.max(from_ms));
        self.stalls[server].iter().map(part).sum()
    }

    /// The longest that a message may have lain in sockets since then, passed on from server to server.
    pub fn held_up_ms(&self, since_ms: u64) -> u64 {
        (0..self.stalls.len()).map(|server| self.stood_still_ms(server, since_ms, self.now_ms)).sum()
    }
}
