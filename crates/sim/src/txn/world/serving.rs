//! What the coordinator answers clients, and what it thereby promises.

use synod_base::xid::Xid;
use synod_core::txn::drive::Urgency;
use synod_core::txn::{Command, Done, End, Found, Mode, Outcome, Refusal, Status, Txn, Way};

use super::coordinating::Ticket;
use super::{Event, Reply, Step, Wish, World};
use crate::txn::client::Noted;
use crate::txn::oracle;
use crate::txn::plan::Breakage;
use crate::txn::record::decided;

impl World {
    pub(super) fn wish(&mut self, client: usize, number: u64, wish: Wish) -> Step {
        if self.node.is_none() {
            return Ok(());
        }
        match wish {
            Wish::Begin => self.begin(client, number)?,
            Wish::Command(command) => {
                let ticket = Ticket::Client { client, number, command: command.clone() };
                if !self.push(command, ticket, Urgency::Now) {
                    self.send(Event::Reply { client, number, reply: Reply::Busy });
                }
            }
            Wish::Look { xid, at } => self.look_at_rows(client, number, xid, at)?,
            Wish::Query(xid) => {
                let gid = self.clients[client].gid();
                let reply = self.look_up(xid, &gid)?;
                self.send(Event::Reply { client, number, reply });
            }
        }
        self.work()
    }

    fn begin(&mut self, client: usize, number: u64) -> Step {
        let Some(node) = &mut self.node else { return Ok(()) };
        let Some(xid) = node.ids.take() else {
            self.send(Event::Reply { client, number, reply: Reply::Busy });
            return Ok(());
        };
        oracle::ids::given(self, xid, client, number)?;
        let begin = self.clients[client].begin(xid);
        let command = Command::Begin(Box::new(begin));
        if self.plan.early_begin && self.clients[client].nameless {
            // Answered now; in the log before whatever is enlisted.
            if self.push(command, Ticket::Nobody, Urgency::Lazy) {
                self.send(Event::Reply { client, number, reply: Reply::Begun(xid) });
            }
            return Ok(());
        }
        let ticket = Ticket::Client { client, number, command: command.clone() };
        if !self.push(command, ticket, Urgency::Now) {
            self.send(Event::Reply { client, number, reply: Reply::Busy });
        }
        Ok(())
    }

    fn look_at_rows(&mut self, client: usize, number: u64, xid: Xid, at: usize) -> Step {
        let Some(rows) = self.clients[client].named_rows(at) else { return Ok(()) };
        let Some(node) = &self.node else { return Ok(()) };
        let reply = match node.machine.read(|view| view.state.conflict(xid, &rows)) {
            Some((_, rolling_back)) => Reply::Locked { rolling_back },
            None => {
                oracle::rows::read(self, client, xid, at)?;
                Reply::Done
            }
        };
        self.send(Event::Reply { client, number, reply });
        Ok(())
    }

    fn look_up(&mut self, xid: Option<Xid>, gid: &str) -> Result<Reply, oracle::Broken> {
        let Some(node) = &self.node else { return Ok(Reply::Busy) };
        let found = node.machine.read(|view| match xid {
            Some(xid) => view.state.find(xid),
            None => view.state.find_gid(gid),
        });
        Ok(match found {
            Found::Open(txn) => {
                self.promise(txn.xid, txn.mode, txn.status)?;
                if txn.mode == Mode::Workflow { Reply::Notes(Some(notes(&txn))) } else { Reply::Open }
            }
            Found::Ended(xid, _) if self.plan.breakage == Breakage::ForgetsOutcomes => {
                oracle::decision::told(self, xid, Way::Backward)?;
                Reply::Notes(None)
            }
            Found::Ended(xid, end) => {
                let mode = self.record.stood.get(&xid).map_or(Mode::Tcc, |(mode, _)| *mode);
                self.promise(xid, mode, Status::Ended(end))?;
                Reply::Ended
            }
            Found::Forgotten => Reply::Open,
            Found::Unknown => {
                // Whoever is unknown has not committed, and never will.
                if let Some(xid) = xid {
                    oracle::decision::told(self, xid, Way::Backward)?;
                }
                Reply::Notes(None)
            }
        })
    }

