//! The one path of every inference: choose a version, check the input, run it, log it, copy it to mirrors.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::watch;

use crate::auth::Auth;
use crate::config::Config;
use crate::fault::{Fault, Kind, Result, shown};
use crate::log::{Entry, Log, Role};
use crate::model::{RouteSpec, Served, Version};
use crate::request::{Request, WantedOutput};
use crate::signature::{Limits, Rows, Signature};
use crate::stats::{Protocol, Stats, locked};
use crate::tensor::{Datatype, Tensor, Texts, number_at, push_text};
use crate::together::{Ask, Ran, Together};
use crate::upstream::{Lane, Upstream};
use crate::wire;

pub type Models = HashMap<String, Arc<Served>>;

/// How far the data plane is towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Phase {
    Serving,
    /// Answers end their connections.
    Draining,
    /// No connection is taken; the open ones end.
    Closing,
    /// What is still open is cut.
    Ended,
}

/// What all workers share.
pub struct Plane {
    pub config: Config,
    pub models: ArcSwap<Models>,
    pub auth: ArcSwap<Auth>,
    pub log: Log,
    pub stats: Stats,
    pub phase: watch::Sender<Phase>,
    writing: Mutex<()>,
    suspects: Mutex<HashSet<String>>,
    retired: Mutex<Vec<Arc<Version>>>,
}

impl Plane {
    pub fn new(config: Config) -> Self {
        Plane {
            log: Log::new(config.log_queue_rows, config.log_queue_bytes, &config.hash_key),
            config,
            models: ArcSwap::default(),
            auth: ArcSwap::default(),
            stats: Stats::default(),
            phase: watch::Sender::new(Phase::Serving),
            writing: Mutex::default(),
            suspects: Mutex::default(),
            retired: Mutex::default(),
        }
    }

    /// Puts a route in place of the model's last one; requests under way end on the versions they began with.
    pub fn set_route(&self, spec: RouteSpec) -> Result<()> {
        let _one = locked(&self.writing);
        let mut models = Models::clone(&self.models.load());
        let model = spec.table.model.clone();
        let before = models.get(&model).cloned();
        let served = Served::make(spec, before.as_deref(), &self.stats)?;
        let mut retired = locked(&self.retired);
        retired.retain(|version| version.in_flight.load(Relaxed) > 0);
        for version in before.iter().flat_map(|served| served.versions.values()) {
            let goes_on = served.versions.get(&version.number()).is_some_and(|now| Arc::ptr_eq(now, version));
            if !goes_on {
                retired.push(version.clone());
            }
        }
        models.insert(model, Arc::new(served));
        self.models.store(Arc::new(models));
        Ok(())
    }

    /// Requests that use a version now, routed or not.
    pub fn in_flight(&self, model: &str, number: i64) -> usize {
        let models = self.models.load();
        let routed = models.get(model).and_then(|served| served.versions.get(&number));
        let routed = routed.map_or(0, |version| version.in_flight.load(Relaxed));
        let retired = locked(&self.retired);
        let is_it = |version: &&Arc<Version>| version.model == model && version.number() == number;
        routed + retired.iter().filter(is_it).map(|version| version.in_flight.load(Relaxed)).sum::<usize>()
    }

    /// Models of which a request found the server unavailable since the last call.
    pub fn take_suspects(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.suspects)).into_iter().collect()
    }

    fn suspect(&self, model: &str) {
        let mut suspects = locked(&self.suspects);
        if !suspects.contains(model) {
            suspects.insert(model.to_owned());
        }
    }

    fn put_in_log(&self, entry: Entry) {
        if let Err(rows) = self.log.put(entry) {
            self.stats.log_full.fetch_add(rows, Relaxed);
        }
    }
}

/// What a transport knows of a request. `forwarded` are headers for the model server.
pub struct Call<'a> {
    pub protocol: Protocol,
    pub headers: &'a HeaderMap,
    pub forwarded: HeaderMap,
    pub event_time: i64,
    pub deadline: Instant,
    /// Given by Python's own calls: an id in place of a new one, the sticky header's value, and whether the prediction
    /// is logged.
    pub prediction_id: Option<String>,
    pub sticky: Option<String>,
    pub logged: bool,
}

