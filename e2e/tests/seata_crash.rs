//! Processes killed in the middle of Seata's transactions: the transaction manager, the resource manager, the server. What was
//! decided is carried through, what was not is undone, and no lock and no undo log row is left.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::time::Duration;

use serde_json::Value;
use synod_e2e::wait::{now, wait_for};
use synod_e2e::{Ledger, Mode, SeataClient, SeataServer, SeataVersion};

/// Longer than any scenario.
const MINUTE: Duration = Duration::from_secs(60);
/// The time-out of a transaction that nobody ends. A JVM's first statement alone may take two seconds.
const SHORT: Duration = Duration::from_secs(6);
/// Longest time until phase two reaches a resource manager that has just come.
const REACHED: Duration = Duration::from_secs(20);
/// Longest time until a client has noticed that its server is back.
const BACK: Duration = Duration::from_secs(40);

fn add(number: u32, amount: i64) -> String {
    format!("update account set balance = balance + {amount} where id = {number}")
}

/// A resource manager with a database in AT mode and a TCC action.
fn bank(version: SeataVersion, server: &SeataServer, ledger: &Ledger) -> SeataClient {
    let mut client = SeataClient::start(version, "bank", server.address());
    ledger.open(&mut client, Mode::At);
    client.ask("open", &["action", "pay"]);
    client
}

fn manager(version: SeataVersion, server: &SeataServer) -> SeataClient {
    let mut client = SeataClient::spawn(version, "shop", "tm", server.address());
    client.wait_ready();
    client
}

/// Phase one of a branch of each kind, in a process that did not begin the transaction.
#[track_caller]
fn work(bank: &mut SeataClient, ledger: &Ledger, xid: &str, number: u32) {
    bank.ask("s", &["bind", xid]);
    bank.sql("s", ledger.name(), &add(number, 1));
    bank.ask("s", &["try", "pay", "1"]);
    bank.ask("s", &["unbind"]);
}

#[test]
fn managers_and_resources_are_killed() {
    managers_and_resources(SeataVersion::NEWEST);
}

#[test]
fn managers_and_resources_of_the_oldest_client_are_killed() {
    managers_and_resources(SeataVersion::OLDEST);
}

fn managers_and_resources(version: SeataVersion) {
    let (server, ledger) = (SeataServer::start(), Ledger::mariadb());
    let mut bank = bank(version, &server, &ledger);
    bank = the_transaction_manager_is_killed(&server, &ledger, bank);
    let began = now();
    bank = the_resource_manager_is_killed(&server, &ledger, bank, "commit");
    the_resource_manager_is_killed(&server, &ledger, bank, "rollback");
    println!("{version}: resource managers: {:?}", began.elapsed());
}

/// Nobody is left to say how it ends: it is rolled back when its time is over.
fn the_transaction_manager_is_killed(
    server: &SeataServer,
    ledger: &Ledger,
    mut bank: SeataClient,
) -> SeataClient {
    let [number] = ledger.accounts();
    let mut shop = manager(bank.version(), server);
    let xid = shop.begin("s", SHORT);
    let began = now();
    work(&mut bank, ledger, &xid, number);
    shop.kill9();
    assert_eq!(ledger.balances(&[number])[&number], 101);
    let event = bank.event(REACHED);
    assert_eq!((&event["event"], &event["xid"]), (&"rollback".into(), &xid.into()));
    ledger.settles(&[(number, 100)], &[]);
    println!("manager killed: rolled back {:?} after the begin", began.elapsed());
    bank
}

/// Phase two finds nobody; it reaches the next process of the same application with the same resources.
fn the_resource_manager_is_killed(
    server: &SeataServer,
    ledger: &Ledger,
    mut bank: SeataClient,
    end: &str,
) -> SeataClient {
    let [number] = ledger.accounts();
    let mut shop = manager(bank.version(), server);
    let xid = shop.begin("s", MINUTE);
    work(&mut bank, ledger, &xid, number);
    bank.kill9();
    let answer = shop.ask("s", &[end]);
    println!("{end} without resource manager: {answer}");
    let early = if end == "commit" { "CommitDone" } else { bank.version().of_a_retry() };
    assert_eq!(answer["code"], early);
    assert_eq!(ledger.undo_log().len(), 1);
    let mut again = self::bank(bank.version(), server, ledger);
    let back = now();
    let event = again.event(REACHED);
    assert_eq!((&event["event"], &event["xid"]), (&end.into(), &(*xid).into()));
    ledger.settles(&[(number, if end == "commit" { 101 } else { 100 })], &[]);
    println!("{end}: reached {:?} after the resource manager was back", back.elapsed());
    again
}

/// A server with clients, to be killed at a chosen step.
struct Crash {
    server: Option<SeataServer>,
    ledger: Ledger,
    bank: SeataClient,
    shop: SeataClient,
}

#[test]
fn the_server_is_killed_at_each_step() {
    the_server_is_killed(SeataVersion::NEWEST);
}

#[test]
fn the_server_of_the_oldest_client_is_killed_at_each_step() {
    the_server_is_killed(SeataVersion::OLDEST);
}

