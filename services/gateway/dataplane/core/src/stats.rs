//! What is counted, read by Python when Prometheus asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::fault::Kind;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Rest,
    Grpc,
    Predict,
    Kafka,
}

impl Protocol {
    const ALL: [Protocol; 4] = [Protocol::Rest, Protocol::Grpc, Protocol::Predict, Protocol::Kafka];

    pub fn name(self) -> &'static str {
        match self {
            Protocol::Rest => "rest",
            Protocol::Grpc => "grpc",
            Protocol::Predict => "predict",
            Protocol::Kafka => "kafka",
        }
    }

    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().as_bytes() == name)
    }
}

/// Upper bounds of the latency buckets, in seconds.
pub const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const CODES: [u16; 12] = [200, 400, 401, 403, 404, 405, 413, 429, 499, 500, 503, 504];

/// Requests by protocol and status.
#[derive(Debug, Default)]
pub struct Outcomes([[AtomicU64; CODES.len()]; Protocol::ALL.len()]);

impl Outcomes {
    pub fn count(&self, protocol: Protocol, fault: Option<Kind>) {
        self.count_code(protocol, fault.map_or(200, Kind::http));
    }

    pub fn count_code(&self, protocol: Protocol, code: u16) {
        let place = CODES.iter().position(|&known| known == code).unwrap_or(9);
        self.0[protocol as usize][place].fetch_add(1, Relaxed);
    }

    fn each(&self, mut tell: impl FnMut(&'static str, u16, u64)) {
        for (protocol, codes) in Protocol::ALL.iter().zip(&self.0) {
            for (code, count) in CODES.iter().zip(codes) {
                match count.load(Relaxed) {
                    0 => {}
                    count => tell(protocol.name(), *code, count),
                }
            }
        }
    }
}

/// Times in seconds, cumulated when they are read.
#[derive(Debug, Default)]
pub struct Seconds {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Seconds {
    pub fn observe(&self, seconds: f64) {
        let place = BUCKETS.iter().position(|&bound| seconds <= bound).unwrap_or(BUCKETS.len());
        self.buckets[place].fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add((seconds * 1e9) as u64, Relaxed);
    }
}

/// Of one version.
#[derive(Debug, Default)]
pub struct VersionStats {
    pub outcomes: Outcomes,
    pub fallbacks: AtomicU64,
    pub mirrored: AtomicU64,
}

/// Of one model.
#[derive(Debug, Default)]
pub struct ModelStats {
    pub seconds: Seconds,
    pub retries: AtomicU64,
    pub shed: AtomicU64,
    pub cache_hits: AtomicU64,
    pub cache_misses: AtomicU64,
    pub mirror_full: AtomicU64,
    pub mirror_not_loaded: AtomicU64,
    pub mirror_failed: AtomicU64,
}

/// A value as Prometheus shows it: name, labels' values, value.
pub type Sample = (&'static str, Vec<String>, f64);

/// Everything counted; what was counted once stays, whatever is unloaded.
#[derive(Debug, Default)]
pub struct Stats {
    models: Mutex<BTreeMap<String, Arc<ModelStats>>>,
    versions: Mutex<BTreeMap<(String, i64), Arc<VersionStats>>>,
    pub unanswered: Outcomes,
    pub log_full: AtomicU64,
    pub log_too_large: AtomicU64,
    pub connections: AtomicU64,
    pub refused_connections: AtomicU64,
}

impl Stats {
    pub fn model(&self, model: &str) -> Arc<ModelStats> {
        locked(&self.models).entry(model.to_owned()).or_default().clone()
    }

    pub fn version(&self, model: &str, version: i64) -> Arc<VersionStats> {
        locked(&self.versions).entry((model.to_owned(), version)).or_default().clone()
    }

    /// All samples. `latency_bucket` is not cumulated: one per bucket and one above the last; `latency_sum` in seconds.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut tell = |name, labels: &[&str], count: &AtomicU64| {
            samples.push((name, labels.iter().map(ToString::to_string).collect(), count.load(Relaxed) as f64));
        };
        tell("log_drops", &["queue_full"], &self.log_full);
        tell("log_drops", &["too_large"], &self.log_too_large);
        tell("connections", &[], &self.connections);
        tell("refused_connections", &[], &self.refused_connections);
        for (model, stats) in locked(&self.models).iter() {
            tell("retries", &[model], &stats.retries);
            tell("shed", &[model], &stats.shed);
            tell("cache", &[model, "hit"], &stats.cache_hits);
            tell("cache", &[model, "miss"], &stats.cache_misses);
            tell("mirror_drops", &[model, "queue_full"], &stats.mirror_full);
            tell("mirror_drops", &[model, "not_loaded"], &stats.mirror_not_loaded);
            tell("mirror_drops", &[model, "failed"], &stats.mirror_failed);
            for (place, bucket) in stats.seconds.buckets.iter().enumerate() {
                let bound = BUCKETS.get(place).copied().unwrap_or(f64::INFINITY);
                tell("latency_bucket", &[model, &bound.to_string()], bucket);
            }
        }
        for (model, stats) in locked(&self.models).iter() {
            let seconds = stats.seconds.nanoseconds.load(Relaxed) as f64 / 1e9;
            samples.push(("latency_sum", vec![model.clone()], seconds));
        }
        let mut requests = |model: &str, version: &str, outcomes: &Outcomes| {
            outcomes.each(|protocol, code, count| {
                let labels = vec![model.to_owned(), version.to_owned(), protocol.to_owned(), code.to_string()];
                samples.push(("requests", labels, count as f64));
            });
        };
        requests("", "", &self.unanswered);
        for ((model, version), stats) in locked(&self.versions).iter() {
            requests(model, &version.to_string(), &stats.outcomes);
        }
        for ((model, version), stats) in locked(&self.versions).iter() {
            let labels = || vec![model.clone(), version.to_string()];
            samples.push(("mirrored", labels(), stats.mirrored.load(Relaxed) as f64));
            samples.push(("fallbacks", labels(), stats.fallbacks.load(Relaxed) as f64));
        }
        samples
    }
}

/// The guarded value; a thread that panicked has not made it invalid.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
