//! The prediction log: what is kept, how it is bounded, and what its messages say.

mod common;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use common::prediction;
use common::{fp32, fp64, served, serving, signature, spec, texts};
use prost::Message;
use tidemill_dataplane_core::log::{Batch, Entry, Log, Role};
use tidemill_dataplane_core::model::{LogRule, Serving, Version};
use tidemill_dataplane_core::routing::partition_of;
use tidemill_dataplane_core::tensor::Datatype;

const EVERYTHING: usize = usize::MAX;

fn rule(sample: f64, hash: &[&str], drop: &[&str]) -> LogRule {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    LogRule { sample, hash: owned(hash), drop: owned(drop) }
}

/// Inputs distance (two per row) and zone (a text), outputs fare and kind.
fn version(log: LogRule) -> Arc<Version> {
    let inputs = vec![spec("distance", Datatype::Fp32, &[-1, 2]), spec("zone", Datatype::Bytes, &[-1, 1])];
    let outputs = vec![spec("fare", Datatype::Fp64, &[-1, 1]), spec("kind", Datatype::Bytes, &[-1, 1])];
    served(&signature(inputs, outputs), Serving { log, ..serving() }).champion().clone()
}

fn entry(version: &Arc<Version>, id: &str, rows: usize) -> Entry {
    let distances: Vec<f32> = (0..2 * rows).map(|number| number as f32).collect();
    let zones: Vec<String> = (0..rows).map(|row| format!("zone-{row}")).collect();
    let fares: Vec<f64> = (0..rows).map(|row| row as f64 + 0.1).collect();
    Entry {
        version: version.clone(),
        role: Role::Primary,
        prediction_id: id.to_owned(),
        rows,
        event_time: 1_700_000_000_000_000,
        latency: 0.25,
        inputs: vec![fp32(&distances), texts(&zones)],
        outputs: vec![fp64(&fares), texts(&vec!["day"; rows])],
        epoch: 7,
        error: String::new(),
        unit: 0,
        always: false,
    }
}

fn log() -> Log {
    Log::new(100_000, 1 << 30, "secret")
}

fn decoded(batch: &Batch) -> prediction::Batch {
    let message = prediction::Batch::decode(&batch.message[..]).unwrap();
    assert_eq!((&message.model, message.prediction_ids.len()), (&batch.model, batch.rows));
    assert_eq!((message.event_times.len(), message.latencies.len()), (batch.rows, batch.rows));
    message
}

/// The only message of these entries.
fn only(log: &Log, entries: Vec<Entry>) -> prediction::Batch {
    entries.into_iter().for_each(|entry| log.put(entry).unwrap());
    let batches = log.drain(EVERYTHING, 1);
    assert_eq!(batches.len(), 1);
    decoded(&batches[0])
}

#[test]
fn a_prediction_is_logged_whole() {
    let message = only(&log(), vec![entry(&version(rule(1.0, &[], &[])), "p-1", 2)]);
    assert_eq!((message.model.as_str(), message.version, message.role, message.epoch), ("taxi", 3, 1, 7));
    assert_eq!(message.prediction_ids, ["p-1:0", "p-1:1"]);
    assert_eq!(message.event_times, [1_700_000_000_000_000; 2]);
    assert_eq!(message.latencies, [0.25; 2]);
    assert_eq!(message.error, "");
    let names =
        |columns: &[prediction::Column]| -> Vec<String> { columns.iter().map(|one| one.name.clone()).collect() };
    assert_eq!((names(&message.inputs), names(&message.outputs)), {
        (vec!["distance".to_owned(), "zone".to_owned()], vec!["fare".to_owned(), "kind".to_owned()])
    });
    let distance = message.inputs[0].numbers();
    assert_eq!((&distance.values[..], distance.width), (&[0.0, 1.0, 2.0, 3.0][..], 2));
    assert_eq!(message.inputs[1].texts(), ["zone-0", "zone-1"]);
    let fare = message.outputs[0].numbers();
    assert_eq!((&fare.values[..], fare.width), (&[0.1, 1.1][..], 1));
    assert_eq!(message.outputs[1].texts(), ["day", "day"]);
}