/// All outputs of the version that answered; `message` is the server's own answer where there is one.
pub struct Answer {
    pub version: Arc<Version>,
    pub prediction_id: String,
    pub request_id: String,
    pub rows: usize,
    pub outputs: Vec<Bytes>,
    /// Outputs asked for, by position, and whether each is wanted as binary.
    pub wanted: Vec<(usize, bool)>,
    pub message: Option<Bytes>,
    pub cached: bool,
}

impl Answer {
    /// The names it goes under.
    pub fn naming(&self) -> wire::Naming<'_> {
        let id = if self.request_id.is_empty() { &self.prediction_id } else { &self.request_id };
        wire::Naming {
            model: &self.version.model,
            version: self.version.number(),
            id,
            prediction_id: &self.prediction_id,
        }
    }

    pub fn signature(&self) -> &Signature {
        self.version.signature()
    }
}

/// A request that is under way; one that is dropped before it is done is logged as such.
struct Underway<'a> {
    plane: &'a Plane,
    entry: Option<Entry>,
    began: Instant,
}

impl Underway<'_> {
    fn done(&mut self, result: &Result<Ran>) {
        let Some(mut entry) = self.entry.take() else { return };
        entry.latency = self.began.elapsed().as_secs_f32();
        match result {
            Ok(ran) => entry.outputs = ran.outputs.clone(),
            Err(fault) => entry.error = fault.message.clone(),
        }
        self.plane.put_in_log(entry);
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if self.entry.is_some() {
            self.done(&Err(Fault::new(Kind::Cancelled, "the caller went away")));
        }
    }
}

/// A request on its way: what is the same for whichever version answers it.
struct Way<'a> {
    call: &'a Call<'a>,
    served: &'a Arc<Served>,
    prediction_id: &'a str,
    request: &'a Request,
    chosen: i64,
    /// What `chosen` was chosen by, as it is logged: `Entry::unit`.
    unit: u64,
}

impl Way<'_> {
    /// What is logged of it before there is an answer.
    fn entry(&self, version: &Arc<Version>, rows: usize, inputs: Vec<Bytes>) -> Entry {
        Entry {
            version: version.clone(),
            role: Role::Primary,
            prediction_id: self.prediction_id.to_owned(),
            rows,
            event_time: self.call.event_time,
            latency: 0.0,
            inputs,
            outputs: Vec::new(),
            epoch: self.served.table.epoch,
            error: String::new(),
            unit: if version.number() == self.chosen { self.unit } else { 0 },
            always: self.call.protocol == Protocol::Kafka,
        }
    }
}

/// One thread's part: its connections to the model servers.
pub struct Worker {
    pub plane: Arc<Plane>,
    together: Together,
    mirrors: Cell<usize>,
    mirror_bytes: Cell<usize>,
}

impl Worker {
    pub fn new(plane: Arc<Plane>) -> std::result::Result<Self, String> {
        let config = &plane.config;
        let upstream = Upstream::new(&config.endpoints, config.max_body_bytes, config.infer_seconds)?;
        let together = Together::new(upstream, config.max_rows);
        Ok(Worker { plane, together, mirrors: Cell::new(0), mirror_bytes: Cell::new(0) })
    }

