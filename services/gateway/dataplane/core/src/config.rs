//! What the data plane is told at its start. Sizes in bytes, times in seconds.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Listen {
    pub host: String,
    pub port: u16,
}

/// PEM files; with `client_ca` a caller must show a certificate that it signed.
#[derive(Clone, Debug, Deserialize)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    pub http: Listen,
    pub grpc: Listen,
    /// Unix sockets: this one's own for Python's calls, and those of the HTTP and the gRPC server in Python.
    pub internal_socket: PathBuf,
    pub http_backend: PathBuf,
    pub grpc_backend: PathBuf,
    /// host:port of the model servers' gRPC.
    pub endpoints: Vec<String>,
    pub workers: usize,
    pub max_body_bytes: usize,
    pub max_rows: usize,
    pub max_connections: usize,
    pub idle_seconds: f64,
    pub infer_seconds: f64,
    /// A version that is no champion gets at most this share of the time left, and at most so many seconds.
    pub candidate_share: f64,
    pub candidate_seconds: f64,
    pub mirror_requests: usize,
    pub mirror_bytes: usize,
    pub log_queue_rows: usize,
    pub log_queue_bytes: usize,
    /// Key of the hash that stands for personal values in the prediction log.
    pub hash_key: String,
    pub tls: Option<Tls>,
}
