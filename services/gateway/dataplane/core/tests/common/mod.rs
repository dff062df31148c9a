//! What several tests need: signatures, tensors, versions, and the protocol's messages as prost derives them.
#![allow(dead_code)]

use bytes::Bytes;
use tidemill_dataplane_core::model::{LogRule, RouteSpec, Served, Serving, VersionSpec};
use tidemill_dataplane_core::routing::{Arm, Table};
use tidemill_dataplane_core::signature::{Signature, TensorSpec};
use tidemill_dataplane_core::stats::Stats;
use tidemill_dataplane_core::tensor::{Datatype, Tensor, push_text};

pub const DATATYPES: [Datatype; 14] = [
    Datatype::Bool,
    Datatype::Int8,
    Datatype::Int16,
    Datatype::Int32,
    Datatype::Int64,
    Datatype::Uint8,
    Datatype::Uint16,
    Datatype::Uint32,
    Datatype::Uint64,
    Datatype::Fp16,
    Datatype::Bf16,
    Datatype::Fp32,
    Datatype::Fp64,
    Datatype::Bytes,
];

pub fn spec(name: &str, datatype: Datatype, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.to_owned(), datatype, shape: shape.to_vec() }
}

pub fn signature(inputs: Vec<TensorSpec>, outputs: Vec<TensorSpec>) -> Signature {
    Signature { inputs, outputs }
}

pub fn tensor(name: &str, datatype: &str, shape: &[i64], raw: impl Into<Bytes>) -> Tensor {
    Tensor { name: name.to_owned(), datatype: datatype.to_owned(), shape: shape.to_vec(), raw: raw.into() }
}

