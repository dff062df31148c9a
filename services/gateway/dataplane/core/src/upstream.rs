//! The model servers: one HTTP/2 connection a lane to each, the least loaded one that works chosen for each call.
//!
//! Over h2 itself: hyper's client writes the head of a call and its message one after the other, each of which wakes the
//! server.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use hyper::{Method, Request, Uri};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::{timeout, timeout_at};

use crate::body::{FRAME_BYTES, OVERHEAD_BYTES, Whole, framed_length, sent};
use crate::fault::{Fault, Kind, Result};
use crate::headers::{MAX_HEADER_BYTES, unindexed};

/// A server that is silent for so long is at fault, however long its caller would have waited.
const LONG_SECONDS: f64 = 1.5;
const TIMEOUT_SLACK_MILLIS: u128 = 250;
const CONNECT_SECONDS: f64 = 1.0;
/// A call that was given up is cancelled after this: a cancellation that meets the answer makes Triton before 24.12 crash
/// (triton-inference-server/server issues 7368 and 8034). Shorter than the slack of the timeout.
const LINGER: Duration = Duration::from_millis(100);
const WINDOW_BYTES: u32 = 8 << 20;
/// Calls that may be under way before the server has said how many it takes.
const FIRST_STREAMS: usize = 100;
const FAILURES_TO_OPEN: u32 = 5;
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";

/// Requests whose answers are returned do not share a connection with copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    Primary,
    /// As a primary's, but its failures say nothing of the server: the champion's answer will.
    Candidate,
    Mirror,
}

/// Stops calling a server that fails: after five failures in a row for a while, then one call at a time may try.
#[derive(Debug, Default)]
struct Breaker {
    failures: Cell<u32>,
    open_until: Cell<Option<Instant>>,
    trying: Cell<bool>,
}

impl Breaker {
    fn lets_pass(&self, now: Instant) -> bool {
        self.open_until.get().is_none_or(|until| now >= until && !self.trying.get())
    }

    fn begin(&self) {
        self.trying.set(self.open_until.get().is_some());
    }

    fn succeeded(&self) {
        self.failures.set(0);
        self.open_until.set(None);
    }

    /// Whether that opens it.
    fn failed(&self, now: Instant) -> bool {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        if failures < FAILURES_TO_OPEN {
            return false;
        }
        let pause = SHORTEST_PAUSE * 2u32.saturating_pow((failures - FAILURES_TO_OPEN).min(8));
        self.open_until.set(Some(now + pause.min(LONGEST_PAUSE)));
        true
    }
}

#[derive(Default)]
struct Connection {
    sender: RefCell<Option<SendRequest<Bytes>>>,
    connecting: Mutex<()>,
}

struct Endpoint {
    address: String,
    uri: Uri,
    lanes: [Connection; 2],
    breaker: Breaker,
    in_flight: Cell<usize>,
}

/// Counts a call while it lives, and one that was given up.
struct InFlight<'a>(&'a Endpoint);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.breaker.trying.set(false);
    }
}

/// The servers as one worker sees them.
pub struct Upstream {
    endpoints: Vec<Rc<Endpoint>>,
    max_bytes: usize,
    patience: Duration,
}

impl Upstream {
    /// Of `addresses` (host:port); answers have at most `max_bytes`, requests usually `seconds`.
    pub fn new(addresses: &[String], max_bytes: usize, seconds: f64) -> std::result::Result<Self, String> {
        let endpoint = |address: &String| {
            let uri =
                format!("http://{address}{INFER}").parse().map_err(|_| format!("{address:?} is not host:port"))?;
            let lanes = Default::default();
            let (breaker, in_flight) = (Breaker::default(), Cell::new(0));
            Ok(Rc::new(Endpoint { address: address.clone(), uri, lanes, breaker, in_flight }))
        };
        let endpoints = addresses.iter().map(endpoint).collect::<std::result::Result<_, String>>()?;
        let patience = Duration::from_secs_f64((seconds * 0.9).min(LONG_SECONDS));
        Ok(Upstream { endpoints, max_bytes: max_bytes + OVERHEAD_BYTES, patience })
    }

    /// How many there are.
    pub fn servers(&self) -> usize {
        self.endpoints.len()
    }

    /// The answer to a ModelInferRequest, given in pieces. `avoid` is the address of a server that just failed.
    pub async fn infer(
        &self,
        lane: Lane,
        message: Vec<Bytes>,
        headers: &HeaderMap,
        deadline: Instant,
        avoid: &mut Option<String>,
    ) -> Result<Bytes> {
        let now = Instant::now();
        if now >= deadline {
            return Err(Fault::deadline());
        }
        let Some(endpoint) = self.choose(now, avoid.as_deref()) else {
            return Err(Fault::new(Kind::Unavailable, "the model server has failed lately; try again in a moment"));
        };
        *avoid = Some(endpoint.address.clone());
        endpoint.breaker.begin();
        endpoint.in_flight.set(endpoint.in_flight.get() + 1);
        let _in_flight = InFlight(&endpoint);
        let call = Call::new(endpoint.clone().call(lane, message, headers.clone(), deadline, self.max_bytes));
        let result = timeout_at(deadline.into(), call).await.unwrap_or_else(|_| {
            let seconds = now.elapsed().as_secs_f64();
            Err(Fault::new(Kind::DeadlineExceeded, format!("the model server: no answer in {seconds:.1} s")))
        });
        self.judge(&endpoint, lane, now, &result);
        result
    }

