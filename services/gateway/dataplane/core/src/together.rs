//! Requests of one version that would wait for the model server go to it together.
//!
//! While few calls of a version are under way a request goes at once and by itself, as the bytes that came. What comes
//! meanwhile waits until one of them ends, and then goes as the rows of one call. So nobody waits for others to come, and
//! a busy server is asked seldom. The server batches likewise; here it also saves what a call costs on either side.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout_at;

use crate::fault::{Fault, Kind, Result};
use crate::model::Version;
use crate::request::Request;
use crate::signature::{Rows, Signature, TensorSpec};
use crate::tensor::Texts;
use crate::upstream::{Lane, Upstream};
use crate::wire;

/// Calls of a version that may be under way on each server before requests wait for each other.
const AT_ONCE: usize = 2;
const MOST_BYTES: usize = 1 << 20;
const ALONE_BYTES: usize = 64 << 10;
const KEPT_QUEUES: usize = 64;

/// What came of a call; `message` is the server's own answer where it is the caller's alone.
pub struct Ran {
    pub outputs: Vec<Bytes>,
    pub message: Option<Bytes>,
}

/// What is asked of a version. `avoid` is the server that just failed, and becomes the one that was asked.
pub struct Ask<'a> {
    pub lane: Lane,
    pub version: &'a Arc<Version>,
    pub rows: &'a Rows,
    pub request: &'a Request,
    pub headers: &'a HeaderMap,
    pub deadline: Instant,
}

type Told = (Result<Vec<Bytes>>, Option<String>);

struct Member {
    rows: Rows,
    deadline: Instant,
    answer: oneshot::Sender<Told>,
}

impl Member {
    fn tell(self, told: Told) {
        // A caller that is gone needs no answer.
        let _ = self.answer.send(told);
    }
}

struct Queue {
    upstream: Rc<Upstream>,
    version: Arc<Version>,
    lane: Lane,
    max_rows: usize,
    under_way: Cell<usize>,
    waiting: RefCell<VecDeque<Member>>,
}

/// One of the calls that may be under way; its end lets those that wait go.
struct Turn(Rc<Queue>);

impl Turn {
    fn take(queue: &Rc<Queue>) -> Self {
        queue.under_way.set(queue.under_way.get() + 1);
        Turn(queue.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.go_on();
    }
}

/// One worker's calls.
pub struct Together {
    upstream: Rc<Upstream>,
    max_rows: usize,
    queues: RefCell<HashMap<(usize, Lane), Rc<Queue>>>,
}

impl Together {
    pub fn new(upstream: Upstream, max_rows: usize) -> Self {
        Together { upstream: Rc::new(upstream), max_rows, queues: RefCell::default() }
    }

    /// The version's answer to the rows. Raises what the upstream does, and Broken for an answer it did not promise.
    pub async fn run(&self, ask: &Ask<'_>, avoid: &mut Option<String>) -> Result<Ran> {
        let bytes: usize = ask.rows.tensors.iter().map(Bytes::len).sum();
        let is_retried = avoid.is_some();
        if is_retried || ask.request.alone || !ask.headers.is_empty() || bytes > ALONE_BYTES {
            return call(&self.upstream, ask, avoid).await;
        }
        let queue = self.queue(ask);
        if queue.has_room() && queue.waiting.borrow().is_empty() {
            let _turn = Turn::take(&queue);
            return call(&self.upstream, ask, avoid).await;
        }
        let (sender, receiver) = oneshot::channel();
        let member = Member { rows: ask.rows.clone(), deadline: ask.deadline, answer: sender };
        queue.waiting.borrow_mut().push_back(member);
        let began = Instant::now();
        match timeout_at(ask.deadline.into(), receiver).await {
            Ok(Ok((result, asked))) => {
                *avoid = asked;
                result.map(|outputs| Ran { outputs, message: None })
            }
            Ok(Err(_)) => Err(Fault::unavailable()),
            Err(_) => {
                let seconds = began.elapsed().as_secs_f64();
                Err(Fault::new(Kind::DeadlineExceeded, format!("the model server: no answer in {seconds:.1} s")))
            }
        }
    }

    fn queue(&self, ask: &Ask<'_>) -> Rc<Queue> {
        let mut queues = self.queues.borrow_mut();
        if queues.len() > KEPT_QUEUES {
            queues.retain(|_, queue| queue.under_way.get() > 0 || !queue.waiting.borrow().is_empty());
        }
        let queue = queues.entry((Arc::as_ptr(ask.version).addr(), ask.lane)).or_insert_with(|| {
            Rc::new(Queue {
                upstream: self.upstream.clone(),
                version: ask.version.clone(),
                lane: ask.lane,
                max_rows: self.max_rows,
                under_way: Cell::new(0),
                waiting: RefCell::default(),
            })
        });
        queue.clone()
    }
}

impl Queue {
    fn has_room(&self) -> bool {
        self.under_way.get() < AT_ONCE * self.upstream.servers()
    }

