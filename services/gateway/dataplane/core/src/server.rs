//! Threads that own their listeners and connections, from the start to an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::body::FRAME_BYTES;
use crate::config::Listen;
use crate::headers::MAX_HEADER_BYTES;
use crate::local::LocalExecutor;
use crate::plane::{Phase, Plane, Worker};
use crate::proxy::Gateway;
use crate::{grpc, rest, tls};

const BACKLOG: i32 = 4096;
const HANDSHAKE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const MAX_HEADERS: usize = 100;
const MAX_STREAMS: u32 = 1024;
const WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const SEND_BYTES: usize = 2 << 20;
const PING_SECONDS: f64 = 60.0;
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// The running workers.
pub struct Server {
    plane: Arc<Plane>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds the ports and starts the workers; the error says which port is taken or which file is wrong.
    pub fn start(plane: Arc<Plane>) -> Result<Self, String> {
        let config = &plane.config;
        let acceptors = match &config.tls {
            Some(files) => Some((tls::acceptor(files, &[b"http/1.1"])?, tls::acceptor(files, &[b"h2"])?)),
            None => None,
        };
        // Said here: on its thread a worker could not say what is wrong.
        Worker::new(plane.clone())?;
        let shared = config.workers > 1;
        let mut sockets = Vec::new();
        for _ in 0..config.workers.max(1) {
            sockets.push((bind(&config.http, shared)?, bind(&config.grpc, shared)?));
        }
        let internal = std::os::unix::net::UnixListener::bind(&config.internal_socket)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| format!("cannot listen on {}: {error}", config.internal_socket.display()))?;
        let mut internal = Some(internal);
        let mut threads = Vec::new();
        for (number, (http, grpc)) in sockets.into_iter().enumerate() {
            let (plane, acceptors, internal) = (plane.clone(), acceptors.clone(), internal.take());
            let thread = std::thread::Builder::new().name(format!("dataplane-{number}"));
            let run = move || serve(&plane, http, grpc, internal, acceptors);
            threads.push(thread.spawn(run).map_err(|error| error.to_string())?);
        }
        Ok(Server { plane, threads })
    }

    /// Whether every worker still runs.
    pub fn is_alive(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Answers end their connections from now on.
    pub fn drain(&self) {
        self.plane.phase.send_replace(Phase::Draining);
    }

    /// Ends what is open, for at most `seconds`.
    pub fn stop(&mut self, seconds: f64) {
        self.plane.phase.send_replace(Phase::Closing);
        let deadline = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < deadline && self.threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(POLL);
        }
        self.plane.phase.send_replace(Phase::Ended);
        for thread in self.threads.drain(..) {
            // A worker that panicked has already said so.
            let _ = thread.join();
        }
    }
}

fn bind(listen: &Listen, shared: bool) -> Result<std::net::TcpListener, String> {
    let address = format!("{}:{}", listen.host, listen.port);
    let cause = |error: std::io::Error| format!("cannot listen on {address}: {error}");
    let mut resolved = address.to_socket_addrs().map_err(cause)?;
    let resolved: SocketAddr = resolved.next().ok_or_else(|| format!("{address} is no address"))?;
    let open = || -> std::io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(resolved), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&resolved.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(cause)
}

fn serve(
    plane: &Arc<Plane>,
    http: std::net::TcpListener,
    grpc: std::net::TcpListener,
    internal: Option<std::os::unix::net::UnixListener>,
    acceptors: Option<(TlsAcceptor, TlsAcceptor)>,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let Ok(worker) = Worker::new(plane.clone()) else { return };
    let mut phase = plane.phase.subscribe();
    LocalSet::new().block_on(&runtime, async {
        let gateway = Rc::new(Gateway::new(Rc::new(worker)));
        let (http_tls, grpc_tls) = acceptors.unzip();
        let open = Rc::new(());
        let (Ok(http), Ok(grpc)) = (TcpListener::from_std(http), TcpListener::from_std(grpc)) else { return };
        spawn_local(accept(gateway.clone(), http, http_tls, Port::Rest, open.clone()));
        spawn_local(accept(gateway.clone(), grpc, grpc_tls, Port::Grpc, open.clone()));
        if let Some(Ok(internal)) = internal.map(UnixListener::from_std) {
            spawn_local(accept_internal(gateway.clone(), internal));
        }
        let _ = phase.wait_for(|phase| *phase >= Phase::Closing).await;
        while Rc::strong_count(&open) > 1 && *phase.borrow() < Phase::Ended {
            tokio::time::sleep(POLL).await;
        }
    });
}

#[derive(Clone, Copy)]
enum Port {
    Rest,
    Grpc,
}

async fn accept(gateway: Rc<Gateway>, listener: TcpListener, tls: Option<TlsAcceptor>, port: Port, open: Rc<()>) {
    let plane = gateway.worker.plane.clone();
    let mut phase = plane.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase >= Phase::Closing) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if plane.stats.connections.load(Relaxed) >= plane.config.max_connections as u64 {
            plane.stats.refused_connections.fetch_add(1, Relaxed);
            continue;
        }
        plane.stats.connections.fetch_add(1, Relaxed);
        let (gateway, tls, open) = (gateway.clone(), tls.clone(), open.clone());
        spawn_local(async move {
            connection(&gateway, stream, tls, port).await;
            gateway.worker.plane.stats.connections.fetch_sub(1, Relaxed);
            drop(open);
        });
    }
}

async fn connection(gateway: &Rc<Gateway>, stream: TcpStream, tls: Option<TlsAcceptor>, port: Port) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => talk(gateway, stream, port).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                talk(gateway, stream, port).await;
            }
        }
    }
}

async fn talk(gateway: &Rc<Gateway>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, port: Port) {
    // A caller that does not read its answer may keep it for as long as one that sends no request.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(Duration::from_secs_f64(gateway.worker.plane.config.idle_seconds)));
    let stream = Box::pin(stream);
    match port {
        Port::Rest => talk_http(gateway, stream).await,
        Port::Grpc => talk_grpc(gateway, stream, false).await,
    }
}

async fn talk_http(gateway: &Rc<Gateway>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let service = service_fn(|request| {
        // Boxed: it is moved several times before it runs.
        let answer = Box::pin(rest::handle(gateway.clone(), request));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs_f64(gateway.worker.plane.config.idle_seconds))
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES as usize)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let phase = gateway.worker.plane.phase.subscribe();
    until_closing(phase, connection, |connection| connection.graceful_shutdown()).await;
}

async fn talk_grpc(gateway: &Rc<Gateway>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, trusted: bool) {
    let service = service_fn(|request| {
        let answer = Box::pin(grpc::handle(gateway.clone(), request, trusted));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .keep_alive_interval(Duration::from_secs_f64(PING_SECONDS))
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let phase = gateway.worker.plane.phase.subscribe();
    until_closing(phase, connection, |connection| connection.graceful_shutdown()).await;
}

/// Runs a connection to its end, which `shut` hastens once the data plane closes.
async fn until_closing<C: Future>(
    mut phase: watch::Receiver<Phase>,
    mut connection: std::pin::Pin<&mut C>,
    shut: impl Fn(std::pin::Pin<&mut C>),
) {
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = phase.wait_for(|phase| *phase >= Phase::Closing) => {}
    }
    shut(connection.as_mut());
    // However it ends, it has ended.
    let _ = connection.await;
}

/// Python's own calls, until the very end: what it serves while the ports close still needs them.
async fn accept_internal(gateway: Rc<Gateway>, listener: UnixListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let gateway = gateway.clone();
            spawn_local(async move { talk_grpc(&gateway, stream, true).await });
        }
    }
}