fn the_server_is_killed(version: SeataVersion) {
    let (server, ledger) = (SeataServer::start(), Ledger::mariadb());
    let (bank, shop) = (bank(version, &server, &ledger), manager(version, &server));
    let mut crash = Crash { server: Some(server), ledger, bank, shop };
    for end in ["commit", "rollback"] {
        let began = now();
        crash.between_begin_and_branches(end);
        crash.between_branches_and_decision(end);
        crash.during_phase_two(end);
        println!("{version}, {end}: killed at each step in {:?}", began.elapsed());
    }
    crash.right_after_an_at_commit();
    crash.before_the_time_out();
}

impl Crash {
    /// Kills the server, starts it again and waits until both clients are connected to it.
    #[track_caller]
    fn kill_and_restart(&mut self, step: &str) {
        let mut server = self.server.take().expect("it is there between two steps");
        server.kill9();
        let began = now();
        self.server = Some(server.restart());
        let ready = began.elapsed();
        // A request makes a client connect at once; by itself it does so at times.
        let keys = ["lockable", self.ledger.name(), "account:0"];
        wait_for(BACK, || self.bank.attempt("poke", &keys));
        let nobody = "127.0.0.1:1:1";
        wait_for(BACK, || self.shop.attempt("poke", &["status-of", nobody]));
        println!("killed {step}: ready after {ready:?}, clients back after {:?}", began.elapsed());
    }

    #[track_caller]
    fn end(&mut self, end: &str) -> Value {
        self.shop.ask("s", &[end])
    }

    /// The action is called for the end of `xid` once, and the account is as it should be.
    #[track_caller]
    fn ends(&mut self, xid: &str, end: &str, number: u32) {
        let server = self.server.as_ref().expect("it is there between two steps");
        // Seata takes up what was in phase two when it died no sooner than 130 s after the begin.
        let event = self.bank.event(server.expected(REACHED, Duration::from_secs(150)));
        assert_eq!((&event["event"], &event["xid"]), (&end.into(), &xid.into()), "{event}");
        self.ledger.settles(&[(number, if end == "commit" { 101 } else { 100 })], &[]);
        self.nobody_holds(number);
    }

    #[track_caller]
    fn nobody_holds(&mut self, number: u32) {
        let key = format!("account:{number}");
        wait_for(REACHED, || {
            let answer = self.bank.ask("poke", &["lockable", self.ledger.name(), &key]);
            if answer["lockable"] == true { Ok(()) } else { Err(format!("{key} is locked for ever")) }
        });
    }

    fn between_begin_and_branches(&mut self, end: &str) {
        let [number] = self.ledger.accounts();
        let xid = self.shop.begin("s", MINUTE);
        // A begin is answered before it is durable; if it is lost, so is a transaction that has done nothing. What is told of it
        // later is told of what is in the log.
        assert_eq!(self.shop.ask("poke", &["status-of", &xid])["status"], "Begin");
        self.kill_and_restart("before a branch is registered");
        work(&mut self.bank, &self.ledger, &xid, number);
        self.end(end);
        self.ends(&xid, end, number);
    }

    fn between_branches_and_decision(&mut self, end: &str) {
        let [number] = self.ledger.accounts();
        let xid = self.shop.begin("s", MINUTE);
        work(&mut self.bank, &self.ledger, &xid, number);
        self.kill_and_restart("after branches are registered");
        // The lock came back with the transaction.
        let key = format!("account:{number}");
        let answer = self.bank.ask("poke", &["lockable", self.ledger.name(), &key]);
        assert_eq!(answer["lockable"], false, "the lock of an open transaction is lost");
        self.end(end);
        self.ends(&xid, end, number);
    }

    /// The action is held while it is called, so that the server dies before it hears the answer.
    fn during_phase_two(&mut self, end: &str) {
        let [number] = self.ledger.accounts();
        self.bank.ask("open", &["plan", "pay", end, "wait"]);
        let xid = self.shop.begin("s", MINUTE);
        work(&mut self.bank, &self.ledger, &xid, number);
        let ticket = self.shop.send("s", &[end]);
        let event = self.bank.event(REACHED);
        assert_eq!(
            (&event["event"], &event["xid"], &event["does"]),
            (&end.into(), &(*xid).into(), &"wait".into())
        );
        self.kill_and_restart("after the decision, in phase two");
        self.bank.ask("open", &["release", "pay"]);
        // Called again, as nobody heard the first answer.
        self.ends(&xid, end, number);
        let answer = self.shop.answer(ticket);
        println!("{end} over a restart: {answer:?}");
        if let Ok(answer) = answer {
            assert_ne!(answer["code"], if end == "commit" { "RollbackDone" } else { "CommitDone" });
        }
    }

    /// The answer is out, the undo log is not yet deleted.
    fn right_after_an_at_commit(&mut self) {
        let [number] = self.ledger.accounts();
        let xid = self.shop.begin("s", MINUTE);
        self.bank.ask("s", &["bind", &xid]);
        self.bank.sql("s", self.ledger.name(), &add(number, 1));
        self.bank.ask("s", &["unbind"]);
        assert_eq!(self.end("commit")["code"], "CommitDone");
        let left = self.ledger.undo_log().len();
        self.kill_and_restart("right after a commit of AT branches only");
        println!("{left} undo log rows when it was killed");
        self.ledger.settles(&[(number, 101)], &[]);
        self.nobody_holds(number);
    }

    fn before_the_time_out(&mut self) {
        let [number] = self.ledger.accounts();
        let xid = self.shop.begin("s", SHORT);
        work(&mut self.bank, &self.ledger, &xid, number);
        self.kill_and_restart("before a time-out");
        self.ends(&xid, "rollback", number);
    }
}
