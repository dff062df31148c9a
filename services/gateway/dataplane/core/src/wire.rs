//! The V2 inference messages in protobuf's wire format, read without copying tensors.
//!
//! A parser takes the last occurrence of a scalar field, so names are replaced by appending them.
//! Source: inference.proto of the Open Inference Protocol, protobuf's encoding guide.

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, decode_varint, encode_key, encode_varint};

use crate::fault::{Fault, Result, shown};
use crate::request::{Request, WantedOutput};
use crate::signature::{Rows, Signature};
use crate::tensor::{Datatype, MAX_DIMENSIONS, MAX_TENSORS, Tensor, push_text};

mod field {
    pub const MODEL_NAME: u32 = 1;
    pub const MODEL_VERSION: u32 = 2;
    pub const ID: u32 = 3;
    pub const PARAMETERS: u32 = 4;
    pub const TENSORS: u32 = 5;
    pub const WANTED: u32 = 6;
    pub const RAW_INPUTS: u32 = 7;
    pub const RAW_OUTPUTS: u32 = 6;
}

/// A field's value: where a length-delimited one lies, or the number.
enum Value {
    Number(u64),
    Fixed64(u64),
    Fixed32(u32),
    Range(usize, usize),
}

struct Reader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn new(data: &'a [u8]) -> Self {
        Reader { data, position: 0 }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut rest = &self.data[self.position..];
        let value = decode_varint(&mut rest).map_err(|_| malformed())?;
        self.position = self.data.len() - rest.len();
        Ok(value)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let chunk = self.data[self.position..].first_chunk::<N>().ok_or_else(malformed)?;
        self.position += N;
        Ok(*chunk)
    }

    fn next(&mut self) -> Result<Option<(u32, Value)>> {
        if self.position == self.data.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number =
            u32::try_from(key >> 3).ok().filter(|&number| (1..1 << 29).contains(&number)).ok_or_else(malformed)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take()?)),
            5 => Value::Fixed32(u32::from_le_bytes(self.take()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| malformed())?;
                let start = self.position;
                let end = start.checked_add(length).filter(|&end| end <= self.data.len()).ok_or_else(malformed)?;
                self.position = end;
                Value::Range(start, end)
            }
            _ => return Err(malformed()),
        };
        Ok(Some((number, value)))
    }
}

fn malformed() -> Fault {
    Fault::invalid("the message is not a valid protobuf of its type")
}

fn text(data: &[u8]) -> Result<String> {
    std::str::from_utf8(data).map(str::to_owned).map_err(|_| malformed())
}

/// A ModelInferRequest, its contents raw or typed.
pub fn parse_request(message: &Bytes) -> Result<Request> {
    let mut request = Request::default();
    let mut typed: Vec<Option<Vec<(usize, usize)>>> = Vec::new();
    let mut raw: Vec<(usize, usize)> = Vec::new();
    let mut forward: Vec<(usize, usize)> = Vec::new();
    let mut reader = Reader::new(message);
    loop {
        let began = reader.position;
        let Some((number, value)) = reader.next()? else { break };
        let mut keep = true;
        match (number, value) {
            (field::MODEL_NAME, Value::Range(start, end)) => {
                request.model = text(&message[start..end])?;
                keep = false;
            }
            (field::MODEL_VERSION, Value::Range(start, end)) => {
                request.version = text(&message[start..end])?;
                keep = false;
            }
            (field::ID, Value::Range(start, end)) => request.id = text(&message[start..end])?,
            (field::PARAMETERS, Value::Range(start, end)) => {
                check_parameter(&message[start..end], "request", false)?;
                request.alone = true;
            }
            (field::TENSORS, Value::Range(start, end)) => {
                let (tensor, contents) = parse_tensor(message, start, end)?;
                request.inputs.push(tensor);
                typed.push(contents);
            }
            (field::WANTED, Value::Range(start, end)) => {
                request.outputs.push(parse_wanted(&message[start..end])?);
                keep = false;
            }
            (field::RAW_INPUTS, Value::Range(start, end)) => raw.push((start, end)),
            (1..=7, _) => return Err(malformed()),
            _ => keep = false,
        }
        if request.inputs.len() > MAX_TENSORS || raw.len() > MAX_TENSORS || request.outputs.len() > MAX_TENSORS {
            return Err(Fault::invalid(format!("more than {MAX_TENSORS} inputs")));
        }
        if keep {
            match forward.last_mut() {
                Some(last) if last.1 == began => last.1 = reader.position,
                _ => forward.push((began, reader.position)),
            }
        }
    }
    request.binary_outputs = true;
    if raw.is_empty() {
        for (tensor, contents) in request.inputs.iter_mut().zip(typed) {
            tensor.raw = pack_typed(tensor, message, &contents.unwrap_or_default())?.into();
        }
        return Ok(request);
    }
    if raw.len() != request.inputs.len() {
        return Err(Fault::invalid(format!("{} raw contents for {} inputs", raw.len(), request.inputs.len())));
    }
    for ((tensor, contents), (start, end)) in request.inputs.iter_mut().zip(typed).zip(raw) {
        if contents.is_some() {
            let name = shown(&tensor.name, 100);
            return Err(Fault::invalid(format!("input {name} has both raw and typed contents")));
        }
        tensor.raw = message.slice(start..end);
    }
    request.forward = Some(forward.into_iter().map(|(start, end)| message.slice(start..end)).collect());
    Ok(request)
}

