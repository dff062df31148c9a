//! Inference over REST: JSON, then binary tensors.

mod common;

use bytes::Bytes;
use common::{DATATYPES, fp32, fp64, int64, joined, signature, spec, texts};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemill_dataplane_core::fault::{Kind, Result};
use tidemill_dataplane_core::json::{error_body, parse_request, render_response};
use tidemill_dataplane_core::request::{Request, WantedOutput};
use tidemill_dataplane_core::tensor::{Datatype, Texts, number_at};
use tidemill_dataplane_core::wire::Naming;

const NAMING: Naming<'static> = Naming { model: "taxi", version: 3, id: "call-1", prediction_id: "p-1" };

fn parse(document: &str) -> Result<Request> {
    parse_request(&Bytes::copy_from_slice(document.as_bytes()), None)
}

fn cause(document: &str) -> String {
    let fault = parse(document).unwrap_err();
    assert_eq!(fault.kind, Kind::InvalidInput);
    fault.message
}

/// An input x of this datatype, shape and data.
fn input(datatype: &str, shape: &str, data: &str) -> String {
    format!(r#"{{"inputs":[{{"name":"x","datatype":"{datatype}","shape":{shape},"data":{data}}}]}}"#)
}

fn raw(datatype: &str, shape: &str, data: &str) -> Result<Bytes> {
    parse(&input(datatype, shape, data)).map(|mut request| request.inputs.remove(0).raw)
}

fn refused(datatype: &str, shape: &str, data: &str) -> String {
    raw(datatype, shape, data).unwrap_err().message
}

/// JSON followed by binary tensors.
fn with_binary(document: &Value, binary: &[u8]) -> Result<Request> {
    let json = document.to_string();
    parse_request(&[json.as_bytes(), binary].concat().into(), Some(json.len()))
}

fn binary_input(name: &str, datatype: &str, shape: &[i64], size: usize) -> Value {
    json!({"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}})
}

#[test]
fn a_request_is_read_with_its_id_inputs_and_outputs() {
    let request = parse(
        r#"{"id": "call-1", "future": {"any": [1]},
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 1], "data": [1, 2.5]},
                       {"name": "zone", "datatype": "BYTES", "shape": [1], "data": ["ä\n"]}],
            "outputs": [{"name": "fare"}, {"name": "kind", "parameters": {"binary_data": true}}]}"#,
    )
    .unwrap();
    assert_eq!((request.id.as_str(), request.binary_outputs), ("call-1", false));
    assert!(request.model.is_empty() && request.forward.is_none() && request.bare.is_none());
    let inputs: Vec<(&str, &str, &[i64], &[u8])> = request
        .inputs
        .iter()
        .map(|one| (one.name.as_str(), one.datatype.as_str(), one.shape.as_slice(), one.raw.as_ref()))
        .collect();
    let (x, zone) = (fp32(&[1.0, 2.5]), texts(&["ä\n"]));
    assert_eq!(inputs, [("x", "FP32", &[2, 1][..], &x[..]), ("zone", "BYTES", &[1], &zone)]);
    let wanted = |name: &str, binary| WantedOutput { name: name.to_owned(), binary };
    assert_eq!(request.outputs, [wanted("fare", false), wanted("kind", true)]);
}

#[test]
fn the_least_and_greatest_integer_of_every_datatype_are_taken() {
    let cases: [(&str, &str, Vec<u8>); 8] = [
        ("INT8", "[-128, 127]", vec![0x80, 0x7f]),
        ("UINT8", "[0, 255]", vec![0, 255]),
        ("INT16", "[-32768, 32767]", [i16::MIN, i16::MAX].map(i16::to_le_bytes).concat()),
        ("UINT16", "[0, 65535]", [0, u16::MAX].map(u16::to_le_bytes).concat()),
        ("INT32", "[-2147483648, 2147483647]", [i32::MIN, i32::MAX].map(i32::to_le_bytes).concat()),
        ("UINT32", "[0, 4294967295]", [0, u32::MAX].map(u32::to_le_bytes).concat()),
        ("INT64", "[-9223372036854775808, 9223372036854775807]", [i64::MIN, i64::MAX].map(i64::to_le_bytes).concat()),
        ("UINT64", "[0, 18446744073709551615]", [0, u64::MAX].map(u64::to_le_bytes).concat()),
    ];
    for (datatype, data, expected) in cases {
        assert_eq!(raw(datatype, "[2]", data).unwrap(), expected, "{datatype}");
    }
}

