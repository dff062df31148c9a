//! The V2 inference request and response over REST: JSON, then binary tensors in the order of their headers.
//! Source: the Open Inference Protocol (REST) and Triton's binary tensor data extension.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fault::{Fault, Result, shown};
use crate::request::{Request, WantedOutput};
use crate::signature::Signature;
use crate::tensor::{Datatype, MAX_DIMENSIONS, MAX_TENSORS, Tensor, Texts, element_count, number_at, push_text};
use crate::wire::{Naming, check_parameter_name};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(default, borrow)]
    inputs: Option<&'a RawValue>,
    #[serde(default, borrow)]
    outputs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default, borrow)]
    name: Option<&'a RawValue>,
    #[serde(default, borrow)]
    datatype: Option<&'a RawValue>,
    #[serde(default, borrow)]
    shape: Option<&'a RawValue>,
    #[serde(default, borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default)]
struct Parameters {
    binary_data_size: Option<serde_json::Value>,
    binary_data: Option<serde_json::Value>,
    binary_data_output: Option<serde_json::Value>,
}

/// The request in `body`; `json_length` is Inference-Header-Content-Length, 0 for a bare tensor.
pub fn parse_request(body: &Bytes, json_length: Option<usize>) -> Result<Request> {
    if json_length == Some(0) {
        return Ok(Request { bare: Some(body.clone()), binary_outputs: true, ..Request::default() });
    }
    let end = json_length.unwrap_or(body.len());
    if end > body.len() {
        let cause = "Inference-Header-Content-Length is not the length of a JSON part of the body";
        return Err(Fault::invalid(cause));
    }
    let document: Document<'_> = document(&body[..end])?;
    let parameters = parameters(document.parameters, "request", false)?;
    let mut request = Request {
        id: document.id.map_or(Ok(String::new()), |id| string(id, "id"))?,
        binary_outputs: flag(parameters.binary_data_output, "binary_data_output")?,
        ..Request::default()
    };
    let mut position = end;
    for item in items(document.inputs, "inputs", true)? {
        request.inputs.push(input(&item, body, &mut position)?);
    }
    if position != body.len() {
        let left = body.len() - position;
        return Err(Fault::invalid(format!("{left} bytes left over after the last binary input")));
    }
    for item in items(document.outputs, "outputs", false)? {
        request.outputs.push(output(&item, request.binary_outputs)?);
    }
    Ok(request)
}

fn document(data: &[u8]) -> Result<Document<'_>> {
    let whole: &RawValue =
        serde_json::from_slice(data).map_err(|error| Fault::invalid(format!("the body is not JSON: {error}")))?;
    object(whole, || "the body is not a JSON object".to_owned())
}

/// An object, and not an array of its values, which serde would take too.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue, cause: impl Fn() -> String) -> Result<T> {
    let is_object = raw.get().starts_with('{');
    is_object.then(|| serde_json::from_str(raw.get()).ok()).flatten().ok_or_else(|| Fault::invalid(cause()))
}

fn items<'a>(raw: Option<&'a RawValue>, key: &str, required: bool) -> Result<Vec<Item<'a>>> {
    let cause = || Fault::invalid(format!("{key} is not an array of objects"));
    let Some(raw) = raw else { return if required { Err(cause()) } else { Ok(Vec::new()) } };
    if raw.get() == "null" && !required {
        return Ok(Vec::new());
    }
    let items: Vec<&'a RawValue> = serde_json::from_str(raw.get()).map_err(|_| cause())?;
    if items.is_empty() && required {
        return Err(cause());
    }
    if items.len() > MAX_TENSORS {
        return Err(Fault::invalid(format!("more than {MAX_TENSORS} {key}")));
    }
    items.into_iter().map(|item| object(item, || format!("{key} is not an array of objects"))).collect()
}

fn string(raw: &RawValue, what: &str) -> Result<String> {
    serde_json::from_str(raw.get()).map_err(|_| Fault::invalid(format!("{what} is not a text")))
}

fn name(item: &Item<'_>, what: &str) -> Result<String> {
    let name = item.name.map(|raw| string(raw, "name")).and_then(Result::ok).unwrap_or_default();
    if name.is_empty() { Err(Fault::invalid(format!("{what} has no name"))) } else { Ok(name) }
}

