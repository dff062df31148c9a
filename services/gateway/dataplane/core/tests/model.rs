//! The models that are served: how many requests are let in, what is cached, what goes on under a new route.

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use common::{fp32, served, serving, signature, spec, table, version_spec};
use serde_json::json;
use tidemill_dataplane_core::fault::Kind;
use tidemill_dataplane_core::model::{CacheRule, Gate, RouteSpec, Served, Serving, Version};
use tidemill_dataplane_core::routing::Mirror;
use tidemill_dataplane_core::signature::{Rows, Signature};
use tidemill_dataplane_core::stats::Stats;
use tidemill_dataplane_core::tensor::Datatype;
use tokio::time::{Instant, advance, sleep};

const MIB: usize = 1 << 20;

fn one_input() -> Signature {
    signature(vec![spec("x", Datatype::Fp32, &[-1, 1])], vec![spec("y", Datatype::Fp32, &[-1, 1])])
}

fn in_seconds(seconds: f64) -> std::time::Instant {
    (Instant::now() + Duration::from_secs_f64(seconds)).into_std()
}

fn rows(tensors: &[&[u8]]) -> Rows {
    Rows { count: 1, tensors: tensors.iter().map(|raw| Bytes::copy_from_slice(raw)).collect() }
}

fn caching(entries: usize, ttl_seconds: f64) -> Arc<Version> {
    let entries = NonZeroUsize::new(entries).unwrap();
    let serving = Serving { cache: Some(CacheRule { entries, ttl_seconds }), ..serving() };
    served(&one_input(), serving).champion().clone()
}

