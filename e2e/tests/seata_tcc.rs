//! Seata's Java clients in TCC mode, and what a transaction manager is told of endings: a commit that did not happen is never
//! taken for one that did.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::time::Duration;

use serde_json::Value;
use synod_e2e::wait::{now, wait_for};
use synod_e2e::{SeataClient, SeataServer, SeataVersion};

/// Longer than any scenario.
const MINUTE: Duration = Duration::from_secs(60);
/// Longest time until phase two calls an action, again too.
const CALLED: Duration = Duration::from_secs(20);
/// A transaction of which the time-out is waited for.
const SHORT: Duration = Duration::from_secs(1);

#[test]
fn the_newest_client() {
    every_scenario(SeataVersion::NEWEST, "seata");
}

#[test]
fn the_oldest_client() {
    every_scenario(SeataVersion::OLDEST, "seata");
}

#[test]
fn the_clients_between() {
    SeataVersion::between().iter().for_each(|version| every_scenario(*version, "seata"));
}

/// Which knows fewer statuses and numbers its errors otherwise.
#[test]
fn protobuf() {
    every_scenario(SeataVersion::OLDEST, "protobuf");
    let between = SeataVersion::between().iter().filter(|version| version.has_protobuf());
    between.for_each(|version| every_scenario(*version, "protobuf"));
}

fn every_scenario(version: SeataVersion, serialization: &str) {
    let server = SeataServer::start();
    let began = now();
    let address = server.address().to_string();
    let properties = [("service.default.grouplist", &*address), ("transport.serialization", serialization)];
    let mut client = SeataClient::start_with(version, "shop", &properties);
    for action in ["stock", "pay", "ship"] {
        client.ask("open", &["action", action]);
    }
    let mut shop = Shop { server: &server, client };
    shop.commits_in_order();
    shop.rolls_back_in_reverse();
    shop.a_call_that_fails_comes_again("commit", "CommitDone");
    shop.a_call_that_fails_comes_again("rollback", "RollbackDone");
    shop.contexts_of_any_size_come_back();
    shop.a_repeated_end_is_answered_as_the_first();
    shop.nothing_is_committed_after_its_time_out();
    shop.nothing_is_committed_after_a_rollback();
    shop.nothing_is_committed_that_nobody_knows();
    println!("{version} with {serialization}: all scenarios in {:?}", began.elapsed());
}

/// A client with three actions.
struct Shop<'a> {
    server: &'a SeataServer,
    client: SeataClient,
}

/// What an event says: the phase, the action and what it will answer.
fn call(event: &Value) -> String {
    let word = |key: &str| event[key].as_str().unwrap_or("?");
    format!("{} {} {}", word("event"), word("action"), word("does"))
}

