//! Tensors in their binary form: sizes, shapes, texts, numbers.

mod common;

use common::{DATATYPES, texts};
use proptest::prelude::*;
use tidemill_dataplane_core::fault::Kind;
use tidemill_dataplane_core::tensor::{Datatype, MAX_ELEMENTS, Texts, check_size, element_count, number_at, push_text};

#[test]
fn every_datatype_is_parsed_from_its_own_name() {
    for datatype in DATATYPES {
        assert_eq!(Datatype::parse(datatype.name()), Some(datatype));
    }
    for name in ["", "fp32", "FP8", "STRING", "FP32 "] {
        assert_eq!(Datatype::parse(name), None, "{name:?}");
    }
}

#[test]
fn elements_have_the_sizes_of_the_protocol() {
    let sizes: Vec<Option<usize>> = DATATYPES.into_iter().map(Datatype::size).collect();
    let expected = [1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8].map(Some);
    assert_eq!(sizes[..13], expected);
    assert_eq!(sizes[13], None);
}

#[test]
fn only_the_floating_point_datatypes_are_floats() {
    let floats: Vec<&str> = DATATYPES.into_iter().filter(|kind| kind.is_float()).map(Datatype::name).collect();
    assert_eq!(floats, ["FP16", "BF16", "FP32", "FP64"]);
}

#[test]
fn a_shape_has_the_product_of_its_dimensions() {
    assert_eq!(element_count("x", &[]).unwrap(), 1);
    assert_eq!(element_count("x", &[3, 4, 5]).unwrap(), 60);
    assert_eq!(element_count("x", &[3, 0, 5]).unwrap(), 0);
    assert_eq!(element_count("x", &[MAX_ELEMENTS]).unwrap(), 1 << 31);
}

#[test]
fn a_negative_dimension_is_refused_wherever_it_stands() {
    for shape in [&[-1][..], &[2, -1], &[0, -1], &[-1, -1], &[i64::MIN], &[i64::MAX, i64::MAX, -1]] {
        let fault = element_count("x", shape).unwrap_err();
        assert_eq!(fault.kind, Kind::InvalidInput);
        assert!(fault.message.contains("negative dimension"), "{shape:?}: {fault}");
    }
}

#[test]
fn a_shape_whose_product_overflows_is_refused() {
    for shape in [&[MAX_ELEMENTS + 1][..], &[1 << 32, 1 << 32], &[i64::MAX, 2], &[1 << 16, 1 << 16, 1 << 16, 1 << 16]] {
        let fault = element_count("x", shape).unwrap_err();
        assert!(fault.message.contains("more than 2147483648 elements"), "{shape:?}: {fault}");
    }
}

#[test]
fn raw_data_must_have_just_the_bytes_of_its_shape() {
    for datatype in DATATYPES.into_iter().filter(|datatype| *datatype != Datatype::Bytes) {
        let size = 6 * datatype.size().unwrap();
        assert!(check_size("x", datatype, &[2, 3], &vec![0; size]).is_ok());
        for wrong in [0, size - 1, size + 1] {
            let fault = check_size("x", datatype, &[2, 3], &vec![0; wrong]).unwrap_err();
            assert_eq!(fault.message, format!("'x': {wrong} bytes where {} [2, 3] needs {size}", datatype.name()));
        }
    }
}

#[test]
fn a_name_is_cut_in_the_cause_of_a_fault() {
    let fault = element_count(&"é".repeat(5000), &[-1]).unwrap_err();
    assert_eq!(fault.message.chars().filter(|&letter| letter == 'é').count(), 100);
}

#[test]
fn texts_that_add_up_are_taken() {
    assert!(check_size("x", Datatype::Bytes, &[3], &texts(&["", "é", "abc"])).is_ok());
    assert!(check_size("x", Datatype::Bytes, &[0], &[]).is_ok());
}

#[test]
fn texts_that_do_not_add_up_are_refused_with_the_cause() {
    let two = texts(&["a", "bcd"]);
    let cause = |shape: &[i64], raw: &[u8]| check_size("x", Datatype::Bytes, shape, raw).unwrap_err().message;
    assert_eq!(cause(&[3], &two), "'x': 2 BYTES elements where the shape has 3");
    assert_eq!(cause(&[1], &two), "'x': 7 bytes left over after 1 BYTES elements");
    assert_eq!(cause(&[2], &two[..two.len() - 1]), "'x': element 1 is longer than the data");
    assert_eq!(cause(&[2], &[1, 0, 0, 0, b'a', 9, 9, 9]), "'x': element 1 is longer than the data");
    assert_eq!(cause(&[2], &[0; 7]), "'x': 7 bytes cannot hold 2 BYTES elements");
    assert_eq!(cause(&[1], &[0xff; 4]), "'x': element 0 is longer than the data");
    assert_eq!(cause(&[1 << 31], &[0; 64]), "'x': 64 bytes cannot hold 2147483648 BYTES elements");
}

