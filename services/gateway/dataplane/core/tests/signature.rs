//! Whether a request fits a model, and whether a server's answer does.

mod common;

use bytes::Bytes;
use common::{DATATYPES, fp32, fp64, int64, signature, spec, tensor, texts};
use proptest::prelude::*;
use tidemill_dataplane_core::fault::{Fault, Kind};
use tidemill_dataplane_core::signature::{Limits, Signature};
use tidemill_dataplane_core::tensor::{Datatype, Tensor, check_size};

const STRICT: Limits = Limits { max_rows: 4, allow_missing: false };
const LENIENT: Limits = Limits { max_rows: 4, allow_missing: true };

fn taxi() -> Signature {
    let inputs = vec![
        spec("distance", Datatype::Fp32, &[-1, 2]),
        spec("zone", Datatype::Bytes, &[-1, 1]),
        spec("hour", Datatype::Int64, &[-1, 1]),
    ];
    signature(inputs, vec![spec("fare", Datatype::Fp64, &[-1, 1]), spec("kind", Datatype::Bytes, &[-1, 1])])
}

fn two_rows() -> Vec<Tensor> {
    vec![
        tensor("distance", "FP32", &[2, 2], fp32(&[1.0, 2.0, 3.0, 4.0])),
        tensor("zone", "BYTES", &[2, 1], texts(&["east", "west"])),
        tensor("hour", "INT64", &[2, 1], int64(&[7, 8])),
    ]
}

fn refused(given: &[Tensor], limits: Limits) -> Fault {
    taxi().accept(given, limits).unwrap_err()
}

fn invalid(given: &[Tensor]) -> String {
    let fault = refused(given, STRICT);
    assert_eq!(fault.kind, Kind::InvalidInput);
    fault.message
}

/// One input of one row of this datatype.
fn one(datatype: Datatype, raw: impl Into<Bytes>, limits: Limits) -> Result<(), String> {
    let signature = signature(vec![spec("x", datatype, &[-1, 1])], Vec::new());
    let given = [tensor("x", datatype.name(), &[1, 1], raw)];
    signature.accept(&given, limits).map(|_| ()).map_err(|fault| fault.message)
}

#[test]
fn tensors_are_taken_in_any_order_and_given_in_the_signatures() {
    let given = two_rows();
    let expected: Vec<Bytes> = given.iter().map(|tensor| tensor.raw.clone()).collect();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let rows = taxi().accept(&order.map(|place| given[place].clone()), STRICT).unwrap();
        assert_eq!((rows.count, &rows.tensors), (2, &expected));
    }
}

#[test]
fn accepted_tensors_are_not_copied() {
    let given = two_rows();
    let rows = taxi().accept(&given, STRICT).unwrap();
    assert!(rows.tensors.iter().zip(&given).all(|(row, tensor)| row.as_ptr() == tensor.raw.as_ptr()));
}

#[test]
fn a_missing_input_is_named() {
    assert_eq!(invalid(&two_rows()[..2]), "input 'hour' is missing");
    assert_eq!(invalid(&[]), "input 'distance' is missing");
}

#[test]
fn an_unknown_input_is_named_with_those_that_are_known() {
    let mut given = two_rows();
    given.push(tensor("rain", "FP32", &[2, 1], fp32(&[0.0, 0.0])));
    assert_eq!(invalid(&given), "unknown input 'rain'; the model takes distance, hour, zone");
}

#[test]
fn an_input_that_is_given_twice_is_refused() {
    let mut given = two_rows();
    given.push(given[1].clone());
    assert_eq!(invalid(&given), "input 'zone' is given twice");
    given.swap(2, 3);
    assert_eq!(invalid(&given), "input 'zone' is given twice");
}

#[test]
fn another_datatype_is_refused() {
    let mut given = two_rows();
    given[0].datatype = "FP64".to_owned();
    assert_eq!(invalid(&given), "input 'distance' is FP32, not FP64");
    given[0].datatype = "x".repeat(500);
    assert_eq!(invalid(&given), format!("input 'distance' is FP32, not {}", "x".repeat(20)));
}

#[test]
fn another_shape_is_refused() {
    for shape in [&[][..], &[2], &[2, 1], &[4, 1], &[2, 2, 1], &[1, 2, 2], &[0, 2], &[-2, 2], &[-1, 2], &[2, -2]] {
        let mut given = two_rows();
        given[0].shape = shape.to_vec();
        let expected = format!("input 'distance' has shape {shape:?}; [rows, 2] is expected");
        assert_eq!(invalid(&given), expected);
    }
}

