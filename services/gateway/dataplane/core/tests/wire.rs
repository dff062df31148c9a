//! Inference over gRPC: what is read and written is what prost writes and reads of the protocol's messages.

mod common;

use std::collections::BTreeMap;

use bytes::Bytes;
use common::v2::{self, Contents, ParameterChoice, parameter, text, typed};
use common::{fp32, fp64, int64, joined, signature, spec, texts};
use proptest::prelude::*;
use prost::Message;
use tidemill_dataplane_core::fault::{Kind, Result};
use tidemill_dataplane_core::request::{Request, WantedOutput};
use tidemill_dataplane_core::signature::{Rows, Signature};
use tidemill_dataplane_core::tensor::Datatype;
use tidemill_dataplane_core::wire::{
    Naming, first_text, parse_request, parse_response, rename_response, render_request, render_response, stream_answer,
    stream_error,
};

const NAMING: Naming<'static> = Naming { model: "taxi", version: 12, id: "call-1", prediction_id: "p-1" };

fn bytes(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn parse(message: &impl Message) -> Result<Request> {
    parse_request(&bytes(message))
}

fn cause(message: &impl Message) -> String {
    let fault = parse(message).unwrap_err();
    assert_eq!(fault.kind, Kind::InvalidInput);
    fault.message
}

fn parameters(entries: &[(&str, v2::Parameter)]) -> BTreeMap<String, v2::Parameter> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn wanted(name: &str, entries: &[(&str, v2::Parameter)]) -> v2::Wanted {
    v2::Wanted { name: name.to_owned(), parameters: parameters(entries) }
}

/// Two raw inputs, an id, parameters and an output asked for.
fn raw_request() -> v2::Request {
    v2::Request {
        model_name: "taxi".to_owned(),
        model_version: "12".to_owned(),
        id: "call-1".to_owned(),
        parameters: parameters(&[
            ("priority", parameter(ParameterChoice::Uint64(3))),
            ("tag", text("a")),
            ("sequence_end", parameter(ParameterChoice::Bool(true))),
        ]),
        inputs: vec![v2::tensor("distance", "FP32", &[2, 2]), v2::tensor("zone", "BYTES", &[2, 1])],
        outputs: vec![wanted("fare", &[])],
        raw: vec![fp32(&[1.0, 2.0, 3.0, 4.0]).to_vec(), texts(&["east", "west"]).to_vec()],
    }
}

/// One typed input x.
fn typed_request(datatype: &str, contents: Contents) -> v2::Request {
    v2::Request { inputs: vec![typed("x", datatype, &[2], contents)], ..v2::Request::default() }
}

fn packed(datatype: &str, contents: Contents) -> Result<Bytes> {
    parse(&typed_request(datatype, contents)).map(|mut request| request.inputs.remove(0).raw)
}

/// Contents of every datatype that has typed ones, with their binary form.
fn every_typed() -> Vec<(&'static str, Contents, Bytes)> {
    let of = Contents::default;
    let ints = |values: &[i32]| Contents { ints: values.to_vec(), ..of() };
    let uints = |values: &[u32]| Contents { uints: values.to_vec(), ..of() };
    vec![
        ("BOOL", Contents { bools: vec![true, false], ..of() }, vec![1, 0].into()),
        ("INT8", ints(&[-128, 127]), vec![0x80, 0x7f].into()),
        ("INT16", ints(&[-32768, 32767]), [i16::MIN, i16::MAX].map(i16::to_le_bytes).concat().into()),
        ("INT32", ints(&[i32::MIN, i32::MAX]), [i32::MIN, i32::MAX].map(i32::to_le_bytes).concat().into()),
        ("INT64", Contents { int64s: vec![i64::MIN, i64::MAX], ..of() }, int64(&[i64::MIN, i64::MAX])),
        ("UINT8", uints(&[0, 255]), vec![0, 255].into()),
        ("UINT16", uints(&[0, 65535]), [0, u16::MAX].map(u16::to_le_bytes).concat().into()),
        ("UINT32", uints(&[0, u32::MAX]), [0, u32::MAX].map(u32::to_le_bytes).concat().into()),
        (
            "UINT64",
            Contents { uint64s: vec![0, u64::MAX], ..of() },
            [0, u64::MAX].map(u64::to_le_bytes).concat().into(),
        ),
        ("FP32", Contents { fp32s: vec![0.1, f32::MIN], ..of() }, fp32(&[0.1, f32::MIN])),
        ("FP64", Contents { fp64s: vec![0.1, f64::MIN], ..of() }, fp64(&[0.1, f64::MIN])),
        ("BYTES", Contents { texts: vec![b"a".to_vec(), Vec::new()], ..of() }, texts(&["a", ""])),
    ]
}

#[test]
fn a_raw_request_is_read_whole() {
    let message = raw_request();
    let request = parse(&message).unwrap();
    assert_eq!((request.model.as_str(), request.version.as_str(), request.id.as_str()), ("taxi", "12", "call-1"));
    for ((input, sent), raw) in request.inputs.iter().zip(&message.inputs).zip(&message.raw) {
        assert_eq!((&input.name, &input.datatype, &input.shape), (&sent.name, &sent.datatype, &sent.shape));
        assert_eq!(input.raw, raw);
    }
    assert_eq!(request.inputs.len(), 2);
    assert_eq!(request.outputs, [WantedOutput { name: "fare".to_owned(), binary: true }]);
    assert!(request.binary_outputs && request.bare.is_none());
}

#[test]
fn raw_tensors_are_not_copied() {
    let message = bytes(&raw_request());
    let range = message.as_ptr_range();
    let request = parse_request(&message).unwrap();
    assert!(request.inputs.iter().all(|input| range.contains(&input.raw.as_ptr())));
}

#[test]
fn raw_contents_of_every_datatype_are_taken_as_they_are() {
    for datatype in common::DATATYPES {
        let message = v2::Request {
            inputs: vec![v2::tensor("x", datatype.name(), &[1])],
            raw: vec![vec![1, 2, 3, 4, 5, 6, 7, 8]],
            ..v2::Request::default()
        };
        assert_eq!(parse(&message).unwrap().inputs[0].raw, vec![1, 2, 3, 4, 5, 6, 7, 8], "{datatype:?}");
    }
}

#[test]
fn typed_contents_of_every_datatype_become_raw() {
    for (datatype, contents, expected) in every_typed() {
        let request = parse(&typed_request(datatype, contents)).unwrap();
        assert_eq!(request.inputs[0].raw, expected, "{datatype}");
        assert_eq!(request.inputs[0].shape, [2]);
        assert!(request.forward.is_none(), "typed contents cannot be forwarded");
    }
}

#[test]
fn unpacked_numbers_are_read_like_packed_ones() {
    for (datatype, contents, expected) in every_typed() {
        let contents = v2::UnpackedContents {
            bools: contents.bools,
            ints: contents.ints,
            int64s: contents.int64s,
            uints: contents.uints,
            uint64s: contents.uint64s,
            fp32s: contents.fp32s,
            fp64s: contents.fp64s,
            texts: contents.texts,
        };
        let tensor = v2::UnpackedTensor {
            name: "x".to_owned(),
            datatype: datatype.to_owned(),
            shape: vec![2, 1],
            contents: Some(contents),
        };
        let message = v2::UnpackedRequest { inputs: vec![tensor], ..v2::UnpackedRequest::default() };
        let request = parse(&message).unwrap();
        assert_eq!((&request.inputs[0].raw, &request.inputs[0].shape), (&expected, &vec![2, 1]), "{datatype}");
    }
}

#[test]
fn typed_contents_in_parts_are_joined() {
    let part = |values: &[f32]| Contents { fp32s: values.to_vec(), ..Contents::default() };
    let mut tensor = typed("x", "FP32", &[3], part(&[1.0])).encode_to_vec();
    let rest = v2::Tensor { contents: Some(part(&[2.0, 3.0])), ..v2::Tensor::default() };
    tensor.extend(rest.encode_to_vec());
    let mut message = vec![0x2a, tensor.len() as u8];
    message.extend(tensor);
    assert_eq!(parse_request(&message.into()).unwrap().inputs[0].raw, fp32(&[1.0, 2.0, 3.0]));
}

#[test]
fn an_integer_beyond_its_datatype_is_out_of_range() {
    let ints = |value| Contents { ints: vec![value], ..Contents::default() };
    let uints = |value| Contents { uints: vec![value], ..Contents::default() };
    let cases = [
        ("INT8", ints(128)),
        ("INT8", ints(-129)),
        ("INT16", ints(32768)),
        ("INT16", ints(-32769)),
        ("UINT8", uints(256)),
        ("UINT16", uints(65536)),
    ];
    for (datatype, contents) in cases {
        let fault = packed(datatype, contents).unwrap_err();
        assert_eq!(fault.message, format!("'x': a value is out of the range of {datatype}"));
    }
}

#[test]
fn contents_of_another_datatype_are_refused() {
    let wrong = Contents { fp64s: vec![1.0, 2.0], ..Contents::default() };
    for (datatype, _, _) in every_typed().into_iter().filter(|(datatype, _, _)| *datatype != "FP64") {
        let fault = packed(datatype, wrong.clone()).unwrap_err();
        assert_eq!(fault.message, format!("input 'x': contents are not of datatype {datatype}"));
    }
    let two = Contents { fp32s: vec![1.0], ..wrong };
    assert!(packed("FP64", two).is_err());
}

#[test]
fn datatypes_without_typed_contents_need_raw_ones() {
    for datatype in ["FP16", "BF16", "STRING", ""] {
        let contents = Contents { fp32s: vec![1.0], ..Contents::default() };
        let fault = packed(datatype, contents).unwrap_err();
        assert_eq!(fault.message, format!("input 'x': datatype '{datatype}' needs raw contents"));
    }
}

#[test]
fn raw_and_typed_contents_at_once_are_refused() {
    let mut message = raw_request();
    message.inputs[1].contents = Some(Contents { texts: vec![b"a".to_vec()], ..Contents::default() });
    assert_eq!(cause(&message), "input 'zone' has both raw and typed contents");
}

#[test]
fn there_must_be_as_many_raw_contents_as_inputs() {
    let mut message = raw_request();
    message.raw.pop();
    assert_eq!(cause(&message), "1 raw contents for 2 inputs");
    message.raw = vec![Vec::new(); 3];
    assert_eq!(cause(&message), "3 raw contents for 2 inputs");
}

#[test]
fn the_last_occurrence_of_a_scalar_wins() {
    let again = v2::Request {
        model_name: "rain".to_owned(),
        model_version: "13".to_owned(),
        id: "call-2".to_owned(),
        ..v2::Request::default()
    };
    let message: Bytes = [raw_request().encode_to_vec(), again.encode_to_vec()].concat().into();
    let request = parse_request(&message).unwrap();
    assert_eq!((request.model.as_str(), request.version.as_str(), request.id.as_str()), ("rain", "13", "call-2"));
}

#[test]
fn fields_may_come_in_any_order() {
    let whole = raw_request();
    let raw = v2::Request { raw: whole.raw.clone(), ..v2::Request::default() };
    let rest = v2::Request { raw: Vec::new(), ..whole.clone() };
    let message: Bytes = [raw.encode_to_vec(), rest.encode_to_vec()].concat().into();
    let request = parse_request(&message).unwrap();
    assert_eq!(request.inputs[1].raw, whole.raw[1]);
    let rendered = forwarded(&request, "taxi-12");
    assert_eq!(rendered, renamed(whole, "taxi-12"));
}

#[test]
fn a_shape_is_read_packed_unpacked_and_mixed() {
    // Field 3 as the number 2, packed 5 and 6, the number 7.
    let tensor = [0x0a, 1, b'x', 0x18, 2, 0x1a, 2, 5, 6, 0x18, 7];
    let message = [&[0x2a, tensor.len() as u8][..], &tensor, &[0x3a, 0]].concat();
    let request = parse_request(&message.into()).unwrap();
    assert_eq!(request.inputs[0].shape, [2, 5, 6, 7]);
    let negative = v2::Request {
        inputs: vec![v2::tensor("x", "FP32", &[-1, i64::MIN])],
        raw: vec![Vec::new()],
        ..v2::Request::default()
    };
    assert_eq!(parse(&negative).unwrap().inputs[0].shape, [-1, i64::MIN]);
}

#[test]
fn more_than_8_dimensions_are_refused() {
    let cause_of = "input 'x': more than 8 dimensions";
    let long = v2::Request { inputs: vec![v2::tensor("x", "FP32", &[1; 9])], ..v2::Request::default() };
    assert_eq!(cause(&long), cause_of);
    let unpacked = v2::UnpackedTensor { name: "x".to_owned(), shape: vec![1; 9], ..v2::UnpackedTensor::default() };
    let long = v2::UnpackedRequest { inputs: vec![unpacked], ..v2::UnpackedRequest::default() };
    assert_eq!(cause(&long), cause_of);
}

#[test]
fn more_than_4096_inputs_or_outputs_are_refused() {
    let many = v2::Request { inputs: vec![v2::tensor("x", "FP32", &[1]); 4097], ..v2::Request::default() };
    assert_eq!(cause(&many), "more than 4096 inputs");
    let many = v2::Request { raw: vec![Vec::new(); 4097], ..v2::Request::default() };
    assert_eq!(cause(&many), "more than 4096 inputs");
    let many = v2::Request { outputs: vec![wanted("y", &[]); 4097], ..v2::Request::default() };
    assert!(parse(&many).is_err());
}

#[test]
fn unknown_fields_are_skipped() {
    // Field 100: a number, 8 bytes, 4 bytes, a text.
    let unknown = [
        &[0xa0, 0x06, 0x96, 0x01][..],
        &[0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xa5, 0x06, 1, 2, 3, 4],
        &[0xa2, 0x06, 2, b'h', b'i'],
    ]
    .concat();
    let message = [unknown.clone(), raw_request().encode_to_vec(), unknown.clone()].concat();
    let request = parse_request(&message.into()).unwrap();
    assert_eq!(request.inputs[0].raw, raw_request().raw[0]);
    let tensor = [v2::tensor("x", "FP32", &[1]).encode_to_vec(), unknown].concat();
    let message = [&[0x2a, tensor.len() as u8][..], &tensor, &[0x3a, 0]].concat();
    assert_eq!(parse_request(&message.into()).unwrap().inputs[0].name, "x");
}

#[test]
fn what_is_no_protobuf_is_refused() {
    let cases: [(&str, &[u8]); 9] = [
        ("the start of a group", &[0x0b, 0x0c]),
        ("the start of an unknown group", &[0xa3, 0x06, 0xa4, 0x06]),
        ("the end of a group", &[0x0c]),
        ("wire type 6", &[0x0e]),
        ("wire type 7", &[0x0f]),
        ("field number 0", &[0x02, 0]),
        ("a varint that does not end", &[0xff; 11]),
        ("a length beyond the message", &[0x0a, 0x7f, b'x']),
        ("a length beyond the address space", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ];
    for (what, message) in cases {
        let fault = parse_request(&Bytes::copy_from_slice(message)).unwrap_err();
        assert_eq!(fault.message, "the message is not a valid protobuf of its type", "{what}");
    }
}

#[test]
fn a_known_field_of_another_wire_type_is_refused() {
    for field in 1..=7u8 {
        let message = vec![field << 3, 1];
        assert!(parse_request(&message.into()).is_err(), "field {field}");
    }
    for field in [1, 2, 4, 5] {
        let message = vec![0x2a, 2, field << 3, 1];
        assert!(parse_request(&message.into()).is_err(), "field {field} of an input");
    }
}

#[test]
fn a_field_cut_short_is_refused_wherever_it_is_cut() {
    let tensor = v2::Request { inputs: raw_request().inputs[..1].to_vec(), ..v2::Request::default() };
    let whole = tensor.encode_to_vec();
    for length in 1..whole.len() {
        assert!(parse_request(&whole[..length].to_vec().into()).is_err(), "{length} bytes");
    }
    // A tensor that is cut inside, with its length put right.
    for length in 1..whole.len() - 2 {
        let mut message = whole[..2 + length].to_vec();
        message[1] = length as u8;
        let is_boundary = v2::Request::decode(&message[..]).is_ok();
        assert!(is_boundary || parse_request(&message.into()).is_err(), "{length} bytes");
    }
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    for message in [&[0x0a, 1, 0xff][..], &[0x12, 1, 0xff], &[0x1a, 1, 0xff], &[0x2a, 3, 0x0a, 1, 0xff]] {
        assert!(parse_request(&Bytes::copy_from_slice(message)).is_err());
    }
}

#[test]
fn shared_memory_is_refused_wherever_it_is_asked_for() {
    let shared = [("shared_memory_region", text("r"))];
    let refused = |owner: &str| format!("'{owner}': shared memory is not offered");
    let message = v2::Request { parameters: parameters(&shared), ..raw_request() };
    assert_eq!(cause(&message), refused("request"));
    let mut message = raw_request();
    message.inputs[1].parameters = parameters(&shared);
    assert_eq!(cause(&message), refused("zone"));
    let message = v2::Request { outputs: vec![wanted("fare", &shared)], ..raw_request() };
    assert_eq!(cause(&message), refused("fare"));
}

#[test]
fn classification_is_refused_of_outputs_only() {
    let of = |count| [("classification", parameter(ParameterChoice::Int64(count)))];
    let message = v2::Request { outputs: vec![wanted("fare", &of(3))], ..raw_request() };
    let expected = "output 'fare': the classification extension is not offered; read the probabilities";
    assert_eq!(cause(&message), expected);
    let message = v2::Request { outputs: vec![wanted("fare", &of(0))], ..raw_request() };
    assert!(parse(&message).is_ok());
    let mut message = raw_request();
    message.inputs[0].parameters = parameters(&of(3));
    assert!(parse(&message).is_ok());
}

#[test]
fn an_empty_message_is_a_request_of_nothing() {
    let request = parse_request(&Bytes::new()).unwrap();
    assert!(request.inputs.is_empty() && request.model.is_empty() && request.forward.is_none());
}

/// The forwarded request as the server reads it.
fn forwarded(request: &Request, server_name: &str) -> v2::Request {
    let signature = signature(Vec::new(), Vec::new());
    let rows = Rows { count: 0, tensors: Vec::new() };
    let pieces = render_request(server_name, "unused", &signature, &rows, request.forward.as_deref());
    v2::Request::decode(joined(&pieces)).unwrap()
}

fn renamed(message: v2::Request, server_name: &str) -> v2::Request {
    let outputs = Vec::new();
    v2::Request { model_name: server_name.to_owned(), model_version: String::new(), outputs, ..message }
}

#[test]
fn a_forwarded_request_is_the_callers_with_the_names_replaced() {
    let message = raw_request();
    let request = parse(&message).unwrap();
    assert_eq!(forwarded(&request, "taxi-12"), renamed(message, "taxi-12"));
}

#[test]
fn a_forwarded_request_is_not_copied() {
    let message = bytes(&raw_request());
    let range = message.as_ptr_range();
    let forward = parse_request(&message).unwrap().forward.unwrap();
    assert!(forward.iter().all(|piece| range.contains(&piece.as_ptr())));
    // The id, parameters and inputs lie together, and so do the raw contents behind the outputs asked for.
    assert_eq!(forward.len(), 2);
}

fn taxi() -> (Signature, Rows) {
    let inputs = vec![spec("distance", Datatype::Fp32, &[-1, 2]), spec("zone", Datatype::Bytes, &[-1, 1])];
    let outputs = vec![spec("fare", Datatype::Fp64, &[-1, 1]), spec("kind", Datatype::Bytes, &[-1, 1])];
    let tensors = vec![fp32(&[1.0, 2.0, 3.0, 4.0]), texts(&["east", "west"])];
    (signature(inputs, outputs), Rows { count: 2, tensors })
}

#[test]
fn a_request_made_of_rows_is_raw_and_keeps_the_id() {
    let (signature, rows) = taxi();
    let pieces = render_request("taxi-12", "call-1", &signature, &rows, None);
    let expected = v2::Request {
        model_name: "taxi-12".to_owned(),
        id: "call-1".to_owned(),
        inputs: vec![v2::tensor("distance", "FP32", &[2, 2]), v2::tensor("zone", "BYTES", &[2, 1])],
        raw: rows.tensors.iter().map(|raw| raw.to_vec()).collect(),
        ..v2::Request::default()
    };
    assert_eq!(v2::Request::decode(joined(&pieces)).unwrap(), expected);
}

#[test]
fn large_tensors_of_a_request_are_pieces_of_their_own() {
    let signature =
        signature(["a", "b", "c"].map(|name| spec(name, Datatype::Uint8, &[-1, 50_000])).to_vec(), Vec::new());
    let raws: Vec<Bytes> = [1u8, 2, 3].map(|value| Bytes::from(vec![value; 50_000])).to_vec();
    let rows = Rows { count: 1, tensors: raws.clone() };
    let pieces = render_request("taxi-12", "", &signature, &rows, None);
    for raw in &raws {
        assert!(pieces.iter().any(|piece| piece.as_ptr() == raw.as_ptr() && piece.len() == raw.len()));
    }
    let message = v2::Request::decode(joined(&pieces)).unwrap();
    assert_eq!(message.raw, raws);
    assert_eq!(message.inputs[2], v2::tensor("c", "UINT8", &[1, 50_000]));
}

#[test]
fn what_is_rendered_is_read_back() {
    let (signature, rows) = taxi();
    let pieces = render_request("taxi-12", "call-1", &signature, &rows, None);
    let request = parse_request(&joined(&pieces)).unwrap();
    assert_eq!((request.model.as_str(), request.id.as_str()), ("taxi-12", "call-1"));
    let raws: Vec<Bytes> = request.inputs.into_iter().map(|input| input.raw).collect();
    assert_eq!(raws, rows.tensors);
}

#[test]
fn the_first_text_of_a_message_is_the_last_in_field_1() {
    assert_eq!(first_text(&bytes(&raw_request())).unwrap(), "taxi");
    let again = v2::Request { model_name: "rain".to_owned(), ..v2::Request::default() };
    let twice: Bytes = [raw_request().encode_to_vec(), again.encode_to_vec()].concat().into();
    assert_eq!(first_text(&twice).unwrap(), "rain");
    assert_eq!(first_text(&Bytes::new()).unwrap(), "");
    assert!(first_text(&Bytes::from_static(&[0x0a, 1, 0xff])).is_err());
    assert!(first_text(&Bytes::from_static(&[0x0a, 2, b'x'])).is_err());
}

/// The server's answer, under the server's names.
fn answer() -> v2::Response {
    v2::Response {
        model_name: "taxi-12".to_owned(),
        model_version: "1".to_owned(),
        id: "other".to_owned(),
        parameters: parameters(&[
            ("prediction_id", text("theirs")),
            ("sequence_id", parameter(ParameterChoice::Int64(4))),
        ]),
        outputs: vec![v2::tensor("fare", "FP64", &[2, 1]), v2::tensor("kind", "BYTES", &[2, 1])],
        raw: vec![fp64(&[9.5, 12.0]).to_vec(), texts(&["day", "night"]).to_vec()],
    }
}

#[test]
fn an_answer_is_read_without_copies() {
    let message = bytes(&answer());
    let tensors = parse_response(&message).unwrap();
    assert_eq!(tensors.len(), 2);
    for ((tensor, sent), raw) in tensors.iter().zip(answer().outputs).zip(answer().raw) {
        assert_eq!((&tensor.name, &tensor.datatype, &tensor.shape), (&sent.name, &sent.datatype, &sent.shape));
        assert_eq!(tensor.raw, raw);
        assert!(message.as_ptr_range().contains(&tensor.raw.as_ptr()));
    }
}

#[test]
fn an_answer_without_raw_contents_for_each_output_is_malformed() {
    let mut typed_answer = answer();
    typed_answer.raw.clear();
    typed_answer.outputs[0].contents = Some(Contents { fp64s: vec![1.0, 2.0], ..Contents::default() });
    assert!(parse_response(&bytes(&typed_answer)).is_err());
    let mut short = answer();
    short.raw.pop();
    assert!(parse_response(&bytes(&short)).is_err());
    assert!(parse_response(&Bytes::from_static(&[0x2a, 9, 1])).is_err());
}

#[test]
fn a_renamed_answer_is_the_servers_under_the_public_names() {
    let pieces = rename_response(&bytes(&answer()), &NAMING);
    let mut expected = v2::Response {
        model_name: "taxi".to_owned(),
        model_version: "12".to_owned(),
        id: "call-1".to_owned(),
        ..answer()
    };
    expected.parameters.insert("prediction_id".to_owned(), text("p-1"));
    assert_eq!(v2::Response::decode(joined(&pieces)).unwrap(), expected);
}

fn rendered(wanted: &[usize]) -> Vec<Bytes> {
    let (signature, _) = taxi();
    render_response(&signature, 2, &[fp64(&[9.5, 12.0]), texts(&["day", "night"])], wanted, &NAMING)
}

#[test]
fn a_rendered_answer_has_the_outputs_asked_for_in_their_order() {
    for wanted in [&[0, 1][..], &[1, 0], &[1], &[0], &[]] {
        let expected = v2::Response {
            model_name: "taxi".to_owned(),
            model_version: "12".to_owned(),
            id: "call-1".to_owned(),
            parameters: parameters(&[("prediction_id", text("p-1"))]),
            outputs: wanted.iter().map(|&place| answer().outputs[place].clone()).collect(),
            raw: wanted.iter().map(|&place| answer().raw[place].clone()).collect(),
        };
        assert_eq!(v2::Response::decode(joined(&rendered(wanted))).unwrap(), expected, "{wanted:?}");
    }
}

#[test]
fn a_streamed_answer_is_the_answer_marked_as_the_last() {
    for pieces in [rendered(&[0, 1]), rename_response(&bytes(&answer()), &NAMING)] {
        let mut expected = v2::Response::decode(joined(&pieces)).unwrap();
        let last = parameter(ParameterChoice::Bool(true));
        expected.parameters.insert("triton_final_response".to_owned(), last);
        let streamed = v2::StreamResponse::decode(joined(&stream_answer(pieces))).unwrap();
        assert_eq!(streamed, v2::StreamResponse { error_message: String::new(), response: Some(expected) });
    }
}

#[test]
fn a_streamed_error_keeps_the_id_of_its_request() {
    for id in ["call-1", ""] {
        let expected = v2::StreamResponse {
            error_message: "no model 'x'".to_owned(),
            response: Some(v2::Response { id: id.to_owned(), ..v2::Response::default() }),
        };
        let streamed = v2::StreamResponse::decode(joined(&stream_error("no model 'x'", id))).unwrap();
        assert_eq!(streamed, expected);
    }
}

fn any_request() -> impl Strategy<Value = v2::Request> {
    let tensor = (
        ".{0,6}",
        "[A-Z0-9]{0,5}",
        prop::collection::vec(any::<i64>(), 0..8),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let parameters = prop::collection::btree_map(
        "[a-z]{1,6}",
        prop_oneof![
            any::<bool>().prop_map(ParameterChoice::Bool),
            any::<i64>().prop_map(ParameterChoice::Int64),
            ".{0,6}".prop_map(ParameterChoice::String),
            prop::num::f64::NORMAL.prop_map(ParameterChoice::Double),
        ]
        .prop_map(parameter),
        0..3,
    );
    (".{0,6}", "[0-9]{0,3}", ".{0,6}", parameters, prop::collection::vec(tensor, 1..5)).prop_map(
        |(model_name, model_version, id, parameters, tensors)| v2::Request {
            model_name,
            model_version,
            id,
            parameters,
            inputs: tensors.iter().map(|(name, datatype, shape, _)| v2::tensor(name, datatype, shape)).collect(),
            outputs: vec![wanted("y", &[])],
            raw: tensors.into_iter().map(|(_, _, _, raw)| raw).collect(),
        },
    )
}

proptest! {
    #[test]
    fn any_raw_request_is_read_and_forwarded_as_it_is(message in any_request()) {
        let request = parse(&message).unwrap();
        prop_assert_eq!(&request.model, &message.model_name);
        prop_assert_eq!(&request.version, &message.model_version);
        prop_assert_eq!(&request.id, &message.id);
        for (input, (sent, raw)) in request.inputs.iter().zip(message.inputs.iter().zip(&message.raw)) {
            prop_assert_eq!(&input.name, &sent.name);
            prop_assert_eq!(&input.shape, &sent.shape);
            prop_assert_eq!(&input.raw, raw);
        }
        prop_assert_eq!(forwarded(&request, "taxi-12"), renamed(message, "taxi-12"));
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(message in prop::collection::vec(any::<u8>(), 0..200)) {
        let message = Bytes::from(message);
        let _ = parse_request(&message);
        let _ = parse_response(&message);
        let _ = first_text(&message);
    }

    #[test]
    fn any_change_of_a_request_is_read_or_refused_without_panic(
        changes in prop::collection::vec((0..1000usize, any::<u8>()), 1..4),
        place in 0..12usize,
    ) {
        let (datatype, contents, _) = every_typed().swap_remove(place);
        for message in [raw_request(), typed_request(datatype, contents)] {
            let mut message = message.encode_to_vec();
            for &(place, byte) in &changes {
                let length = message.len();
                message[place % length] = byte;
            }
            let _ = parse_request(&message.into());
        }
        let mut message = answer().encode_to_vec();
        for (place, byte) in changes {
            let length = message.len();
            message[place % length] = byte;
        }
        let _ = parse_response(&message.into());
    }
}