type Contents = Option<Vec<(usize, usize)>>;

fn parse_tensor(message: &Bytes, start: usize, end: usize) -> Result<(Tensor, Contents)> {
    let mut tensor =
        Tensor { name: String::new(), datatype: String::new(), shape: Vec::with_capacity(2), raw: Bytes::new() };
    let mut contents: Contents = None;
    let data = &message[start..end];
    let mut reader = Reader::new(data);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Value::Range(from, to)) => tensor.name = text(&data[from..to])?,
            (2, Value::Range(from, to)) => tensor.datatype = text(&data[from..to])?,
            (3, Value::Number(size)) => tensor.shape.push(size as i64),
            (3, Value::Range(from, to)) => {
                let mut sizes = Reader::new(&data[from..to]);
                while sizes.position < to - from {
                    tensor.shape.push(sizes.varint()? as i64);
                    check_dimensions(&tensor)?;
                }
            }
            (4, Value::Range(from, to)) => check_parameter(&data[from..to], &tensor.name, false)?,
            (5, Value::Range(from, to)) => contents.get_or_insert_default().push((start + from, start + to)),
            (1..=5, _) => return Err(malformed()),
            _ => {}
        }
        check_dimensions(&tensor)?;
    }
    Ok((tensor, contents))
}

fn check_dimensions(tensor: &Tensor) -> Result<()> {
    if tensor.shape.len() <= MAX_DIMENSIONS {
        return Ok(());
    }
    Err(Fault::invalid(format!("input {}: more than {MAX_DIMENSIONS} dimensions", shown(&tensor.name, 100))))
}

fn parse_wanted(data: &[u8]) -> Result<WantedOutput> {
    let mut wanted = WantedOutput { name: String::new(), binary: true };
    let mut reader = Reader::new(data);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Value::Range(from, to)) => wanted.name = text(&data[from..to])?,
            (2, Value::Range(from, to)) => check_parameter(&data[from..to], &wanted.name, true)?,
            (1..=2, _) => return Err(malformed()),
            _ => {}
        }
    }
    Ok(wanted)
}

/// An entry of a parameter map: shared memory and the classification extension are not offered.
fn check_parameter(entry: &[u8], owner: &str, of_output: bool) -> Result<()> {
    let mut key = String::new();
    let mut is_set = false;
    let mut reader = Reader::new(entry);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Value::Range(from, to)) => key = text(&entry[from..to])?,
            (2, Value::Range(from, to)) => {
                let mut parameter = Reader::new(&entry[from..to]);
                while let Some((kind, value)) = parameter.next()? {
                    if let (3, Value::Range(start, end)) = (kind, &value) {
                        text(&entry[from + start..from + end])?;
                    }
                    is_set = !matches!(value, Value::Number(0));
                }
            }
            _ => {}
        }
    }
    check_parameter_name(&key, owner, of_output && is_set)
}

/// Refuses shared memory and, where `may_classify`, the classification extension.
pub fn check_parameter_name(key: &str, owner: &str, may_classify: bool) -> Result<()> {
    if key.starts_with("shared_memory") {
        return Err(Fault::invalid(format!("{}: shared memory is not offered", shown(owner, 100))));
    }
    if may_classify && key == "classification" {
        let owner = shown(owner, 100);
        let cause = format!("output {owner}: the classification extension is not offered; read the probabilities");
        return Err(Fault::invalid(cause));
    }
    Ok(())
}