    fn go_on(self: &Rc<Self>) {
        while self.has_room() {
            let members = self.next();
            if members.is_empty() {
                return;
            }
            let turn = Turn::take(self);
            spawn_local(async move { turn.0.answer(members).await });
        }
    }

    /// The first of those that wait, as many as one call may hold.
    fn next(&self) -> Vec<Member> {
        let mut waiting = self.waiting.borrow_mut();
        let mut members: Vec<Member> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while let Some(member) = waiting.front() {
            let size: usize = member.rows.tensors.iter().map(Bytes::len).sum();
            let fits = rows + member.rows.count <= self.max_rows && bytes + size <= MOST_BYTES;
            if !members.is_empty() && !fits {
                break;
            }
            rows += member.rows.count;
            bytes += size;
            members.extend(waiting.pop_front().filter(|member| !member.answer.is_closed()));
        }
        members
    }

    async fn answer(&self, mut members: Vec<Member>) {
        let rows = joined(&members);
        let deadline = members.iter().map(|member| member.deadline).max().unwrap_or_else(Instant::now);
        let mut asked = None;
        let result = tokio::select! {
            result = self.call(&rows, deadline, &mut asked) => result,
            () = all_gone(&mut members) => return,
        };
        match result {
            Ok(outputs) => {
                let parts = split(self.version.signature(), &outputs, &members);
                for (member, outputs) in members.into_iter().zip(parts) {
                    member.tell((Ok(outputs), asked.clone()));
                }
            }
            // One of them may be at fault; the others are not.
            Err(fault) if members.len() > 1 && matches!(fault.kind, Kind::InvalidInput | Kind::Broken) => {
                for member in members {
                    let result = self.call(&member.rows, member.deadline, &mut asked).await;
                    member.tell((result, asked.clone()));
                }
            }
            Err(fault) => {
                for member in members {
                    member.tell((Err(fault.clone()), asked.clone()));
                }
            }
        }
    }

    async fn call(&self, rows: &Rows, deadline: Instant, asked: &mut Option<String>) -> Result<Vec<Bytes>> {
        let (request, headers) = (Request::default(), HeaderMap::new());
        let (lane, version) = (self.lane, &self.version);
        let ask = Ask { lane, version, rows, request: &request, headers: &headers, deadline };
        call(&self.upstream, &ask, asked).await.map(|ran| ran.outputs)
    }
}

async fn all_gone(members: &mut [Member]) {
    for member in members {
        member.answer.closed().await;
    }
}

fn joined(members: &[Member]) -> Rows {
    if let [one] = members {
        return one.rows.clone();
    }
    let count = members.iter().map(|member| member.rows.count).sum();
    let inputs = members.first().map_or(0, |member| member.rows.tensors.len());
    let column = |place: usize| {
        let mut raw = BytesMut::with_capacity(members.iter().map(|member| member.rows.tensors[place].len()).sum());
        for member in members {
            raw.extend_from_slice(&member.rows.tensors[place]);
        }
        raw.freeze()
    };
    Rows { count, tensors: (0..inputs).map(column).collect() }
}

/// Each member's rows of the outputs.
fn split(signature: &Signature, outputs: &[Bytes], members: &[Member]) -> Vec<Vec<Bytes>> {
    let mut parts: Vec<Vec<Bytes>> = members.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
    for (spec, raw) in signature.outputs.iter().zip(outputs) {
        let mut start = 0;
        for (part, member) in parts.iter_mut().zip(members) {
            let end = start + size_of(spec, &raw[start..], member.rows.count);
            part.push(raw.slice(start..end));
            start = end;
        }
    }
    parts
}

/// Bytes of the first `rows` rows; the tensor is known to be whole.
fn size_of(spec: &TensorSpec, raw: &[u8], rows: usize) -> usize {
    let elements = rows * spec.width();
    match spec.datatype.size() {
        Some(size) => elements * size,
        None => {
            let mut texts = Texts::new(raw);
            texts.by_ref().take(elements).count();
            raw.len() - texts.rest()
        }
    }
}

async fn call(upstream: &Upstream, ask: &Ask<'_>, avoid: &mut Option<String>) -> Result<Ran> {
    let (version, rows, request) = (ask.version, ask.rows, ask.request);
    let signature = version.signature();
    let forward = request.forward.as_deref();
    let message = wire::render_request(&version.spec.server_name, &request.id, signature, rows, forward);
    let answer = upstream.infer(ask.lane, message, ask.headers, ask.deadline, avoid).await?;
    let broken = |cause: String| {
        let (number, model) = (version.number(), &version.model);
        Fault::new(Kind::Broken, format!("version {number} of {model} gave a broken answer: {cause}"))
    };
    let tensors = wire::parse_response(&answer).map_err(|fault| broken(fault.message))?;
    let outputs = signature.outputs_of(&tensors, rows.count).map_err(broken)?;
    let is_whole = tensors.len() == signature.outputs.len();
    Ok(Ran { outputs, message: is_whole.then_some(answer) })
}