#[test]
fn the_id_of_a_single_row_is_the_predictions() {
    let message = only(&log(), vec![entry(&version(rule(1.0, &[], &[])), "p-1", 1)]);
    assert_eq!(message.prediction_ids, ["p-1"]);
}

#[test]
fn a_failed_prediction_has_its_cause_and_no_outputs() {
    let failed = Entry {
        outputs: Vec::new(),
        error: "the model is broken".to_owned(),
        event_time: -1,
        ..entry(&version(rule(1.0, &[], &[])), "p-1", 2)
    };
    let message = only(&log(), vec![failed]);
    assert_eq!((message.error.as_str(), message.outputs.len(), message.inputs.len()), ("the model is broken", 0, 2));
    assert_eq!(message.event_times, [-1, -1]);
}

#[test]
fn a_prediction_without_inputs_has_no_columns() {
    let unread = Entry {
        inputs: Vec::new(),
        outputs: Vec::new(),
        error: "takes other inputs".to_owned(),
        ..entry(&version(rule(1.0, &["zone"], &[])), "p-1", 2)
    };
    let message = only(&log(), vec![unread]);
    assert_eq!(message.prediction_ids, ["p-1:0", "p-1:1"]);
    assert_eq!((message.inputs, message.outputs), (Vec::new(), Vec::new()));
}

#[test]
fn every_row_has_the_unit_of_its_prediction() {
    let version = version(rule(1.0, &[], &[]));
    let of = |id: &str, rows: usize, unit: u64| Entry { unit, ..entry(&version, id, rows) };
    let message = only(&log(), vec![of("a", 2, u64::MAX), of("b", 1, 0), of("c", 1, 1)]);
    assert_eq!(message.prediction_ids, ["a:0", "a:1", "b", "c"]);
    assert_eq!(message.units, [u64::MAX, u64::MAX, 0, 1]);
}

#[test]
fn units_are_left_out_where_no_row_has_one() {
    let log = log();
    log.put(entry(&version(rule(1.0, &[], &[])), "p-1", 3)).unwrap();
    let batch = log.drain(EVERYTHING, 1).remove(0);
    assert!(decoded(&batch).units.is_empty());
    assert_eq!(batch.message, decoded(&batch).encode_to_vec(), "not even an empty field");
}

#[test]
fn numbers_of_every_datatype_are_logged_as_doubles() {
    let kinds: Vec<Datatype> = common::DATATYPES.into_iter().filter(|kind| *kind != Datatype::Bytes).collect();
    let inputs = kinds.iter().map(|kind| spec(kind.name(), *kind, &[-1])).collect();
    let version = served(&signature(inputs, Vec::new()), serving()).champion().clone();
    let raws = kinds.iter().map(|kind| match kind {
        Datatype::Fp16 => half::f16::ONE.to_le_bytes().to_vec().into(),
        Datatype::Bf16 => half::bf16::ONE.to_le_bytes().to_vec().into(),
        Datatype::Fp32 => fp32(&[1.0]),
        Datatype::Fp64 => fp64(&[1.0]),
        _ => Bytes::copy_from_slice(&1u64.to_le_bytes()[..kind.size().unwrap()]),
    });
    let one = Entry { inputs: raws.collect(), outputs: Vec::new(), ..entry(&version, "p-1", 1) };
    let message = only(&log(), vec![one]);
    assert_eq!(message.inputs.len(), 13);
    assert!(message.inputs.iter().all(|column| column.numbers().values == [1.0]), "{message:?}");
}

#[test]
fn missing_numbers_stay_nan_and_texts_become_utf8() {
    let odd = Entry {
        inputs: vec![fp32(&[f32::NAN, 1.0]), texts(&[b"\xffa"])],
        ..entry(&version(rule(1.0, &[], &[])), "p-1", 1)
    };
    let message = only(&log(), vec![odd]);
    assert!(message.inputs[0].numbers().values[0].is_nan());
    assert_eq!(message.inputs[1].texts(), ["\u{fffd}a"]);
}