#[test]
fn an_integer_beyond_its_datatype_is_out_of_range() {
    let cases = [
        ("INT8", "-129"),
        ("INT8", "128"),
        ("UINT8", "-1"),
        ("UINT8", "256"),
        ("INT16", "-32769"),
        ("INT16", "32768"),
        ("UINT16", "-1"),
        ("UINT16", "65536"),
        ("INT32", "-2147483649"),
        ("INT32", "2147483648"),
        ("UINT32", "-1"),
        ("UINT32", "4294967296"),
        ("INT64", "9223372036854775808"),
        ("UINT64", "-1"),
    ];
    for (datatype, value) in cases {
        let expected = format!("'x': a value is out of the range of {datatype}");
        assert_eq!(refused(datatype, "[2]", &format!("[0, {value}]")), expected, "{value}");
    }
    for (datatype, value) in [("INT64", "-9223372036854775809"), ("UINT64", "18446744073709551616")] {
        assert!(raw(datatype, "[1]", &format!("[{value}]")).is_err(), "{datatype} {value}");
    }
}

#[test]
fn floats_are_the_nearest_of_their_datatype() {
    assert_eq!(raw("FP64", "[4]", "[0.1, -0.0, 1e308, 5e-324]").unwrap(), fp64(&[0.1, -0.0, 1e308, 5e-324]));
    assert_eq!(raw("FP32", "[4]", "[0.1, -0.0, 3.4028235e38, 1e-45]").unwrap(), fp32(&[0.1, -0.0, f32::MAX, 1e-45]));
    assert_eq!(raw("FP32", "[3]", "[7, -7, 16777217]").unwrap(), fp32(&[7.0, -7.0, 16_777_216.0]));
    assert_eq!(raw("FP64", "[2]", "[18446744073709551615, -9223372036854775808]").unwrap(), {
        fp64(&[18_446_744_073_709_551_616.0, -9_223_372_036_854_775_808.0])
    });
}

#[test]
fn a_float_beyond_its_datatype_is_refused() {
    for value in ["3.5e38", "-3.5e38", "1e308"] {
        assert_eq!(refused("FP32", "[1]", &format!("[{value}]")), "'x': a value is out of the range of FP32");
    }
    assert!(raw("FP64", "[1]", "[1e400]").is_err());
}

#[test]
fn a_value_of_another_kind_is_refused_with_its_position() {
    let cases = [
        ("INT32", "[1, 1.5]", "'x': value 1: 1.5 is not INT32"),
        ("INT64", "[1, true]", "'x': value 1: true is not INT64"),
        ("FP32", "[1, false]", "'x': value 1: false is not FP32"),
        ("FP64", "[1, \"2\"]", "'x': value 1: '2' is not FP64"),
        ("BOOL", "[true, 1]", "'x': value 1: 1 is not BOOL"),
        ("BOOL", "[true, null]", "'x': value 1: null is not BOOL"),
        ("UINT8", "[1, null]", "'x': value 1: null is not UINT8"),
        ("BYTES", "[\"a\", 1]", "'x': value 1: 1 is not BYTES"),
        ("BYTES", "[\"a\", 0.5]", "'x': value 1: 0.5 is not BYTES"),
        ("FP32", "[1, {}]", "'x': value 1: an object is not FP32"),
    ];
    for (datatype, data, expected) in cases {
        assert_eq!(refused(datatype, "[2]", data), expected);
    }
}

