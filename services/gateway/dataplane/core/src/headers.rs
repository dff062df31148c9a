//! What headers say of an inference: when the predicted thing happens, how long the caller waits, which trace it is of.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::fault::{Fault, Result, shown};

pub const EVENT_TIME: &str = "tidemill-event-time";
pub const TIMEOUT: &str = "tidemill-timeout";
pub const PREDICTION_ID: &str = "tidemill-prediction-id";
pub const PROTOCOL: &str = "tidemill-protocol";
pub const LOGGED: &str = "tidemill-logged";
/// The sticky header's value as hexadecimal digits: it may be any bytes.
pub const STICKY: &str = "tidemill-sticky";
pub const CALLER: &str = "tidemill-caller";
pub const CACHE: &str = "tidemill-cache";
/// Headers of one message together, of callers and of model servers.
pub const MAX_HEADER_BYTES: u32 = 64 << 10;
const FORWARDED: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// A header's text; empty where it is absent or no text.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What a caller shows to prove who it is.
pub fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// A value that never comes again, and so is not worth a place in HPACK's table.
pub fn unindexed(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The text that hexadecimal digits stand for; None where there are none.
pub fn decoded(digits: &str) -> Option<String> {
    let pairs = digits.as_bytes().as_chunks::<2>().0.iter();
    let bytes: Option<Vec<u8>> =
        pairs.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect();
    bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Microseconds since the epoch of when the predicted thing happens; now where nothing is said.
pub fn event_time(headers: &HeaderMap) -> Result<i64> {
    let given = text(headers, EVENT_TIME).trim();
    if !headers.contains_key(EVENT_TIME) {
        return Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64));
    }
    let digits = given.strip_prefix('-').unwrap_or(given);
    if (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let microseconds = given.parse().ok().filter(|time| jiff::Timestamp::from_microsecond(*time).is_ok());
        return microseconds.ok_or_else(|| not_a_time(given));
    }
    if given.contains('[') {
        return Err(not_a_time(given));
    }
    given.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond).map_err(|_| not_a_time(given))
}

fn not_a_time(given: &str) -> Fault {
    let given = shown(given, 40);
    let forms = "RFC 3339 with an offset, as 2013-03-01T12:00:00Z, nor epoch microseconds";
    Fault::invalid(format!("event time {given} is neither {forms}"))
}

/// When the caller's time is spent: what it says, at most `most` seconds from now.
pub fn deadline(headers: &HeaderMap, most: f64) -> Result<Instant> {
    let most = Duration::from_secs_f64(most);
    let given = match (headers.get("grpc-timeout"), headers.get(TIMEOUT)) {
        (Some(value), _) => grpc_timeout(value.as_bytes())?,
        (None, Some(value)) => {
            let seconds: Option<f64> = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            let seconds = seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds));
            let cause = || Fault::invalid(format!("{TIMEOUT} is not a number of seconds"));
            Duration::from_secs_f64(seconds.ok_or_else(cause)?)
        }
        (None, None) => most,
    };
    Ok(Instant::now() + given.min(most))
}

/// Source: gRPC over HTTP/2, "Timeout".
fn grpc_timeout(value: &[u8]) -> Result<Duration> {
    let cause = || Fault::invalid("grpc-timeout is not a number with a unit");
    let (unit, digits) = value.split_last().ok_or_else(cause)?;
    if !(1..=8).contains(&digits.len()) {
        return Err(cause());
    }
    let mut amount: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(cause());
        }
        amount = amount * 10 + u64::from(digit - b'0');
    }
    Ok(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(cause()),
    })
}

/// Headers that go on to the model server.
pub fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    for name in FORWARDED {
        if let Some(value) = headers.get(name) {
            forwarded.insert(name, value.clone());
        }
    }
    forwarded
}