#[test]
fn messages_are_of_one_version_role_epoch_and_outcome() {
    let (one, other) = (version(rule(1.0, &[], &[])), version(rule(1.0, &[], &[])));
    let log = log();
    let base = |id: &str| entry(&one, id, 1);
    let failed = |id: &str, cause: &str| Entry { outputs: Vec::new(), error: cause.to_owned(), ..base(id) };
    let entries = [
        base("a"),
        base("b"),
        Entry { version: other, ..base("c") },
        Entry { role: Role::Mirror, ..base("d") },
        Entry { epoch: 8, ..base("e") },
        failed("f", "cause"),
        failed("g", "cause"),
        failed("h", "other cause"),
    ];
    entries.into_iter().for_each(|entry| log.put(entry).unwrap());
    let mut found: Vec<(Vec<String>, i32, i64, String)> = log
        .drain(EVERYTHING, 1)
        .iter()
        .map(decoded)
        .map(|message| (message.prediction_ids, message.role, message.epoch, message.error))
        .collect();
    found.sort();
    let of = |ids: &[&str], role, epoch, error: &str| {
        (ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), role, epoch, error.to_owned())
    };
    let expected = [
        of(&["a", "b"], 1, 7, ""),
        of(&["c"], 1, 7, ""),
        of(&["d"], 2, 7, ""),
        of(&["e"], 1, 8, ""),
        of(&["f", "g"], 1, 7, "cause"),
        of(&["h"], 1, 7, "other cause"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_message_has_at_most_500_rows_and_none_is_lost() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    for number in 0..12 {
        log.put(entry(&version, &format!("p-{number}"), 100)).unwrap();
    }
    log.put(entry(&version, "last", 1)).unwrap();
    let batches = log.drain(EVERYTHING, 1);
    let mut sizes: Vec<usize> = batches.iter().map(|batch| batch.rows).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [201, 500, 500]);
    let ids: HashSet<String> = batches.iter().flat_map(|batch| decoded(batch).prediction_ids).collect();
    assert_eq!(ids.len(), 1201);
}

#[test]
fn rows_of_one_request_may_be_spread_over_messages() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    log.put(entry(&version, "p-1", 700)).unwrap();
    let mut batches: Vec<prediction::Batch> = log.drain(EVERYTHING, 1).iter().map(decoded).collect();
    batches.sort_by_key(|message| message.prediction_ids.len());
    let last = &batches[0];
    assert_eq!((last.prediction_ids[0].as_str(), last.prediction_ids.len()), ("p-1:500", 200));
    assert_eq!(last.inputs[0].numbers().values[..2], [1000.0, 1001.0]);
    assert_eq!(last.inputs[1].texts()[0], "zone-500");
    assert_eq!(last.outputs[0].numbers().values[0], 500.1);
}

#[test]
fn a_message_ends_before_it_is_too_large() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    for number in 0..10 {
        let large = "x".repeat(1 << 20);
        let inputs = vec![fp32(&[1.0, 2.0]), texts(&[large])];
        log.put(Entry { inputs, ..entry(&version, &format!("p-{number}"), 1) }).unwrap();
    }
    let batches = log.drain(EVERYTHING, 1);
    assert_eq!(batches.iter().map(|batch| batch.rows).sum::<usize>(), 10);
    assert_eq!(batches.len(), 4);
    assert!(batches.iter().all(|batch| batch.message.len() <= 4 << 20));
}

