//! Predictions on their way to Kafka: a bounded queue of references, made into `PredictionBatch` messages when Python
//! drains it: columns, one message per partition, version, role, epoch and outcome.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use blake2::Blake2bMac;
use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::model::{LogRule, Version};
use crate::routing::{partition_of, unit};
use crate::signature::TensorSpec;
use crate::stats::locked;
use crate::tensor::{Datatype, Texts, number_at};
use crate::wire::put_bytes;

const MAX_BATCH_ROWS: usize = 500;
const MAX_BATCH_BYTES: usize = 4 << 20;

/// Role of the version that answered, as in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Primary = 1,
    Mirror = 2,
}

/// One answered (or failed) request. Times: microseconds since the epoch, and seconds.
#[derive(Clone, Debug)]
pub struct Entry {
    pub version: Arc<Version>,
    pub role: Role,
    pub prediction_id: String,
    pub rows: usize,
    pub event_time: i64,
    pub latency: f32,
    /// Empty if the version takes others than the request's.
    pub inputs: Vec<Bytes>,
    /// Empty if there is an error.
    pub outputs: Vec<Bytes>,
    pub epoch: i64,
    pub error: String,
    /// Hash of what the version was chosen by; 0 where the route's weights did not choose it.
    pub unit: u64,
    /// Whether it is logged whatever share of the predictions is, and however many wait.
    pub always: bool,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.inputs.iter().chain(&self.outputs).map(Bytes::len).sum::<usize>() + 256
    }
}

/// A serialised `PredictionBatch` and the partition of all its prediction ids.
#[derive(Debug)]
pub struct Batch {
    pub partition: i32,
    pub model: String,
    pub rows: usize,
    pub message: Vec<u8>,
}

#[derive(Debug)]
pub struct Log {
    max_rows: usize,
    max_bytes: usize,
    hash_key: Vec<u8>,
    rows: AtomicUsize,
    bytes: AtomicUsize,
    queue: Mutex<VecDeque<Entry>>,
}

impl Log {
    pub fn new(max_rows: usize, max_bytes: usize, hash_key: &str) -> Self {
        let hash_key = hash_key.as_bytes().iter().copied().take(64).collect();
        Log { max_rows, max_bytes, hash_key, rows: 0.into(), bytes: 0.into(), queue: Mutex::default() }
    }

    /// Keeps the entry, unless too much waits: then it returns the rows that are dropped.
    pub fn put(&self, entry: Entry) -> Result<(), u64> {
        let rule = &entry.version.spec.serving.log;
        if !entry.always
            && rule.sample < 1.0
            && (rule.sample <= 0.0 || unit(&["log", &entry.prediction_id]) >= rule.sample)
        {
            return Ok(());
        }
        let (rows, bytes) = (entry.rows, entry.bytes());
        if !entry.always && self.is_full(rows, bytes) {
            return Err(rows as u64);
        }
        self.rows.fetch_add(rows, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        locked(&self.queue).push_back(entry);
        Ok(())
    }

    fn is_full(&self, rows: usize, bytes: usize) -> bool {
        self.rows.load(Relaxed) + rows > self.max_rows || self.bytes.load(Relaxed) + bytes > self.max_bytes
    }

    /// Rows that wait.
    pub fn rows(&self) -> usize {
        self.rows.load(Relaxed)
    }

    /// Takes about `max_rows` rows, as batches of at most 500 rows.
    pub fn drain(&self, max_rows: usize, partitions: i32) -> Vec<Batch> {
        let mut taken = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        {
            let mut queue = locked(&self.queue);
            while rows < max_rows {
                let Some(entry) = queue.pop_front() else { break };
                rows += entry.rows;
                bytes += entry.bytes();
                taken.push(entry);
            }
        }
        self.rows.fetch_sub(rows, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
        batches(&taken, partitions, &self.hash_key)
    }
}

type Key<'a> = (i32, *const Version, Role, i64, &'a str);

fn batches(entries: &[Entry], partitions: i32, hash_key: &[u8]) -> Vec<Batch> {
    let mut open: HashMap<Key<'_>, Building<'_>> = HashMap::new();
    let mut done = Vec::new();
    let mut row_id = String::new();
    for entry in entries {
        let texts = EntryTexts::of(entry);
        for row in 0..entry.rows {
            row_id.clear();
            row_id.push_str(&entry.prediction_id);
            if entry.rows > 1 {
                row_id.push(':');
                row_id.push_str(itoa::Buffer::new().format(row));
            }
            let partition = partition_of(row_id.as_bytes(), partitions);
            let key = (partition, Arc::as_ptr(&entry.version), entry.role, entry.epoch, entry.error.as_str());
            let size = texts.row_bytes(entry, row);
            if open.get(&key).is_some_and(|building| building.bytes + size > MAX_BATCH_BYTES) {
                done.extend(open.remove(&key).map(|building| building.finish(partition)));
            }
            let building = open.entry(key).or_insert_with(|| Building::new(entry));
            building.push(entry, &texts, row, &row_id, hash_key);
            if building.rows >= MAX_BATCH_ROWS || building.bytes >= MAX_BATCH_BYTES {
                done.extend(open.remove(&key).map(|building| building.finish(partition)));
            }
        }
    }
    done.extend(open.into_iter().map(|(key, building)| building.finish(key.0)));
    done
}

/// The elements of an entry's BYTES tensors, found once for all its rows.
struct EntryTexts<'a> {
    inputs: Vec<Option<Vec<&'a [u8]>>>,
    outputs: Vec<Option<Vec<&'a [u8]>>>,
}

