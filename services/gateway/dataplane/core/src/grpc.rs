//! The gRPC port: inference, single and streamed, is answered here, everything else by the gRPC server in Python.
//! Source: gRPC over HTTP/2.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::sync::mpsc::{Sender, channel};

use crate::body::{Body, OVERHEAD_BYTES, collect, collect_until, discard, framed, framed_length};
use crate::compression::{Encoding, inflate};
use crate::fault::{Fault, Kind, Result};
use crate::headers::{self, CACHE, LOGGED, PREDICTION_ID, PROTOCOL, STICKY, authorization, unindexed};
use crate::observed::Observed;
use crate::plane::{Answer, Call, Phase};
use crate::proxy::Gateway;
use crate::stats::Protocol;
use crate::wire;

const SERVICE: &str = "/inference.GRPCInferenceService/";
const OPEN: [&str; 4] = [
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];
/// Methods whose message begins with a model's name.
const OF_A_MODEL: [&str; 4] = ["ModelReady", "ModelMetadata", "ModelStatistics", "ModelConfig"];
const DRAIN: Duration = Duration::from_secs(1);
const STREAM_DRAIN: Duration = Duration::from_millis(200);
/// Messages of one stream that are answered at once, and answers that wait for a slow reader.
const STREAM_PARALLEL: usize = 16;
/// Source: gRPC over HTTP/2, "Percent-Encoded".
const RESERVED: &AsciiSet = &CONTROLS.add(b'%');

/// The answer to any request on the gRPC port. `trusted` calls come from this process.
pub async fn handle(gateway: Rc<Gateway>, request: Request<Incoming>, trusted: bool) -> Response<Body> {
    if !headers::text(request.headers(), CONTENT_TYPE.as_str()).starts_with("application/grpc") {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let path = request.uri().path().to_owned();
    match path.strip_prefix(SERVICE) {
        Some("ModelInfer") => unary(&gateway, request, trusted).await,
        Some("ModelStreamInfer") => stream(gateway, request, trusted),
        _ => match other(&gateway, &path, request).await {
            Ok(response) => response,
            Err(fault) => refusal(&fault),
        },
    }
}

async fn other(gateway: &Gateway, path: &str, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, mut body) = request.into_parts();
    let caller = match OPEN.contains(&path) {
        true => None,
        false => gateway.worker.plane.auth.load().caller(authorization(&parts.headers))?,
    };
    let Some(caller) = caller else { return gateway.grpc(Request::from_parts(parts, Body::Proxied(body))).await };
    caller.spend()?;
    if !path.strip_prefix(SERVICE).is_some_and(|method| OF_A_MODEL.contains(&method)) {
        return gateway.grpc(Request::from_parts(parts, Body::Proxied(body))).await;
    }
    let data = collect(&mut body, OVERHEAD_BYTES, framed_length).await?;
    let mut frames = Frames { buffer: BytesMut::new(), whole: Some(data.clone()) };
    let framed = frames.next().ok_or_else(|| Fault::invalid("the call has no whole message"))?;
    let message = framed.open(&parts.headers, OVERHEAD_BYTES).await?;
    caller.may_use(&wire::first_text(&message)?)?;
    gateway.grpc(Request::from_parts(parts, Body::from(data))).await
}

fn call_of<'a>(gateway: &Gateway, headers: &'a HeaderMap, trusted: bool) -> Result<Call<'a>> {
    let text = |name: &str| if trusted { headers::text(headers, name) } else { "" };
    let given = text(PREDICTION_ID);
    Ok(Call {
        protocol: protocol_of(headers, trusted),
        event_time: headers::event_time(headers)?,
        deadline: headers::deadline(headers, gateway.worker.plane.config.infer_seconds)?,
        forwarded: headers::forwarded(headers),
        headers,
        prediction_id: (!given.is_empty()).then(|| given.to_owned()),
        sticky: headers::decoded(text(STICKY)),
        logged: text(LOGGED) != "false",
    })
}

fn protocol_of(headers: &HeaderMap, trusted: bool) -> Protocol {
    let told = headers.get(PROTOCOL).filter(|_| trusted).and_then(|value| Protocol::parse(value.as_bytes()));
    told.unwrap_or(Protocol::Grpc)
}

