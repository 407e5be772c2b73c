//! The bodies of the lists, taken apart again and compared with the registry they are of.

use std::collections::BTreeMap;

use synod_base::time::Now;
use synod_core::registry::{Instance, Origin, Port, Settings, Status};
use synod_wire::eureka::{Limits, decode_applications};

use super::*;
use crate::net::gzip::inflate;

const JSON: View = View { format: Format::Json, form: Form::Full };

fn views() -> impl Iterator<Item = View> {
    [Format::Json, Format::Xml]
        .into_iter()
        .flat_map(|format| [Form::Full, Form::Compact].map(|form| View { format, form }))
}

fn at(ms: u64) -> Now {
    Now { wall_ms: 1_700_000_000_000 + ms, mono_ms: 1_000_000 + ms }
}

fn instance(app: &str, id: &str, status: Status) -> Instance {
    Instance { status, vip: Some(app.to_lowercase().into()), ..Instance::new(app, id) }
}

fn plain(lists: &Lists, registry: &Registry<Texts>, list: List, view: View) -> Vec<u8> {
    lists.plain(registry, list, view).flatten().collect()
}

/// What a body says: (app, id) -> (status, action), and its hash.
fn read(body: &[u8]) -> (BTreeMap<(String, String), String>, String) {
    let list = decode_applications(body, &Limits::SYNC).unwrap();
    let mut seen = BTreeMap::new();
    let mut names = Vec::new();
    for application in &list.applications {
        let name = application.name.as_deref().unwrap();
        assert!(!names.contains(&name), "{name} is named twice");
        names.push(name);
        let mut dead = false;
        for instance in &application.instances {
            let action = instance.action.unwrap().as_str();
            assert!(!dead || action == "DELETED", "a live entry behind a dead one");
            dead = action == "DELETED";
            let key = (name.to_owned(), instance.instance_id.as_deref().unwrap().to_owned());
            let what = format!("{} {action}", instance.status.as_str());
            assert!(seen.insert(key, what).is_none(), "listed twice");
        }
    }
    (seen, list.hash.unwrap().into_owned())
}

#[tokio::test]
async fn deflated_and_plain_bodies_say_the_same_in_every_view() {
    let registry = Registry::new(Settings::default());
    let lists = Lists::new(OwnInstance::default());
    let mut now = 0;
    let mut step = |registry: &Registry<Texts>, app: usize, id: usize, what: usize| {
        now += 1;
        let (app, id) = (format!("APP-{app}"), format!("host-{id}:{app}"));
        let status = Status::ALL[(id.len() + what) % 5];
        match what % 4 {
            0 | 1 => drop(registry.register(instance(&app, &id, status), Origin::Client, at(now))),
            2 => drop(registry.cancel(&app, &id, at(now))),
            _ => drop(registry.set_override(&app, &id, status, None, at(now))),
        }
    };
    for round in 0..16 {
        for k in 0..round * 10 {
            // Application 0 grows large, the others stay small.
            let app = if k % 3 == 0 { k % 17 } else { 0 };
            step(&registry, app, (k * 7 + round) % 300, k * 31 + round);
        }
        registry.tick(at(now_of(&registry)), 1);
        for list in [List::Full, List::Delta] {
            for view in views() {
                let deflated = lists.gzip(&registry, list, view).await;
                let body = inflate(&deflated, 64 << 20).unwrap();
                assert_eq!(body, plain(&lists, &registry, list, view), "{list:?} {view:?} in round {round}");
            }
        }
        check_json(&lists, &registry);
    }
}

fn now_of(registry: &Registry<Texts>) -> u64 {
    registry.version() + 1
}

fn check_json(lists: &Lists, registry: &Registry<Texts>) {
    let snapshot = registry.snapshot();
    let (seen, hash) = read(&plain(lists, registry, List::Full, JSON));
    assert_eq!(hash, snapshot.totals.hash());
    assert_eq!(seen.len() as u64, snapshot.totals.instances());
    let (delta, delta_hash) = read(&plain(lists, registry, List::Delta, JSON));
    assert_eq!(delta_hash, hash);
    for (key, what) in delta {
        if what.ends_with("DELETED") {
            assert!(!seen.contains_key(&key), "{key:?} is dead and alive");
        } else {
            assert_eq!(seen.get(&key), Some(&what));
        }
    }
}

#[tokio::test]
async fn one_member_that_a_reader_of_small_pieces_gets_whole() {
    let registry = Registry::new(Settings::default());
    let lists = Lists::new(OwnInstance::default());
    for id in 0..500 {
        let registered =
            registry.register(instance("ONE", &format!("i{id}"), Status::Up), Origin::Client, at(id));
        registered.unwrap();
    }
    let deflated = lists.gzip(&registry, List::Full, JSON).await;
    #[expect(
        clippy::disallowed_types,
        reason = "this decoder stops after the first member: that is the test"
    )]
    let mut decoder = flate2::read::GzDecoder::new(&deflated[..]);
    let mut body = Vec::new();
    std::io::Read::read_to_end(&mut decoder, &mut body).unwrap();
    assert!(decoder.into_inner().is_empty(), "bytes behind the member");
    assert_eq!(body, plain(&lists, &registry, List::Full, JSON));
}

#[tokio::test]
async fn a_body_is_shared_until_something_changes() {
    let registry = Registry::new(Settings::default());
    let lists = Lists::new(OwnInstance::default());
    registry.register(instance("A", "a", Status::Up), Origin::Client, at(0)).unwrap();
    let first = lists.gzip(&registry, List::Full, JSON).await;
    let again = lists.gzip(&registry, List::Full, JSON).await;
    assert_eq!(first.as_ptr(), again.as_ptr());
    registry.renew("A", "a", None, at(1));
    assert_eq!(lists.gzip(&registry, List::Full, JSON).await.as_ptr(), first.as_ptr());
    registry.register(instance("A", "b", Status::Up), Origin::Client, at(2)).unwrap();
    let (seen, _) = read(&inflate(&lists.gzip(&registry, List::Full, JSON).await, 1 << 20).unwrap());
    assert_eq!(seen.len(), 2);
}

/// An instance as a Spring client describes it.
fn spring(id: u64) -> Instance {
    let mut rng = synod_base::rng::Rng::new(id);
    let host =
        format!("ip-10-{}-{}-{}.eu-central-1.compute.internal", id % 7, rng.below(256), rng.below(256));
    let port = 1_024 + rng.below(60_000) as i32;
    let url = |path: &str| Some(format!("http://{host}:{port}/{path}").into());
    Instance {
        home_page_url: url(""),
        status_page_url: url("actuator/info"),
        health_check_url: url("actuator/health"),
        ip: format!("10.{}.{}.{}", id % 7, rng.below(256), rng.below(256)).into(),
        port: Port { number: port, enabled: true },
        metadata: Box::new([("management.port".into(), port.to_string().into())]),
        dirty_ms: 1_700_000_000_000 + rng.below(100_000_000),
        host: host.clone().into(),
        ..instance("ORDERS", &format!("{host}:orders:{port}"), Status::Up)
    }
}

#[test]
fn chunks_cost_little_compression() {
    let registry = Registry::new(Settings::default());
    for id in 0..2_000 {
        registry.register(spring(id), Origin::Client, at(id * 37)).unwrap();
    }
    let lists = Lists::new(OwnInstance::default());
    let body = plain(&lists, &registry, List::Full, JSON);
    let whole = gzip::whole(&body).len() as f64;
    let joined = lists.encoder(JSON).join(&registry.snapshot(), List::Full, 0).len() as f64;
    assert!(joined / whole < 1.15, "{joined} against {whole} bytes");
}