impl<'a> EntryTexts<'a> {
    fn of(entry: &'a Entry) -> Self {
        let signature = entry.version.signature();
        let texts = |(spec, raw): (&TensorSpec, &'a Bytes)| {
            let is_text = spec.datatype == Datatype::Bytes;
            is_text.then(|| Texts::new(raw).map(Result::unwrap_or_default).collect())
        };
        EntryTexts {
            inputs: signature.inputs.iter().zip(&entry.inputs).map(texts).collect(),
            outputs: signature.outputs.iter().zip(&entry.outputs).map(texts).collect(),
        }
    }

    /// What a row takes in a message, at most about: numbers become doubles.
    fn row_bytes(&self, entry: &Entry, row: usize) -> usize {
        let signature = entry.version.signature();
        let sides = [(&signature.inputs, &self.inputs), (&signature.outputs, &self.outputs)];
        let columns = sides.into_iter().flat_map(|(specs, texts)| specs.iter().zip(texts));
        let of = |(spec, texts): (&TensorSpec, &Option<Vec<&[u8]>>)| match texts {
            None => spec.width() * 8,
            Some(texts) => texts.iter().skip(row * spec.width()).take(spec.width()).map(|text| text.len() + 10).sum(),
        };
        72 + columns.map(of).sum::<usize>()
    }
}

/// How a column's values are logged.
#[derive(Clone, Copy)]
enum Shown {
    Number,
    Text,
    Hash,
}

struct Column<'a> {
    name: &'a str,
    datatype: Datatype,
    width: usize,
    place: usize,
    shown: Shown,
    values: Vec<u8>,
}

struct Building<'a> {
    first: &'a Entry,
    rows: usize,
    bytes: usize,
    ids: Vec<u8>,
    event_times: Vec<u8>,
    latencies: Vec<u8>,
    units: Vec<u8>,
    inputs: Vec<Column<'a>>,
    outputs: Vec<Column<'a>>,
}

impl<'a> Building<'a> {
    fn new(first: &'a Entry) -> Self {
        let signature = first.version.signature();
        let rule = &first.version.spec.serving.log;
        let inputs = if first.inputs.is_empty() { Vec::new() } else { columns(&signature.inputs, rule) };
        let outputs = if first.outputs.is_empty() { Vec::new() } else { columns(&signature.outputs, rule) };
        Building {
            first,
            rows: 0,
            bytes: 0,
            ids: Vec::new(),
            event_times: Vec::new(),
            latencies: Vec::new(),
            units: Vec::new(),
            inputs,
            outputs,
        }
    }

    fn push(&mut self, entry: &Entry, texts: &EntryTexts<'_>, row: usize, row_id: &str, hash_key: &[u8]) {
        put_bytes(4, row_id.as_bytes(), &mut self.ids);
        encode_varint(entry.event_time as u64, &mut self.event_times);
        self.latencies.extend_from_slice(&entry.latency.to_le_bytes());
        self.units.extend_from_slice(&entry.unit.to_le_bytes());
        let mut size = row_id.len() + 24;
        let sides =
            [(&mut self.inputs, &entry.inputs, &texts.inputs), (&mut self.outputs, &entry.outputs, &texts.outputs)];
        for (columns, tensors, texts) in sides {
            for column in columns {
                let before = column.values.len();
                if let Some(raw) = tensors.get(column.place) {
                    column.push(raw, texts[column.place].as_deref().unwrap_or_default(), row, hash_key);
                }
                size += column.values.len() - before;
            }
        }
        self.rows += 1;
        self.bytes += size;
    }