    /// The answer of the version that the route gives the request. `answering` is told as soon as it is chosen.
    pub async fn infer(
        self: &Rc<Self>,
        call: &Call<'_>,
        mut request: Request,
        answering: &mut Option<Arc<Version>>,
    ) -> Result<Answer> {
        let served = self.plane.models.load().get(&request.model).cloned();
        let served = served.ok_or_else(|| {
            Fault::new(Kind::NotFound, format!("no model {} is served here", shown(&request.model, 100)))
        })?;
        let prediction_id = call.prediction_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let pinned = parse_version(&request.version)?;
        let key = sticky_key(&served, call, &request).unwrap_or_else(|| prediction_id.clone());
        let chosen = match pinned {
            Some(number) => number,
            None => served.table.choose(&key).ok_or_else(|| {
                Fault::new(Kind::NotFound, format!("model {} takes no traffic now", served.table.model))
            })?,
        };
        let mut version = served.version(chosen)?.clone();
        *answering = Some(version.clone());
        if let Some(body) = request.bare.take() {
            request.inputs.push(bare_input(version.signature(), body)?);
        }
        let unit = if pinned.is_none() && call.logged { served.table.unit_of(&key) } else { 0 };
        let way = Way { call, served: &served, prediction_id: &prediction_id, request: &request, chosen, unit };
        let champion = served.champion();
        let accepted = version.signature().accept(&request.inputs, self.limits(&version));
        let rows = match accepted {
            Err(_) if pinned.is_none() && !Arc::ptr_eq(&version, champion) => {
                // The caller knows the champion's inputs: that a candidate takes others is not the caller's fault.
                let rows = champion.signature().accept(&request.inputs, self.limits(champion))?;
                version.stats.fallbacks.fetch_add(1, Relaxed);
                self.log_mismatch(&way, &version, rows.count);
                version = champion.clone();
                *answering = Some(version.clone());
                rows
            }
            accepted => accepted?,
        };
        let number = version.number();
        let _lease = version.lease();
        let wanted = wanted_outputs(version.signature(), &request)?;
        let began = Instant::now();
        let cache_key = version.cache_key(&rows);
        if let Some(outputs) = cache_key.as_ref().and_then(|key| version.cached(key)) {
            served.stats.cache_hits.fetch_add(1, Relaxed);
            served.stats.seconds.observe(began.elapsed().as_secs_f64());
            let ran = Ok(Ran { outputs: outputs.clone(), message: None });
            self.underway(&way, &version, &rows).done(&ran);
            let (request_id, rows) = (request.id, rows.count);
            let (message, cached) = (None, true);
            return Ok(Answer { version, prediction_id, request_id, rows, outputs, wanted, message, cached });
        }
        let _permit = served.gate.enter(call.deadline).await.inspect_err(|fault| {
            if fault.kind == Kind::Overloaded {
                served.stats.shed.fetch_add(1, Relaxed);
            }
        })?;
        let answered = self.answer(&way, version, pinned.is_some(), &rows).await;
        served.stats.seconds.observe(began.elapsed().as_secs_f64());
        let (version, ran) = answered?;
        *answering = Some(version.clone());
        let is_chosen = version.number() == number;
        let wanted = if is_chosen { wanted } else { wanted_outputs(version.signature(), &request)? };
        if let Some(key) = cache_key.filter(|_| is_chosen) {
            served.stats.cache_misses.fetch_add(1, Relaxed);
            version.remember(key, &ran.outputs);
        }
        let count = rows.count;
        if pinned.is_none() && call.logged {
            self.mirror(&way, &key, number, version.number(), rows);
        }
        let (request_id, outputs, message) = (request.id, ran.outputs, ran.message);
        Ok(Answer { version, prediction_id, request_id, rows: count, outputs, wanted, message, cached: false })
    }

    /// The chosen version's answer; where a version that is no champion fails or is slow, the champion's.
    async fn answer(
        &self,
        way: &Way<'_>,
        version: Arc<Version>,
        is_pinned: bool,
        rows: &Rows,
    ) -> Result<(Arc<Version>, Ran)> {
        let champion = way.served.champion();
        let deadline = way.call.deadline;
        if is_pinned || Arc::ptr_eq(&version, champion) {
            let ran = self.run_logged(way, &version, rows, deadline).await?;
            return Ok((version, ran));
        }
        let config = &self.plane.config;
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left.mul_f64(config.candidate_share).min(Duration::from_secs_f64(config.candidate_seconds));
        let failure = match self.run_logged(way, &version, rows, Instant::now() + share).await {
            Ok(ran) => return Ok((version, ran)),
            Err(failure) => failure,
        };
        version.stats.fallbacks.fetch_add(1, Relaxed);
        let champion = champion.clone();
        let _lease = champion.lease();
        let Ok(rows) = champion.signature().accept(&way.request.inputs, self.limits(&champion)) else {
            return Err(failure);
        };
        let ran = self.run_logged(way, &champion, &rows, deadline).await?;
        Ok((champion, ran))
    }

