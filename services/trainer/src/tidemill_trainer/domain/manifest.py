"""The manifest: names an artifact's files by digest; its own digest identifies the model.

It holds only what the data version, the pipeline, the code and the libraries determine, so that making the model again
gives the same digest. What caused the run is in the event.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from tidemill.v1.training_pb2 import Lineage

from tidemill_trainer.domain.canonical import canonical_json
from tidemill_trainer.domain.signature import Signature

FORMAT = "tidemill/manifest/v1"
MODEL = "model.onnx"
GOLDEN = "golden.json"
REFERENCE = "reference.pb"
_OF_THE_RUN = ("cause", "cause_event_id")


def manifest(
    *,
    model: str,
    task: str,
    files: Mapping[str, str],
    signature: Signature,
    candidate: Mapping[str, Any],
    lineage: Lineage,
) -> bytes:
    """Canonical JSON: `format`, `model`, `task`, `files` (name to SHA-256), the signature, `candidate`, `lineage`."""
    origin = MessageToDict(lineage, preserving_proto_field_name=True)
    return canonical_json(
        {
            "format": FORMAT,
            "model": model,
            "task": task,
            "files": dict(files),
            **signature.as_json(),
            "candidate": dict(candidate),
            "lineage": {name: value for name, value in origin.items() if name not in _OF_THE_RUN},
        }
    )
