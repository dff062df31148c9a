//! The REST port: inference is answered here, everything else by the HTTP server in Python.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, RETRY_AFTER,
    VARY,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use crate::body::{Body, collect_until, discard, unknown_length};
use crate::compression::{Encoding, deflate, inflate};
use crate::fault::{Fault, Kind, Result};
use crate::headers::{self, CACHE, PREDICTION_ID, authorization};
use crate::json;
use crate::observed::Observed;
use crate::plane::{Answer, Call, Phase};
use crate::proxy::{Gateway, HTTP_SECONDS};
use crate::stats::Protocol;

const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// How long a refused request's body is waited for.
const DRAIN: Duration = Duration::from_secs(1);
/// Paths that anyone may ask, for probes and scrapers.
const OPEN: [&str; 5] = ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"];

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    Infer { model: &'a str, version: &'a str },
    Other { model: Option<&'a str> },
}

fn asked(path: &str) -> Asked<'_> {
    if let Some(rest) = path.strip_prefix("/v2/models/") {
        let mut parts = rest.split('/');
        let model = parts.next().unwrap_or_default();
        return match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("infer"), None, None, None) => Asked::Infer { model, version: "" },
            (Some("versions"), Some(version), Some("infer"), None) => Asked::Infer { model, version },
            _ => Asked::Other { model: Some(model) },
        };
    }
    let model = path.strip_prefix("/v1/models/").and_then(|rest| rest.split([':', '/']).next());
    Asked::Other { model }
}

/// The answer to any request on the REST port.
pub async fn handle(gateway: Rc<Gateway>, request: Request<Incoming>) -> Response<Body> {
    // As the server in Python reads it, or a key's models could be evaded.
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let (parts, mut body) = request.into_parts();
    // Whoever waits for leave to send its body is not to be given it now.
    let asks_first = parts.headers.contains_key(EXPECT);
    let result = match asked(&path) {
        Asked::Infer { model, version } => {
            let mut observed = Observed::new(&gateway.worker.plane, Protocol::Rest);
            let result = infer(&gateway, model, version, &parts, &mut body, &mut observed).await;
            observed.end(result.as_ref().err());
            result
        }
        Asked::Other { model } => other(&gateway, &path, model, parts, &mut body).await,
    };
    let mut response = match result {
        Ok(response) => response,
        Err(fault) => {
            let mut response = refusal(&fault);
            let most = gateway.worker.plane.config.max_body_bytes;
            if (asks_first && !body.is_end_stream()) || !drained(&mut body, most).await {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    };
    if *gateway.worker.plane.phase.borrow() >= Phase::Draining {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether what was left of a refused request's body has come: else its connection cannot be used again, and a caller
/// that is still sending might be cut off before it reads why.
async fn drained(body: &mut Incoming, max_bytes: usize) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if body.size_hint().lower() > max_bytes as u64 {
        return false;
    }
    let rest = tokio::time::timeout(DRAIN, discard(body, max_bytes)).await;
    rest.is_ok_and(|result| result.is_ok())
}

async fn other(
    gateway: &Gateway,
    path: &str,
    model: Option<&str>,
    mut parts: Parts,
    body: &mut Incoming,
) -> Result<Response<Body>> {
    parts.headers.remove(headers::CALLER);
    let plane = &gateway.worker.plane;
    if !OPEN.contains(&path)
        && let Some(caller) = plane.auth.load().caller(authorization(&parts.headers))?
    {
        if let Some(model) = model {
            caller.may_use(model)?;
        }
        caller.spend()?;
        if let Ok(name) = HeaderValue::from_str(&caller.name) {
            parts.headers.insert(headers::CALLER, name);
        }
    }
    let deadline = Instant::now() + HTTP_SECONDS;
    let data = collect_until(body, deadline, plane.config.max_body_bytes, unknown_length).await?;
    let data = if data.is_empty() { Body::empty() } else { Body::from(data) };
    gateway.http(Request::from_parts(parts, data)).await
}

async fn infer(
    gateway: &Gateway,
    model: &str,
    version: &str,
    parts: &Parts,
    body: &mut Incoming,
    observed: &mut Observed<'_>,
) -> Result<Response<Body>> {
    let worker = &gateway.worker;
    if parts.method != Method::POST {
        return Err(Fault::new(Kind::MethodNotAllowed, "inference is asked for with POST"));
    }
    if let Some(caller) = worker.plane.auth.load().caller(authorization(&parts.headers))? {
        caller.may_use(model)?;
        caller.spend()?;
    }
    let config = &worker.plane.config;
    let call = Call {
        protocol: Protocol::Rest,
        event_time: headers::event_time(&parts.headers)?,
        deadline: headers::deadline(&parts.headers, config.infer_seconds)?,
        forwarded: headers::forwarded(&parts.headers),
        headers: &parts.headers,
        prediction_id: None,
        sticky: None,
        logged: true,
    };
    let encoding = Encoding::parse(headers::text(&parts.headers, CONTENT_ENCODING.as_str()))?;
    let mut data = collect_until(body, call.deadline, config.max_body_bytes, unknown_length).await?;
    if let Some(encoding) = encoding {
        data = inflate(&data, encoding, config.max_body_bytes).await?;
    }
    let mut asked = json::parse_request(&data, json_length(&parts.headers)?)?;
    asked.model = model.to_owned();
    asked.version = version.to_owned();
    let answer = worker.infer(&call, asked, &mut observed.answering).await?;
    Ok(respond(&answer, headers::text(&parts.headers, ACCEPT_ENCODING.as_str())))
}

fn json_length(headers: &HeaderMap) -> Result<Option<usize>> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_number = !text.is_empty() && text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = is_number.then(|| text.parse().ok()).flatten();
    length.map(Some).ok_or_else(|| {
        let cause = "Inference-Header-Content-Length is not the length of a JSON part of the body";
        Fault::invalid(cause)
    })
}

fn respond(answer: &Answer, accepted: &str) -> Response<Body> {
    let naming = answer.naming();
    let (pieces, length) =
        json::render_response(answer.signature(), answer.rows, &answer.outputs, &answer.wanted, &naming);
    let compressed = Encoding::accepted(accepted).and_then(|encoding| Some((encoding, deflate(&pieces, encoding)?)));
    let (body, encoding) = match compressed {
        Some((encoding, bytes)) => (Body::from(bytes), Some(encoding)),
        None => (Body::pieces(pieces), None),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let kind = if length.is_some() { "application/octet-stream" } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(length) = length {
        headers.insert(HEADER_LENGTH, HeaderValue::from(length));
    }
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Ok(id) = HeaderValue::from_str(&answer.prediction_id) {
        headers.insert(PREDICTION_ID, id);
    }
    if answer.cached {
        headers.insert(CACHE, HeaderValue::from_static("hit"));
    }
    response
}

/// `{"error": cause}` with its status.
pub fn refusal(fault: &Fault) -> Response<Body> {
    let body: Bytes = json::error_body(&fault.message);
    let mut response = Response::new(Body::from(body));
    // A caller that went away reads nothing; one that is still there sent a body that ends early.
    let status = if fault.kind == Kind::Cancelled { 400 } else { fault.kind.http() };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match fault.kind {
        Kind::MethodNotAllowed => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        Kind::Unauthenticated => {
            headers.insert(hyper::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        kind if kind.retryable() => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}