impl Shop<'_> {
    /// Begins in session `s` and goes through phase one of all actions; the xid.
    #[track_caller]
    fn order(&mut self, timeout: Duration) -> String {
        let xid = self.client.begin("s", timeout);
        for action in ["stock", "pay", "ship"] {
            self.client.ask("s", &["try", action, &format!("{action} of {xid}")]);
        }
        xid
    }

    /// Waits for so many calls; each belongs to the transaction and brings its action's own text.
    #[track_caller]
    fn calls(&mut self, xid: &str, count: usize) -> Vec<String> {
        let events: Vec<Value> = (0..count).map(|_| self.client.event(CALLED)).collect();
        for event in &events {
            let action = event["action"].as_str().unwrap_or("?");
            assert_eq!(event["xid"], xid, "{event}");
            assert_eq!(event["text"], format!("{action} of {xid}"), "{event}");
        }
        events.iter().map(call).collect()
    }

    /// Ends the transaction of session `s`.
    #[track_caller]
    fn end(&mut self, how: &str) -> Value {
        self.client.ask("s", &[how])
    }

    #[track_caller]
    fn status(&mut self, xid: &str) -> String {
        let answer = self.client.ask("other", &["status-of", xid]);
        answer["status"].as_str().unwrap_or("?").to_owned()
    }

    #[track_caller]
    fn no_more_calls(&mut self) {
        let events = self.client.events();
        assert!(events.is_empty(), "called again: {events:?}");
    }

    fn commits_in_order(&mut self) {
        let xid = self.order(MINUTE);
        assert_eq!(self.status(&xid), "Begin");
        assert_eq!(self.end("commit")["code"], "CommitDone");
        let calls = self.calls(&xid, 3);
        assert_eq!(calls, ["commit stock succeed", "commit pay succeed", "commit ship succeed"]);
        self.no_more_calls();
        assert_eq!(self.status(&xid), self.server.expected("Committed", "Finished"));
    }

    fn rolls_back_in_reverse(&mut self) {
        let xid = self.order(MINUTE);
        let answer = self.end("rollback");
        assert_eq!((&answer["code"], &answer["status"]), (&"RollbackDone".into(), &"Rollbacked".into()));
        let calls = self.calls(&xid, 3);
        let reversed = ["rollback ship succeed", "rollback pay succeed", "rollback stock succeed"];
        let registered = ["rollback stock succeed", "rollback pay succeed", "rollback ship succeed"];
        assert_eq!(calls, self.server.expected(reversed, registered));
        self.no_more_calls();
        assert_eq!(self.status(&xid), self.server.expected("Rollbacked", "Finished"));
    }

    /// Those after it wait for their turn.
    fn a_call_that_fails_comes_again(&mut self, phase: &str, done: &str) {
        self.client.ask("open", &["plan", "pay", phase, "throw", "false"]);
        let xid = self.order(MINUTE);
        let answer = self.end(phase);
        println!("{phase} with an action that fails: {answer}, then {}", self.status(&xid));
        // Of a commit that is decided the client wants to know no more; of a rollback it says that it goes on.
        assert_eq!(answer["code"], if phase == "commit" { done } else { self.client.version().of_a_retry() });
        let calls = self.calls(&xid, 5);
        let last = if calls[0].contains("stock") { "ship" } else { "stock" };
        assert_eq!(calls[1..4], ["throw", "false", "succeed"].map(|does| format!("{phase} pay {does}")));
        assert_eq!(calls[4], format!("{phase} {last} succeed"));
        wait_for(CALLED, || match &*self.status(&xid) {
            "Committed" | "Rollbacked" | "Finished" => Ok(()),
            other => Err(format!("{xid} is {other}")),
        });
        self.no_more_calls();
    }

    fn contexts_of_any_size_come_back(&mut self) {
        let xid = self.client.begin("s", MINUTE);
        let large = "ä".repeat(12_000);
        let attempt = self.client.attempt("s", &["try", "stock", &large]);
        if self.server.expected(true, false) {
            attempt.expect("24 KB are stored");
            assert_eq!(self.end("commit")["code"], "CommitDone");
            let event = self.client.event(CALLED);
            assert_eq!((&event["xid"], &event["text"]), (&xid.into(), &large.into()));
        } else {
            println!("24 KB of context: {}", attempt.expect_err("Seata 2.0.0 stores no more than 16 KiB"));
            self.end("rollback");
        }
    }

    /// An answer may be lost, and then the client asks again.
    fn a_repeated_end_is_answered_as_the_first(&mut self) {
        for (end, first) in [("commit", "Committed"), ("rollback", "Rollbacked")] {
            let xid = self.order(MINUTE);
            self.end(end);
            self.calls(&xid, 3);
            let again = self.client.ask("other", &[&format!("{end}-of"), &xid]);
            assert_eq!(again["status"], self.server.expected(first, "Finished"), "{end} again");
            self.no_more_calls();
        }
    }

    fn nothing_is_committed_after_its_time_out(&mut self) {
        let xid = self.order(SHORT);
        // Rolled back without anybody asking.
        let calls = self.calls(&xid, 3);
        assert!(calls.iter().all(|call| call.starts_with("rollback ")), "{calls:?}");
        wait_for(CALLED, || match &*self.status(&xid) {
            "TimeoutRollbacked" | "Rollbacked" | "Finished" => Ok(()),
            other => Err(format!("{xid} is {other}")),
        });
        self.is_no_commit(&xid);
        // Since 1.6 the client looks at the clock itself and rolls back.
        let answer = self.end("commit");
        println!("commit in the template after a time-out: {answer}");
        if self.is_told_so() {
            assert_ne!(answer["code"], "CommitDone");
        }
        self.no_more_calls();
    }

    fn nothing_is_committed_after_a_rollback(&mut self) {
        let xid = self.order(MINUTE);
        self.client.ask("other", &["rollback-of", &xid]);
        self.calls(&xid, 3);
        let answer = self.end("commit");
        println!("commit after a rollback: {answer}");
        if self.is_told_so() {
            assert_eq!(answer["code"], "CommitFailure");
        }
        self.is_no_commit(&xid);
        self.no_more_calls();
    }

    fn nothing_is_committed_that_nobody_knows(&mut self) {
        let address = self.server.address();
        for xid in [format!("{address}:4611686018427387904"), format!("{address}:1")] {
            self.is_no_commit(&xid);
            let answer = self.client.ask("other", &["rollback-of", &xid]);
            assert_eq!(answer["status"], "Finished", "{xid}");
        }
    }

    /// Whether a commit that did not happen is told as a failure: clients before 1.7 take every status for success, and Synod
    /// gives them none.
    fn is_told_so(&self) -> bool {
        self.client.version().minds_the_status() || self.server.expected(true, false)
    }

    /// Of all statuses only these are failures for a client since 1.7; an older one gets an answer that it cannot take for one.
    #[track_caller]
    fn is_no_commit(&mut self, xid: &str) {
        let answer = self.client.attempt("other", &["commit-of", xid]);
        println!("commit of what was not committed: {answer:?}");
        match answer {
            Ok(answer) => {
                let status = answer["status"].as_str().unwrap_or("?");
                let failures =
                    ["TimeoutRollbacking", "TimeoutRollbackRetrying", "TimeoutRollbacked", "Finished"];
                assert!(failures.contains(&status), "a commit that did not happen is answered {answer}");
                let takes_it = self.server.expected(!self.client.version().minds_the_status(), false);
                assert!(!takes_it, "{answer} is a success for this client");
            }
            Err(error) => {
                assert!(
                    !self.client.version().minds_the_status() && self.server.expected(true, false),
                    "{error}"
                );
                assert!(error.contains("Failed to report global commit"), "{error}");
            }
        }
    }
}