#[test]
fn bools_and_texts_are_packed() {
    assert_eq!(raw("BOOL", "[3]", "[true, false, true]").unwrap(), vec![1, 0, 1]);
    assert_eq!(raw("BYTES", "[3]", r#"["a", "", "\u00e9\ud83d\ude00"]"#).unwrap(), texts(&["a", "", "é😀"]));
    assert!(raw("BYTES", "[1]", r#"["\ud800"]"#).is_err());
}

#[test]
fn null_is_a_missing_value() {
    assert!(number_at(Datatype::Fp32, &raw("FP32", "[2]", "[1, null]").unwrap(), 1).is_nan());
    assert!(number_at(Datatype::Fp64, &raw("FP64", "[1]", "[null]").unwrap(), 0).is_nan());
    assert_eq!(raw("BYTES", "[2]", r#"["a", null]"#).unwrap(), texts(&["a", ""]));
}

#[test]
fn data_may_be_flat_or_nested_as_its_shape() {
    let expected = int64(&[1, 2, 3, 4, 5, 6, 7, 8]);
    for data in ["[1,2,3,4,5,6,7,8]", "[[1,2,3,4],[5,6,7,8]]", "[[[1,2],[3,4]],[[5,6],[7,8]]]"] {
        assert_eq!(raw("INT64", "[2,2,2]", data).unwrap(), expected, "{data}");
    }
}

#[test]
fn data_nested_otherwise_is_refused() {
    assert_eq!(refused("INT64", "[2]", "[[1],[2]]"), "'x': data is nested deeper than its shape");
    assert_eq!(refused("INT64", "[2,1]", "[[1],2]"), "'x': data mixes arrays and values");
    assert_eq!(refused("INT64", "[2,1]", "[1,[2]]"), "'x': data mixes arrays and values");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(raw("INT64", "[1]", &deep).is_err());
}

#[test]
fn data_that_is_no_array_is_refused() {
    for data in ["1", "1.5", "true", "null", "\"text\""] {
        for datatype in ["FP64", "BOOL", "BYTES"] {
            assert_eq!(refused(datatype, "[1]", data), "'x': data is not an array", "{datatype} {data}");
        }
    }
    assert!(raw("FP64", "[1]", "{}").is_err());
    let without = r#"{"inputs":[{"name":"x","datatype":"FP64","shape":[1]}]}"#;
    assert_eq!(cause(without), "'x': data is not an array");
}

#[test]
fn as_many_values_must_be_given_as_the_shape_has() {
    assert_eq!(refused("INT64", "[3,1]", "[1,2]"), "'x': 2 values where shape [3, 1] has 3");
    assert_eq!(refused("INT64", "[0]", "[1]"), "'x': 1 values where shape [0] has 0");
    assert_eq!(raw("INT64", "[0]", "[]").unwrap(), Bytes::new());
    assert_eq!(refused("FP64", "[2147483648]", "[1]"), "'x': 1 values where shape [2147483648] has 2147483648");
    assert!(refused("FP64", "[4611686018427387904, 4]", "[1]").contains("more than 2147483648 elements"));
}

#[test]
fn a_shape_is_1_to_8_whole_numbers() {
    for shape in ["[]", "[1.5]", "[\"1\"]", "1", "null", "[1,1,1,1,1,1,1,1,1]", "[9223372036854775808]"] {
        let expected = "input 'x': shape is not an array of 1 to 8 whole numbers";
        assert_eq!(refused("FP64", shape, "[1]"), expected, "{shape}");
    }
    assert!(raw("FP64", "[1,1,1,1,1,1,1,1]", "[1]").is_ok());
    assert!(refused("FP64", "[-1]", "[1]").contains("negative dimension"));
}

#[test]
fn half_precision_and_unknown_datatypes_cannot_be_given_in_json() {
    for datatype in ["FP16", "BF16", "STRING", ""] {
        let expected = format!("'x': datatype '{datatype}' cannot be given in JSON");
        assert_eq!(refused(datatype, "[1]", "[1]"), expected);
    }
}

#[test]
fn what_is_no_request_is_refused_with_the_cause() {
    assert!(cause("").starts_with("the body is not JSON"));
    assert!(cause("{\"inputs\":").starts_with("the body is not JSON"));
    for body in ["[]", "1", "null", "\"text\"", r#"["id", {}, []]"#] {
        assert_eq!(cause(body), "the body is not a JSON object");
    }
    assert!(cause("{} {}").starts_with("the body is not JSON"));
    assert!(parse_request(&Bytes::from_static(b"{\"id\":\"\xff\"}"), None).is_err());
    let items = r#""inputs":[["x", "FP64", [1], {}, [1]]]"#;
    for inputs in
        ["", items, r#""inputs":[]"#, r#""inputs":null"#, r#""inputs":{}"#, r#""inputs":[1]"#, r#""inputs":"x""#]
    {
        assert_eq!(cause(&format!("{{{inputs}}}")), "inputs is not an array of objects", "{inputs}");
    }
    assert_eq!(cause(r#"{"inputs":[{}]}"#), "an input has no name");
    assert_eq!(cause(r#"{"inputs":[{"name":7}]}"#), "an input has no name");
    assert_eq!(cause(r#"{"inputs":[{"name":"x"}]}"#), "input 'x' has no datatype");
    assert_eq!(cause(r#"{"inputs":[{"name":"x","datatype":1}]}"#), "datatype is not a text");
    let id = input("FP64", "[1]", "[1]").replacen('{', r#"{"id":1,"#, 1);
    assert_eq!(cause(&id), "id is not a text");
    let with_outputs =
        |outputs: &str| input("FP64", "[1]", "[1]").replacen('{', &format!("{{\"outputs\":{outputs},"), 1);
    assert_eq!(cause(&with_outputs("[{}]")), "an output has no name");
    assert_eq!(cause(&with_outputs("[\"y\"]")), "outputs is not an array of objects");
    assert_eq!(cause(&with_outputs("{}")), "outputs is not an array of objects");
    assert!(parse(&with_outputs("null")).is_ok() && parse(&with_outputs("[]")).is_ok());
}

#[test]
fn more_than_4096_inputs_or_outputs_are_refused() {
    let many = |key: &str, item: &str| format!("\"{key}\":[{}]", vec![item; 4097].join(","));
    let item = r#"{"name":"x","datatype":"FP64","shape":[1],"data":[1]}"#;
    assert_eq!(cause(&format!("{{{}}}", many("inputs", item))), "more than 4096 inputs");
    let outputs = format!("{{\"inputs\":[{item}],{}}}", many("outputs", r#"{"name":"y"}"#));
    assert_eq!(cause(&outputs), "more than 4096 outputs");
}

#[test]
fn binary_tensors_follow_in_the_order_of_their_headers() {
    let document = json!({"inputs": [
        binary_input("a", "FP32", &[2], 8),
        {"name": "b", "datatype": "INT64", "shape": [1], "data": [5]},
        binary_input("c", "BYTES", &[1], 6),
        binary_input("d", "FP16", &[0], 0),
    ]});
    let binary = [fp32(&[1.0, 2.0]), texts(&["hi"])].concat();
    let request = with_binary(&document, &binary).unwrap();
    let raws: Vec<Bytes> = request.inputs.into_iter().map(|input| input.raw).collect();
    assert_eq!(raws, [fp32(&[1.0, 2.0]), int64(&[5]), texts(&["hi"]), Bytes::new()]);
}

#[test]
fn binary_bytes_left_over_are_refused() {
    let document = json!({"inputs": [binary_input("x", "FP32", &[1], 4)]});
    let fault = with_binary(&document, &[0; 7]).unwrap_err();
    assert_eq!(fault.message, "3 bytes left over after the last binary input");
}

#[test]
fn binary_bytes_that_are_not_there_are_refused() {
    for size in [5, usize::MAX] {
        let document = json!({"inputs": [binary_input("x", "FP32", &[1], size)]});
        let fault = with_binary(&document, &[0; 4]).unwrap_err();
        assert_eq!(fault.message, format!("input 'x': the body ends before its {size} binary bytes"));
    }
}

#[test]
fn a_binary_size_is_a_length_and_comes_without_data() {
    for size in [json!(-1), json!(1.5), json!("4"), json!(true), json!(null)] {
        let mut item = binary_input("x", "FP32", &[1], 4);
        item["parameters"]["binary_data_size"] = size;
        let fault = with_binary(&json!({"inputs": [item]}), &[0; 4]).unwrap_err();
        assert_eq!(fault.message, "input 'x': binary_data_size is not a length");
    }
    let mut item = binary_input("x", "FP32", &[1], 4);
    item["data"] = json!([1]);
    let fault = with_binary(&json!({"inputs": [item]}), &[0; 4]).unwrap_err();
    assert_eq!(fault.message, "input 'x' has both data and binary_data_size");
}

#[test]
fn the_json_part_must_lie_in_the_body() {
    let body = Bytes::from(input("FP64", "[1]", "[1]"));
    assert!(parse_request(&body, Some(body.len())).is_ok());
    let fault = parse_request(&body, Some(body.len() + 1)).unwrap_err();
    assert_eq!(fault.message, "Inference-Header-Content-Length is not the length of a JSON part of the body");
    assert!(parse_request(&body, Some(body.len() - 1)).is_err());
}

#[test]
fn a_body_without_json_is_a_bare_tensor() {
    let request = parse_request(&Bytes::from_static(b"\x01\x02"), Some(0)).unwrap();
    assert_eq!(request.bare, Some(Bytes::from_static(b"\x01\x02")));
    assert!(request.binary_outputs && request.inputs.is_empty());
}

#[test]
fn outputs_are_binary_where_the_request_or_the_output_says_so() {
    let document = |request: Value, output: Value| {
        let item = json!({"name": "x", "datatype": "FP64", "shape": [1], "data": [1]});
        let outputs = json!([{"name": "y", "parameters": output}]);
        json!({"parameters": request, "inputs": [item], "outputs": outputs}).to_string()
    };
    let cases = [
        (json!({}), json!({}), false),
        (json!(null), json!(null), false),
        (json!({"binary_data_output": true}), json!({}), true),
        (json!({"binary_data_output": true}), json!({"binary_data": false}), false),
        (json!({"binary_data_output": false}), json!({"binary_data": true}), true),
    ];
    for (request, output, binary) in cases {
        let parsed = parse(&document(request.clone(), output)).unwrap();
        assert_eq!(parsed.outputs[0].binary, binary);
        assert_eq!(parsed.binary_outputs, request["binary_data_output"] == json!(true));
    }
    let wrong = document(json!({"binary_data_output": 1}), json!({}));
    assert_eq!(cause(&wrong), "parameter binary_data_output is not true or false");
    let wrong = document(json!({}), json!({"binary_data": "yes"}));
    assert_eq!(cause(&wrong), "parameter binary_data is not true or false");
    assert_eq!(cause(&document(json!([]), json!({}))), "'request': parameters is not an object");
    assert_eq!(cause(&document(json!({}), json!(1))), "'y': parameters is not an object");
}

#[test]
fn shared_memory_and_classification_are_refused() {
    let item = |parameters: Value| json!({"name": "x", "datatype": "FP64", "shape": [1], "data": [1], "parameters": parameters});
    let shared = json!({"shared_memory_region": "r"});
    let not_offered = |owner: &str| format!("'{owner}': shared memory is not offered");
    assert_eq!(cause(&json!({"inputs": [item(shared.clone())]}).to_string()), not_offered("x"));
    let whole = json!({"inputs": [item(json!({}))], "parameters": shared});
    assert_eq!(cause(&whole.to_string()), not_offered("request"));
    let output = |parameters: Value| {
        json!({"inputs": [item(json!({}))], "outputs": [{"name": "y", "parameters": parameters}]}).to_string()
    };
    assert_eq!(cause(&output(shared)), not_offered("y"));
    assert!(cause(&output(json!({"classification": 3}))).contains("the classification extension is not offered"));
    assert!(parse(&output(json!({"classification": 0}))).is_ok());
    assert!(parse(&output(json!({"priority": 3}))).is_ok());
}

#[test]
fn texts_read_from_json_are_the_texts_given() {
    let raw = raw("BYTES", "[2,1]", r#"[["one"],["two"]]"#).unwrap();
    let read: Vec<&[u8]> = Texts::new(&raw).map(|text| text.unwrap()).collect();
    assert_eq!(read, [b"one", b"two"]);
}

/// The response to a model with one output y, in JSON.
fn rendered(datatype: Datatype, raw: Bytes, rows: usize) -> String {
    let signature = signature(Vec::new(), vec![spec("y", datatype, &[-1])]);
    let (pieces, length) = render_response(&signature, rows, &[raw], &[(0, false)], &NAMING);
    assert_eq!(length, None);
    String::from_utf8(joined(&pieces).to_vec()).unwrap()
}

fn data(datatype: Datatype, raw: Bytes, rows: usize) -> Value {
    let document: Value = serde_json::from_str(&rendered(datatype, raw, rows)).unwrap();
    document["outputs"][0]["data"].clone()
}

#[test]
fn a_response_names_model_version_id_and_prediction() {
    let document: Value = serde_json::from_str(&rendered(Datatype::Int32, vec![7, 0, 0, 0].into(), 1)).unwrap();
    let expected = json!({
        "model_name": "taxi",
        "model_version": "3",
        "id": "call-1",
        "parameters": {"prediction_id": "p-1"},
        "outputs": [{"name": "y", "datatype": "INT32", "shape": [1], "data": [7]}],
    });
    assert_eq!(document, expected);
}

#[test]
fn names_are_escaped_in_a_response() {
    let naming = Naming { model: "a\"b", version: -1, id: "c\\d\n\u{0}", prediction_id: "é\u{1f}" };
    let signature = signature(Vec::new(), vec![spec("q\"", Datatype::Bytes, &[-1])]);
    let raw = texts(&["\"", "\t", "é", "\u{7f}"]);
    let (pieces, _) = render_response(&signature, 4, &[raw], &[(0, false)], &naming);
    let document: Value = serde_json::from_slice(&joined(&pieces)).unwrap();
    assert_eq!(document["model_name"], "a\"b");
    assert_eq!(document["model_version"], "-1");
    assert_eq!(document["id"], "c\\d\n\u{0}");
    assert_eq!(document["parameters"]["prediction_id"], "é\u{1f}");
    assert_eq!(document["outputs"][0]["name"], "q\"");
    assert_eq!(document["outputs"][0]["data"], json!(["\"", "\t", "é", "\u{7f}"]));
}

#[test]
fn floats_are_shown_in_their_shortest_form() {
    let shown = rendered(Datatype::Fp32, fp32(&[0.1, 1.0, 1.5e-7, f32::MAX]), 4);
    assert!(shown.contains(r#""data":[0.1,1.0,1.5e-7,3.4028235e38]"#), "{shown}");
    let shown = rendered(Datatype::Fp64, fp64(&[0.1, 0.30000000000000004, -0.0]), 3);
    assert!(shown.contains(r#""data":[0.1,0.30000000000000004,-0.0]"#), "{shown}");
}

#[test]
fn numbers_that_json_does_not_have_are_null() {
    let raw = fp64(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    assert_eq!(data(Datatype::Fp64, raw, 3), json!([null, null, null]));
    assert_eq!(data(Datatype::Fp32, fp32(&[f32::NAN, 1.0]), 2), json!([null, 1.0]));
}

#[test]
fn integers_of_64_bits_are_exact() {
    let shown = rendered(Datatype::Int64, int64(&[i64::MIN, i64::MAX, -1]), 3);
    assert!(shown.contains("[-9223372036854775808,9223372036854775807,-1]"), "{shown}");
    let raw: Bytes = [u64::MAX, (1 << 53) + 1].map(u64::to_le_bytes).concat().into();
    let shown = rendered(Datatype::Uint64, raw, 2);
    assert!(shown.contains("[18446744073709551615,9007199254740993]"), "{shown}");
}

#[test]
fn small_integers_bools_and_texts_are_shown() {
    assert_eq!(data(Datatype::Bool, vec![1, 0].into(), 2), json!([true, false]));
    assert_eq!(data(Datatype::Int8, vec![0x80, 0x7f].into(), 2), json!([-128, 127]));
    assert_eq!(data(Datatype::Uint8, vec![0, 255].into(), 2), json!([0, 255]));
    let raw = [i16::MIN, i16::MAX].map(i16::to_le_bytes).concat();
    assert_eq!(data(Datatype::Int16, raw.into(), 2), json!([i16::MIN, i16::MAX]));
    let raw = [u16::MAX].map(u16::to_le_bytes).concat();
    assert_eq!(data(Datatype::Uint16, raw.into(), 1), json!([u16::MAX]));
    let raw = [i32::MIN, i32::MAX].map(i32::to_le_bytes).concat();
    assert_eq!(data(Datatype::Int32, raw.into(), 2), json!([i32::MIN, i32::MAX]));
    let raw = [u32::MAX].map(u32::to_le_bytes).concat();
    assert_eq!(data(Datatype::Uint32, raw.into(), 1), json!([u32::MAX]));
    assert_eq!(data(Datatype::Bytes, texts(&[&b"a"[..], b"", b"\xff"]), 3), json!(["a", "", "\u{fffd}"]));
    assert_eq!(data(Datatype::Bytes, Bytes::new(), 0), json!([]));
}

#[test]
fn binary_outputs_follow_the_json_in_the_order_asked_for() {
    let outputs = vec![
        spec("fare", Datatype::Fp32, &[-1, 1]),
        spec("kind", Datatype::Bytes, &[-1, 1]),
        spec("half", Datatype::Fp16, &[-1, 1]),
    ];
    let raws = [fp32(&[1.5, 2.5]), texts(&["a", "b"]), Bytes::from_static(&[0, 0x3e, 0, 0x3e])];
    let wanted = [(2, true), (0, false), (1, true)];
    let (pieces, length) = render_response(&signature(Vec::new(), outputs), 2, &raws, &wanted, &NAMING);
    let body = joined(&pieces);
    let (json, binary) = body.split_at(length.unwrap());
    let document: Value = serde_json::from_slice(json).unwrap();
    let expected = json!([
        {"name": "half", "datatype": "FP16", "shape": [2, 1], "parameters": {"binary_data_size": 4}},
        {"name": "fare", "datatype": "FP32", "shape": [2, 1], "data": [1.5, 2.5]},
        {"name": "kind", "datatype": "BYTES", "shape": [2, 1], "parameters": {"binary_data_size": 10}},
    ]);
    assert_eq!(document["outputs"], expected);
    assert_eq!(binary, [&raws[2][..], &raws[1][..]].concat());
}

#[test]
fn an_error_is_an_object_with_its_cause() {
    for cause in ["plain", "a \"b\" \\ \n é", ""] {
        let document: Value = serde_json::from_slice(&error_body(cause)).unwrap();
        assert_eq!(document, json!({"error": cause}));
    }
}

/// Binary values of a datatype that JSON has, with their number.
fn values() -> impl Strategy<Value = (Datatype, Bytes, usize)> {
    let numeric: Vec<Datatype> = DATATYPES
        .into_iter()
        .filter(|kind| !matches!(kind, Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes))
        .collect();
    let numbers =
        (prop::sample::select(numeric), prop::collection::vec(any::<u64>(), 0..20)).prop_map(|(kind, bits)| {
            let size = kind.size().unwrap();
            let clear = if kind == Datatype::Bool { 1 } else { u64::MAX };
            let raw: Vec<u8> = bits.iter().flat_map(|bits| (bits & clear).to_le_bytes()[..size].to_vec()).collect();
            (kind, Bytes::from(raw), bits.len())
        });
    let words =
        prop::collection::vec(any::<String>(), 0..20).prop_map(|words| (Datatype::Bytes, texts(&words), words.len()));
    prop_oneof![8 => numbers, 1 => words]
}

proptest! {
    #[test]
    fn rendered_values_parse_back_to_the_same_values((datatype, bytes, count) in values()) {
        let shown = rendered(datatype, bytes.clone(), count);
        let document: Value = serde_json::from_str(&shown).unwrap();
        prop_assert_eq!(document["outputs"][0]["data"].as_array().unwrap().len(), count);
        let start = shown.find("\"data\":").unwrap() + 7;
        let shown = &shown[start..shown.len() - 3];
        if datatype.is_float() {
            let parts = shown[1..shown.len() - 1].split(',').filter(|part| !part.is_empty());
            for (index, part) in parts.enumerate() {
                let value = number_at(datatype, &bytes, index);
                match part {
                    "null" => prop_assert!(!value.is_finite()),
                    _ if datatype == Datatype::Fp32 => prop_assert_eq!(part.parse(), Ok(value as f32)),
                    _ => prop_assert_eq!(part.parse(), Ok(value)),
                }
            }
        } else {
            let read = raw(datatype.name(), &format!("[{count}]"), shown).unwrap();
            prop_assert_eq!(read, bytes);
        }
    }

    /// serde_json reads a number of 17 digits to within a unit in the last place, unless its `float_roundtrip` is on.
    #[test]
    fn any_fp64_is_read_exactly(value in prop::num::f64::NORMAL) {
        prop_assert_eq!(raw("FP64", "[1]", &format!("[{value:e}]")).unwrap(), fp64(&[value]));
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        length in prop::option::of(0..220usize),
    ) {
        let _ = parse_request(&body.into(), length);
    }

    #[test]
    fn any_change_of_a_request_is_read_or_refused_without_panic(
        place in 0..1000usize,
        byte: u8,
        cut in 0..1000usize,
        datatype in prop::sample::select(DATATYPES.to_vec()),
    ) {
        let document = json!({
            "id": "call-1",
            "parameters": {"binary_data_output": true},
            "inputs": [
                {"name": "x", "datatype": datatype.name(), "shape": [2, 1], "data": [[1], [null]]},
                binary_input("b", "FP32", &[1], 4),
            ],
            "outputs": [{"name": "y", "parameters": {"binary_data": true}}],
        });
        let mut json = document.to_string().into_bytes();
        let length = json.len();
        let (place, cut) = (place % length, cut % length);
        json[place] = byte;
        json.drain(cut..(cut + 3).min(length));
        let length = json.len();
        json.extend_from_slice(&[0; 4]);
        let _ = parse_request(&json.into(), Some(length));
    }

    #[test]
    fn any_json_is_read_or_refused_without_panic(data in any_json(), shape in any_json(), datatype in "[A-Z0-9]{4,5}") {
        let _ = parse(&input("FP32", &shape.to_string(), &data.to_string()));
        let _ = parse(&input("BYTES", "[2,2]", &data.to_string()));
        let _ = parse(&input(&datatype, "[1]", &data.to_string()));
        let _ = parse(&data.to_string());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("inputs|name|data|shape|[a-z]{0,3}", inner, 0..4)
                .prop_map(|entries| entries.into_iter().collect::<Value>()),
        ]
    })
}