#[test]
fn inputs_must_have_the_same_rows() {
    let mut given = two_rows();
    given[2] = tensor("hour", "INT64", &[3, 1], int64(&[7, 8, 9]));
    assert_eq!(invalid(&given), "input 'hour' has 3 rows, others have 2");
}

#[test]
fn more_rows_than_the_limit_are_too_many() {
    let limits = Limits { max_rows: 1, ..STRICT };
    let fault = refused(&two_rows(), limits);
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::TooLarge, "2 rows in one request; at most 1 are taken"));
    let mut given = two_rows();
    given[0].shape = vec![i64::MAX, 2];
    assert_eq!(refused(&given, STRICT).kind, Kind::TooLarge);
    assert!(taxi().accept(&two_rows(), Limits { max_rows: 2, ..STRICT }).is_ok());
}

#[test]
fn data_of_another_size_is_refused() {
    let mut given = two_rows();
    given[0].raw = fp32(&[1.0, 2.0, 3.0]);
    assert_eq!(invalid(&given), "'distance': 12 bytes where FP32 [2, 2] needs 16");
    let mut given = two_rows();
    given[1].raw = texts(&["east"]);
    assert!(invalid(&given).starts_with("'zone': "));
}

#[test]
fn an_infinite_number_is_refused_even_where_values_may_be_missing() {
    let cause = Err("input 'x' has an infinite value".to_owned());
    for limits in [STRICT, LENIENT] {
        for sign in [1.0, -1.0] {
            let value = sign * f64::INFINITY;
            assert_eq!(one(Datatype::Fp32, fp32(&[value as f32]), limits), cause);
            assert_eq!(one(Datatype::Fp64, fp64(&[value]), limits), cause);
            assert_eq!(one(Datatype::Fp16, half::f16::from_f64(value).to_le_bytes().to_vec(), limits), cause);
            assert_eq!(one(Datatype::Bf16, half::bf16::from_f64(value).to_le_bytes().to_vec(), limits), cause);
        }
    }
}

#[test]
fn a_missing_value_is_taken_only_where_the_model_takes_it() {
    let cause = Err("input 'x' has a missing value, which this model does not take".to_owned());
    let missing: [(Datatype, Bytes); 5] = [
        (Datatype::Fp32, fp32(&[f32::NAN])),
        (Datatype::Fp64, fp64(&[f64::NAN])),
        (Datatype::Fp16, half::f16::NAN.to_le_bytes().to_vec().into()),
        (Datatype::Bf16, half::bf16::NAN.to_le_bytes().to_vec().into()),
        (Datatype::Bytes, texts(&[""])),
    ];
    for (datatype, raw) in missing {
        assert_eq!(one(datatype, raw.clone(), STRICT), cause);
        assert_eq!(one(datatype, raw, LENIENT), Ok(()));
    }
}

#[test]
fn finite_numbers_of_every_float_are_taken() {
    assert_eq!(one(Datatype::Fp32, fp32(&[f32::MAX]), STRICT), Ok(()));
    assert_eq!(one(Datatype::Fp64, fp64(&[f64::MIN]), STRICT), Ok(()));
    assert_eq!(one(Datatype::Fp16, half::f16::MAX.to_le_bytes().to_vec(), STRICT), Ok(()));
    assert_eq!(one(Datatype::Bf16, half::bf16::MIN.to_le_bytes().to_vec(), STRICT), Ok(()));
}

#[test]
fn a_bool_is_0_or_1() {
    assert_eq!(one(Datatype::Bool, vec![0], STRICT), Ok(()));
    assert_eq!(one(Datatype::Bool, vec![1], STRICT), Ok(()));
    let cause = "input 'x' has a value that is neither true nor false".to_owned();
    assert_eq!(one(Datatype::Bool, vec![2], LENIENT), Err(cause));
}

#[test]
fn a_text_that_is_not_utf8_is_refused_with_its_row() {
    let mut given = two_rows();
    given[1].raw = texts(&[&b"east"[..], &b"\xff"[..]]);
    assert_eq!(invalid(&given), "input 'zone', row 1: not UTF-8");
    given[1].raw = texts(&["ост", "запад"]);
    assert!(taxi().accept(&given, STRICT).is_ok());
}

#[test]
fn an_output_is_found_by_its_name() {
    assert_eq!(taxi().output("kind").unwrap(), 1);
    let fault = taxi().output("tip").unwrap_err();
    assert_eq!(fault.message, "unknown output 'tip'; the model gives fare, kind");
}