fn input(item: &Item<'_>, body: &Bytes, position: &mut usize) -> Result<Tensor> {
    let name = name(item, "an input")?;
    let quoted = shown(&name, 100);
    let datatype = item.datatype.ok_or_else(|| Fault::invalid(format!("input {quoted} has no datatype")))?;
    let datatype = string(datatype, "datatype")?;
    let shape = shape(item.shape, &quoted)?;
    let parameters = parameters(item.parameters, &name, false)?;
    let raw = match parameters.binary_data_size {
        None => data_of(&name, &datatype, &shape, item.data)?.into(),
        Some(_) if item.data.is_some() => {
            return Err(Fault::invalid(format!("input {quoted} has both data and binary_data_size")));
        }
        Some(size) => {
            let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
            let size =
                size.ok_or_else(|| Fault::invalid(format!("input {quoted}: binary_data_size is not a length")))?;
            let end = position.checked_add(size).filter(|&end| end <= body.len()).ok_or_else(|| {
                Fault::invalid(format!("input {quoted}: the body ends before its {size} binary bytes"))
            })?;
            let raw = body.slice(*position..end);
            *position = end;
            raw
        }
    };
    Ok(Tensor { name, datatype, shape, raw })
}

fn output(item: &Item<'_>, binary_by_default: bool) -> Result<WantedOutput> {
    let name = name(item, "an output")?;
    let parameters = parameters(item.parameters, &name, true)?;
    let binary = match parameters.binary_data {
        None => binary_by_default,
        given => flag(given, "binary_data")?,
    };
    Ok(WantedOutput { name, binary })
}

fn shape(raw: Option<&RawValue>, quoted: &str) -> Result<Vec<i64>> {
    let shape: Option<Vec<i64>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    shape.filter(|shape| (1..=MAX_DIMENSIONS).contains(&shape.len())).ok_or_else(|| {
        let cause = format!("input {quoted}: shape is not an array of 1 to {MAX_DIMENSIONS} whole numbers");
        Fault::invalid(cause)
    })
}

fn flag(value: Option<serde_json::Value>, key: &str) -> Result<bool> {
    match value {
        None => Ok(false),
        Some(serde_json::Value::Bool(value)) => Ok(value),
        Some(_) => Err(Fault::invalid(format!("parameter {key} is not true or false"))),
    }
}