    fn finish(self, partition: i32) -> Batch {
        let version = &self.first.version;
        let mut message = Vec::with_capacity(self.bytes + 1024);
        put_bytes(1, version.model.as_bytes(), &mut message);
        put_number(2, version.number() as u64, &mut message);
        put_number(3, self.first.role as u64, &mut message);
        message.extend_from_slice(&self.ids);
        put_bytes(5, &self.event_times, &mut message);
        put_bytes(6, &self.latencies, &mut message);
        for column in &self.inputs {
            put_bytes(7, &column.message(), &mut message);
        }
        for column in &self.outputs {
            put_bytes(8, &column.message(), &mut message);
        }
        if !self.first.error.is_empty() {
            put_bytes(9, self.first.error.as_bytes(), &mut message);
        }
        put_number(10, self.first.epoch as u64, &mut message);
        if self.units.iter().any(|&byte| byte != 0) {
            put_bytes(11, &self.units, &mut message);
        }
        Batch { partition, model: version.model.clone(), rows: self.rows, message }
    }
}

fn columns<'a>(specs: &'a [TensorSpec], rule: &LogRule) -> Vec<Column<'a>> {
    let of = |(place, spec): (usize, &'a TensorSpec)| {
        let shown = match spec.datatype {
            _ if rule.hash.contains(&spec.name) => Shown::Hash,
            Datatype::Bytes => Shown::Text,
            _ => Shown::Number,
        };
        let kept = !rule.drop.contains(&spec.name);
        kept.then(|| Column {
            name: &spec.name,
            datatype: spec.datatype,
            width: spec.width(),
            place,
            shown,
            values: Vec::new(),
        })
    };
    specs.iter().enumerate().filter_map(of).collect()
}

impl Column<'_> {
    fn push(&mut self, raw: &Bytes, texts: &[&[u8]], row: usize, hash_key: &[u8]) {
        let elements = row * self.width..(row + 1) * self.width;
        match self.shown {
            Shown::Number => {
                for index in elements {
                    self.values.extend_from_slice(&number_at(self.datatype, raw, index).to_le_bytes());
                }
            }
            Shown::Text => {
                for text in texts.iter().skip(elements.start).take(self.width) {
                    put_bytes(1, String::from_utf8_lossy(text).as_bytes(), &mut self.values);
                }
            }
            Shown::Hash => {
                for index in elements {
                    let value = hashed(self.datatype, raw, texts.get(index).copied(), index, hash_key);
                    put_bytes(1, value.as_bytes(), &mut self.values);
                }
            }
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut values = Vec::with_capacity(self.values.len() + 16);
        let number = match self.shown {
            Shown::Number => {
                put_bytes(1, &self.values, &mut values);
                put_number(2, self.width as u64, &mut values);
                2
            }
            Shown::Text | Shown::Hash => {
                values.extend_from_slice(&self.values);
                3
            }
        };
        let mut message = Vec::with_capacity(values.len() + self.name.len() + 16);
        put_bytes(1, self.name.as_bytes(), &mut message);
        put_bytes(number, &values, &mut message);
        if matches!(self.shown, Shown::Hash) {
            put_number(4, 1, &mut message);
        }
        message
    }
}

/// A keyed hash of a value, 32 hexadecimal digits; the empty text where it is missing.
fn hashed(datatype: Datatype, raw: &[u8], text: Option<&[u8]>, index: usize, key: &[u8]) -> String {
    let value: Vec<u8> = match text {
        Some(text) => text.to_vec(),
        None => {
            let number = number_at(datatype, raw, index);
            if number.is_nan() { Vec::new() } else { number.to_le_bytes().to_vec() }
        }
    };
    if value.is_empty() {
        return String::new();
    }
    let mut hash = match Blake2bMac::<U16>::new_from_slice(key) {
        Ok(hash) => hash,
        Err(_) => return String::new(),
    };
    hash.update(&value);
    hash.finalize_fixed().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put_number(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}