#[test]
fn texts_are_read_in_order() {
    let raw = texts(&["one", "", "three"]);
    let mut read = Texts::new(&raw);
    assert_eq!(read.next(), Some(Ok(&b"one"[..])));
    assert_eq!(read.rest(), 4 + 4 + 5);
    assert_eq!(read.next(), Some(Ok(&b""[..])));
    assert_eq!(read.next(), Some(Ok(&b"three"[..])));
    assert_eq!(read.next(), None);
}

#[test]
fn numbers_of_every_datatype_become_the_same_doubles() {
    let at = |datatype, raw: &[u8], index| number_at(datatype, raw, index);
    assert_eq!(at(Datatype::Bool, &[0, 1], 1), 1.0);
    assert_eq!(at(Datatype::Uint8, &[0, 255], 1), 255.0);
    assert_eq!(at(Datatype::Int8, &[0, 0x80], 1), -128.0);
    let raw = [0i16.to_le_bytes(), i16::MIN.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Int16, &raw, 1), -32768.0);
    let raw = [0u16.to_le_bytes(), u16::MAX.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Uint16, &raw, 1), 65535.0);
    let raw = [0i32.to_le_bytes(), i32::MIN.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Int32, &raw, 1), -2_147_483_648.0);
    let raw = [0u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Uint32, &raw, 1), 4_294_967_295.0);
    let raw = [0i64.to_le_bytes(), i64::MIN.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Int64, &raw, 1), -9_223_372_036_854_775_808.0);
    let raw = [0u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Uint64, &raw, 1), 18_446_744_073_709_551_616.0);
    let raw = [0f32.to_le_bytes(), 0.1f32.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Fp32, &raw, 1), f64::from(0.1f32));
    let raw = [0f64.to_le_bytes(), 0.1f64.to_le_bytes()].concat();
    assert_eq!(at(Datatype::Fp64, &raw, 1), 0.1);
}

#[test]
fn half_precision_numbers_are_read_as_the_half_crate_reads_them() {
    for bits in 0..=u16::MAX {
        let raw = [[0; 2], bits.to_le_bytes()].concat();
        let (fp16, bf16) = (half::f16::from_bits(bits).to_f64(), half::bf16::from_bits(bits).to_f64());
        assert_eq!(number_at(Datatype::Fp16, &raw, 1).to_bits(), fp16.to_bits());
        assert_eq!(number_at(Datatype::Bf16, &raw, 1).to_bits(), bf16.to_bits());
    }
    // Known values: 1.5, the largest finite ones.
    assert_eq!(number_at(Datatype::Fp16, &[0x00, 0x3e], 0), 1.5);
    assert_eq!(number_at(Datatype::Fp16, &[0xff, 0x7b], 0), 65504.0);
    assert_eq!(number_at(Datatype::Bf16, &[0xc0, 0x3f], 0), 1.5);
    assert_eq!(number_at(Datatype::Bf16, &[0x7f, 0x7f], 0), 3.3895313892515355e38);
}

#[test]
fn a_text_is_not_a_number() {
    assert!(number_at(Datatype::Bytes, &texts(&["7"]), 0).is_nan());
}

proptest! {
    #[test]
    fn any_texts_are_read_back(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20)) {
        let mut raw = Vec::new();
        for value in &values {
            push_text(&mut raw, value);
        }
        check_size("x", Datatype::Bytes, &[values.len() as i64], &raw).unwrap();
        let read: Vec<&[u8]> = Texts::new(&raw).map(|text| text.unwrap()).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn any_bytes_of_any_shape_are_checked_without_panic(
        place in 0..14usize,
        shape in prop::collection::vec(prop_oneof![-2..6i64, any::<i64>()], 0..9),
        raw in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        if check_size("x", DATATYPES[place], &shape, &raw).is_ok() {
            let count = element_count("x", &shape).unwrap();
            match DATATYPES[place].size() {
                Some(size) => prop_assert_eq!(count * size, raw.len()),
                None => prop_assert_eq!(Texts::new(&raw).count(), count),
            }
        }
    }
}
