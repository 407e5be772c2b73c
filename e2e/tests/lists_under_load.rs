//! Lists while writers write: each body agrees with its own hash, deltas lead to the full list, slow readers get all of
//! it, and nothing that was acknowledged is missing from what is read afterwards.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use synod_e2e::listing::Form;
use synod_e2e::{Connection, Instance, Listing, Random, Request, Synod, now, wait_until};

const APPS: usize = 30;
const LOAD: Duration = Duration::from_secs(8);
const STATUSES: [&str; 4] = ["UP", "DOWN", "OUT_OF_SERVICE", "STARTING"];

/// Registers, changes and cancels its own instances until told to stop.
fn write(node: &Synod, writer: usize, stop: &AtomicBool, writes: &AtomicU64) {
    let mut random = Random::new(writer as u64 + 1);
    let mut connection = node.connect();
    let mut dirty = 1_700_000_000_000;
    while !stop.load(Ordering::Relaxed) {
        dirty += 1;
        let number = random.below(60);
        let instance =
            Instance::new(&format!("LOAD-{}", number % APPS), &format!("w{writer}-{number}")).dirty(dirty);
        let request = match random.below(10) {
            0..6 => instance.clone().status(random.pick(&STATUSES)).register(),
            6..8 => Request::put(&instance.path(&format!("/status?value={}", random.pick(&STATUSES)))),
            8 => Request::delete(&instance.path("/status?value=UP")),
            _ => instance.cancel(),
        };
        let status = connection.send(&request).expect("the node answers").status;
        assert!(matches!(status, 200 | 204 | 404), "{} answered {status}", request.target);
        writes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads every form in turn and recomputes the hash of each full list.
fn read_all_forms(node: &Synod, stop: &AtomicBool) -> u64 {
    let mut connection = node.connect();
    let mut bodies = 0;
    while !stop.load(Ordering::Relaxed) {
        for form in Form::all() {
            let listing = form.fetch(&mut connection).expect("the node answers");
            assert_eq!(listing.ids().len(), listing.rows.len(), "{form:?} lists an instance twice");
            if !form.delta {
                assert_eq!(
                    listing.computed(),
                    listing.hash,
                    "{form:?}: the body and its hash are of two versions"
                );
            }
            bodies += 1;
        }
    }
    bodies
}

/// Starts from a full list and follows deltas only; after each, the hash must be that of the whole registry.
fn follow_deltas(node: &Synod, form: Form, stop: &AtomicBool) -> (u64, BTreeMap<String, String>) {
    let mut connection = node.connect();
    let full = Form { delta: false, ..form }.fetch(&mut connection).expect("the node answers");
    let mut known = full.statuses();
    let mut deltas = 0;
    loop {
        // The order matters: the last delta is fetched after the writers have stopped.
        let last = stop.load(Ordering::SeqCst);
        let delta = Form { delta: true, ..form }.fetch(&mut connection).expect("the node answers");
        let computed = delta.merge_into(&mut known);
        assert_eq!(computed, delta.hash, "after delta {deltas} of {form:?} a client would fetch everything");
        deltas += 1;
        if last {
            return (deltas, known);
        }
    }
}

#[test]
fn bodies_and_hashes_agree_while_writers_write() {
    let node = Synod::start(&["registry.self.register=false"]);
    let (stop, writes) = (AtomicBool::new(false), AtomicU64::new(0));
    let (node, stop, writes) = (&node, &stop, &writes);
    let forms = [
        Form::default(),
        Form { xml: true, ..Form::default() },
        Form { gzip: true, ..Form::default() },
        Form { compact: true, gzip: true, ..Form::default() },
    ];
    let (bodies, followers) = thread::scope(|scope| {
        let writers: Vec<_> = (0..4).map(|w| scope.spawn(move || write(node, w, stop, writes))).collect();
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(move || read_all_forms(node, stop))).collect();
        let followers: Vec<_> = forms.map(|form| scope.spawn(move || follow_deltas(node, form, stop))).into();
        let began = now();
        while began.elapsed() < LOAD && !writers.iter().any(|writer| writer.is_finished()) {
            thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::SeqCst);
        let join = "a thread failed; its own message is above";
        writers.into_iter().for_each(|writer| writer.join().expect(join));
        let bodies: u64 = readers.into_iter().map(|reader| reader.join().expect(join)).sum();
        let followers: Vec<_> = followers.into_iter().map(|follower| follower.join().expect(join)).collect();
        (bodies, followers)
    });
    let deltas: u64 = followers.iter().map(|(deltas, _)| deltas).sum();
    println!("{} writes, {bodies} bodies and {deltas} deltas checked", writes.load(Ordering::Relaxed));
    assert!(writes.load(Ordering::Relaxed) > 1000 && bodies > 64 && deltas > 100, "too little was tried");
    // Writers ended before the last delta may have been fetched: one more makes each follower complete.
    let delta = Form { delta: true, ..Form::default() }
        .decode(node.send(&Form { delta: true, ..Form::default() }.request()));
    for (_, mut known) in followers {
        delta.merge_into(&mut known);
        assert_eq!(known, node.list().statuses(), "a follower of deltas does not have what the list has");
    }
}

/// What every reader must get, whatever its pieces.
fn fill(node: &Synod, instances: usize) -> Listing {
    let mut connection = node.connect();
    for number in 0..instances {
        let instance = Instance::new(&format!("FULL-{}", number % 50), &format!("full-{number}"))
            .meta("seed", &format!("{:016x}", Random::new(number as u64).next()));
        connection.send(&instance.register()).expect("the node answers").expect(204);
    }
    let listing = node.list();
    assert_eq!(listing.rows.len(), instances);
    listing
}

#[test]
fn a_reader_of_small_pieces_gets_the_whole_list() {
    let node = Synod::start(&["registry.self.register=false"]);
    let expected = fill(&node, 2000);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // The list changes all the time: a body must stay what it was when its first byte left.
        scope.spawn(|| {
            let mut connection = node.connect();
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let instance = Instance::new("FULL-0", "full-0").meta("round", &number.to_string());
                connection.send(&instance.register()).expect("the node answers").expect(204);
                thread::sleep(Duration::from_millis(2));
            }
        });
        for pieces in [1, 1460] {
            for form in Form::all().filter(|form| !form.delta && (form.gzip || pieces > 1)) {
                let mut connection =
                    Connection::with_pieces(node.address(), pieces).expect("the node listens");
                let began = now();
                let listing = form.fetch(&mut connection).expect("the node answers");
                assert_eq!(listing.ids(), expected.ids(), "{form:?} in pieces of {pieces}");
                assert_eq!(listing.computed(), listing.hash);
                println!("{form:?} in pieces of {pieces}: {:?}", began.elapsed());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_read_after_an_acknowledged_write_shows_it() {
    let node = Synod::start(&["registry.self.register=false"]);
    fill(&node, 500);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Readers keep every form's body in whatever cache there may be.
        let reader = scope.spawn(|| read_all_forms(&node, &stop));
        let (mut writer, mut other) = (node.connect(), node.connect());
        let mut random = Random::new(7);
        for round in 0..400 {
            let instance =
                Instance::new(&format!("FULL-{}", random.below(50)), &format!("fresh-{}", random.below(40)));
            let form = Form::all().nth(random.below(16)).expect("there are sixteen");
            let status = random.pick(&STATUSES);
            let cancel = random.below(4) == 0;
            if cancel {
                writer.send(&instance.cancel()).expect("the node answers");
            } else {
                let request = instance.clone().status(status).register();
                writer.send(&request).expect("the node answers").expect(204);
            }
            let listing = form.fetch(&mut other).expect("the node answers");
            let row = listing.rows.iter().find(|row| row.app == instance.app && row.id == instance.id);
            match (cancel, form.delta, row) {
                (true, _, None) => {}
                (true, true, Some(row)) => assert_eq!(row.action, "DELETED", "round {round}, {form:?}"),
                (false, _, Some(row)) if row.status == status && row.action != "DELETED" => {}
                (_, _, row) => {
                    panic!("round {round}, {form:?}, cancelled: {cancel}, wrote {status}, read {row:?}")
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        println!("{} lists were read meanwhile", reader.join().expect("the reader does not fail"));
    });
}

#[test]
fn applications_vips_and_instances_are_as_fresh_as_lists() {
    let node = Synod::start(&["registry.self.register=false"]);
    let mut connection = node.connect();
    for round in 0..100 {
        let status = STATUSES[round % STATUSES.len()];
        let instance = Instance::new("VIEWS", "v1").status(status);
        connection.send(&instance.register()).expect("the node answers").expect(204);
        for target in ["/eureka/apps/VIEWS", "/eureka/vips/views", "/eureka/svips/views"] {
            let text =
                connection.send(&Request::get_json(target)).expect("the node answers").expect(200).text();
            assert!(
                text.contains(&format!("\"status\":\"{status}\"")),
                "round {round}: {target} says {text}"
            );
        }
        for target in ["/eureka/apps/VIEWS/v1", "/eureka/instances/v1"] {
            let found =
                connection.send(&Request::get_json(target)).expect("the node answers").expect(200).json();
            assert_eq!(found["instance"]["status"], status);
        }
    }
}

#[test]
fn renewals_keep_an_instance_and_their_end_removes_it() {
    let node = Synod::start(&["registry.self.register=false", "registry.self_preservation=false"]);
    let kept = Instance::new("LEASE", "kept").lease(1, 2);
    let lost = Instance::new("LEASE", "lost").lease(1, 2);
    for instance in [&kept, &lost] {
        node.send(&instance.register()).expect(204);
    }
    let took = wait_until(Duration::from_secs(10), "the silent instance is gone", || {
        node.send(&kept.renew()).expect(200);
        let list = node.list();
        assert_eq!(list.status("LEASE", "kept"), Some("UP"));
        list.status("LEASE", "lost").is_none()
    });
    println!("an instance with a lease of 2 s was gone after {took:?}");
    assert!(took >= Duration::from_millis(1900), "it went before its lease ended");
    let delta = Form { delta: true, ..Form::default() };
    let delta = delta.decode(node.send(&delta.request()));
    assert!(delta.rows.iter().any(|row| row.id == "lost" && row.action == "DELETED"), "{delta:?}");
}