fn parameters(raw: Option<&RawValue>, owner: &str, of_output: bool) -> Result<Parameters> {
    let mut found = Parameters::default();
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(found) };
    let entries: serde_json::Map<String, serde_json::Value> = serde_json::from_str(raw.get())
        .map_err(|_| Fault::invalid(format!("{}: parameters is not an object", shown(owner, 100))))?;
    for (key, value) in entries {
        let is_set = !matches!(&value, serde_json::Value::Number(number) if number.as_u64() == Some(0));
        check_parameter_name(&key, owner, of_output && is_set)?;
        match key.as_str() {
            "binary_data_size" => found.binary_data_size = Some(value),
            "binary_data" => found.binary_data = Some(value),
            "binary_data_output" => found.binary_data_output = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

fn data_of(name: &str, datatype: &str, shape: &[i64], data: Option<&RawValue>) -> Result<Vec<u8>> {
    let quoted = shown(name, 100);
    let known = Datatype::parse(datatype).filter(|kind| !matches!(kind, Datatype::Fp16 | Datatype::Bf16));
    let Some(kind) = known else {
        let datatype = shown(datatype, 20);
        return Err(Fault::invalid(format!("{quoted}: datatype {datatype} cannot be given in JSON")));
    };
    let count = element_count(name, shape)?;
    let data = data.ok_or_else(|| Fault::invalid(format!("{quoted}: data is not an array")))?;
    let room = count.min(data.get().len()) * kind.size().unwrap_or(16);
    let mut values = Values { datatype: kind, count: 0, raw: Vec::with_capacity(room) };
    let mut reader = serde_json::Deserializer::from_str(data.get());
    let level = Level { values: &mut values, depth: shape.len(), outermost: true };
    level.deserialize(&mut reader).map_err(|error| {
        let text = error.to_string();
        let cause = text.split(" at line ").next().unwrap_or_default();
        Fault::invalid(format!("{quoted}: {cause}"))
    })?;
    if values.count != count {
        return Err(Fault::invalid(format!("{quoted}: {} values where shape {shape:?} has {count}", values.count)));
    }
    Ok(values.raw)
}

struct Values {
    datatype: Datatype,
    count: usize,
    raw: Vec<u8>,
}

/// One level of nested data: an array of values or, above `depth` 1, of arrays.
struct Level<'a> {
    values: &'a mut Values,
    depth: usize,
    outermost: bool,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = bool;

    /// Whether what was read is an array.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level<'_> {
    fn refuse<E: Error>(&self, value: impl fmt::Display) -> E {
        let position = self.values.count;
        E::custom(format!("value {position}: {value} is not {}", self.values.datatype.name()))
    }

    fn array_expected<E: Error>(&self) -> std::result::Result<(), E> {
        if self.outermost { Err(E::custom("data is not an array")) } else { Ok(()) }
    }

    fn put<E: Error>(&mut self, bytes: &[u8]) -> std::result::Result<bool, E> {
        self.values.raw.extend_from_slice(bytes);
        self.values.count += 1;
        Ok(false)
    }

    fn integer<E: Error>(mut self, value: i128) -> std::result::Result<bool, E> {
        self.array_expected()?;
        let datatype = self.values.datatype;
        let bits = match datatype {
            Datatype::Int8 => i8::try_from(value).map(|value| value as u64).ok(),
            Datatype::Int16 => i16::try_from(value).map(|value| value as u64).ok(),
            Datatype::Int32 => i32::try_from(value).map(|value| value as u64).ok(),
            Datatype::Int64 => i64::try_from(value).map(|value| value as u64).ok(),
            Datatype::Uint8 => u8::try_from(value).map(u64::from).ok(),
            Datatype::Uint16 => u16::try_from(value).map(u64::from).ok(),
            Datatype::Uint32 => u32::try_from(value).map(u64::from).ok(),
            Datatype::Uint64 => u64::try_from(value).ok(),
            Datatype::Fp32 | Datatype::Fp64 => return self.float(value as f64),
            _ => return Err(self.refuse(value)),
        };
        match bits {
            Some(bits) => self.put(&bits.to_le_bytes()[..datatype.size().unwrap_or(8)]),
            None => Err(E::custom(format!("a value is out of the range of {}", datatype.name()))),
        }
    }

    fn float<E: Error>(mut self, value: f64) -> std::result::Result<bool, E> {
        self.array_expected()?;
        match self.values.datatype {
            Datatype::Fp32 if (value as f32).is_finite() => self.put(&(value as f32).to_le_bytes()),
            Datatype::Fp64 => self.put(&value.to_le_bytes()),
            Datatype::Fp32 => Err(E::custom("a value is out of the range of FP32")),
            _ => Err(self.refuse(value)),
        }
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} values", self.values.datatype.name())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<bool, A::Error> {
        if self.depth == 0 {
            return Err(A::Error::custom("data is nested deeper than its shape"));
        }
        let mut first: Option<bool> = None;
        loop {
            let level = Level { values: self.values, depth: self.depth - 1, outermost: false };
            let Some(is_array) = sequence.next_element_seed(level)? else { return Ok(true) };
            if *first.get_or_insert(is_array) != is_array {
                return Err(A::Error::custom("data mixes arrays and values"));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> std::result::Result<bool, A::Error> {
        Err(self.refuse("an object"))
    }

    fn visit_unit<E: Error>(mut self) -> std::result::Result<bool, E> {
        self.array_expected()?;
        match self.values.datatype {
            Datatype::Fp32 => self.put(&f32::NAN.to_le_bytes()),
            Datatype::Fp64 => self.put(&f64::NAN.to_le_bytes()),
            Datatype::Bytes => self.put(&[0; 4]),
            _ => Err(self.refuse("null")),
        }
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> std::result::Result<bool, E> {
        self.array_expected()?;
        match self.values.datatype {
            Datatype::Bool => self.put(&[u8::from(value)]),
            _ => Err(self.refuse(value)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<bool, E> {
        self.integer(i128::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<bool, E> {
        self.integer(i128::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<bool, E> {
        self.float(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> std::result::Result<bool, E> {
        self.array_expected()?;
        if self.values.datatype != Datatype::Bytes {
            return Err(self.refuse(shown(value, 40)));
        }
        push_text(&mut self.values.raw, value.as_bytes());
        self.values.count += 1;
        Ok(false)
    }
}

/// The response's body in pieces and, if some outputs are binary, the length of its JSON part.
pub fn render_response(
    signature: &Signature,
    rows: usize,
    outputs: &[Bytes],
    wanted: &[(usize, bool)],
    naming: &Naming<'_>,
) -> (Vec<Bytes>, Option<usize>) {
    let mut json = Vec::with_capacity(256 + 96 * wanted.len());
    json.extend_from_slice(b"{\"model_name\":");
    put_string(naming.model, &mut json);
    json.extend_from_slice(b",\"model_version\":\"");
    json.extend_from_slice(itoa::Buffer::new().format(naming.version).as_bytes());
    json.extend_from_slice(b"\",\"id\":");
    put_string(naming.id, &mut json);
    json.extend_from_slice(b",\"parameters\":{\"prediction_id\":");
    put_string(naming.prediction_id, &mut json);
    json.extend_from_slice(b"},\"outputs\":[");
    let mut tail = Vec::new();
    for (number, &(place, binary)) in wanted.iter().enumerate() {
        if number > 0 {
            json.push(b',');
        }
        let (spec, raw) = (&signature.outputs[place], &outputs[place]);
        json.extend_from_slice(b"{\"name\":");
        put_string(&spec.name, &mut json);
        json.extend_from_slice(b",\"datatype\":\"");
        json.extend_from_slice(spec.datatype.name().as_bytes());
        json.extend_from_slice(b"\",\"shape\":[");
        for (position, size) in spec.shape_of(rows).into_iter().enumerate() {
            if position > 0 {
                json.push(b',');
            }
            json.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
        }
        if binary {
            json.extend_from_slice(b"],\"parameters\":{\"binary_data_size\":");
            json.extend_from_slice(itoa::Buffer::new().format(raw.len()).as_bytes());
            json.extend_from_slice(b"}}");
            tail.push(raw.clone());
        } else {
            json.extend_from_slice(b"],\"data\":[");
            put_values(spec.datatype, raw, &mut json);
            json.extend_from_slice(b"]}");
        }
    }
    json.extend_from_slice(b"]}");
    let length = (!tail.is_empty()).then_some(json.len());
    let mut pieces = vec![Bytes::from(json)];
    pieces.append(&mut tail);
    (pieces, length)
}

/// `{"error": cause}`.
pub fn error_body(cause: &str) -> Bytes {
    let mut json = Vec::with_capacity(cause.len() + 12);
    json.extend_from_slice(b"{\"error\":");
    put_string(cause, &mut json);
    json.push(b'}');
    json.into()
}

fn put_string(text: &str, json: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        json.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

fn put_values(datatype: Datatype, raw: &[u8], json: &mut Vec<u8>) {
    if datatype == Datatype::Bytes {
        for (position, text) in Texts::new(raw).enumerate() {
            if position > 0 {
                json.push(b',');
            }
            put_string(&String::from_utf8_lossy(text.unwrap_or_default()), json);
        }
        return;
    }
    for index in 0..raw.len() / datatype.size().unwrap_or(1) {
        if index > 0 {
            json.push(b',');
        }
        put_number(datatype, raw, index, json);
    }
}

fn put_number(datatype: Datatype, raw: &[u8], index: usize, json: &mut Vec<u8>) {
    let value = number_at(datatype, raw, index);
    match datatype {
        Datatype::Bool => json.extend_from_slice(if raw[index] == 0 { b"false" } else { b"true" }),
        _ if datatype.is_float() && !value.is_finite() => json.extend_from_slice(b"null"),
        Datatype::Fp64 => json.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes()),
        _ if datatype.is_float() => json.extend_from_slice(ryu::Buffer::new().format_finite(value as f32).as_bytes()),
        Datatype::Int64 => {
            let chunk = raw.as_chunks::<8>().0[index];
            json.extend_from_slice(itoa::Buffer::new().format(i64::from_le_bytes(chunk)).as_bytes());
        }
        Datatype::Uint64 => {
            let chunk = raw.as_chunks::<8>().0[index];
            json.extend_from_slice(itoa::Buffer::new().format(u64::from_le_bytes(chunk)).as_bytes());
        }
        _ => json.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes()),
    }
}
