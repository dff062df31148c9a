//! What a model takes and gives, and whether a request fits: nothing that does not ever reaches the model server.

use bytes::Bytes;
use serde::Deserialize;

use crate::fault::{Fault, Kind, Result, shown};
use crate::tensor::{Datatype, Tensor, Texts, check_size, number_at};

/// A tensor of a signature; `shape` begins with -1, the number of rows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TensorSpec {
    pub name: String,
    pub datatype: Datatype,
    pub shape: Vec<i64>,
}

impl TensorSpec {
    /// Elements per row.
    pub fn width(&self) -> usize {
        self.shape[1..].iter().product::<i64>() as usize
    }

    /// The shape of `rows` rows.
    pub fn shape_of(&self, rows: usize) -> Vec<i64> {
        let mut shape = self.shape.clone();
        shape[0] = rows as i64;
        shape
    }

    fn expected(&self) -> String {
        let dimensions: Vec<String> = self.shape[1..].iter().map(i64::to_string).collect();
        format!("[rows, {}]", dimensions.join(", "))
    }
}

/// Inputs and outputs of a model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Signature {
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
}

/// Limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_rows: usize,
    pub allow_missing: bool,
}

/// Rows in the binary form: one tensor per input of the signature, in its order.
#[derive(Clone, Debug)]
pub struct Rows {
    pub count: usize,
    pub tensors: Vec<Bytes>,
}

impl Signature {
    /// The tensors in the signature's order; the cause in one sentence if they may not go to the model server.
    pub fn accept(&self, given: &[Tensor], limits: Limits) -> Result<Rows> {
        let mut places: Vec<Option<&Tensor>> = vec![None; self.inputs.len()];
        for (position, tensor) in given.iter().enumerate() {
            let matches = |spec: &TensorSpec| spec.name == tensor.name;
            let in_order = self.inputs.get(position).is_some_and(matches);
            let place = if in_order { Some(position) } else { self.inputs.iter().position(matches) };
            let Some(place) = place else { return Err(self.unknown(&tensor.name)) };
            if places[place].replace(tensor).is_some() {
                return Err(Fault::invalid(format!("input {} is given twice", shown(&tensor.name, 100))));
            }
        }
        if let Some(missing) = places.iter().position(Option::is_none) {
            return Err(Fault::invalid(format!("input '{}' is missing", self.inputs[missing].name)));
        }
        let tensors: Vec<&Tensor> = places.into_iter().flatten().collect();
        let count = tensors.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
        if count > limits.max_rows as i64 {
            let message = format!("{count} rows in one request; at most {} are taken", limits.max_rows);
            return Err(Fault::new(Kind::TooLarge, message));
        }
        for (spec, tensor) in self.inputs.iter().zip(&tensors) {
            check_input(spec, tensor, count, limits.allow_missing)?;
        }
        Ok(Rows { count: count as usize, tensors: tensors.into_iter().map(|tensor| tensor.raw.clone()).collect() })
    }

    /// Rows of this signature as rows of another; None where that has an input which this has not.
    pub fn rows_for(&self, other: &Signature, rows: &Rows) -> Option<Rows> {
        if self.inputs == other.inputs {
            return Some(rows.clone());
        }
        let place = |wanted: &TensorSpec| self.inputs.iter().position(|spec| spec == wanted);
        let tensors = other.inputs.iter().map(|spec| Some(rows.tensors[place(spec)?].clone()));
        Some(Rows { count: rows.count, tensors: tensors.collect::<Option<_>>()? })
    }

    /// Position of an output; refuses one that the model does not give.
    pub fn output(&self, name: &str) -> Result<usize> {
        self.outputs.iter().position(|spec| spec.name == name).ok_or_else(|| {
            let known = names(&self.outputs);
            Fault::invalid(format!("unknown output {}; the model gives {known}", shown(name, 100)))
        })
    }

