"""The manifest: names an artifact's files by digest; its own digest identifies the model.

It holds only what the data version, the pipeline, the code and the libraries determine, so that making the model again
gives the same digest. What caused the run is in the event.
"""

from collections.abc import Mapping

from google.protobuf.json_format import MessageToDict
from tidemill.v1.training_pb2 import Lineage
from tidemill_contracts.manifest import FORMAT, CacheSpec, LogSpec, Manifest, ServingSpec, Signature
from tidemill_contracts.pipeline import Pipeline, feature_name
from tidemill_contracts.serving import ServingOptions

from tidemill_trainer.domain.canonical import canonical_json

_OF_THE_RUN = ("cause", "cause_event_id")


def manifest(
    pipeline: Pipeline,
    *,
    files: Mapping[str, str],
    signature: Signature,
    candidate: Mapping[str, str],
    lineage: Lineage,
) -> bytes:
    """Canonical JSON of the manifest; `files` are name to SHA-256. ValidationError if it could not be served."""
    origin = MessageToDict(lineage, preserving_proto_field_name=True)
    contents = Manifest(
        format=FORMAT,
        model=pipeline.model,
        task=pipeline.task,
        files=dict(files),
        inputs=signature.inputs,
        outputs=signature.outputs,
        serving=serving_spec(pipeline.serving),
        candidate=dict(candidate),
        lineage={name: value for name, value in origin.items() if name not in _OF_THE_RUN},
    )
    return canonical_json(contents.model_dump())


def serving_spec(options: ServingOptions) -> ServingSpec:
    """The pipeline's `serving` as the gateway reads it: durations in seconds, features by their tensor's name."""
    cache, log = options.cache, options.log
    return ServingSpec(
        missing=options.missing,
        cache=CacheSpec(entries=cache.entries, ttl=cache.ttl.total_seconds()) if cache else None,
        log=LogSpec(
            sample=log.sample,
            hash=tuple(feature_name(feature) for feature in log.hash),
            drop=tuple(feature_name(feature) for feature in log.drop),
        ),
        concurrency=options.concurrency,
        queue=options.queue,
        retry=options.retry,
    )