#[test]
fn a_row_that_is_too_large_for_any_message_is_still_one() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    let inputs = vec![fp32(&[1.0, 2.0]), texts(&["x".repeat(5 << 20)])];
    log.put(entry(&version, "before", 1)).unwrap();
    log.put(Entry { inputs, ..entry(&version, "large", 1) }).unwrap();
    log.put(entry(&version, "after", 1)).unwrap();
    let batches = log.drain(EVERYTHING, 1);
    let mut ids: Vec<Vec<String>> = batches.iter().map(|batch| decoded(batch).prediction_ids).collect();
    ids.sort();
    assert_eq!(ids, [["after"], ["before"], ["large"]]);
}

#[test]
fn rows_lie_in_the_partition_of_their_ids() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    for number in 0..40 {
        log.put(entry(&version, &format!("p-{number}"), 1 + number % 3)).unwrap();
    }
    let mut seen: BTreeMap<String, i32> = BTreeMap::new();
    let rows = log.rows();
    for batch in log.drain(EVERYTHING, 6) {
        for id in decoded(&batch).prediction_ids {
            assert_eq!(partition_of(id.as_bytes(), 6), batch.partition);
            assert!(seen.insert(id, batch.partition).is_none());
        }
    }
    assert_eq!(seen.len(), rows);
    assert_eq!(seen.values().collect::<HashSet<_>>().len(), 6);
}

