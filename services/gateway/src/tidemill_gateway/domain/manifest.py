"""What a stored model says of itself: the manifest, its signature and its golden predictions.

The artifact's digest is that of the manifest, which names every file by its own digest. Fields that are not known here
are passed over: within a format, fields are only ever added.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from tidemill_runtime.errors import CorruptArtifact

MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.json"
MAX_MANIFEST_BYTES = 4 << 20
MAX_GOLDEN_BYTES = 32 << 20
MAX_MODEL_BYTES = 1 << 30

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TensorName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,126}$")]


class Part(BaseModel):
    """A part of the artifact: values are of the declared types and never change."""

    model_config = ConfigDict(frozen=True, strict=True)


class TensorSpec(Part):
    """A tensor of the signature; -1 in front is the number of rows."""

    name: TensorName
    datatype: Literal["FP32", "FP64", "INT32", "INT64", "BOOL", "BYTES"]
    shape: tuple[int, int]

    @model_validator(mode="after")
    def is_rows_by_width(self) -> Self:
        if self.shape[0] != -1 or self.shape[1] < 1:
            raise ValueError(f"{self.name}: shape {list(self.shape)} is not [-1, width]")
        return self

    @property
    def width(self) -> int:
        """Values per row."""
        return self.shape[1]


class Signature(Part):
    """Inputs and outputs of a model."""

    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def tensors_are_distinct_and_inputs_narrow(self) -> Self:
        for specs in (self.inputs, self.outputs):
            names = [spec.name for spec in specs]
            if len(set(names)) != len(names):
                raise ValueError(f"a tensor name is given twice: {names}")
        if wide := [spec.name for spec in self.inputs if spec.width != 1]:
            raise ValueError(f"inputs {wide} are wider than 1; one input is one feature")
        return self


class Manifest(Signature):
    """An artifact's table of contents: its files by name, with the SHA-256 of each."""

    format: Literal["tidemill/manifest/v1"]
    model: str
    task: Literal["classification", "regression"]
    files: dict[str, Digest]

    @model_validator(mode="after")
    def has_what_serving_needs(self) -> Self:
        if missing := [name for name in (MODEL_FILE, GOLDEN_FILE) if name not in self.files]:
            raise ValueError(f"files lack {', '.join(missing)}")
        return self


class GoldenTensor(Part):
    """A tensor with its values, flat; null is a missing number."""

    name: TensorName
    datatype: str
    shape: tuple[int, int]
    data: list[Any]


class Golden(Part):
    """Rows with the outputs they must give, floats within `tolerance` (absolute plus relative)."""

    inputs: tuple[GoldenTensor, ...] = Field(min_length=1)
    outputs: tuple[GoldenTensor, ...] = Field(min_length=1)
    tolerance: float = Field(gt=0, le=0.01)


P = TypeVar("P", bound=Part)


def parse(kind: type[P], data: bytes, digest: str) -> P:
    """A part of the artifact `digest`; CorruptArtifact names what is wrong with it."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CorruptArtifact(f"{kind.__name__.lower()} {digest}: {place or 'content'}: {first['msg']}") from error
