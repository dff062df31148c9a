//! The models that are served, and how many requests of one may be under way.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lru::LruCache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::{Fault, Kind, Result};
use crate::routing::Table;
use crate::signature::{Rows, Signature};
use crate::stats::{ModelStats, Stats, VersionStats, locked};

/// Largest memory of one version's cached answers, in bytes.
const CACHE_BYTES: usize = 64 << 20;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CacheRule {
    pub entries: NonZeroUsize,
    pub ttl_seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LogRule {
    pub sample: f64,
    pub hash: Vec<String>,
    pub drop: Vec<String>,
}

/// How a version wants to be served.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Serving {
    pub allow_missing: bool,
    pub cache: Option<CacheRule>,
    pub log: LogRule,
    pub concurrency: usize,
    pub queue: usize,
    pub retry: bool,
}

/// A version as Python describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct VersionSpec {
    pub version: i64,
    pub digest: String,
    pub server_name: String,
    pub signature: Signature,
    pub serving: Serving,
}

/// A route in effect as Python describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct RouteSpec {
    pub table: Table,
    pub versions: Vec<VersionSpec>,
}

/// A version that is loaded and proven.
#[derive(Debug)]
pub struct Version {
    pub model: String,
    pub spec: VersionSpec,
    pub stats: Arc<VersionStats>,
    pub in_flight: AtomicUsize,
    cache: Option<Mutex<Cache>>,
}

/// Keeps a version loaded while it lives.
#[derive(Debug)]
pub struct Lease(Arc<Version>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Version {
    pub fn number(&self) -> i64 {
        self.spec.version
    }

    pub fn signature(&self) -> &Signature {
        &self.spec.signature
    }

    pub fn lease(self: &Arc<Self>) -> Lease {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Lease(self.clone())
    }

    /// Key of an input's cached answer, if answers are cached.
    pub fn cache_key(&self, rows: &Rows) -> Option<[u8; 32]> {
        self.cache.as_ref()?;
        let mut hash = Sha256::new();
        for raw in &rows.tensors {
            hash.update((raw.len() as u64).to_le_bytes());
            hash.update(raw);
        }
        Some(hash.finalize().into())
    }

    pub fn cached(&self, key: &[u8; 32]) -> Option<Vec<Bytes>> {
        locked(self.cache.as_ref()?).get(key)
    }

    pub fn remember(&self, key: [u8; 32], outputs: &[Bytes]) {
        if let Some(cache) = &self.cache {
            locked(cache).put(key, outputs);
        }
    }
}

#[derive(Debug)]
struct Cache {
    ttl: Duration,
    bytes: usize,
    answers: LruCache<[u8; 32], (Instant, Vec<Bytes>)>,
}

impl Cache {
    fn new(rule: &CacheRule) -> Self {
        let ttl = Duration::try_from_secs_f64(rule.ttl_seconds).unwrap_or(Duration::MAX);
        Cache { ttl, bytes: 0, answers: LruCache::new(rule.entries) }
    }

    fn get(&mut self, key: &[u8; 32]) -> Option<Vec<Bytes>> {
        let (since, outputs) = self.answers.get(key)?;
        if since.elapsed() <= self.ttl {
            return Some(outputs.clone());
        }
        self.answers.pop(key).inspect(|(_, outputs)| self.bytes -= size_of_outputs(outputs));
        None
    }

    fn put(&mut self, key: [u8; 32], outputs: &[Bytes]) {
        let size = size_of_outputs(outputs);
        if size > CACHE_BYTES / 16 {
            return;
        }
        let own = outputs.iter().map(|raw| Bytes::copy_from_slice(raw)).collect();
        if let Some((_, (_, old))) = self.answers.push(key, (Instant::now(), own)) {
            self.bytes -= size_of_outputs(&old);
        }
        self.bytes += size;
        while self.bytes > CACHE_BYTES {
            let Some((_, (_, old))) = self.answers.pop_lru() else { break };
            self.bytes -= size_of_outputs(&old);
        }
    }
}

fn size_of_outputs(outputs: &[Bytes]) -> usize {
    outputs.iter().map(|raw| raw.len() + 64).sum()
}

/// How many requests of a model may be under way, and how many may wait.
#[derive(Debug)]
pub struct Gate {
    concurrency: usize,
    queue: usize,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub fn new(concurrency: usize, queue: usize) -> Self {
        let permits = Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)));
        Gate { concurrency, queue, permits, waiting: AtomicUsize::new(0) }
    }

    /// A place, kept while it lives; Overloaded where too many wait, DeadlineExceeded where none comes in time.
    pub async fn enter(&self, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Fault::new(Kind::Overloaded, "too many requests of this model wait; try again in a moment"));
        }
        let _waiting = Waiting(&self.waiting);
        match tokio::time::timeout_at(deadline.into(), self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Fault::deadline()),
        }
    }
}

/// A route in effect with its versions.
#[derive(Debug)]
pub struct Served {
    pub table: Table,
    pub versions: HashMap<i64, Arc<Version>>,
    pub gate: Arc<Gate>,
    pub stats: Arc<ModelStats>,
}

impl Served {
    /// The route of `spec`; versions that `before` had, and its gate, go on.
    pub fn make(spec: RouteSpec, before: Option<&Served>, stats: &Stats) -> Result<Self> {
        let model = &spec.table.model;
        let Some(champion) = spec.table.arms.first().map(|arm| arm.version) else {
            return Err(Fault::invalid(format!("route of {model}: no arms")));
        };
        let known = |number: i64, digest: &str| {
            before.and_then(|served| served.versions.get(&number)).filter(|version| version.spec.digest == digest)
        };
        let versions: HashMap<i64, Arc<Version>> = spec
            .versions
            .into_iter()
            .map(|one| {
                let version = known(one.version, &one.digest).cloned();
                (one.version, version.unwrap_or_else(|| Arc::new(version_of(model, one, stats))))
            })
            .collect();
        let missing = spec.table.arms.iter().find(|arm| !versions.contains_key(&arm.version));
        if let Some(missing) = missing {
            return Err(Fault::invalid(format!(
                "route of {model}: version {} of an arm is not given",
                missing.version
            )));
        }
        let serving = &versions[&champion].spec.serving;
        let (concurrency, queue) = (serving.concurrency, serving.queue);
        let gate = before
            .map(|served| served.gate.clone())
            .filter(|gate| (gate.concurrency, gate.queue) == (concurrency, queue))
            .unwrap_or_else(|| Arc::new(Gate::new(concurrency, queue)));
        Ok(Served { stats: stats.model(model), table: spec.table, versions, gate })
    }

    pub fn champion(&self) -> &Arc<Version> {
        &self.versions[&self.table.arms[0].version]
    }

    /// A version that is routed or warm.
    pub fn version(&self, number: i64) -> Result<&Arc<Version>> {
        self.versions.get(&number).ok_or_else(|| {
            let mut known: Vec<i64> = self.versions.keys().copied().collect();
            known.sort_unstable();
            let known: Vec<String> = known.iter().map(i64::to_string).collect();
            let model = &self.table.model;
            let cause = format!("model {model} has no version {number} here; it has {}", known.join(", "));
            Fault::new(Kind::NotFound, cause)
        })
    }
}

fn version_of(model: &str, spec: VersionSpec, stats: &Stats) -> Version {
    Version {
        model: model.to_owned(),
        stats: stats.version(model, spec.version),
        in_flight: AtomicUsize::new(0),
        cache: spec.serving.cache.as_ref().map(|rule| Mutex::new(Cache::new(rule))),
        spec,
    }
}
