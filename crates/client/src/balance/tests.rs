//! What the pickers do, over many calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{advance, sleep};

use super::*;

fn endpoint(id: &str, weight: u32, zone: &str) -> Endpoint {
    Endpoint { weight, zone: Some(zone.into()), ..Endpoint::new(id, format!("{id}:80")) }
}

fn balancer(picker: impl Picker + 'static, endpoints: &[Endpoint]) -> Balancer {
    let balancer = Balancer::new(picker);
    balancer.update(endpoints.iter().cloned());
    balancer
}

fn three() -> [Endpoint; 3] {
    [endpoint("a", 1, "z"), endpoint("b", 1, "z"), endpoint("c", 1, "z")]
}

fn next(balancer: &Balancer) -> Pick {
    balancer.pick(&Request::default()).unwrap()
}

/// How often each is chosen in `calls` calls that succeed at once.
fn counts(balancer: &Balancer, calls: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        let pick = next(balancer);
        *counts.entry(pick.endpoint().id.to_string()).or_default() += 1;
        pick.success();
    }
    counts
}

fn fail(balancer: &Balancer, id: &str, times: usize) {
    let others: Vec<Arc<str>> = balancer
        .members()
        .iter()
        .map(|m| Arc::clone(&m.endpoint().id))
        .filter(|other| &**other != id)
        .collect();
    for _ in 0..times {
        balancer.pick(&Request { key: None, tried: &others }).unwrap().failure();
    }
}

fn in_flight(balancer: &Balancer) -> Vec<u32> {
    balancer.members().iter().map(Member::in_flight).collect()
}

#[tokio::test(start_paused = true)]
async fn round_robin_takes_turns() {
    let balancer = balancer(RoundRobin::default(), &three());
    assert!(counts(&balancer, 300).values().all(|&count| count == 100));
    assert_eq!(Balancer::default().pick(&Request::default()).unwrap_err(), NoEndpoint);
}

#[tokio::test(start_paused = true)]
async fn weights_are_kept_smoothly() {
    let balancer =
        balancer(Weighted::default(), &[endpoint("a", 5, "z"), endpoint("b", 1, "z"), endpoint("c", 1, "z")]);
    let order: String = (0..14).map(|_| next(&balancer).endpoint().id.to_string()).collect();
    assert_eq!(order, "aabacaaaabacaa");
}

#[tokio::test(start_paused = true)]
async fn a_weight_of_zero_is_not_called_unless_all_have_it() {
    let balancer = balancer(RoundRobin::default(), &[endpoint("a", 0, "z"), endpoint("b", 1, "z")]);
    assert_eq!(counts(&balancer, 10).get("a"), None);
    balancer.update([endpoint("a", 0, "z"), endpoint("b", 0, "z")]);
    assert_eq!(counts(&balancer, 10).get("a"), Some(&5));
}