async fn unary(gateway: &Gateway, request: Request<Incoming>, trusted: bool) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let mut observed = Observed::new(&gateway.worker.plane, protocol_of(&parts.headers, trusted));
    if trusted && headers::text(&parts.headers, LOGGED) == "false" {
        observed.leave_out();
    }
    let result = infer(gateway, &parts.headers, &mut body, trusted, &mut observed).await;
    observed.end(result.as_ref().err());
    match result {
        Ok(answer) => {
            let mut response = Response::new(Body::grpc(message_of(&answer), status(None)));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            if let Some(id) = unindexed(&answer.prediction_id) {
                headers.insert(PREDICTION_ID, id);
            }
            if answer.cached {
                headers.insert(CACHE, HeaderValue::from_static("hit"));
            }
            response
        }
        Err(fault) => refuse(&fault, body),
    }
}

/// Refuses a call, and lets what its caller still sends come to its end: cut off, it might not see why.
fn refuse(fault: &Fault, mut body: Incoming) -> Response<Body> {
    if !body.is_end_stream() {
        tokio::task::spawn_local(tokio::time::timeout(DRAIN, async move { discard(&mut body, usize::MAX).await }));
    }
    refusal(fault)
}

async fn infer(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: &mut Incoming,
    trusted: bool,
    observed: &mut Observed<'_>,
) -> Result<Answer> {
    let worker = &gateway.worker;
    let caller = if trusted { None } else { worker.plane.auth.load().caller(authorization(headers))? };
    let call = call_of(gateway, headers, trusted)?;
    let most = worker.plane.config.max_body_bytes;
    let data = collect_until(body, call.deadline, most + OVERHEAD_BYTES, framed_length).await?;
    let mut buffer = Frames { buffer: BytesMut::new(), whole: Some(data) };
    let message = buffer.next().ok_or_else(|| Fault::invalid("the call has no whole message"))?;
    if !buffer.is_empty() {
        return Err(Fault::invalid("the call has more than one message"));
    }
    let message = message.open(headers, most).await?;
    let asked = wire::parse_request(&message)?;
    if let Some(caller) = caller {
        caller.may_use(&asked.model)?;
        caller.spend()?;
    }
    worker.infer(&call, asked, &mut observed.answering).await
}

fn message_of(answer: &Answer) -> Vec<Bytes> {
    let naming = answer.naming();
    let in_order = answer.wanted.iter().enumerate().all(|(number, &(place, _))| number == place);
    match &answer.message {
        Some(message) if in_order && answer.wanted.len() == answer.outputs.len() => {
            wire::rename_response(message, &naming)
        }
        _ => {
            let wanted: Vec<usize> = answer.wanted.iter().map(|&(place, _)| place).collect();
            wire::render_response(answer.signature(), answer.rows, &answer.outputs, &wanted, &naming)
        }
    }
}

/// One message in its frame.
struct Framed {
    compressed: bool,
    data: Bytes,
}

impl Framed {
    /// The message, inflated where it is compressed.
    async fn open(self, headers: &HeaderMap, max_bytes: usize) -> Result<Bytes> {
        if !self.compressed {
            return Ok(self.data);
        }
        match Encoding::parse(headers::text(headers, "grpc-encoding"))? {
            Some(encoding) => inflate(&self.data, encoding, max_bytes).await,
            None => Err(Fault::invalid("the message is compressed, but grpc-encoding does not say how")),
        }
    }
}

/// Messages cut from what has been read.
struct Frames {
    buffer: BytesMut,
    /// Everything, where it came at once.
    whole: Option<Bytes>,
}

impl Frames {
    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.whole.as_ref().is_none_or(Bytes::is_empty)
    }

    fn push(&mut self, data: Bytes) {
        if self.is_empty() {
            self.whole = Some(data);
            return;
        }
        if let Some(whole) = self.whole.take() {
            self.buffer.extend_from_slice(&whole);
        }
        self.buffer.extend_from_slice(&data);
    }

    /// Bytes of the next message, as its frame says.
    fn announced(&self) -> usize {
        framed_length(self.whole.as_ref().map_or(&self.buffer, |whole| whole)).saturating_sub(5)
    }

    fn next(&mut self) -> Option<Framed> {
        let length = self.announced();
        let cut = |head: u8, data: Bytes| Framed { compressed: head == 1, data };
        if let Some(whole) = &mut self.whole {
            if whole.len() < 5 + length || whole.len() < 5 {
                return None;
            }
            let head = whole[0];
            whole.advance(5);
            return Some(cut(head, whole.split_to(length)));
        }
        if self.buffer.len() < 5 + length || self.buffer.len() < 5 {
            return None;
        }
        let head = self.buffer[0];
        self.buffer.advance(5);
        Some(cut(head, self.buffer.split_to(length).freeze()))
    }
}