    /// What an answer says of its server. A mirror's says nothing, nor does a time too short to be the server's fault.
    fn judge(&self, endpoint: &Endpoint, lane: Lane, began: Instant, result: &Result<Bytes>) {
        let kind = result.as_ref().err().map(|fault| fault.kind);
        match (lane, kind) {
            (Lane::Mirror, _) => {}
            (_, Some(Kind::DeadlineExceeded)) if began.elapsed() < self.patience => {}
            (Lane::Candidate, Some(Kind::Unavailable | Kind::DeadlineExceeded)) => {}
            (Lane::Primary, Some(Kind::Unavailable | Kind::DeadlineExceeded)) => {
                if endpoint.breaker.failed(Instant::now()) {
                    endpoint.lane(lane).sender.borrow_mut().take();
                }
            }
            _ => endpoint.breaker.succeeded(),
        }
    }

    fn choose(&self, now: Instant, avoid: Option<&str>) -> Option<Rc<Endpoint>> {
        let working = || self.endpoints.iter().filter(|endpoint| endpoint.breaker.lets_pass(now));
        let others = working().filter(|endpoint| Some(endpoint.address.as_str()) != avoid);
        let least = others.min_by_key(|endpoint| endpoint.in_flight.get());
        least.or_else(|| working().next()).cloned()
    }
}

impl Endpoint {
    fn lane(&self, lane: Lane) -> &Connection {
        &self.lanes[usize::from(matches!(lane, Lane::Mirror))]
    }

    async fn call(
        self: Rc<Self>,
        lane: Lane,
        message: Vec<Bytes>,
        headers: HeaderMap,
        deadline: Instant,
        max_bytes: usize,
    ) -> Result<Bytes> {
        let mut sender = self.sender(lane).await?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        // A little longer than ours, so that one side alone ends the call: Triton's own end can take the connection down.
        let left = deadline.saturating_duration_since(Instant::now()).as_millis() + TIMEOUT_SLACK_MILLIS;
        if let Some(left) = unindexed(&format!("{left}m")) {
            request.headers_mut().insert(HeaderName::from_static("grpc-timeout"), left);
        }
        let (response, mut stream) = sender.send_request(request, false).map_err(lost)?;
        let mut pieces = sent(message);
        while let Some(piece) = pieces.pop_front() {
            stream.send_data(piece, pieces.is_empty()).map_err(lost)?;
        }
        let (parts, mut body) = response.await.map_err(lost)?.into_parts();
        if let Some(status) = parts.headers.get("grpc-status") {
            return Err(fault_of(status, &parts.headers));
        }
        let mut whole = Whole::default();
        while let Some(data) = body.data().await {
            let data = data.map_err(lost)?;
            body.flow_control().release_capacity(data.len()).map_err(lost)?;
            whole.push(data, framed_length);
            if whole.len() > max_bytes {
                return Err(Fault::new(Kind::Broken, "the model server's answer is too large"));
            }
        }
        let trailers = body.trailers().await.map_err(lost)?.unwrap_or_default();
        match trailers.get("grpc-status") {
            Some(status) if status == "0" => message_of(&whole.into_bytes()),
            Some(status) => Err(fault_of(status, &trailers)),
            None => Err(Fault::unavailable()),
        }
    }

    async fn sender(&self, lane: Lane) -> Result<SendRequest<Bytes>> {
        let connection = self.lane(lane);
        if let Some(sender) = connection.open().await {
            return Ok(sender);
        }
        let _one = connection.connecting.lock().await;
        if let Some(sender) = connection.open().await {
            return Ok(sender);
        }
        let connected = timeout(Duration::from_secs_f64(CONNECT_SECONDS), connect(&self.address)).await;
        let sender = connected.ok().and_then(std::result::Result::ok).ok_or_else(Fault::unavailable)?;
        *connection.sender.borrow_mut() = Some(sender.clone());
        Ok(sender)
    }
}

fn lost(_: h2::Error) -> Fault {
    Fault::unavailable()
}

/// A call that, given up before it is answered, goes on for a while by itself.
struct Call(Option<Pin<Box<dyn Future<Output = Result<Bytes>>>>>);

impl Call {
    fn new(call: impl Future<Output = Result<Bytes>> + 'static) -> Self {
        Call(Some(Box::pin(call)))
    }
}

impl Future for Call {
    type Output = Result<Bytes>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Bytes>> {
        let Some(call) = &mut self.0 else { return Poll::Pending };
        let result = ready!(call.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(result)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            spawn_local(timeout(LINGER, call));
        }
    }
}

impl Connection {
    /// None where there is none, or one that has ended or takes no more calls.
    async fn open(&self) -> Option<SendRequest<Bytes>> {
        let sender = self.sender.borrow().clone()?;
        sender.ready().await.ok()
    }
}

async fn connect(address: &str) -> std::result::Result<SendRequest<Bytes>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = client::Builder::new()
        .enable_push(false)
        .initial_max_send_streams(FIRST_STREAMS)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES * 4)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(MAX_HEADER_BYTES)
        .handshake(stream)
        .await?;
    spawn_local(connection);
    Ok(sender)
}

fn message_of(data: &Bytes) -> Result<Bytes> {
    match data.first() {
        Some(0) if framed_length(data) == data.len() => Ok(data.slice(5..)),
        _ => Err(Fault::new(Kind::Broken, "the model server's answer is not one gRPC message")),
    }
}

fn fault_of(status: &HeaderValue, headers: &HeaderMap) -> Fault {
    let told = headers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = percent_decode_str(told).decode_utf8_lossy();
    let kind = match status.to_str().unwrap_or_default() {
        "3" => Kind::InvalidInput,
        "8" => Kind::TooLarge,
        "4" => Kind::DeadlineExceeded,
        "1" | "5" | "14" => return Fault::unavailable(),
        _ => Kind::Broken,
    };
    Fault::new(kind, format!("the model server: {told}"))
}