#[test]
fn columns_that_are_dropped_are_not_logged() {
    let message = only(&log(), vec![entry(&version(rule(1.0, &[], &["zone", "fare"])), "p-1", 2)]);
    assert_eq!((message.inputs.len(), message.outputs.len()), (1, 1));
    assert_eq!(message.inputs[0].numbers().values, [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(message.outputs[0].texts(), ["day", "day"]);
}

#[test]
fn a_column_that_is_both_hashed_and_dropped_is_dropped() {
    let message = only(&log(), vec![entry(&version(rule(1.0, &["zone"], &["zone"])), "p-1", 1)]);
    assert_eq!(message.inputs.len(), 1);
}

#[test]
fn columns_that_are_hashed_show_a_keyed_hash() {
    let hashed = Entry {
        inputs: vec![fp32(&[1.5, f32::NAN, 1.5, 2.5]), texts(&["alice", ""])],
        ..entry(&version(rule(1.0, &["distance", "zone"], &[])), "p-1", 2)
    };
    let message = only(&log(), vec![hashed]);
    // Python: hashlib.blake2b(struct.pack("<d", 1.5), key=b"secret", digest_size=16).hexdigest(), and of b"alice".
    let distance = message.inputs[0].texts();
    assert_eq!(distance.len(), 4);
    assert_eq!((&distance[0], distance[1].as_str()), (&"3dc6db840482a3137acb65062df054c7".to_owned(), ""));
    assert_eq!(distance[2], distance[0]);
    assert_ne!(distance[3], distance[0]);
    assert_eq!(message.inputs[1].texts(), ["f6c160d806e38ed85a928457476e94cc", ""]);
    assert!(message.inputs.iter().all(|column| column.hashed), "it says that these are hashes");
    assert!(message.outputs.iter().all(|column| !column.hashed));
}

#[test]
fn hashes_of_another_key_are_others() {
    let zone = |key: &str| {
        let log = Log::new(1000, 1 << 20, key);
        let hashed = Entry {
            inputs: vec![fp32(&[1.0, 2.0]), texts(&["alice"])],
            ..entry(&version(rule(1.0, &["zone"], &[])), "p-1", 1)
        };
        only(&log, vec![hashed]).inputs[1].texts()[0].clone()
    };
    assert_ne!(zone("secret"), zone("secret2"));
    // A key counts up to its 64th byte.
    assert_eq!(zone(&"x".repeat(64)), "0cefe3783397727c2a8244dfeca693e2");
    assert_eq!(zone(&"x".repeat(80)), zone(&"x".repeat(64)));
}

#[test]
fn a_share_of_the_predictions_is_logged_by_their_ids() {
    let version = version(rule(0.3, &[], &[]));
    let kept = || {
        let log = log();
        (0..2000).for_each(|number| log.put(entry(&version, &format!("p-{number}"), 1)).unwrap());
        let batches = log.drain(EVERYTHING, 1);
        batches.iter().flat_map(|batch| decoded(batch).prediction_ids).collect::<HashSet<_>>()
    };
    let (one, other) = (kept(), kept());
    assert_eq!(one, other);
    let sigma = (2000.0f64 * 0.3 * 0.7).sqrt();
    assert!((one.len() as f64 - 600.0).abs() <= 4.0 * sigma, "{}", one.len());
}

#[test]
fn no_share_logs_nothing_but_what_is_always_logged() {
    let (log, version) = (log(), version(rule(0.0, &[], &[])));
    for number in 0..50 {
        log.put(entry(&version, &format!("p-{number}"), 1)).unwrap();
    }
    assert_eq!(log.rows(), 0);
    log.put(Entry { always: true, ..entry(&version, "kafka", 1) }).unwrap();
    assert_eq!(log.rows(), 1);
}

#[test]
fn rows_beyond_the_bound_are_dropped_and_counted() {
    let (log, version) = (Log::new(10, 1 << 20, ""), version(rule(1.0, &[], &[])));
    assert_eq!(log.put(entry(&version, "a", 6)), Ok(()));
    assert_eq!(log.put(entry(&version, "b", 5)), Err(5));
    assert_eq!(log.put(entry(&version, "c", 4)), Ok(()));
    assert_eq!(log.put(entry(&version, "d", 1)), Err(1));
    assert_eq!(log.rows(), 10);
    log.drain(EVERYTHING, 1);
    assert_eq!(log.put(entry(&version, "e", 10)), Ok(()));
}

#[test]
fn bytes_beyond_the_bound_are_dropped_and_counted() {
    let (log, version) = (Log::new(1000, 10_000, ""), version(rule(1.0, &[], &[])));
    let large = || Entry { inputs: vec![fp32(&[1.0, 2.0]), texts(&["x".repeat(6000)])], ..entry(&version, "a", 1) };
    assert_eq!(log.put(large()), Ok(()));
    assert_eq!(log.put(large()), Err(1));
    assert_eq!(log.put(entry(&version, "small", 1)), Ok(()));
    log.drain(EVERYTHING, 1);
    assert_eq!(log.put(large()), Ok(()));
}

#[test]
fn what_is_always_logged_is_kept_however_many_wait() {
    let (log, version) = (Log::new(10, 1 << 20, ""), version(rule(1.0, &[], &[])));
    let kafka = Entry { always: true, ..entry(&version, "kafka", 20) };
    assert_eq!((log.put(kafka.clone()), log.put(kafka)), (Ok(()), Ok(())));
    assert_eq!((log.rows(), log.put(entry(&version, "a", 1))), (40, Err(1)));
    log.drain(EVERYTHING, 1);
    assert_eq!(log.put(entry(&version, "a", 1)), Ok(()));
}

#[test]
fn draining_takes_about_as_many_rows_as_asked_for() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    (0..5).for_each(|number| log.put(entry(&version, &format!("p-{number}"), 10)).unwrap());
    let rows = |batches: Vec<Batch>| batches.iter().map(|batch| batch.rows).sum::<usize>();
    assert_eq!(rows(log.drain(0, 1)), 0);
    assert_eq!(rows(log.drain(15, 1)), 20);
    assert_eq!(log.rows(), 30);
    assert_eq!(rows(log.drain(EVERYTHING, 1)), 30);
    assert_eq!((log.rows(), rows(log.drain(EVERYTHING, 1))), (0, 0));
}

#[test]
fn the_oldest_predictions_are_drained_first() {
    let (log, version) = (log(), version(rule(1.0, &[], &[])));
    (0..3).for_each(|number| log.put(entry(&version, &format!("p-{number}"), 1)).unwrap());
    assert_eq!(decoded(&log.drain(1, 1)[0]).prediction_ids, ["p-0"]);
    assert_eq!(decoded(&log.drain(2, 1)[0]).prediction_ids, ["p-1", "p-2"]);
}