#[test]
fn rows_take_the_first_dimension_of_a_spec() {
    let spec = spec("x", Datatype::Fp32, &[-1, 3, 2]);
    assert_eq!((spec.width(), spec.shape_of(5)), (6, vec![5, 3, 2]));
    let flat = common::spec("x", Datatype::Fp32, &[-1]);
    assert_eq!((flat.width(), flat.shape_of(5)), (1, vec![5]));
}

fn answer() -> Vec<Tensor> {
    vec![
        tensor("fare", "FP64", &[2, 1], fp64(&[9.5, 12.0])),
        tensor("kind", "BYTES", &[2, 1], texts(&["day", "night"])),
    ]
}

#[test]
fn outputs_are_given_in_the_signatures_order() {
    let expected: Vec<Bytes> = answer().into_iter().map(|tensor| tensor.raw).collect();
    let mut given = answer();
    assert_eq!(taxi().outputs_of(&given, 2).unwrap(), expected);
    given.reverse();
    given.insert(0, tensor("debug", "FP32", &[1], fp32(&[0.0])));
    assert_eq!(taxi().outputs_of(&given, 2).unwrap(), expected);
}

#[test]
fn outputs_may_be_nan_infinite_or_empty() {
    let given = [
        tensor("fare", "FP64", &[2, 1], fp64(&[f64::NAN, f64::INFINITY])),
        tensor("kind", "BYTES", &[2, 1], texts(&[&b""[..], &b"\xff"[..]])),
    ];
    assert!(taxi().outputs_of(&given, 2).is_ok());
}

#[test]
fn an_answer_that_does_not_fit_says_what_is_wrong() {
    let cause = |change: fn(&mut Vec<Tensor>)| {
        let mut given = answer();
        change(&mut given);
        taxi().outputs_of(&given, 2).unwrap_err()
    };
    assert_eq!(cause(|given| given.truncate(1)), "output 'kind' is missing");
    assert_eq!(cause(|given| given[0].datatype = "FP32".to_owned()), "output 'fare' is FP32 [2, 1], not FP64 [2, 1]");
    assert_eq!(cause(|given| given[0].shape = vec![2]), "output 'fare' is FP64 [2], not FP64 [2, 1]");
    assert_eq!(cause(|given| given[1].shape = vec![1, 1]), "output 'kind' is BYTES [1, 1], not BYTES [2, 1]");
    assert_eq!(cause(|given| given[0].raw = fp64(&[1.0])), "output 'fare': 8 bytes where FP64 [2, 1] needs 16");
    assert_eq!(
        cause(|given| given[1].raw = texts(&["a", "b", "c"])),
        "output 'kind': 5 bytes left over after 2 BYTES elements"
    );
}

proptest! {
    #[test]
    fn whatever_is_given_is_accepted_or_refused_without_panic(
        given in prop::collection::vec(
            (
                prop_oneof!["distance", "zone", "hour", ".{0,8}"],
                prop_oneof!["FP32", "BYTES", "INT64", ".{0,8}"],
                prop_oneof![Just(vec![1, 1]), Just(vec![1, 2]), prop::collection::vec(any::<i64>(), 0..4)],
                prop::collection::vec(any::<u8>(), 0..17),
            ),
            0..5,
        ),
        allow_missing: bool,
    ) {
        let given: Vec<Tensor> =
            given.into_iter().map(|(name, datatype, shape, raw)| tensor(&name, &datatype, &shape, raw)).collect();
        let limits = Limits { max_rows: 4, allow_missing };
        if let Ok(rows) = taxi().accept(&given, limits) {
            prop_assert!((1..=4).contains(&rows.count));
            for (spec, raw) in taxi().inputs.iter().zip(&rows.tensors) {
                check_size(&spec.name, spec.datatype, &spec.shape_of(rows.count), raw).unwrap();
            }
        }
        let _ = taxi().outputs_of(&given, 1);
    }

    #[test]
    fn any_bytes_of_any_datatype_are_accepted_or_refused_without_panic(
        place in 0..14usize,
        rows in 0..4i64,
        raw in prop::collection::vec(any::<u8>(), 0..33),
        allow_missing: bool,
    ) {
        let datatype = DATATYPES[place];
        let signature = signature(vec![spec("x", datatype, &[-1, 1])], Vec::new());
        let accepted = signature.accept(
            &[tensor("x", datatype.name(), &[rows, 1], raw)],
            Limits { max_rows: 3, allow_missing },
        );
        prop_assert!(accepted.is_err() || rows > 0);
    }
}