#[tokio::test(start_paused = true)]
async fn a_gate_lets_as_many_in_as_it_has_places() {
    let gate = Gate::new(3, 0);
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(gate.enter(in_seconds(1.0)).await.unwrap());
    }
    assert_eq!(gate.enter(in_seconds(1.0)).await.unwrap_err().kind, Kind::Overloaded);
    inside.pop();
    assert!(gate.enter(in_seconds(1.0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_gate_sheds_at_once_what_finds_no_place_to_wait() {
    let gate = Arc::new(Gate::new(1, 2));
    let _inside = gate.enter(in_seconds(60.0)).await.unwrap();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn({
                let gate = gate.clone();
                async move { gate.enter(in_seconds(60.0)).await.map(drop) }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let began = Instant::now();
    let fault = gate.enter(in_seconds(60.0)).await.unwrap_err();
    assert_eq!((fault.kind, began.elapsed()), (Kind::Overloaded, Duration::ZERO));
    assert!(fault.kind.retryable());
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn waiters_are_let_in_as_places_become_free() {
    let gate = Arc::new(Gate::new(1, 3));
    let first = gate.enter(in_seconds(60.0)).await.unwrap();
    let mut waiters = Vec::new();
    for number in 0..3 {
        let gate = gate.clone();
        waiters.push(tokio::spawn(async move {
            let permit = gate.enter(in_seconds(60.0)).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            drop(permit);
            number
        }));
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_secs(5)).await;
    drop(first);
    let began = Instant::now();
    for (number, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(waiter.await.unwrap(), number);
        assert!(began.elapsed() >= Duration::from_secs(number as u64 + 1), "one at a time, in order");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_time_is_spent_goes_and_leaves_its_place() {
    let gate = Gate::new(1, 1);
    let _inside = gate.enter(in_seconds(60.0)).await.unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        let fault = gate.enter(in_seconds(2.0)).await.unwrap_err();
        assert_eq!(fault.kind, Kind::DeadlineExceeded);
        assert!((2.0..2.1).contains(&began.elapsed().as_secs_f64()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_leaves_its_place() {
    let gate = Gate::new(1, 1);
    let inside = gate.enter(in_seconds(60.0)).await.unwrap();
    for _ in 0..3 {
        let waiting = tokio::time::timeout(Duration::from_millis(1), gate.enter(in_seconds(60.0))).await;
        assert!(waiting.is_err(), "it waits, and is not shed");
    }
    drop(inside);
    assert!(gate.enter(in_seconds(1.0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_free_place_is_given_even_when_time_is_spent() {
    let gate = Gate::new(1, 0);
    let past = in_seconds(1.0);
    advance(Duration::from_secs(5)).await;
    assert!(gate.enter(past).await.is_ok());
}

#[tokio::test]
async fn a_gate_may_have_places_without_number() {
    let gate = Gate::new(usize::MAX, usize::MAX);
    assert!(gate.enter(in_seconds(1.0)).await.is_ok());
}

#[test]
fn nothing_is_cached_without_a_rule() {
    let version = served(&one_input(), serving()).champion().clone();
    assert_eq!(version.cache_key(&rows(&[b"1234"])), None);
    version.remember([0; 32], &[fp32(&[1.0])]);
    assert_eq!(version.cached(&[0; 32]), None);
}

#[test]
fn a_cached_answer_is_that_of_its_input() {
    let version = caching(10, 60.0);
    let keys = [rows(&[b"ab", b"c"]), rows(&[b"a", b"bc"]), rows(&[b"abc"]), rows(&[b"abc", b""])]
        .map(|rows| version.cache_key(&rows).unwrap());
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(version.cached(key), None);
        version.remember(*key, &[fp32(&[place as f32])]);
    }
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(version.cached(key), Some(vec![fp32(&[place as f32])]));
    }
    assert_eq!(version.cache_key(&rows(&[b"ab", b"c"])), Some(keys[0]));
}

#[test]
fn a_cached_answer_does_not_keep_the_message_it_lay_in() {
    let version = caching(10, 60.0);
    let message = fp32(&[1.0, 2.0]);
    version.remember([1; 32], &[message.slice(4..)]);
    let kept = version.cached(&[1; 32]).unwrap();
    assert_eq!(kept, [fp32(&[2.0])]);
    assert!(!message.as_ptr_range().contains(&kept[0].as_ptr()));
}

#[test]
fn a_cached_answer_is_forgotten_when_it_is_old() {
    let version = caching(10, 0.05);
    version.remember([1; 32], &[fp32(&[1.0])]);
    assert!(caching(10, 60.0).cached(&[1; 32]).is_none(), "caches are of their version");
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(version.cached(&[1; 32]), None);
    version.remember([1; 32], &[fp32(&[2.0])]);
    assert_eq!(version.cached(&[1; 32]), Some(vec![fp32(&[2.0])]));
}

#[test]
fn the_answer_that_was_not_used_for_longest_gives_way() {
    let version = caching(2, 60.0);
    version.remember([1; 32], &[fp32(&[1.0])]);
    version.remember([2; 32], &[fp32(&[2.0])]);
    assert!(version.cached(&[1; 32]).is_some());
    version.remember([3; 32], &[fp32(&[3.0])]);
    assert!(version.cached(&[1; 32]).is_some() && version.cached(&[3; 32]).is_some());
    assert_eq!(version.cached(&[2; 32]), None);
}

#[test]
fn a_cache_holds_at_most_64_mib() {
    let version = caching(1000, 60.0);
    let answer = [Bytes::from(vec![0; 4 * MIB - 64])];
    for number in 0..16 {
        version.remember([number; 32], &answer);
    }
    // To remember an answer again takes no more room.
    for _ in 0..20 {
        version.remember([15; 32], &answer);
    }
    assert!((0..16).all(|number| version.cached(&[number; 32]).is_some()));
    version.remember([16; 32], &answer);
    assert_eq!(version.cached(&[0; 32]), None);
    assert!((1..=16).all(|number| version.cached(&[number; 32]).is_some()));
}

#[test]
fn an_answer_that_is_too_large_is_not_cached() {
    let version = caching(1000, 60.0);
    version.remember([1; 32], &[Bytes::from(vec![0; 4 * MIB - 63])]);
    assert_eq!(version.cached(&[1; 32]), None);
}

#[test]
fn leases_count_the_requests_that_use_a_version() {
    let version = served(&one_input(), serving()).champion().clone();
    let leases: Vec<_> = (0..3).map(|_| version.lease()).collect();
    assert_eq!(version.in_flight.load(Relaxed), 3);
    drop(leases);
    assert_eq!(version.in_flight.load(Relaxed), 0);
}

fn route(arms: &[(i64, f64)], versions: &[(i64, Serving)]) -> RouteSpec {
    let versions = versions.iter().map(|(number, rule)| version_spec(*number, &one_input(), rule.clone())).collect();
    RouteSpec { table: table(arms), versions }
}

#[test]
fn a_route_knows_its_versions_and_its_champion() {
    let spec = route(&[(3, 0.0), (4, 1.0)], &[(3, serving()), (4, serving()), (9, serving())]);
    let served = Served::make(spec, None, &Stats::default()).unwrap();
    assert_eq!(served.champion().number(), 3);
    assert_eq!((served.champion().model.as_str(), served.version(9).unwrap().number()), ("taxi", 9));
    let fault = served.version(5).unwrap_err();
    assert_eq!(fault.kind, Kind::NotFound);
    assert_eq!(fault.message, "model taxi has no version 5 here; it has 3, 4, 9");
}

#[test]
fn a_route_needs_arms_and_their_versions() {
    let fault = Served::make(route(&[], &[]), None, &Stats::default()).unwrap_err();
    assert_eq!(fault.message, "route of taxi: no arms");
    let spec = route(&[(3, 1.0), (4, 1.0)], &[(3, serving())]);
    let fault = Served::make(spec, None, &Stats::default()).unwrap_err();
    assert_eq!(fault.message, "route of taxi: version 4 of an arm is not given");
}

#[test]
fn a_mirrors_version_may_be_absent() {
    let mut spec = route(&[(3, 1.0)], &[(3, serving())]);
    spec.table.mirrors.push(Mirror { version: 4, fraction: 1.0 });
    assert!(Served::make(spec, None, &Stats::default()).is_ok());
}

#[test]
fn versions_of_the_same_digest_go_on_under_a_new_route() {
    let stats = Stats::default();
    let before = Served::make(route(&[(3, 1.0)], &[(3, serving()), (4, serving())]), None, &stats).unwrap();
    let _lease = before.versions[&4].lease();
    let mut spec = route(&[(4, 1.0)], &[(3, serving()), (4, serving())]);
    spec.versions[0].digest = "another".to_owned();
    let after = Served::make(spec, Some(&before), &stats).unwrap();
    assert!(Arc::ptr_eq(&after.versions[&4], &before.versions[&4]));
    assert_eq!(after.champion().in_flight.load(Relaxed), 1);
    assert!(!Arc::ptr_eq(&after.versions[&3], &before.versions[&3]));
}

#[test]
fn a_version_that_is_not_given_again_is_gone() {
    let stats = Stats::default();
    let before = Served::make(route(&[(3, 1.0)], &[(3, serving()), (4, serving())]), None, &stats).unwrap();
    let after = Served::make(route(&[(3, 1.0)], &[(3, serving())]), Some(&before), &stats).unwrap();
    assert!(after.version(4).is_err());
}

#[test]
fn a_gate_goes_on_while_its_bounds_are_the_same() {
    let stats = Stats::default();
    let other = Serving { concurrency: 5, ..serving() };
    let both = [(3, serving()), (4, serving()), (5, other)];
    let before = Served::make(route(&[(3, 1.0)], &both), None, &stats).unwrap();
    let same = Served::make(route(&[(4, 1.0)], &both), Some(&before), &stats).unwrap();
    assert!(Arc::ptr_eq(&same.gate, &before.gate));
    let wider = Served::make(route(&[(5, 1.0)], &both), Some(&before), &stats).unwrap();
    assert!(!Arc::ptr_eq(&wider.gate, &before.gate));
}

#[test]
fn what_was_counted_goes_on_under_a_new_route() {
    let stats = Stats::default();
    let make = || Served::make(route(&[(3, 1.0)], &[(3, serving())]), None, &stats).unwrap();
    let (before, after) = (make(), make());
    assert!(Arc::ptr_eq(&before.stats, &after.stats));
    assert!(Arc::ptr_eq(&before.champion().stats, &after.champion().stats));
}

#[test]
fn a_route_is_read_from_json() {
    let document = json!({
        "table": {
            "model": "taxi",
            "epoch": 7,
            "arms": [{"version": 3, "weight": 1.0}],
            "mirrors": [{"version": 4, "fraction": 0.5}],
            "sticky_header": "x-user",
            "sticky_field": "",
        },
        "versions": [{
            "version": 3,
            "digest": "d",
            "server_name": "taxi-3",
            "signature": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}], "outputs": []},
            "serving": {
                "allow_missing": false,
                "cache": {"entries": 10, "ttl_seconds": 1.5},
                "log": {"sample": 0.5, "hash": ["x"], "drop": []},
                "concurrency": 8,
                "queue": 16,
                "retry": true,
            },
        }],
    });
    let spec: RouteSpec = serde_json::from_value(document.clone()).unwrap();
    assert_eq!((spec.table.mirrors[0].version, spec.table.sticky_header.as_str()), (4, "x-user"));
    let serving = &spec.versions[0].serving;
    assert_eq!(serving.cache.as_ref().map(|rule| (rule.entries.get(), rule.ttl_seconds)), Some((10, 1.5)));
    assert_eq!(spec.versions[0].signature.inputs[0].datatype, Datatype::Fp32);
    let mut wrong = document;
    wrong["versions"][0]["serving"]["cache"]["entries"] = json!(0);
    assert!(serde_json::from_value::<RouteSpec>(wrong).is_err());
}
