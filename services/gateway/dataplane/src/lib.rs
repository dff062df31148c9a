//! Python's handle on the data plane.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mimalloc::MiMalloc;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::de::DeserializeOwned;
use tidemill_dataplane_core::auth::{Auth, AuthSpec};
use tidemill_dataplane_core::config::Config;
use tidemill_dataplane_core::fault::Fault;
use tidemill_dataplane_core::model::RouteSpec;
use tidemill_dataplane_core::plane::Plane;
use tidemill_dataplane_core::request::Request;
use tidemill_dataplane_core::routing::{self, Table};
use tidemill_dataplane_core::server::Server;
use tidemill_dataplane_core::signature::{Limits, Signature};
use tidemill_dataplane_core::stats::Protocol;
use tidemill_dataplane_core::tensor::Tensor;
use tidemill_dataplane_core::{json, wire};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Batch = (i32, String, usize, Py<PyBytes>);
type Sample = (&'static str, Vec<String>, f64);

fn parse<T: DeserializeOwned>(json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// V2 inference on its own threads.
#[pyclass(frozen)]
struct DataPlane {
    plane: Arc<Plane>,
    server: Mutex<Option<Server>>,
}

impl DataPlane {
    fn with_server<T>(&self, call: impl FnOnce(&mut Server) -> T) -> PyResult<T> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        match server.as_mut() {
            Some(server) => Ok(call(server)),
            None => Err(PyRuntimeError::new_err("the data plane has not been started")),
        }
    }
}

#[pymethods]
impl DataPlane {
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        let config: Config = parse(config)?;
        Ok(DataPlane { plane: Arc::new(Plane::new(config)), server: Mutex::new(None) })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let plane = self.plane.clone();
        let started = py.detach(|| Server::start(plane)).map_err(PyOSError::new_err)?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        Ok(())
    }

    fn is_alive(&self) -> PyResult<bool> {
        self.with_server(|server| server.is_alive())
    }

    fn drain(&self) -> PyResult<()> {
        self.with_server(|server| server.drain())
    }

    fn stop(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        py.detach(|| self.with_server(|server| server.stop(seconds)))
    }

    fn set_route(&self, route: &str) -> PyResult<()> {
        let spec: RouteSpec = parse(route)?;
        self.plane.set_route(spec).map_err(|fault| PyValueError::new_err(fault.message))
    }

    fn set_auth(&self, auth: &str) -> PyResult<()> {
        let spec: AuthSpec = parse(auth)?;
        let auth = Auth::new(spec).map_err(PyValueError::new_err)?;
        self.plane.auth.store(Arc::new(auth));
        Ok(())
    }

    fn in_flight(&self, model: &str, version: i64) -> usize {
        self.plane.in_flight(model, version)
    }

    fn take_suspects(&self) -> Vec<String> {
        self.plane.take_suspects()
    }

    fn log_rows(&self) -> usize {
        self.plane.log.rows()
    }

    fn drain_log(&self, py: Python<'_>, max_rows: usize, partitions: i32) -> Vec<Batch> {
        let batches = py.detach(|| self.plane.log.drain(max_rows, partitions));
        let told = |batch: tidemill_dataplane_core::log::Batch| {
            (batch.partition, batch.model, batch.rows, PyBytes::new(py, &batch.message).unbind())
        };
        batches.into_iter().map(told).collect()
    }

    fn count_too_large(&self, rows: u64) {
        self.plane.stats.log_too_large.fetch_add(rows, Ordering::Relaxed);
    }

    fn count_refusal(&self, protocol: &str, code: u16) -> PyResult<()> {
        let unknown = || PyValueError::new_err(format!("unknown protocol {protocol:?}"));
        let protocol = Protocol::parse(protocol.as_bytes()).ok_or_else(unknown)?;
        self.plane.stats.unanswered.count_code(protocol, code);
        Ok(())
    }

    fn samples(&self) -> Vec<Sample> {
        let mut samples = self.plane.stats.samples();
        samples.push(("log_queue_rows", Vec::new(), self.plane.log.rows() as f64));
        samples
    }
}

/// The version that answers requests with `key`; None if every weight is 0.
#[pyfunction]
fn choose(table: &str, key: &str) -> PyResult<Option<i64>> {
    Ok(parse::<Table>(table)?.choose(key))
}

/// Versions that get a copy of the request with `key`, never `answering`.
#[pyfunction]
fn mirrors_of(table: &str, key: &str, answering: i64) -> PyResult<Vec<i64>> {
    Ok(parse::<Table>(table)?.mirrors_of(key, answering))
}

/// Partition of a key as Kafka's default partitioner places it.
#[pyfunction]
fn partition_of(key: &str, partitions: i32) -> i32 {
    routing::partition_of(key.as_bytes(), partitions)
}

/// A request as it was read: id, inputs (name, datatype, shape, binary form), outputs (name, binary).
type Read = (String, Vec<(String, String, Vec<i64>, Py<PyBytes>)>, Vec<(String, bool)>);

fn told(py: Python<'_>, request: tidemill_dataplane_core::fault::Result<Request>) -> PyResult<Read> {
    let request = request.map_err(|fault| PyValueError::new_err(fault.message))?;
    let input = |tensor: Tensor| {
        let raw = PyBytes::new(py, &tensor.raw).unbind();
        (tensor.name, tensor.datatype, tensor.shape, raw)
    };
    let outputs = request.outputs.into_iter().map(|output| (output.name, output.binary)).collect();
    Ok((request.id, request.inputs.into_iter().map(input).collect(), outputs))
}

/// The request in a REST body.
#[pyfunction]
#[pyo3(signature = (body, json_length=None))]
fn read_body(py: Python<'_>, body: &[u8], json_length: Option<usize>) -> PyResult<Read> {
    told(py, json::parse_request(&Bytes::copy_from_slice(body), json_length))
}

/// The request in a serialised ModelInferRequest.
#[pyfunction]
fn read_message(py: Python<'_>, message: &[u8]) -> PyResult<Read> {
    told(py, wire::parse_request(&Bytes::copy_from_slice(message)))
}

/// Rows of a request (a serialised ModelInferRequest) that fits the signature.
#[pyfunction]
fn accept(signature: &str, message: &[u8], max_rows: usize, allow_missing: bool) -> PyResult<usize> {
    let refused = |fault: Fault| PyValueError::new_err(fault.message);
    let signature: Signature = parse(signature)?;
    let request = wire::parse_request(&Bytes::copy_from_slice(message)).map_err(refused)?;
    let rows = signature.accept(&request.inputs, Limits { max_rows, allow_missing }).map_err(refused)?;
    Ok(rows.count)
}

#[pymodule]
fn tidemill_dataplane(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DataPlane>()?;
    module.add_function(wrap_pyfunction!(choose, module)?)?;
    module.add_function(wrap_pyfunction!(mirrors_of, module)?)?;
    module.add_function(wrap_pyfunction!(partition_of, module)?)?;
    module.add_function(wrap_pyfunction!(read_body, module)?)?;
    module.add_function(wrap_pyfunction!(read_message, module)?)?;
    module.add_function(wrap_pyfunction!(accept, module)?)?;
    Ok(())
}
