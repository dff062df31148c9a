//! The gateway's data plane: V2 inference over REST and gRPC, from the caller's socket to the model server's and back.
//!
//! Python steers it: it gives routes and credentials, drains the prediction log, reads the metrics. Nothing on the path of
//! a request touches Python.

pub mod auth;
mod body;
mod compression;
pub mod config;
pub mod fault;
mod grpc;
mod headers;
pub mod json;
mod local;
pub mod log;
pub mod model;
mod observed;
pub mod plane;
mod proxy;
pub mod request;
mod rest;
pub mod routing;
pub mod server;
pub mod signature;
pub mod stats;
pub mod tensor;
mod tls;
mod together;
mod upstream;
pub mod wire;