    fn limits(&self, version: &Version) -> Limits {
        Limits { max_rows: self.plane.config.max_rows, allow_missing: version.spec.serving.allow_missing }
    }

    fn underway(&self, way: &Way<'_>, version: &Arc<Version>, rows: &Rows) -> Underway<'_> {
        let entry = way.call.logged.then(|| way.entry(version, rows.count, rows.tensors.clone()));
        Underway { plane: &self.plane, entry, began: Instant::now() }
    }

    /// Logs that the chosen version cannot read the `rows` that the champion can.
    fn log_mismatch(&self, way: &Way<'_>, version: &Arc<Version>, rows: usize) {
        if way.call.logged {
            let error = "takes other inputs than the champion".to_owned();
            self.plane.put_in_log(Entry { error, ..way.entry(version, rows, Vec::new()) });
        }
    }

    async fn run_logged(&self, way: &Way<'_>, version: &Arc<Version>, rows: &Rows, deadline: Instant) -> Result<Ran> {
        let mut underway = self.underway(way, version, rows);
        let result = self.run_twice(way, version, rows, deadline).await;
        underway.done(&result);
        result
    }

    async fn run_twice(&self, way: &Way<'_>, version: &Arc<Version>, rows: &Rows, deadline: Instant) -> Result<Ran> {
        let is_champion = version.number() == way.served.champion().number();
        let lane = if is_champion { Lane::Primary } else { Lane::Candidate };
        let mut avoid = None;
        let ask = Ask { lane, version, rows, request: way.request, headers: &way.call.forwarded, deadline };
        let first = self.together.run(&ask, &mut avoid).await;
        let Err(fault) = first else { return first };
        if fault.kind != Kind::Unavailable {
            return Err(fault);
        }
        self.plane.suspect(&version.model);
        if !version.spec.serving.retry || Instant::now() >= deadline {
            return Err(fault);
        }
        way.served.stats.retries.fetch_add(1, Relaxed);
        self.together.run(&ask, &mut avoid).await
    }

    /// Has mirrors answer `rows`, which are those of version `read_by`, too.
    fn mirror(self: &Rc<Self>, way: &Way<'_>, key: &str, read_by: i64, answered: i64, rows: Rows) {
        let served = way.served;
        for number in served.table.mirrors_of(key, answered) {
            let Some(version) = served.versions.get(&number).cloned() else {
                served.stats.mirror_not_loaded.fetch_add(1, Relaxed);
                continue;
            };
            let known = served.versions.get(&read_by).map(|reader| reader.signature());
            let Some(rows) = known.and_then(|known| known.rows_for(version.signature(), &rows)) else {
                served.stats.mirror_failed.fetch_add(1, Relaxed);
                continue;
            };
            let bytes: usize = rows.tensors.iter().map(Bytes::len).sum();
            let (copies, copied) = (self.mirrors.get(), self.mirror_bytes.get());
            let config = &self.plane.config;
            if copies >= config.mirror_requests || copied + bytes > config.mirror_bytes {
                served.stats.mirror_full.fetch_add(1, Relaxed);
                continue;
            }
            self.mirrors.set(copies + 1);
            self.mirror_bytes.set(copied + bytes);
            let copy = Copy {
                version,
                served: served.clone(),
                prediction_id: way.prediction_id.to_owned(),
                event_time: way.call.event_time,
                rows,
                request: Request { id: way.request.id.clone(), ..Request::default() },
                forwarded: way.call.forwarded.clone(),
            };
            let worker = self.clone();
            tokio::task::spawn_local(async move {
                worker.run_copy(copy).await;
                worker.mirrors.set(worker.mirrors.get() - 1);
                worker.mirror_bytes.set(worker.mirror_bytes.get() - bytes);
            });
        }
    }

    async fn run_copy(&self, copy: Copy) {
        let _lease = copy.version.lease();
        let began = Instant::now();
        let deadline = began + Duration::from_secs_f64(self.plane.config.infer_seconds);
        let mut avoid = None;
        let (version, rows, request, headers) = (&copy.version, &copy.rows, &copy.request, &copy.forwarded);
        let ask = Ask { lane: Lane::Mirror, version, rows, request, headers, deadline };
        let ran = self.together.run(&ask, &mut avoid).await;
        let (counter, outputs, error) = match ran {
            Ok(ran) => (&copy.version.stats.mirrored, ran.outputs, String::new()),
            Err(fault) => (&copy.served.stats.mirror_failed, Vec::new(), fault.message),
        };
        self.plane.put_in_log(Entry {
            version: copy.version.clone(),
            role: Role::Mirror,
            prediction_id: copy.prediction_id,
            rows: copy.rows.count,
            event_time: copy.event_time,
            latency: began.elapsed().as_secs_f32(),
            inputs: copy.rows.tensors,
            outputs,
            epoch: copy.served.table.epoch,
            error,
            unit: 0,
            always: false,
        });
        // Last: who sees it counted finds it logged.
        counter.fetch_add(1, Relaxed);
    }
}

/// A request to be answered again by a mirror.
struct Copy {
    version: Arc<Version>,
    served: Arc<Served>,
    prediction_id: String,
    event_time: i64,
    rows: Rows,
    request: Request,
    forwarded: HeaderMap,
}

/// A version as clients write it, None for none.
fn parse_version(text: &str) -> Result<Option<i64>> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 9;
    number.then(|| text.parse().ok()).ok_or_else(|| {
        let text = shown(text, 40);
        Fault::new(Kind::NotFound, format!("no version {text}; versions are whole numbers"))
    })
}