fn pack_typed(tensor: &Tensor, message: &[u8], parts: &[(usize, usize)]) -> Result<Vec<u8>> {
    let name = || shown(&tensor.name, 100);
    let number = match Datatype::parse(&tensor.datatype) {
        Some(Datatype::Bool) => 1,
        Some(Datatype::Int8 | Datatype::Int16 | Datatype::Int32) => 2,
        Some(Datatype::Int64) => 3,
        Some(Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32) => 4,
        Some(Datatype::Uint64) => 5,
        Some(Datatype::Fp32) => 6,
        Some(Datatype::Fp64) => 7,
        Some(Datatype::Bytes) => 8,
        _ => {
            let datatype = shown(&tensor.datatype, 20);
            return Err(Fault::invalid(format!("input {}: datatype {datatype} needs raw contents", name())));
        }
    };
    let mut raw = Vec::new();
    for &(start, end) in parts {
        let data = &message[start..end];
        let mut reader = Reader::new(data);
        while let Some((found, value)) = reader.next()? {
            if found > 8 {
                continue;
            }
            if found != number {
                let datatype = &tensor.datatype;
                return Err(Fault::invalid(format!("input {}: contents are not of datatype {datatype}", name())));
            }
            push_typed(tensor, data, number, value, &mut raw)?;
        }
    }
    Ok(raw)
}

fn push_typed(tensor: &Tensor, data: &[u8], number: u32, value: Value, raw: &mut Vec<u8>) -> Result<()> {
    match (number, value) {
        (8, Value::Range(from, to)) => push_text(raw, &data[from..to]),
        (6, Value::Range(from, to)) if (to - from).is_multiple_of(4) => raw.extend_from_slice(&data[from..to]),
        (7, Value::Range(from, to)) if (to - from).is_multiple_of(8) => raw.extend_from_slice(&data[from..to]),
        (6, Value::Fixed32(bits)) => raw.extend_from_slice(&bits.to_le_bytes()),
        (7, Value::Fixed64(bits)) => raw.extend_from_slice(&bits.to_le_bytes()),
        (1..=5, Value::Number(value)) => push_integer(tensor, value, raw)?,
        (1..=5, Value::Range(from, to)) => {
            let mut packed = Reader::new(&data[from..to]);
            while packed.position < to - from {
                let value = packed.varint()?;
                push_integer(tensor, value, raw)?;
            }
        }
        _ => return Err(malformed()),
    }
    Ok(())
}

fn push_integer(tensor: &Tensor, value: u64, raw: &mut Vec<u8>) -> Result<()> {
    let signed = value as i64;
    let packed = match tensor.datatype.as_str() {
        "BOOL" => u8::try_from(value).map(|value| raw.push(value)).is_ok(),
        "INT8" => i8::try_from(signed).map(|value| raw.extend_from_slice(&value.to_le_bytes())).is_ok(),
        "INT16" => i16::try_from(signed).map(|value| raw.extend_from_slice(&value.to_le_bytes())).is_ok(),
        "INT32" => i32::try_from(signed).map(|value| raw.extend_from_slice(&value.to_le_bytes())).is_ok(),
        "UINT8" => u8::try_from(value).map(|value| raw.extend_from_slice(&value.to_le_bytes())).is_ok(),
        "UINT16" => u16::try_from(value).map(|value| raw.extend_from_slice(&value.to_le_bytes())).is_ok(),
        "UINT32" => u32::try_from(value).map(|value| raw.extend_from_slice(&value.to_le_bytes())).is_ok(),
        _ => {
            raw.extend_from_slice(&value.to_le_bytes());
            true
        }
    };
    if packed {
        return Ok(());
    }
    let name = shown(&tensor.name, 100);
    Err(Fault::invalid(format!("{name}: a value is out of the range of {}", tensor.datatype)))
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(number: u32, value: &[u8], out: &mut impl BufMut) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.put_slice(value);
}

fn put_tensor_header(number: u32, name: &str, datatype: Datatype, shape: &[i64], out: &mut BytesMut) {
    let mut header = Vec::with_capacity(name.len() + 40);
    put_bytes(1, name.as_bytes(), &mut header);
    put_bytes(2, datatype.name().as_bytes(), &mut header);
    let mut sizes = Vec::with_capacity(16);
    for &size in shape {
        encode_varint(size as u64, &mut sizes);
    }
    put_bytes(3, &sizes, &mut header);
    put_bytes(number, &header, out);
}

/// The request for `server_name` in pieces: the caller's own bytes where it may be `forward`ed, else made of `rows`.
pub fn render_request(
    server_name: &str,
    id: &str,
    signature: &Signature,
    rows: &Rows,
    forward: Option<&[Bytes]>,
) -> Vec<Bytes> {
    let mut head = BytesMut::with_capacity(64 + signature.inputs.len() * 48);
    if let Some(forward) = forward {
        put_bytes(field::MODEL_NAME, server_name.as_bytes(), &mut head);
        return forward.iter().cloned().chain(std::iter::once(head.freeze())).collect();
    }
    put_bytes(field::MODEL_NAME, server_name.as_bytes(), &mut head);
    put_bytes(field::ID, id.as_bytes(), &mut head);
    for spec in &signature.inputs {
        put_tensor_header(field::TENSORS, &spec.name, spec.datatype, &spec.shape_of(rows.count), &mut head);
    }
    let mut pieces = Vec::new();
    for raw in &rows.tensors {
        encode_key(field::RAW_INPUTS, WireType::LengthDelimited, &mut head);
        encode_varint(raw.len() as u64, &mut head);
        if raw.len() <= 16 << 10 {
            head.put_slice(raw);
        } else {
            pieces.push(head.split().freeze());
            pieces.push(raw.clone());
        }
    }
    pieces.push(head.freeze());
    pieces
}