    /// The server's outputs in the signature's order, or what is wrong with them.
    pub fn outputs_of(&self, given: &[Tensor], rows: usize) -> std::result::Result<Vec<Bytes>, String> {
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (position, spec) in self.outputs.iter().enumerate() {
            let in_order = given.get(position).filter(|tensor| tensor.name == spec.name);
            let found = in_order.or_else(|| given.iter().find(|tensor| tensor.name == spec.name));
            let tensor = found.ok_or_else(|| format!("output '{}' is missing", spec.name))?;
            if tensor.datatype != spec.datatype.name() || tensor.shape != spec.shape_of(rows) {
                let expected = format!("{} {:?}", spec.datatype.name(), spec.shape_of(rows));
                return Err(format!(
                    "output '{}' is {} {:?}, not {expected}",
                    spec.name, tensor.datatype, tensor.shape
                ));
            }
            check_size(&spec.name, spec.datatype, &tensor.shape, &tensor.raw)
                .map_err(|fault| format!("output {}", fault.message))?;
            outputs.push(tensor.raw.clone());
        }
        Ok(outputs)
    }

    fn unknown(&self, name: &str) -> Fault {
        Fault::invalid(format!("unknown input {}; the model takes {}", shown(name, 100), names(&self.inputs)))
    }
}

fn names(specs: &[TensorSpec]) -> String {
    let mut names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    names.sort_unstable();
    names.join(", ")
}

fn check_input(spec: &TensorSpec, tensor: &Tensor, rows: i64, allow_missing: bool) -> Result<()> {
    let name = &spec.name;
    if tensor.datatype != spec.datatype.name() {
        let given = tensor.datatype.chars().take(20).collect::<String>();
        return Err(Fault::invalid(format!("input '{name}' is {}, not {given}", spec.datatype.name())));
    }
    let fits = tensor.shape.len() == spec.shape.len() && tensor.shape[1..] == spec.shape[1..] && tensor.shape[0] >= 1;
    if !fits {
        let message = format!("input '{name}' has shape {:?}; {} is expected", tensor.shape, spec.expected());
        return Err(Fault::invalid(message));
    }
    if tensor.shape[0] != rows {
        return Err(Fault::invalid(format!("input '{name}' has {} rows, others have {rows}", tensor.shape[0])));
    }
    check_size(name, spec.datatype, &tensor.shape, &tensor.raw)?;
    match spec.datatype {
        Datatype::Bytes => check_text_values(name, &tensor.raw, allow_missing),
        datatype if datatype.is_float() => check_numbers(name, datatype, &tensor.raw, allow_missing),
        Datatype::Bool if tensor.raw.iter().any(|&value| value > 1) => {
            Err(Fault::invalid(format!("input '{name}' has a value that is neither true nor false")))
        }
        _ => Ok(()),
    }
}

fn check_text_values(name: &str, raw: &[u8], allow_missing: bool) -> Result<()> {
    for (element, text) in Texts::new(raw).enumerate() {
        let text = text.unwrap_or_default();
        if std::str::from_utf8(text).is_err() {
            return Err(Fault::invalid(format!("input '{name}', row {element}: not UTF-8")));
        }
        if text.is_empty() && !allow_missing {
            return Err(missing(name));
        }
    }
    Ok(())
}

fn check_numbers(name: &str, datatype: Datatype, raw: &[u8], allow_missing: bool) -> Result<()> {
    let (mut infinite, mut nan) = (false, false);
    if datatype == Datatype::Fp32 {
        for part in raw.as_chunks::<4>().0 {
            let value = f32::from_le_bytes(*part);
            infinite |= value.is_infinite();
            nan |= value.is_nan();
        }
    } else {
        for index in 0..raw.len() / datatype.size().unwrap_or(1) {
            let value = number_at(datatype, raw, index);
            infinite |= value.is_infinite();
            nan |= value.is_nan();
        }
    }
    if infinite {
        return Err(Fault::invalid(format!("input '{name}' has an infinite value")));
    }
    if nan && !allow_missing { Err(missing(name)) } else { Ok(()) }
}

fn missing(name: &str) -> Fault {
    Fault::invalid(format!("input '{name}' has a missing value, which this model does not take"))
}
