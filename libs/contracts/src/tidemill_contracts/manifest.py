"""What a stored model says of itself: the manifest, its signature and its golden predictions.

The artifact's digest is that of the manifest, which names every file by its own digest. Fields that are not known here
are passed over: within a format, fields are only ever added.
"""

import math
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tidemill_contracts.serving import Missing
from tidemill_contracts.values import Share

FORMAT: Final = "tidemill/manifest/v1"
MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.json"
REFERENCE_FILE = "reference.pb"
MAX_MANIFEST_BYTES = 4 << 20
MAX_GOLDEN_BYTES = 32 << 20
MAX_MODEL_BYTES = 1 << 30

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TensorName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,126}$")]
Datatype = Literal[
    "BOOL",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "FP16",
    "BF16",
    "FP32",
    "FP64",
    "BYTES",
]
Shape = Annotated[tuple[int, ...], Field(min_length=2, max_length=8)]


class Part(BaseModel):
    """A part of the artifact: values are of the declared types and never change."""

    model_config = ConfigDict(frozen=True, strict=True)


class TensorSpec(Part):
    """A tensor of the signature, of 2 to 8 dimensions; -1 in front is the number of rows."""

    name: TensorName
    datatype: Datatype
    shape: Shape

    @model_validator(mode="after")
    def is_rows_by_sizes(self) -> Self:
        if self.shape[0] != -1 or min(self.shape[1:]) < 1:
            raise ValueError(f"{self.name}: shape {list(self.shape)} is not -1 and sizes from 1 up")
        return self

    @property
    def width(self) -> int:
        """Values per row."""
        return math.prod(self.shape[1:])


class Signature(Part):
    """Inputs and outputs of a model."""

    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def tensors_are_distinct(self) -> Self:
        for specs in (self.inputs, self.outputs):
            names = [spec.name for spec in specs]
            if len(set(names)) != len(names):
                raise ValueError(f"a tensor name is given twice: {names}")
        return self


class CacheSpec(Part):
    """Cache of answers by exact input: so many `entries`, each for `ttl` seconds."""

    entries: int = Field(ge=1, le=1_000_000)
    ttl: float = Field(gt=0, allow_inf_nan=False)


class LogSpec(Part):
    """The share of predictions that are logged, and the inputs logged only as a keyed hash, or not at all."""

    sample: Share = 1.0
    hash: tuple[TensorName, ...] = ()
    drop: tuple[TensorName, ...] = ()


class ServingSpec(Part):
    """How the version is to be served: `serving` of the pipeline file, with features by their tensor's name.

    `concurrency` requests of the model are in flight per gateway, `queue` may wait beyond.
    """

    missing: Missing = "allow"
    cache: CacheSpec | None = None
    log: LogSpec = LogSpec()
    concurrency: int = Field(default=256, ge=1)
    queue: int = Field(default=1024, ge=0)
    retry: bool = True


class Manifest(Signature):
    """An artifact's table of contents: its files by name, with the SHA-256 of each.

    `candidate` has `name`, `algorithm` and `hyperparameters` (JSON); `lineage` is a `Lineage` event as JSON without
    what caused the run.
    """

    format: Literal["tidemill/manifest/v1"]
    model: str
    task: Literal["classification", "regression"]
    files: dict[str, Digest]
    serving: ServingSpec = ServingSpec()
    candidate: dict[str, str]
    lineage: dict[str, Any]

    @model_validator(mode="after")
    def has_what_serving_needs(self) -> Self:
        if missing := [name for name in (MODEL_FILE, GOLDEN_FILE) if name not in self.files]:
            raise ValueError(f"files lack {', '.join(missing)}")
        inputs = {spec.name for spec in self.inputs}
        log = self.serving.log
        if unknown := [name for name in (*log.hash, *log.drop) if name not in inputs]:
            raise ValueError(f"serving.log names {', '.join(unknown)}, which the model does not take")
        return self


class GoldenTensor(Part):
    """A tensor with its values, flat; null is a missing number."""

    name: TensorName
    datatype: Datatype
    shape: Shape
    data: list[Any]


class Golden(Part):
    """Rows with the outputs they must give, floats within `tolerance` (absolute plus relative)."""

    inputs: tuple[GoldenTensor, ...] = Field(min_length=1)
    outputs: tuple[GoldenTensor, ...] = Field(min_length=1)
    tolerance: float = Field(gt=0, le=0.01)
