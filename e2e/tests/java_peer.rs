//! A Spring Cloud Eureka server and a node as each other's peer: what is written to one is on the other, both start from
//! what the other has, conflicts end the same way on both, and after random operations their content is equal.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use synod_e2e::wait::{epoch_ms, wait_for};
use synod_e2e::{Instance, JavaServer, Random, Reply, Request, Synod, now, wait_until};

/// Java sends a batch after half a second and takes as long again when it is busy.
const REPLICATED: Duration = Duration::from_secs(15);

/// After so long, what was written to Java has left it.
const JAVA_BATCH: Duration = Duration::from_millis(900);

struct Pair {
    synod: Synod,
    java: JavaServer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Java,
    Synod,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Java => Self::Synod,
            Self::Synod => Self::Java,
        }
    }
}

#[test]
fn a_java_server_and_a_node_are_peers() {
    let mut pair = Pair::start();
    pair.java_started_from_synod();
    pair.each_shows_the_other_as_available();
    for side in [Side::Java, Side::Synod] {
        pair.registrations_statuses_and_cancels_cross(side);
        pair.renewals_cross(side);
        pair.the_newer_registration_wins(side);
    }
    for _ in 0..if std::env::var_os("SYNOD_LONG").is_some() { 10 } else { 1 } {
        pair.random_operations_converge();
    }
    pair.synod_starts_from_java();
    pair.java_restarts_from_synod();
}

/// What must be equal of an instance on both servers.
fn content(list: &Value) -> BTreeMap<String, Value> {
    let applications = list["applications"]["application"].as_array().expect("a list has applications");
    let instances =
        applications.iter().flat_map(|a| a["instance"].as_array().expect("an application has instances"));
    instances
        .map(|instance| {
            let text = |field: &str| instance[field].as_str().unwrap_or_default().to_owned();
            let mut same = serde_json::Map::new();
            for field in
                ["status", "overriddenStatus", "hostName", "ipAddr", "port", "metadata", "lastDirtyTimestamp"]
            {
                same.insert(field.to_owned(), instance[field].clone());
            }
            (format!("{}/{}", text("app"), text("instanceId")), Value::Object(same))
        })
        .collect()
}

impl Pair {
    /// The node is first, with instances of every status; a refused connection counts as its peer's answer.
    fn start() -> Self {
        let address = JavaServer::reserve();
        let peers = format!("registry.peers=http://{address}/eureka/");
        let synod = Synod::start(&[
            &peers,
            "registry.snapshot_interval=0s",
            "registry.self_preservation=false",
            "registry.anti_entropy_interval=2s",
        ]);
        for number in 0..60 {
            let status = ["UP", "UP", "DOWN", "STARTING", "OUT_OF_SERVICE"][number % 5];
            let instance = Instance::new(&format!("BEFORE-{}", number % 3), &format!("before-{number}"));
            synod.send(&instance.status(status).lease(30, 3600).register()).expect(204);
        }
        synod.send(&Request::put("/eureka/apps/BEFORE-0/before-0/status?value=OUT_OF_SERVICE")).expect(200);
        let java = JavaServer::start(address, &synod.url());
        Self { synod, java }
    }

    fn send(&self, side: Side, request: &Request) -> Reply {
        match side {
            Side::Java => self.java.send(request),
            Side::Synod => self.synod.send(request),
        }
    }

    fn content(&self, side: Side) -> BTreeMap<String, Value> {
        let reply = match side {
            Side::Java => self.java.fresh(),
            Side::Synod => self.synod.send(&Request::get_json("/eureka/apps/")).expect(200),
        };
        content(&reply.json())
    }

    /// Both list the same, with the same hash.
    #[track_caller]
    fn converge(&self, what: &str, limit: Duration) {
        let ((instances, hash), took) = wait_for(limit, || {
            let (java, synod) = (self.content(Side::Java), self.content(Side::Synod));
            let hashes = [self.java.list().hash, self.synod.list().hash];
            if java == synod && hashes[0] == hashes[1] {
                return Ok((java.len(), hashes[0].clone()));
            }
            let keys: BTreeSet<_> = java.keys().chain(synod.keys()).collect();
            let differences: Vec<_> = keys
                .into_iter()
                .filter(|key| java.get(*key) != synod.get(*key))
                .map(|key| format!("{key}\n  java  {:?}\n  synod {:?}", java.get(key), synod.get(key)))
                .collect();
            let peers = self.synod.send(&Request::get("/v1/peers")).text();
            let count = differences.len();
            Err(format!("equal {what}: {hashes:?}, {peers}\n{count} differ\n{}", differences.join("\n")))
        });
        println!("equal {what} after {took:?}: {instances} instances, {hash}");
    }