pub fn fp32(values: &[f32]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn fp64(values: &[f64]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn int64(values: &[i64]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn texts<T: AsRef<[u8]>>(values: &[T]) -> Bytes {
    let mut raw = Vec::new();
    for value in values {
        push_text(&mut raw, value.as_ref());
    }
    raw.into()
}

pub fn joined(pieces: &[Bytes]) -> Bytes {
    pieces.concat().into()
}

pub fn serving() -> Serving {
    let log = LogRule { sample: 1.0, hash: Vec::new(), drop: Vec::new() };
    Serving { allow_missing: true, cache: None, log, concurrency: 2, queue: 1, retry: true }
}

pub fn version_spec(version: i64, signature: &Signature, serving: Serving) -> VersionSpec {
    VersionSpec {
        version,
        digest: format!("digest-{version}"),
        server_name: format!("taxi-{version}"),
        signature: signature.clone(),
        serving,
    }
}

pub fn table(arms: &[(i64, f64)]) -> Table {
    Table {
        model: "taxi".to_owned(),
        epoch: 7,
        arms: arms.iter().map(|&(version, weight)| Arm { version, weight }).collect(),
        mirrors: Vec::new(),
        sticky_header: String::new(),
        sticky_field: String::new(),
    }
}

/// Model taxi with one version, 3.
pub fn served(signature: &Signature, serving: Serving) -> Served {
    let spec = RouteSpec { table: table(&[(3, 1.0)]), versions: vec![version_spec(3, signature, serving)] };
    Served::make(spec, None, &Stats::default()).unwrap()
}

/// The messages of the Open Inference Protocol with Triton's parameters.
pub mod v2 {
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Parameter {
        #[prost(oneof = "ParameterChoice", tags = "1, 2, 3, 4, 5")]
        pub choice: Option<ParameterChoice>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum ParameterChoice {
        #[prost(bool, tag = "1")]
        Bool(bool),
        #[prost(int64, tag = "2")]
        Int64(i64),
        #[prost(string, tag = "3")]
        String(String),
        #[prost(double, tag = "4")]
        Double(f64),
        #[prost(uint64, tag = "5")]
        Uint64(u64),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Contents {
        #[prost(bool, repeated, tag = "1")]
        pub bools: Vec<bool>,
        #[prost(int32, repeated, tag = "2")]
        pub ints: Vec<i32>,
        #[prost(int64, repeated, tag = "3")]
        pub int64s: Vec<i64>,
        #[prost(uint32, repeated, tag = "4")]
        pub uints: Vec<u32>,
        #[prost(uint64, repeated, tag = "5")]
        pub uint64s: Vec<u64>,
        #[prost(float, repeated, tag = "6")]
        pub fp32s: Vec<f32>,
        #[prost(double, repeated, tag = "7")]
        pub fp64s: Vec<f64>,
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub texts: Vec<Vec<u8>>,
    }

    /// The same without packing, as old writers do it.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct UnpackedContents {
        #[prost(bool, repeated, packed = "false", tag = "1")]
        pub bools: Vec<bool>,
        #[prost(int32, repeated, packed = "false", tag = "2")]
        pub ints: Vec<i32>,
        #[prost(int64, repeated, packed = "false", tag = "3")]
        pub int64s: Vec<i64>,
        #[prost(uint32, repeated, packed = "false", tag = "4")]
        pub uints: Vec<u32>,
        #[prost(uint64, repeated, packed = "false", tag = "5")]
        pub uint64s: Vec<u64>,
        #[prost(float, repeated, packed = "false", tag = "6")]
        pub fp32s: Vec<f32>,
        #[prost(double, repeated, packed = "false", tag = "7")]
        pub fp64s: Vec<f64>,
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub texts: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tensor {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub datatype: String,
        #[prost(int64, repeated, tag = "3")]
        pub shape: Vec<i64>,
        #[prost(btree_map = "string, message", tag = "4")]
        pub parameters: BTreeMap<String, Parameter>,
        #[prost(message, optional, tag = "5")]
        pub contents: Option<Contents>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct UnpackedTensor {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub datatype: String,
        #[prost(int64, repeated, packed = "false", tag = "3")]
        pub shape: Vec<i64>,
        #[prost(message, optional, tag = "5")]
        pub contents: Option<UnpackedContents>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Wanted {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(btree_map = "string, message", tag = "2")]
        pub parameters: BTreeMap<String, Parameter>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(string, tag = "1")]
        pub model_name: String,
        #[prost(string, tag = "2")]
        pub model_version: String,
        #[prost(string, tag = "3")]
        pub id: String,
        #[prost(btree_map = "string, message", tag = "4")]
        pub parameters: BTreeMap<String, Parameter>,
        #[prost(message, repeated, tag = "5")]
        pub inputs: Vec<Tensor>,
        #[prost(message, repeated, tag = "6")]
        pub outputs: Vec<Wanted>,
        #[prost(bytes = "vec", repeated, tag = "7")]
        pub raw: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct UnpackedRequest {
        #[prost(string, tag = "1")]
        pub model_name: String,
        #[prost(message, repeated, tag = "5")]
        pub inputs: Vec<UnpackedTensor>,
        #[prost(bytes = "vec", repeated, tag = "7")]
        pub raw: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Response {
        #[prost(string, tag = "1")]
        pub model_name: String,
        #[prost(string, tag = "2")]
        pub model_version: String,
        #[prost(string, tag = "3")]
        pub id: String,
        #[prost(btree_map = "string, message", tag = "4")]
        pub parameters: BTreeMap<String, Parameter>,
        #[prost(message, repeated, tag = "5")]
        pub outputs: Vec<Tensor>,
        #[prost(bytes = "vec", repeated, tag = "6")]
        pub raw: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct StreamResponse {
        #[prost(string, tag = "1")]
        pub error_message: String,
        #[prost(message, optional, tag = "2")]
        pub response: Option<Response>,
    }

    pub fn parameter(choice: ParameterChoice) -> Parameter {
        Parameter { choice: Some(choice) }
    }

    pub fn text(value: &str) -> Parameter {
        parameter(ParameterChoice::String(value.to_owned()))
    }

    pub fn tensor(name: &str, datatype: &str, shape: &[i64]) -> Tensor {
        Tensor {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
            parameters: BTreeMap::new(),
            contents: None,
        }
    }

    pub fn typed(name: &str, datatype: &str, shape: &[i64], contents: Contents) -> Tensor {
        Tensor { contents: Some(contents), ..tensor(name, datatype, shape) }
    }
}

/// `proto/tidemill/v1/prediction.proto`.
pub mod prediction {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Numbers {
        #[prost(double, repeated, tag = "1")]
        pub values: Vec<f64>,
        #[prost(int32, tag = "2")]
        pub width: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Texts {
        #[prost(string, repeated, tag = "1")]
        pub values: Vec<String>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Values {
        #[prost(message, tag = "2")]
        Numbers(Numbers),
        #[prost(message, tag = "3")]
        Texts(Texts),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Column {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(oneof = "Values", tags = "2, 3")]
        pub values: Option<Values>,
        #[prost(bool, tag = "4")]
        pub hashed: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Batch {
        #[prost(string, tag = "1")]
        pub model: String,
        #[prost(int64, tag = "2")]
        pub version: i64,
        #[prost(int32, tag = "3")]
        pub role: i32,
        #[prost(string, repeated, tag = "4")]
        pub prediction_ids: Vec<String>,
        #[prost(int64, repeated, tag = "5")]
        pub event_times: Vec<i64>,
        #[prost(float, repeated, tag = "6")]
        pub latencies: Vec<f32>,
        #[prost(message, repeated, tag = "7")]
        pub inputs: Vec<Column>,
        #[prost(message, repeated, tag = "8")]
        pub outputs: Vec<Column>,
        #[prost(string, tag = "9")]
        pub error: String,
        #[prost(int64, tag = "10")]
        pub epoch: i64,
        #[prost(fixed64, repeated, tag = "11")]
        pub units: Vec<u64>,
    }

    impl Column {
        pub fn numbers(&self) -> &Numbers {
            match &self.values {
                Some(Values::Numbers(numbers)) => numbers,
                other => panic!("{} is {other:?}, not numbers", self.name),
            }
        }

        pub fn texts(&self) -> &[String] {
            match &self.values {
                Some(Values::Texts(texts)) => &texts.values,
                other => panic!("{} is {other:?}, not texts", self.name),
            }
        }
    }
}
