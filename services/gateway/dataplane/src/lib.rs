//! Python's handle on the data plane.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::de::DeserializeOwned;
use tidemill_dataplane_core::auth::{Auth, AuthSpec};
use tidemill_dataplane_core::config::Config;
use tidemill_dataplane_core::model::RouteSpec;
use tidemill_dataplane_core::plane::Plane;
use tidemill_dataplane_core::routing::{self, Table};
use tidemill_dataplane_core::server::Server;

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

    fn samples(&self) -> Vec<Sample> {
        self.plane.stats.samples()
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

#[pymodule]
fn tidemill_dataplane(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DataPlane>()?;
    module.add_function(wrap_pyfunction!(choose, module)?)?;
    module.add_function(wrap_pyfunction!(mirrors_of, module)?)?;
    module.add_function(wrap_pyfunction!(partition_of, module)?)?;
    Ok(())
}
