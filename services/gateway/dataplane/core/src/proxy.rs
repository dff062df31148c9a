//! What is not inference goes to the servers in Python, over Unix sockets that only this process's user can open.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::{HeaderMap, Request, Response, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::body::Body;
use crate::fault::{Fault, Kind, Result};
use crate::local::LocalExecutor;
use crate::plane::Worker;

/// Longest wait for a request's body, and for the answer's head.
pub const HTTP_SECONDS: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 8;
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// One worker with its ways to the servers in Python.
pub struct Gateway {
    pub worker: Rc<Worker>,
    idle: RefCell<Vec<http1::SendRequest<Body>>>,
    grpc: RefCell<Option<http2::SendRequest<Body>>>,
}

impl Gateway {
    pub fn new(worker: Rc<Worker>) -> Self {
        Gateway { worker, idle: RefCell::default(), grpc: RefCell::default() }
    }

    /// The HTTP server's answer.
    pub async fn http(&self, mut request: Request<Body>) -> Result<Response<Body>> {
        strip(request.headers_mut());
        *request.version_mut() = Version::HTTP_11;
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, HeaderValue::from_static("tidemill"));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
        let mut sender = self.http_connection().await?;
        let answered = tokio::time::timeout(HTTP_SECONDS, sender.send_request(request)).await;
        let late = |_| Fault::new(Kind::DeadlineExceeded, "the request did not end in time");
        let response = answered.map_err(late)?.map_err(away)?;
        if self.idle.borrow().len() < IDLE_CONNECTIONS {
            self.idle.borrow_mut().push(sender);
        }
        let (mut parts, body) = response.into_parts();
        strip(&mut parts.headers);
        Ok(Response::from_parts(parts, Body::Proxied(body)))
    }

    async fn http_connection(&self) -> Result<http1::SendRequest<Body>> {
        loop {
            let Some(mut sender) = self.idle.borrow_mut().pop() else { break };
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = UnixStream::connect(&self.worker.plane.config.http_backend).await.map_err(away)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }

    /// The gRPC server's answer.
    pub async fn grpc(&self, mut request: Request<Body>) -> Result<Response<Body>> {
        let path = request.uri().path();
        *request.uri_mut() = format!("http://tidemill{path}").parse().map_err(away)?;
        request.headers_mut().remove(HOST);
        let mut sender = self.grpc_connection().await?;
        sender.ready().await.map_err(away)?;
        let response = sender.send_request(request).await.map_err(away)?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, Body::Proxied(body)))
    }

    async fn grpc_connection(&self) -> Result<http2::SendRequest<Body>> {
        let known = self.grpc.borrow().as_ref().filter(|sender| !sender.is_closed()).cloned();
        if let Some(sender) = known {
            return Ok(sender);
        }
        let sender = connect_grpc(&self.worker.plane.config.grpc_backend).await?;
        *self.grpc.borrow_mut() = Some(sender.clone());
        Ok(sender)
    }
}

async fn connect_grpc(path: &Path) -> Result<http2::SendRequest<Body>> {
    let stream = UnixStream::connect(path).await.map_err(away)?;
    let (sender, connection) =
        http2::Builder::new(LocalExecutor).handshake(TokioIo::new(stream)).await.map_err(away)?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

fn strip(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn away<E>(_: E) -> Fault {
    Fault::new(Kind::Unavailable, "this part of the gateway does not answer now; try again")
}
