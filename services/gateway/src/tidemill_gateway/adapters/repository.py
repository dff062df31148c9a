"""Triton's model repository: one folder per version, written whole or not at all."""

import re
import shutil
import uuid
from pathlib import Path

from google.protobuf import text_format
from tidemill_contracts.manifest import MODEL_FILE, Signature, TensorSpec
from tritonclient.grpc import model_config_pb2

BACKEND = "onnxruntime"
_DATATYPES = {"BYTES": "TYPE_STRING"}


class ModelRepository:
    """Models by their name in the server."""

    def __init__(self, root: Path, max_rows: int) -> None:
        self._root = root
        self._max_rows = max_rows

    def write(self, name: str, model: bytes, signature: Signature) -> None:
        """Put a model in place of what may be there under `name`; the folder appears complete."""
        self._root.mkdir(parents=True, exist_ok=True)
        config = configuration(name, signature, self._max_rows)
        if self._has(name, model, config):
            return
        draft = self._root / f".{name}.{uuid.uuid4().hex}"
        (draft / "1").mkdir(parents=True)
        (draft / "1" / MODEL_FILE).write_bytes(model)
        (draft / "config.pbtxt").write_text(config, encoding="utf-8")
        self.remove(name)
        draft.rename(self._root / name)

    def remove(self, name: str) -> None:
        """Take a model away, if it is there."""
        folder = self._root / name
        if folder.exists():
            discarded = self._root / f".{name}.{uuid.uuid4().hex}"
            folder.rename(discarded)
            shutil.rmtree(discarded)

    def versions(self, model: str) -> list[int]:
        """Versions of `model` that have a folder."""
        pattern = re.compile(rf"^{re.escape(model)}-v(\d+)$")
        matches = (pattern.match(entry.name) for entry in self._root.glob("*"))
        return sorted(int(match[1]) for match in matches if match)

    def sweep(self) -> None:
        """Remove what an interrupted write left."""
        for entry in self._root.glob(".*"):
            shutil.rmtree(entry, ignore_errors=True)

    def _has(self, name: str, model: bytes, config: str) -> bool:
        folder = self._root / name
        try:
            same_config = (folder / "config.pbtxt").read_text(encoding="utf-8") == config
            return same_config and (folder / "1" / MODEL_FILE).read_bytes() == model
        except FileNotFoundError:
            return False


def configuration(name: str, signature: Signature, max_rows: int) -> str:
    """The `config.pbtxt` of a model: any number of rows up to `max_rows`, batched by the server."""
    config = model_config_pb2.ModelConfig(
        name=name,
        backend=BACKEND,
        max_batch_size=max_rows,
        input=[
            model_config_pb2.ModelInput(name=spec.name, data_type=_datatype(spec), dims=spec.shape[1:])
            for spec in signature.inputs
        ],
        output=[
            model_config_pb2.ModelOutput(name=spec.name, data_type=_datatype(spec), dims=spec.shape[1:])
            for spec in signature.outputs
        ],
        instance_group=[
            model_config_pb2.ModelInstanceGroup(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_AUTO)
        ],
        dynamic_batching=model_config_pb2.ModelDynamicBatching(),
    )
    text: str = text_format.MessageToString(config)
    return text


def _datatype(spec: TensorSpec) -> str:
    return _DATATYPES.get(spec.datatype, f"TYPE_{spec.datatype}")