    #[track_caller]
    fn wait_status(&self, side: Side, instance: &Instance, status: Option<&str>) {
        let what = format!("{side:?} lists {}/{} as {status:?}", instance.app, instance.id);
        let took = wait_until(REPLICATED, &what, || {
            let list = match side {
                Side::Java => self.java.list(),
                Side::Synod => self.synod.list(),
            };
            list.status(&instance.app, &instance.id) == status
        });
        println!("{what} after {took:?}");
    }

    /// Java copies what is UP when it starts; the node brings it the rest.
    fn java_started_from_synod(&self) {
        self.converge("after Java's start", REPLICATED);
    }

    fn each_shows_the_other_as_available(&self) {
        let url = self.synod.url();
        wait_until(REPLICATED, "Java shows the node in available-replicas", || {
            let status =
                self.java.send(&Request::get("/eureka/status").header("Accept", "application/xml")).text();
            let available = status.split("<available-replicas>").nth(1).unwrap_or_default();
            available.split("</available-replicas>").next().is_some_and(|replicas| replicas.contains(&url))
        });
        wait_for(REPLICATED, || {
            let status = self.synod.send(&Request::get_json("/eureka/status")).expect(200).json();
            let replicas = &status["applicationStats"];
            let available = replicas["available-replicas"].as_str().unwrap_or_default();
            let what = || format!("the node shows Java in available-replicas: {replicas}");
            if available.contains(&self.java.url()) { Ok(()) } else { Err(what()) }
        });
        let peers = self.synod.send(&Request::get("/v1/peers")).expect(200).json();
        assert_eq!(peers["peers"][0]["kind"], "eureka", "{peers}");
        assert_eq!(peers["peers"][0]["reachable"], true, "{peers}");
    }

    fn registrations_statuses_and_cancels_cross(&self, from: Side) {
        let instance = Instance::new("CROSS", &format!("from-{from:?}")).meta("zone", "a");
        self.send(from, &instance.register()).expect(204);
        self.wait_status(from.other(), &instance, Some("UP"));
        self.send(from, &Request::put(&instance.path("/status?value=OUT_OF_SERVICE"))).expect(200);
        self.wait_status(from.other(), &instance, Some("OUT_OF_SERVICE"));
        self.send(from, &Request::delete(&instance.path("/status?value=UP"))).expect(200);
        self.wait_status(from.other(), &instance, Some("UP"));
        self.send(from, &Request::put(&instance.path("/metadata?zone=b&build=17"))).expect(200);
        wait_until(REPLICATED, "metadata crosses", || {
            let found = self.send(from.other(), &Request::get_json(&instance.path(""))).expect(200).json();
            found["instance"]["metadata"]["zone"] == "b" && found["instance"]["metadata"]["build"] == "17"
        });
        self.converge("after a life on one side", REPLICATED);
        self.send(from, &instance.cancel()).expect(200);
        self.wait_status(from.other(), &instance, None);
    }

    /// An instance that renews on one side only stays alive on the other.
    fn renewals_cross(&self, from: Side) {
        let instance = Instance::new("RENEW", &format!("renews-{from:?}")).lease(1, 4);
        self.send(from, &instance.register()).expect(204);
        self.wait_status(from.other(), &instance, Some("UP"));
        let last_renewal = || {
            let found = self.send(from.other(), &Request::get_json(&instance.path(""))).expect(200).json();
            found["instance"]["leaseInfo"]["lastRenewalTimestamp"]
                .as_u64()
                .expect("a lease has a last renewal")
        };
        let (first, began) = (last_renewal(), now());
        while began.elapsed() < Duration::from_secs(9) {
            self.send(from, &instance.renew()).expect(200);
            let found = self.send(from.other(), &Request::get_json(&instance.path(""))).status;
            assert_eq!(found, 200, "it is gone after {:?} although it renews on {from:?}", began.elapsed());
            std::thread::sleep(Duration::from_millis(700));
        }
        assert!(last_renewal() > first + 5000, "renewals on {from:?} do not show on {:?}", from.other());
        self.send(from, &instance.cancel()).expect(200);
        self.wait_status(from.other(), &instance, None);
    }

