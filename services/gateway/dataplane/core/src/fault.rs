//! What can go wrong with a request, each with its HTTP and gRPC status and whether trying again helps.

use std::fmt;

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    InvalidInput,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    RateLimited,
    Overloaded,
    Unavailable,
    DeadlineExceeded,
    Cancelled,
    Broken,
}

impl Kind {
    /// HTTP status; 499 is a caller that went away.
    pub fn http(self) -> u16 {
        match self {
            Kind::InvalidInput => 400,
            Kind::Unauthenticated => 401,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::MethodNotAllowed => 405,
            Kind::TooLarge => 413,
            Kind::RateLimited => 429,
            Kind::Cancelled => 499,
            Kind::Broken => 500,
            Kind::Overloaded | Kind::Unavailable => 503,
            Kind::DeadlineExceeded => 504,
        }
    }

    /// gRPC status code.
    pub fn grpc(self) -> u16 {
        match self {
            Kind::InvalidInput => 3,
            Kind::Unauthenticated => 16,
            Kind::Forbidden => 7,
            Kind::NotFound => 5,
            Kind::MethodNotAllowed => 12,
            Kind::TooLarge | Kind::RateLimited => 8,
            Kind::Cancelled => 1,
            Kind::Broken => 13,
            Kind::Overloaded | Kind::Unavailable => 14,
            Kind::DeadlineExceeded => 4,
        }
    }

    /// Whether the same request may succeed in a moment.
    pub fn retryable(self) -> bool {
        matches!(self, Kind::RateLimited | Kind::Overloaded | Kind::Unavailable)
    }
}

/// A fault and its cause in one sentence, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub message: String,
}

impl Fault {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Fault { kind, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Fault::new(Kind::InvalidInput, message)
    }

    pub fn deadline() -> Self {
        Fault::new(Kind::DeadlineExceeded, "the request's time is spent")
    }

    pub fn unavailable() -> Self {
        Fault::new(Kind::Unavailable, "the model server does not take the request now; try again")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

pub type Result<T> = std::result::Result<T, Fault>;

/// The first `limit` characters of a caller's text, quoted.
pub fn shown(text: &str, limit: usize) -> String {
    let cut: String = text.chars().take(limit).collect();
    format!("'{cut}'")
}