/// What keeps a caller on one version: the value of the route's header or of its field in the first row.
fn sticky_key(served: &Served, call: &Call<'_>, request: &Request) -> Option<String> {
    let table = &served.table;
    if call.sticky.is_some() {
        return call.sticky.clone();
    }
    if !table.sticky_header.is_empty() {
        let value = call.headers.get(table.sticky_header.as_str())?.as_bytes();
        return (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned());
    }
    if table.sticky_field.is_empty() {
        return None;
    }
    let tensor = request.inputs.iter().find(|tensor| tensor.name == table.sticky_field)?;
    let datatype = Datatype::parse(&tensor.datatype)?;
    let value = match datatype.size() {
        None => String::from_utf8_lossy(Texts::new(&tensor.raw).next()?.ok()?).into_owned(),
        Some(size) if tensor.raw.len() >= size => {
            let number = number_at(datatype, &tensor.raw, 0);
            if number.is_nan() { String::new() } else { number.to_string() }
        }
        Some(_) => String::new(),
    };
    (!value.is_empty()).then_some(value)
}

/// One row: its tensor is the whole body, a BYTES element without its length.
fn bare_input(signature: &Signature, body: Bytes) -> Result<Tensor> {
    let [spec] = signature.inputs.as_slice() else {
        let cause = "a body without JSON is for models with one input; this one has several";
        return Err(Fault::invalid(cause));
    };
    let raw = match spec.datatype.size() {
        Some(_) => body,
        None => {
            let mut raw = Vec::with_capacity(body.len() + 4);
            push_text(&mut raw, &body);
            raw.into()
        }
    };
    let datatype = spec.datatype.name().to_owned();
    Ok(Tensor { name: spec.name.clone(), datatype, shape: spec.shape_of(1), raw })
}

fn wanted_outputs(signature: &Signature, request: &Request) -> Result<Vec<(usize, bool)>> {
    let wanted: Vec<(usize, bool)> = if request.outputs.is_empty() {
        (0..signature.outputs.len()).map(|place| (place, request.binary_outputs)).collect()
    } else {
        let of = |wanted: &WantedOutput| Ok((signature.output(&wanted.name)?, wanted.binary));
        request.outputs.iter().map(of).collect::<Result<_>>()?
    };
    for &(place, binary) in &wanted {
        let spec = &signature.outputs[place];
        if !binary && matches!(spec.datatype, Datatype::Fp16 | Datatype::Bf16) {
            let (name, datatype) = (&spec.name, spec.datatype.name());
            return Err(Fault::invalid(format!(
                "output '{name}' is {datatype}, which JSON cannot give; ask for binary_data"
            )));
        }
    }
    Ok(wanted)
}
