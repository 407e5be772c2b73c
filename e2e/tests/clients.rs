//! Real clients of four libraries against one node: they see each other, change status, follow deltas without ever being
//! forced to a full fetch, survive a node that has forgotten them, and leave.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::BTreeMap;
use std::time::Duration;

use synod_e2e::wait::wait_for;
use synod_e2e::{Client, Instance, Request, Synod, wait_until};

/// Clients fetch every second; a JVM on busy cores may miss a few turns.
const SEEN: Duration = Duration::from_secs(15);
/// A client that is refused may wait out a few intervals.
const RECOVERED: Duration = Duration::from_secs(30);

const STATUSES: [&str; 2] = ["OUT_OF_SERVICE", "DOWN"];

struct Fleet {
    node: Synod,
    clients: Vec<Client>,
    /// How often each client had fetched everything when it knew all applications.
    full: Vec<u64>,
}

#[test]
fn every_client_lives_its_whole_life() {
    let node = Synod::start(&["registry.snapshot_interval=0s", "registry.self.register=false"]);
    let url = node.url();
    let start: [fn(&str) -> Client; 5] =
        [Client::spring, Client::netflix, Client::python, Client::js_full, Client::js_delta];
    let clients: Vec<Client> = start.iter().map(|start| start(&url)).collect();
    clients.iter().for_each(Client::ready);
    let mut fleet = Fleet { node, clients, full: Vec::new() };

    fleet.all_see_all();
    fleet.renewals_arrive();
    fleet.overrides_come_and_go();
    fleet.own_statuses_are_believed();
    fleet.no_delta_was_doubted();
    fleet.java_reads_gzip_byte_by_byte();
    fleet.a_node_that_forgot_everybody_is_told_again();
    fleet.leave_one_by_one();
}

impl Fleet {
    /// Every client's list, and the node's, has exactly these statuses.
    #[track_caller]
    fn expect(&mut self, exceptions: &[(&str, &str)]) {
        self.expect_others(exceptions, &[]);
    }

    /// As [`Fleet::expect`], with `others` registered and UP, too.
    #[track_caller]
    fn expect_others(&mut self, exceptions: &[(&str, &str)], others: &[&str]) {
        let keys = self.clients.iter().map(Client::key).chain(others.iter().map(|&key| key.to_owned()));
        let mut expected: BTreeMap<String, String> = keys.map(|key| (key, "UP".to_owned())).collect();
        for (key, status) in exceptions {
            expected.insert((*key).to_owned(), (*status).to_owned());
        }
        wait_until(SEEN, &format!("the node lists {expected:?}"), || self.node.list().statuses() == expected);
        for client in &mut self.clients {
            wait_for(SEEN, || {
                let listed = client.list();
                let wrong =
                    format!("the {} client lists {expected:?}; last it listed {listed:?}", client.name);
                if listed == expected { Ok(()) } else { Err(wrong) }
            });
        }
    }

    fn all_see_all(&mut self) {
        self.expect(&[]);
        self.full = self.clients.iter_mut().map(|client| client.count("full")).collect();
    }

    fn renewals_arrive(&mut self) {
        for client in &mut self.clients {
            let (first, name) = (client.count("heartbeats"), client.name);
            wait_until(SEEN, &format!("the {name} client renews"), || client.count("heartbeats") > first + 1);
        }
        let active = self.node.metric("synod_registry_instances{status=\"UP\"}");
        assert!((active - 5.0).abs() < f64::EPSILON, "the metric counts {active} instances that are UP");
    }

    /// Set by the client itself, seen by all, and gone again: the next renewal's 404 makes it register anew.
    fn overrides_come_and_go(&mut self) {
        for number in 0..self.clients.len() {
            let key = self.clients[number].key();
            let status = STATUSES[number % STATUSES.len()];
            self.clients[number].ask(&format!("override {status}"));
            self.expect(&[(&key, status)]);
            self.clients[number].ask("clear-override");
            self.expect(&[]);
        }
    }

    fn own_statuses_are_believed(&mut self) {
        for number in 0..self.clients.len() {
            if self.clients[number].name.starts_with("js") {
                continue; // the library has no status of its own but UP
            }
            let key = self.clients[number].key();
            self.clients[number].ask("status DOWN");
            self.expect(&[(&key, "DOWN")]);
            self.clients[number].ask("status UP");
            self.expect(&[]);
        }
    }

    /// Clients compare their list after each delta with the delta's hash, and fetch everything when it differs.
    fn no_delta_was_doubted(&mut self) {
        for (client, full) in self.clients.iter_mut().zip(&self.full) {
            let counters = client.ask("counters");
            println!("{:>8}: {counters}", client.name);
            if client.name == "js full" {
                continue;
            }
            assert!(client.count("delta") > 10, "the {} client fetched few deltas: {counters}", client.name);
            assert_eq!(
                client.count("full"),
                *full,
                "the {} client: {counters}\n{}",
                client.name,
                client.log()
            );
            if matches!(client.name, "spring" | "netflix") {
                assert_eq!(client.count("mismatch"), 0, "{}", client.log());
            }
        }
    }

    fn java_reads_gzip_byte_by_byte(&mut self) {
        for number in 0..3000 {
            let instance = Instance::new(&format!("BULK-{}", number % 40), &format!("bulk-{number}"));
            self.node.send(&instance.register()).expect(204);
        }
        for client in self.clients.iter_mut().filter(|client| matches!(client.name, "spring" | "netflix")) {
            let answer = client.ask("gzip-full");
            assert_eq!(answer["encoding"], "gzip");
            assert_eq!(answer["count"], 3005, "the {} client read {answer}", client.name);
            assert_eq!(answer["hash"], answer["computed"]);
        }
    }

    fn a_node_that_forgot_everybody_is_told_again(&mut self) {
        let node = std::mem::replace(&mut self.node, Synod::start(&[]));
        let mut node = node;
        node.kill9();
        self.node = node.restart();
        let expected: Vec<String> = self.clients.iter().map(Client::key).collect();
        let node = &self.node;
        let took = wait_until(RECOVERED, &format!("{expected:?} are registered again"), || {
            let ids = node.list().ids();
            expected.iter().all(|key| ids.contains(key))
        });
        println!("all five were back {took:?} after the node was ready again");
        // The JavaScript library never compares hashes: in delta mode it keeps what a new node does not know of.
        let follower = self.clients.pop().expect("the last one follows deltas");
        self.expect_others(&[], &[&follower.key()]);
        self.clients.push(follower);
    }

    fn leave_one_by_one(&mut self) {
        while let Some(mut client) = self.clients.pop() {
            let key = client.key();
            client.leave();
            assert!(!self.node.list().ids().contains(&key), "{key} has left and is still listed");
            let gone = Request::get_json(&format!("/eureka/apps/{key}"));
            self.node.send(&gone).expect(404);
        }
        assert_eq!(self.node.list().rows.len(), 0);
    }
}