    /// What a participant in doubt is told: how to settle its branch, if that can be said.
    pub(super) fn decision(&mut self, xid: Xid) -> Result<Option<Way>, oracle::Broken> {
        let Some(node) = &self.node else { return Ok(None) };
        let found = node.machine.read(|view| view.state.find(xid));
        let breakage = self.plan.breakage;
        Ok(match found {
            // It is being told anyhow.
            Found::Open(_) | Found::Forgotten => None,
            Found::Ended(..) if breakage == Breakage::ForgetsOutcomes => Some(Way::Backward),
            Found::Ended(_, End::Committed) => Some(Way::Forward),
            Found::Ended(_, End::RolledBack | End::Stopped) => Some(Way::Backward),
            Found::Unknown if breakage == Breakage::UnknownIsCommitted => Some(Way::Forward),
            // Presumed abort.
            Found::Unknown => {
                oracle::decision::told(self, xid, Way::Backward)?;
                Some(Way::Backward)
            }
        })
    }

    /// Somebody is told how a transaction stands.
    fn promise(&mut self, xid: Xid, mode: Mode, status: Status) -> Step {
        match decided(mode, status) {
            Some(way) => oracle::decision::told(self, xid, way),
            None => Ok(()),
        }
    }

    /// What became of a client's command leaves for it.
    pub(super) fn answer(&mut self, client: usize, number: u64, command: &Command, outcome: Outcome) -> Step {
        let mode = self.clients[client].mode;
        let about = match command {
            Command::Begin(begin) => Some(begin.xid),
            Command::Enlist(enlist) => Some(enlist.xid),
            Command::Decide(decision) => Some(decision.xid),
            _ => None,
        };
        self.note(|| {
            format!("client {client}: {} {outcome:?}", about.map_or(String::new(), |xid| format!("{xid}:")))
        });
        let reply = match (&outcome, command) {
            (Ok(Done::Begun(xid, status)), _) => {
                oracle::ids::begun(self, *xid, client)?;
                self.promise(*xid, mode, *status)?;
                Reply::Begun(*xid)
            }
            (Ok(Done::Enlisted(joined)), Command::Enlist(enlist)) => {
                oracle::decision::joined(enlist.xid, &enlist.branch.id)?;
                let name = (enlist.xid, enlist.branch.id.clone());
                if let Some(rows) = &enlist.branch.rows {
                    self.record.granted.insert(name.clone(), (**rows).clone());
                }
                self.record.enlisted.insert(name);
                Reply::Joined(*joined)
            }
            (Err(Refusal::Locked { .. }), _) if self.plan.breakage == Breakage::IgnoresLocks => {
                Reply::Joined(0)
            }
            (Err(Refusal::Locked { rolling_back, .. }), _) => Reply::Locked { rolling_back: *rolling_back },
            (Ok(Done::Decided(status)), Command::Decide(decision)) => {
                self.promise(decision.xid, mode, *status)?;
                Reply::Done
            }
            (Ok(_), _) => Reply::Done,
            (Err(Refusal::Ended(end)), _) => {
                if let Some(xid) = about {
                    self.promise(xid, mode, Status::Ended(*end))?;
                }
                Reply::Refused
            }
            (Err(Refusal::Not(status)), Command::Decide(decision)) => {
                self.promise(decision.xid, mode, *status)?;
                Reply::Refused
            }
            (Err(Refusal::Busy(_)), _) => Reply::Busy,
            (Err(_), _) => Reply::Refused,
        };
        self.send(Event::Reply { client, number, reply });
        Ok(())
    }
}

/// The steps of a workflow that are noted.
fn notes(txn: &Txn) -> Vec<Noted> {
    let one = |branch: &synod_core::txn::Branch| {
        let number: usize = branch.id.parse().unwrap_or(1);
        let way = if &*branch.label == "rollback" { Way::Backward } else { Way::Forward };
        let refused = branch.forward.step == synod_core::txn::Step::Refused;
        Noted { branch: number - 1, way, refused }
    };
    txn.branches.iter().map(one).collect()
}