/// The tensors of a ModelInferResponse, as they come.
pub fn parse_response(message: &Bytes) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::with_capacity(4);
    let mut raw = Vec::with_capacity(4);
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (field::TENSORS, Value::Range(start, end)) => tensors.push(parse_tensor(message, start, end)?.0),
            (field::RAW_OUTPUTS, Value::Range(start, end)) => raw.push((start, end)),
            _ => {}
        }
    }
    if raw.len() != tensors.len() {
        return Err(malformed());
    }
    for (tensor, (start, end)) in tensors.iter_mut().zip(raw) {
        tensor.raw = message.slice(start..end);
    }
    Ok(tensors)
}

/// The text in field 1 of a message, empty where there is none.
pub fn first_text(message: &Bytes) -> Result<String> {
    let mut found = String::new();
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.next()? {
        if let (1, Value::Range(start, end)) = (number, value) {
            found = text(&message[start..end])?;
        }
    }
    Ok(found)
}

/// What an answer to a caller is made of.
pub struct Naming<'a> {
    pub model: &'a str,
    pub version: i64,
    /// The caller's id, else the prediction id.
    pub id: &'a str,
    pub prediction_id: &'a str,
}

impl Naming<'_> {
    /// The fields that replace the server's own names.
    fn put(&self, out: &mut BytesMut) {
        put_bytes(field::MODEL_NAME, self.model.as_bytes(), out);
        put_bytes(field::MODEL_VERSION, itoa::Buffer::new().format(self.version).as_bytes(), out);
        put_bytes(field::ID, self.id.as_bytes(), out);
        let mut value = Vec::with_capacity(64);
        put_bytes(3, self.prediction_id.as_bytes(), &mut value);
        put_parameter(b"prediction_id", &value, out);
    }
}

fn put_parameter(name: &[u8], value: &[u8], out: &mut BytesMut) {
    let mut entry = Vec::with_capacity(96);
    put_bytes(1, name, &mut entry);
    put_bytes(2, value, &mut entry);
    put_bytes(field::PARAMETERS, &entry, out);
}

/// The server's own answer under the public names.
pub fn rename_response(answer: &Bytes, naming: &Naming<'_>) -> Vec<Bytes> {
    let mut names = BytesMut::with_capacity(192);
    naming.put(&mut names);
    vec![answer.clone(), names.freeze()]
}

/// A ModelInferResponse with the outputs at these positions, all raw.
pub fn render_response(
    signature: &Signature,
    rows: usize,
    outputs: &[Bytes],
    wanted: &[usize],
    naming: &Naming<'_>,
) -> Vec<Bytes> {
    let size: usize = wanted.iter().map(|&place| outputs[place].len() + 64).sum();
    let mut message = BytesMut::with_capacity(192 + size);
    naming.put(&mut message);
    for &place in wanted {
        let spec = &signature.outputs[place];
        put_tensor_header(field::TENSORS, &spec.name, spec.datatype, &spec.shape_of(rows), &mut message);
    }
    for &place in wanted {
        put_bytes(field::RAW_OUTPUTS, &outputs[place], &mut message);
    }
    vec![message.freeze()]
}

/// A ModelStreamInferResponse with an answer, in pieces. As Triton does, it says that no other answer follows.
pub fn stream_answer(mut answer: Vec<Bytes>) -> Vec<Bytes> {
    let mut last = BytesMut::with_capacity(40);
    put_parameter(b"triton_final_response", &[0x08, 0x01], &mut last);
    answer.push(last.freeze());
    let mut head = BytesMut::with_capacity(12);
    encode_key(2, WireType::LengthDelimited, &mut head);
    encode_varint(answer.iter().map(Bytes::len).sum::<usize>() as u64, &mut head);
    std::iter::once(head.freeze()).chain(answer).collect()
}

/// A ModelStreamInferResponse with an error, and the id of the request it is of.
pub fn stream_error(cause: &str, id: &str) -> Vec<Bytes> {
    let mut message = BytesMut::with_capacity(cause.len() + id.len() + 16);
    put_bytes(1, cause.as_bytes(), &mut message);
    let mut response = Vec::new();
    put_bytes(field::ID, id.as_bytes(), &mut response);
    put_bytes(2, &response, &mut message);
    vec![message.freeze()]
}
