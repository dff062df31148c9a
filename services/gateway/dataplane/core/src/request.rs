//! What a caller asks for, the same for every transport.

use bytes::Bytes;

use crate::tensor::Tensor;

/// An output that the caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedOutput {
    pub name: String,
    pub binary: bool,
}

/// An inference request as it was sent, not yet held against a signature.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub model: String,
    pub version: String,
    pub id: String,
    pub inputs: Vec<Tensor>,
    /// None asked for means all of them.
    pub outputs: Vec<WantedOutput>,
    pub binary_outputs: bool,
    /// The caller's own protobuf less names and wanted outputs, where it can go to the server as it is.
    pub forward: Option<Vec<Bytes>>,
    /// Whether it says something that is not true of other requests' rows too.
    pub alone: bool,
    /// A body that is only the tensor of the model's one input.
    pub bare: Option<Bytes>,
}