#[tokio::test(start_paused = true)]
async fn the_least_loaded_is_not_the_slow_one_until_it_had_time() {
    let balancer = balancer(LeastLoaded::with_seed(7), &three());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..300 {
        let pick = next(&balancer);
        let id = pick.endpoint().id.to_string();
        sleep(Duration::from_millis(if id == "b" { 200 } else { 5 })).await;
        pick.success();
        *counts.entry(id).or_default() += 1;
    }
    // Two of three draws have "b" in them, and a fair share would be 100.
    assert!(counts.get("b").is_some_and(|&count| (1..10).contains(&count)), "{counts:?}");
    advance(Duration::from_secs(600)).await;
    let after = self::counts(&balancer, 300);
    assert!(after["b"] > 50, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn the_least_loaded_evens_out_what_is_in_flight() {
    let balancer = balancer(LeastLoaded::with_seed(7), &three());
    let held: Vec<Pick> = (0..300).map(|_| next(&balancer)).collect();
    assert!(in_flight(&balancer).iter().all(|count| (95..106).contains(count)), "{:?}", in_flight(&balancer));
    drop(held);
    assert_eq!(in_flight(&balancer), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_own_zone_spills_over_what_it_cannot_bear() {
    let near = ZoneAware::with_seed("x", 1, RoundRobin::default(), 7);
    let balancer = balancer(
        near,
        &[endpoint("x1", 1, "x"), endpoint("x2", 1, "x"), endpoint("y1", 1, "y"), endpoint("y2", 1, "y")],
    );
    let counts_of = |balancer: &Balancer| {
        let counts = counts(balancer, 3000);
        counts.iter().filter(|(id, _)| id.starts_with('x')).map(|(_, count)| count).sum::<usize>()
    };
    assert_eq!(counts_of(&balancer), 3000);
    // One of four instances for half of the callers: it can bear half of what they call.
    balancer.update([
        endpoint("x1", 1, "x"),
        endpoint("y1", 1, "y"),
        endpoint("y2", 1, "y"),
        endpoint("y3", 1, "y"),
    ]);
    let own = counts_of(&balancer);
    assert!((1400..1600).contains(&own), "{own}");
    balancer.update([endpoint("y1", 1, "y"), endpoint("y2", 1, "y")]);
    assert_eq!(counts_of(&balancer), 0);
}

#[tokio::test(start_paused = true)]
async fn too_few_in_the_own_zone_are_not_preferred() {
    let near = ZoneAware::with_seed("x", 2, RoundRobin::default(), 7);
    let balancer = balancer(near, &[endpoint("x1", 1, "x"), endpoint("y1", 1, "y")]);
    assert_eq!(counts(&balancer, 100)["y1"], 50);
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_with_its_instance_up_to_its_share() {
    let balancer = balancer(Hashing::default(), &three());
    let request = Request { key: Some(b"user-17"), tried: &[] };
    let owner = balancer.pick(&request).unwrap().endpoint().clone();
    for _ in 0..50 {
        let pick = balancer.pick(&request).unwrap();
        assert_eq!(pick.endpoint(), &owner);
        pick.success();
    }
    let held: Vec<Pick> = (0..90).map(|_| balancer.pick(&request).unwrap()).collect();
    assert!(in_flight(&balancer).iter().all(|&count| count <= 38), "{:?}", in_flight(&balancer));
    drop(held);
    assert_eq!(balancer.pick(&request).unwrap().endpoint(), &owner);
    fail(&balancer, &owner.id, 5);
    let other = balancer.pick(&request).unwrap().endpoint().clone();
    assert_ne!(other, owner);
    advance(Duration::from_secs(31)).await;
    assert_eq!(balancer.pick(&request).unwrap().endpoint(), &owner);
}

#[tokio::test(start_paused = true)]
async fn who_fails_is_left_out_longer_each_time() {
    let balancer = balancer(RoundRobin::default(), &three());
    fail(&balancer, "b", 4);
    assert_eq!(counts(&balancer, 30).len(), 3);
    fail(&balancer, "b", 5);
    assert_eq!(counts(&balancer, 30).get("b"), None);
    advance(Duration::from_millis(29_900)).await;
    assert_eq!(counts(&balancer, 30).get("b"), None);
    advance(Duration::from_millis(200)).await;
    assert_eq!(counts(&balancer, 3).len(), 3);
    // The second time takes 60 s, as only intervals without an ejection make up for the first.
    fail(&balancer, "b", 5);
    advance(Duration::from_secs(31)).await;
    assert_eq!(counts(&balancer, 30).get("b"), None);
    advance(Duration::from_secs(30)).await;
    assert_eq!(counts(&balancer, 30)["b"], 10);
}

#[tokio::test(start_paused = true)]
async fn who_fails_more_than_the_others_is_left_out() {
    let balancer = balancer(RoundRobin::default(), &three());
    for call in 0..90 {
        let pick = next(&balancer);
        // Half of the calls to "b", never five on end.
        if &*pick.endpoint().id == "b" && call % 2 == 0 { pick.failure() } else { pick.success() }
    }
    advance(Duration::from_secs(11)).await;
    assert_eq!(counts(&balancer, 1).len(), 1);
    assert_eq!(counts(&balancer, 30).get("b"), None);
}

#[tokio::test(start_paused = true)]
async fn never_are_all_left_out() {
    let balancer = balancer(RoundRobin::default(), &three());
    for id in ["a", "b", "c"] {
        fail(&balancer, id, 20);
    }
    // Half of three, rounded down.
    assert_eq!(counts(&balancer, 30).len(), 2);
    // The one that is left out, and one other: half is not too few. Alone it is called.
    balancer.update([endpoint("a", 1, "z")]);
    assert_eq!(counts(&balancer, 1)["a"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_not_in_flight() {
    let balancer = balancer(RoundRobin::starting_at(0), &three());
    let pick = next(&balancer);
    assert_eq!(in_flight(&balancer), [1, 0, 0]);
    let call = async move {
        sleep(Duration::from_secs(60)).await;
        pick.success();
    };
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    assert_eq!(in_flight(&balancer), [0, 0, 0]);
    // It counts as slow: a second is more than the 30 ms of an unknown one.
    assert!(balancer.members()[0].cost() > 0.9);
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_list_remembers() {
    let balancer = balancer(RoundRobin::starting_at(0), &three());
    let pick = next(&balancer);
    fail(&balancer, "b", 5);
    balancer.update([endpoint("d", 1, "z"), endpoint("b", 2, "y"), endpoint("a", 1, "z")]);
    assert_eq!(in_flight(&balancer), [1, 0, 0]);
    assert_eq!(counts(&balancer, 30).get("b"), None);
    pick.success();
    assert_eq!(in_flight(&balancer), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn attempts_go_to_different_instances() {
    let (balancer, budget) = (balancer(RoundRobin::default(), &three()), RetryBudget::default());
    let tried: Vec<Arc<str>> =
        balancer.attempts(&budget, None, 9).map(|pick| Arc::clone(&pick.endpoint().id)).collect();
    assert_eq!(tried.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    assert_eq!(tried.len(), 3);
    assert_eq!(balancer.attempts(&budget, None, 2).count(), 2);
    assert_eq!(in_flight(&balancer), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_retried_beyond_the_budget() {
    let (balancer, budget) = (balancer(RoundRobin::default(), &three()), RetryBudget::new(0.2, 10));
    let mut calls = 0;
    for _ in 0..10_000 {
        for pick in balancer.attempts(&budget, None, 3) {
            calls += 1;
            pick.failure();
        }
        advance(Duration::from_millis(1)).await;
    }
    // 10 s: a fifth of the requests, 10 a second, and 10 at the start.
    let retries = calls - 10_000;
    assert!((2_090..=2_110).contains(&retries), "{retries}");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_left_out_at_once_and_not_for_long() {
    let balancer = Balancer::default();
    balancer.update([Endpoint::new("a", "a:1"), Endpoint::new("b", "b:1")]);
    let next = || balancer.pick(&Request::default()).unwrap();
    let dead = next();
    let id = Arc::clone(&dead.endpoint().id);
    dead.unreachable();
    for _ in 0..6 {
        let pick = next();
        assert_ne!(pick.endpoint().id, id);
        pick.success();
    }
    advance(Duration::from_millis(5_001)).await;
    let back = [next(), next()];
    assert!(back.iter().any(|pick| pick.endpoint().id == id));
}
