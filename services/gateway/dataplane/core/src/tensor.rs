//! Tensors of the Open Inference Protocol in their binary form: little-endian, row-major; a BYTES element is its length
//! (4 bytes) and its bytes. Source: the protocol and Triton's binary tensor data extension.

use bytes::Bytes;
use serde::Deserialize;

use crate::fault::{Fault, Result, shown};

pub const MAX_ELEMENTS: i64 = 1 << 31;
pub const MAX_DIMENSIONS: usize = 8;
pub const MAX_TENSORS: usize = 4096;

/// Datatypes of V2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Datatype {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

impl Datatype {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "BOOL" => Datatype::Bool,
            "INT8" => Datatype::Int8,
            "INT16" => Datatype::Int16,
            "INT32" => Datatype::Int32,
            "INT64" => Datatype::Int64,
            "UINT8" => Datatype::Uint8,
            "UINT16" => Datatype::Uint16,
            "UINT32" => Datatype::Uint32,
            "UINT64" => Datatype::Uint64,
            "FP16" => Datatype::Fp16,
            "BF16" => Datatype::Bf16,
            "FP32" => Datatype::Fp32,
            "FP64" => Datatype::Fp64,
            "BYTES" => Datatype::Bytes,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Datatype::Bool => "BOOL",
            Datatype::Int8 => "INT8",
            Datatype::Int16 => "INT16",
            Datatype::Int32 => "INT32",
            Datatype::Int64 => "INT64",
            Datatype::Uint8 => "UINT8",
            Datatype::Uint16 => "UINT16",
            Datatype::Uint32 => "UINT32",
            Datatype::Uint64 => "UINT64",
            Datatype::Fp16 => "FP16",
            Datatype::Bf16 => "BF16",
            Datatype::Fp32 => "FP32",
            Datatype::Fp64 => "FP64",
            Datatype::Bytes => "BYTES",
        }
    }

    /// Bytes of an element; None for BYTES.
    pub fn size(self) -> Option<usize> {
        Some(match self {
            Datatype::Bool | Datatype::Int8 | Datatype::Uint8 => 1,
            Datatype::Int16 | Datatype::Uint16 | Datatype::Fp16 | Datatype::Bf16 => 2,
            Datatype::Int32 | Datatype::Uint32 | Datatype::Fp32 => 4,
            Datatype::Int64 | Datatype::Uint64 | Datatype::Fp64 => 8,
            Datatype::Bytes => return None,
        })
    }

    pub fn is_float(self) -> bool {
        matches!(self, Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64)
    }
}

/// A named tensor as a caller sent it, its size not yet checked.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
    pub raw: Bytes,
}

/// Product of the dimensions; refuses negative ones and products out of reason.
pub fn element_count(name: &str, shape: &[i64]) -> Result<usize> {
    let mut count: i64 = 1;
    for &size in shape {
        if size < 0 {
            return Err(Fault::invalid(format!("{}: shape {shape:?} has a negative dimension", shown(name, 100))));
        }
        count = count.saturating_mul(size);
    }
    if count > MAX_ELEMENTS {
        let name = shown(name, 100);
        return Err(Fault::invalid(format!("{name}: shape {shape:?} has more than {MAX_ELEMENTS} elements")));
    }
    Ok(count as usize)
}

/// Whether `raw` has just the bytes that `count` elements of `datatype` need.
pub fn check_size(name: &str, datatype: Datatype, shape: &[i64], raw: &[u8]) -> Result<()> {
    let count = element_count(name, shape)?;
    let Some(size) = datatype.size() else { return check_texts(name, count, raw) };
    let expected = count * size;
    if raw.len() == expected {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "{}: {} bytes where {} {shape:?} needs {expected}",
        shown(name, 100),
        raw.len(),
        datatype.name()
    )))
}

fn check_texts(name: &str, count: usize, raw: &[u8]) -> Result<()> {
    let name = || shown(name, 100);
    if count.saturating_mul(4) > raw.len() {
        return Err(Fault::invalid(format!("{}: {} bytes cannot hold {count} BYTES elements", name(), raw.len())));
    }
    let mut texts = Texts::new(raw);
    for number in 0..count {
        match texts.next() {
            Some(Ok(_)) => {}
            Some(Err(())) => {
                return Err(Fault::invalid(format!("{}: element {number} is longer than the data", name())));
            }
            None => {
                let message = format!("{}: {number} BYTES elements where the shape has {count}", name());
                return Err(Fault::invalid(message));
            }
        }
    }
    match texts.rest() {
        0 => Ok(()),
        left => Err(Fault::invalid(format!("{}: {left} bytes left over after {count} BYTES elements", name()))),
    }
}

/// Elements of a BYTES tensor, in order; an error where one is cut short.
pub struct Texts<'a> {
    raw: &'a [u8],
}

impl<'a> Texts<'a> {
    pub fn new(raw: &'a [u8]) -> Self {
        Texts { raw }
    }

    /// Bytes not read yet.
    pub fn rest(&self) -> usize {
        self.raw.len()
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = std::result::Result<&'a [u8], ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.raw.is_empty() {
            return None;
        }
        let Some((length, rest)) = self.raw.split_first_chunk::<4>() else { return Some(Err(())) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() {
            return Some(Err(()));
        }
        let (element, rest) = rest.split_at(length);
        self.raw = rest;
        Some(Ok(element))
    }
}

/// Appends a BYTES element.
pub fn push_text(raw: &mut Vec<u8>, element: &[u8]) {
    raw.extend_from_slice(&(element.len() as u32).to_le_bytes());
    raw.extend_from_slice(element);
}

/// The element at `index` of a numeric tensor as a double.
pub fn number_at(datatype: Datatype, raw: &[u8], index: usize) -> f64 {
    fn part<const N: usize>(raw: &[u8], index: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&raw[index * N..(index + 1) * N]);
        value
    }
    match datatype {
        Datatype::Bool | Datatype::Uint8 => f64::from(raw[index]),
        Datatype::Int8 => f64::from(raw[index] as i8),
        Datatype::Int16 => f64::from(i16::from_le_bytes(part(raw, index))),
        Datatype::Uint16 => f64::from(u16::from_le_bytes(part(raw, index))),
        Datatype::Int32 => f64::from(i32::from_le_bytes(part(raw, index))),
        Datatype::Uint32 => f64::from(u32::from_le_bytes(part(raw, index))),
        Datatype::Int64 => i64::from_le_bytes(part(raw, index)) as f64,
        Datatype::Uint64 => u64::from_le_bytes(part(raw, index)) as f64,
        Datatype::Fp16 => half::f16::from_le_bytes(part(raw, index)).to_f64(),
        Datatype::Bf16 => half::bf16::from_le_bytes(part(raw, index)).to_f64(),
        Datatype::Fp32 => f64::from(f32::from_le_bytes(part(raw, index))),
        Datatype::Fp64 => f64::from_le_bytes(part(raw, index)),
        Datatype::Bytes => f64::NAN,
    }
}
