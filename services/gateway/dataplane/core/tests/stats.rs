//! What is counted, as Prometheus is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use tidemill_dataplane_core::fault::Kind;
use tidemill_dataplane_core::stats::{BUCKETS, Protocol, Stats, locked};

/// The samples of a name by their labels.
fn samples(stats: &Stats, name: &str) -> BTreeMap<String, f64> {
    let found = stats.samples().into_iter().filter(|(found, _, _)| *found == name);
    found.map(|(_, labels, value)| (labels.join(" "), value)).collect()
}

#[test]
fn requests_are_counted_by_model_version_protocol_and_status() {
    let stats = Stats::default();
    let version = stats.version("taxi", 3);
    version.outcomes.count(Protocol::Rest, None);
    version.outcomes.count(Protocol::Rest, None);
    version.outcomes.count(Protocol::Grpc, Some(Kind::InvalidInput));
    stats.unanswered.count(Protocol::Predict, Some(Kind::NotFound));
    let expected = [("  predict 404", 1.0), ("taxi 3 grpc 400", 1.0), ("taxi 3 rest 200", 2.0)];
    let found = samples(&stats, "requests");
    assert_eq!(found, expected.map(|(labels, value)| (labels.to_owned(), value)).into());
}

#[test]
fn every_kind_of_fault_is_counted_under_its_own_status() {
    for kind in KINDS {
        let stats = Stats::default();
        stats.unanswered.count(Protocol::Rest, Some(kind));
        let found = samples(&stats, "requests");
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [format!("  rest {}", kind.http())], "{kind:?}");
    }
}

const KINDS: [Kind; 12] = [
    Kind::InvalidInput,
    Kind::Unauthenticated,
    Kind::Forbidden,
    Kind::NotFound,
    Kind::MethodNotAllowed,
    Kind::TooLarge,
    Kind::RateLimited,
    Kind::Overloaded,
    Kind::Unavailable,
    Kind::DeadlineExceeded,
    Kind::Cancelled,
    Kind::Broken,
];

#[test]
fn a_status_that_is_not_known_counts_as_broken() {
    let stats = Stats::default();
    stats.unanswered.count_code(Protocol::Kafka, 418);
    assert_eq!(samples(&stats, "requests"), BTreeMap::from([("  kafka 500".to_owned(), 1.0)]));
}

#[test]
fn a_time_falls_into_the_first_bucket_that_bounds_it() {
    let stats = Stats::default();
    let seconds = &stats.model("taxi").seconds;
    for time in [0.0, 0.0005, 0.00051, 10.0, 11.0] {
        seconds.observe(time);
    }
    let buckets = samples(&stats, "latency_bucket");
    assert_eq!(buckets.len(), BUCKETS.len() + 1);
    let full: Vec<(&str, f64)> =
        buckets.iter().filter(|(_, count)| **count > 0.0).map(|(labels, count)| (labels.as_str(), *count)).collect();
    assert_eq!(full, [("taxi 0.0005", 2.0), ("taxi 0.001", 1.0), ("taxi 10", 1.0), ("taxi inf", 1.0)]);
    let sum = samples(&stats, "latency_sum")["taxi"];
    assert!((sum - 21.00101).abs() < 1e-9, "{sum}");
}

#[test]
fn what_happens_to_a_model_is_told_under_its_name() {
    let stats = Stats::default();
    let model = stats.model("taxi");
    model.retries.fetch_add(1, Relaxed);
    model.shed.fetch_add(2, Relaxed);
    model.cache_hits.fetch_add(3, Relaxed);
    model.cache_misses.fetch_add(4, Relaxed);
    model.mirror_full.fetch_add(5, Relaxed);
    model.mirror_not_loaded.fetch_add(6, Relaxed);
    model.mirror_failed.fetch_add(7, Relaxed);
    stats.version("taxi", 3).mirrored.fetch_add(8, Relaxed);
    stats.version("taxi", 3).fallbacks.fetch_add(9, Relaxed);
    let of = |name: &str, labels: &str| samples(&stats, name)[labels];
    assert_eq!((of("retries", "taxi"), of("shed", "taxi")), (1.0, 2.0));
    assert_eq!((of("cache", "taxi hit"), of("cache", "taxi miss")), (3.0, 4.0));
    assert_eq!((of("mirror_drops", "taxi queue_full"), of("mirror_drops", "taxi not_loaded")), (5.0, 6.0));
    assert_eq!(of("mirror_drops", "taxi failed"), 7.0);
    assert_eq!((of("mirrored", "taxi 3"), of("fallbacks", "taxi 3")), (8.0, 9.0));
}

#[test]
fn what_happens_to_the_process_is_told_without_a_model() {
    let stats = Stats::default();
    stats.log_full.fetch_add(1, Relaxed);
    stats.log_too_large.fetch_add(2, Relaxed);
    stats.connections.fetch_add(3, Relaxed);
    stats.refused_connections.fetch_add(4, Relaxed);
    assert_eq!(samples(&stats, "log_drops").into_values().collect::<Vec<_>>(), [1.0, 2.0]);
    assert_eq!((samples(&stats, "connections")[""], samples(&stats, "refused_connections")[""]), (3.0, 4.0));
}

#[test]
fn a_protocol_is_parsed_from_its_own_name() {
    for protocol in [Protocol::Rest, Protocol::Grpc, Protocol::Predict, Protocol::Kafka] {
        assert_eq!(Protocol::parse(protocol.name().as_bytes()), Some(protocol));
    }
    assert_eq!(Protocol::parse(b"REST"), None);
}

#[test]
fn what_a_panicking_thread_held_is_still_read() {
    let held = Arc::new(Mutex::new(1));
    let other = held.clone();
    let _ = std::thread::spawn(move || {
        let _guard = other.lock().unwrap();
        std::panic::resume_unwind(Box::new("gone"));
    })
    .join();
    assert!(held.is_poisoned());
    assert_eq!(*locked(&held), 1);
}