    /// Two registrations that nobody replicated: a renewal on `from` finds the difference out, either way round.
    fn the_newer_registration_wins(&self, from: Side) {
        for newer in [Side::Java, Side::Synod] {
            let id = format!("renewed-on-{from:?}-newer-on-{newer:?}");
            let at = |side: Side| {
                let dirty = if side == newer { 1_700_000_002_000 } else { 1_700_000_001_000 };
                Instance::new("CONFLICT", &id)
                    .lease(30, 3600)
                    .dirty(dirty)
                    .meta("written-to", &format!("{side:?}"))
            };
            for side in [Side::Java, Side::Synod] {
                let request = at(side).register().header("x-netflix-discovery-replication", "true");
                self.send(side, &request).expect(204);
            }
            self.send(from, &at(from).renew()).expect(200);
            let (key, mut rounds) = (format!("CONFLICT/{id}"), 0);
            wait_until(REPLICATED, &format!("{newer:?}'s registration wins for {id}"), || {
                rounds += 1;
                if rounds % 25 == 0 {
                    self.send(from, &at(from).renew()); // a 404 would make a client register again
                }
                [Side::Java, Side::Synod]
                    .into_iter()
                    .all(|side| self.content(side)[&key]["metadata"]["written-to"] == format!("{newer:?}"))
            });
        }
    }

    /// Each instance talks to one server at a time and moves now and then, as clients do; in the end everybody renews.
    fn random_operations_converge(&self) {
        let seed = epoch_ms();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut homes = [Side::Java, Side::Synod].repeat(60);
        let mut living: Vec<Option<Instance>> = vec![None; homes.len()];
        let mut dirty = epoch_ms();
        let mut touched = vec![now(); homes.len()];
        for _ in 0..600 {
            dirty += 1;
            let number = random.below(homes.len());
            // Java keeps a queued change's place when it replaces it by a newer one, and so turns the order of quick changes
            // of one instance round: two Java servers would not converge on those either.
            std::thread::sleep(JAVA_BATCH.saturating_sub(touched[number].elapsed()));
            touched[number] = now();
            let status = random.pick(&["UP", "DOWN", "OUT_OF_SERVICE", "STARTING"]);
            let fresh =
                Instance::new(&format!("RANDOM-{}", number % 4), &format!("random-{number}")).dirty(dirty);
            match (random.below(10), living[number].clone()) {
                (0..4, _) | (_, None) => {
                    let instance = fresh.status(status).lease(30, 3600).meta("round", &dirty.to_string());
                    self.send(homes[number], &instance.register()).expect(204);
                    living[number] = Some(instance);
                }
                (4..6, Some(instance)) => {
                    let request = Request::put(&instance.path(&format!("/status?value={status}")));
                    self.send(homes[number], &request).expect(200);
                }
                (6, Some(instance)) => {
                    self.send(homes[number], &Request::delete(&instance.path("/status?value=UP")))
                        .expect(200);
                }
                (7, Some(instance)) => {
                    self.send(homes[number], &instance.cancel()).expect(200);
                    living[number] = None;
                }
                (_, Some(instance)) => {
                    self.send(homes[number], &instance.renew());
                }
            }
            if random.below(60) == 0 {
                // Nothing is under way any more when a client turns to the other server.
                self.settle(&homes, &mut living);
                homes[number] = homes[number].other();
            }
        }
        self.settle(&homes, &mut living);
        self.converge("after random operations", REPLICATED);
    }

    /// Everybody renews, and registers again where that is refused, until all has reached the other side.
    fn settle(&self, homes: &[Side], living: &mut [Option<Instance>]) {
        for _ in 0..2 {
            for (home, instance) in homes.iter().zip(living.iter_mut()) {
                let Some(instance) = instance else { continue };
                if self.send(*home, &instance.renew()).status == 404 {
                    instance.dirty_ms = epoch_ms().max(instance.dirty_ms + 1);
                    self.send(*home, &instance.register()).expect(204);
                }
            }
            std::thread::sleep(Duration::from_millis(700));
        }
    }

    /// The node forgets everything and opens with Java's content, whatever its status.
    fn synod_starts_from_java(&mut self) {
        let before = self.content(Side::Java);
        self.synod.kill9();
        let node = std::mem::replace(&mut self.synod, Synod::start(&[])).restart();
        self.synod = node;
        wait_until(REPLICATED, "the node has opened", || {
            self.synod.send(&Request::get("/v1/registry")).expect(200).json()["open"] == true
        });
        let own = |content: BTreeMap<String, Value>| -> BTreeMap<String, Value> {
            content.into_iter().filter(|(key, _)| !key.starts_with("EUREKA/")).collect()
        };
        assert_eq!(own(self.content(Side::Synod)), own(before), "a node opens with what Java has");
        println!("started from Java's content in {:?}", self.synod.started());
        self.converge("after the node's start", REPLICATED);
    }

    fn java_restarts_from_synod(mut self) {
        self.java.kill9();
        for number in 0..20 {
            self.synod
                .send(&Instance::new("WHILE-AWAY", &format!("away-{number}")).lease(30, 3600).register())
                .expect(204);
        }
        let Self { synod, java } = self;
        let pair = Self { synod, java: java.restart() };
        pair.converge("after Java's restart", REPLICATED);
    }
}
