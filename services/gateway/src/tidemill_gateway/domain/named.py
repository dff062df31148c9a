"""Rows of named fields to a model's tensors, and its outputs to named results."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill_contracts.manifest import Signature, TensorSpec
from tidemill_runtime.errors import InvalidInput

from tidemill_gateway.domain.json_values import pack, shown
from tidemill_gateway.domain.tensors import BYTES, NUMPY_TYPES, Tensor, to_array, to_texts


def tensors_of(signature: Signature, instances: Sequence[object]) -> list[Tensor]:
    """One tensor per input; an absent or null field is missing. InvalidInput names the row and the field."""
    known = {spec.name for spec in signature.inputs}
    rows = [_row(position, instance, known) for position, instance in enumerate(instances)]
    return [_column(spec, rows) for spec in signature.inputs]


def results_of(outputs: Sequence[Tensor], rows: int) -> list[dict[str, Any]]:
    """One object per row: an output of width 1 as a value, a wider one as an array."""
    results: list[dict[str, Any]] = [{} for _ in range(rows)]
    for tensor in outputs:
        values: list[Any] = to_texts(tensor) if tensor.datatype == BYTES else to_array(tensor).ravel().tolist()
        width = len(values) // rows
        for row, result in enumerate(results):
            result[tensor.name] = values[row] if width == 1 else values[row * width : (row + 1) * width]
    return results


def _row(position: int, instance: object, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(instance, dict):
        raise InvalidInput(f"instances[{position}] is not an object of named fields")
    for field in instance:
        if field not in known:
            raise InvalidInput(
                f"instances[{position}]: unknown field {field[:100]!r}; the model takes {', '.join(sorted(known))}"
            )
    return instance


def _column(spec: TensorSpec, rows: Sequence[Mapping[str, Any]]) -> Tensor:
    values = [_value(spec, position, row.get(spec.name)) for position, row in enumerate(rows)]
    return Tensor(spec.name, spec.datatype, (len(rows), 1), pack(spec.name, spec.datatype, values))


def _value(spec: TensorSpec, position: int, value: object) -> object:
    where = f"instances[{position}].{spec.name}"
    if spec.datatype == BYTES:
        if value is None or isinstance(value, str):
            return value
        raise InvalidInput(f"{where}: {shown(value)} is not a text")
    is_float = NUMPY_TYPES[spec.datatype].kind == "f"
    if value is None and not is_float:
        raise InvalidInput(f"{where} is missing")
    if value is None or isinstance(value, bool | int) or (is_float and isinstance(value, float)):
        return value
    raise InvalidInput(f"{where}: {shown(value)} is not a {'number' if is_float else 'whole number'}")