fn stream(gateway: Rc<Gateway>, request: Request<Incoming>, trusted: bool) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let auth = gateway.worker.plane.auth.load();
    if !trusted && let Err(fault) = auth.caller(authorization(&parts.headers)) {
        return refuse_stream(fault, body);
    }
    let (sender, receiver) = channel(STREAM_PARALLEL);
    tokio::task::spawn_local(answer_stream(gateway, parts.headers, body, trusted, sender));
    let mut response = Response::new(Body::Channel(receiver));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Refuses a stream once its caller has had time to send: a client that cannot send any more may not look why.
fn refuse_stream(fault: Fault, mut body: Incoming) -> Response<Body> {
    let (sender, receiver) = channel(1);
    tokio::task::spawn_local(async move {
        let _ = tokio::time::timeout(STREAM_DRAIN, discard(&mut body, usize::MAX)).await;
        // A caller that is gone needs no end.
        let _ = sender.send(Frame::trailers(status(Some(&fault)))).await;
    });
    let mut response = Response::new(Body::Channel(receiver));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Answers the messages of one stream, in their order, until its end or until the caller is gone.
async fn answer_stream(
    gateway: Rc<Gateway>,
    headers: HeaderMap,
    mut body: Incoming,
    trusted: bool,
    sender: Sender<Frame<Bytes>>,
) {
    let until = headers.get("grpc-timeout").and_then(|_| headers::deadline(&headers, 86_400.0).ok());
    let mut phase = gateway.worker.plane.phase.subscribe();
    let mut frames = Frames { buffer: BytesMut::new(), whole: None };
    let mut answers = FuturesOrdered::new();
    let mut open = true;
    let mut end: Option<Fault> = None;
    let most = gateway.worker.plane.config.max_body_bytes + OVERHEAD_BYTES;
    while open || !answers.is_empty() {
        while answers.len() < STREAM_PARALLEL
            && let Some(framed) = frames.next()
        {
            answers.push_back(answer_one(&gateway, &headers, framed, trusted));
        }
        if frames.announced() > most {
            end = Some(Fault::new(Kind::TooLarge, format!("a message of more than {most} bytes")));
            open = false;
        }
        let reads = open && answers.len() < STREAM_PARALLEL;
        let expired = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = body.frame(), if reads => match frame {
                Some(Ok(frame)) => if let Ok(data) = frame.into_data() { frames.push(data) },
                Some(Err(_)) => return,
                None => open = false,
            },
            Some(message) = answers.next(), if !answers.is_empty() => {
                for piece in framed(message) {
                    if sender.send(Frame::data(piece)).await.is_err() {
                        return;
                    }
                }
            },
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if open => {
                end = Some(Fault::new(Kind::Unavailable, "the gateway is about to stop; call again"));
                open = false;
            },
            () = expired => {
                end = Some(Fault::deadline());
                break;
            },
            () = sender.closed() => return,
        }
    }
    // A caller that is gone needs no end.
    let _ = sender.send(Frame::trailers(status(end.as_ref()))).await;
}

async fn answer_one(gateway: &Gateway, headers: &HeaderMap, framed: Framed, trusted: bool) -> Vec<Bytes> {
    let mut observed = Observed::new(&gateway.worker.plane, protocol_of(headers, trusted));
    let mut id = String::new();
    let result = infer_framed(gateway, headers, framed, trusted, &mut observed, &mut id).await;
    observed.end(result.as_ref().err());
    match result {
        Ok(answer) => wire::stream_answer(message_of(&answer)),
        Err(fault) => wire::stream_error(&fault.message, &id),
    }
}

async fn infer_framed(
    gateway: &Gateway,
    headers: &HeaderMap,
    framed: Framed,
    trusted: bool,
    observed: &mut Observed<'_>,
    id: &mut String,
) -> Result<Answer> {
    let worker = &gateway.worker;
    let mut call = call_of(gateway, headers, trusted)?;
    let seconds = Duration::from_secs_f64(worker.plane.config.infer_seconds);
    call.deadline = Instant::now() + seconds;
    let message = framed.open(headers, worker.plane.config.max_body_bytes).await?;
    let asked = wire::parse_request(&message)?;
    id.clone_from(&asked.id);
    if !trusted && let Some(caller) = worker.plane.auth.load().caller(authorization(headers))? {
        caller.may_use(&asked.model)?;
        caller.spend()?;
    }
    worker.infer(&call, asked, &mut observed.answering).await
}

fn status(fault: Option<&Fault>) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from(fault.map_or(0, |fault| fault.kind.grpc())));
    if let Some(fault) = fault {
        let message = utf8_percent_encode(&fault.message, RESERVED).to_string();
        if let Ok(message) = HeaderValue::from_str(&message) {
            trailers.insert("grpc-message", message);
        }
    }
    trailers
}

fn refusal(fault: &Fault) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.extend(status(Some(fault)));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
