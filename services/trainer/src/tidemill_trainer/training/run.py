"""The story of one run: a data version becomes candidates, the best of them an artifact."""

from pathlib import Path
from typing import Any

from tidemill.v1.training_pb2 import Candidate, Incumbent, Lineage, ModelTrained
from tidemill_contracts.loading import load_pipeline
from tidemill_contracts.manifest import GOLDEN_FILE, MODEL_FILE, REFERENCE_FILE
from tidemill_contracts.pipeline import PipelineFile
from tidemill_runtime.errors import InvalidInput

from tidemill_trainer.domain.canonical import canonical_json, digest
from tidemill_trainer.domain.choice import winner
from tidemill_trainer.domain.golden import golden_json
from tidemill_trainer.domain.manifest import manifest
from tidemill_trainer.domain.scores import check_metrics, measure
from tidemill_trainer.domain.signature import feature_kinds, signature
from tidemill_trainer.domain.split import Parts, later_than, split
from tidemill_trainer.training import spec as names
from tidemill_trainer.training.candidate import Task, Trained, train_all
from tidemill_trainer.training.code import code_commit, code_digest
from tidemill_trainer.training.data import Rows, read_rows
from tidemill_trainer.training.golden_rows import decided_rows, golden_rows, parity_rows
from tidemill_trainer.training.libraries import library_versions
from tidemill_trainer.training.onnx_model import OnnxModel, tensors
from tidemill_trainer.training.reference import make_reference
from tidemill_trainer.training.spec import RunSpec

FEWEST_COMPARABLE_ROWS = 200


def execute(spec: RunSpec) -> ModelTrained:
    """Train, compare and write the files into the run's directory; the event to announce.

    Raises InvalidInput if no candidate can serve: `report.json` then still says why.
    """
    pipeline = load_pipeline(spec.pipeline_file)
    check_metrics(pipeline.metrics, pipeline.task)
    kinds = feature_kinds(pipeline)
    rows = read_rows(spec.lake_url, spec.table, spec.table_version, pipeline, kinds)
    parts = split(rows.times, pipeline.split.validation, pipeline.split.test, pipeline.split.window)
    parts, comparable = unseen_by_champion(rows, parts, spec)
    lineage = _lineage(spec, pipeline, rows, parts)
    tasks = _tasks(pipeline, rows, parts)
    candidates = train_all(tasks, spec.parallel, spec.memory_bytes)
    incumbent = _incumbent(spec, pipeline, rows.part(parts.test), comparable)
    best = winner({one.name: one.validation_metrics for one in candidates if not one.error}, pipeline.primary_metric)
    event = ModelTrained(
        run_id=spec.run_id,
        pipeline=pipeline.name,
        model=pipeline.model,
        candidates=[_candidate(task, trained) for task, trained in zip(tasks, candidates, strict=True)],
        incumbent=incumbent,
        lineage=lineage,
        train_rows=len(parts.train),
        validation_rows=len(parts.validation),
        test_rows=len(parts.test),
    )
    _write(spec.directory / names.REPORT, canonical_json(_report(event, rows, parts, candidates, best)))
    if best is None:
        raise InvalidInput("no candidate can serve: " + "; ".join(f"{one.name}: {one.error}" for one in candidates))
    event.winner.CopyFrom(next(one for one in event.candidates if one.name == best))
    model = next(one.model for one in candidates if one.name == best)
    event.reference.CopyFrom(make_reference(pipeline, rows, parts, OnnxModel(model)))
    event.artifact_digest = _write_artifact(
        spec.directory / names.ARTIFACTS, pipeline, rows.part(parts.test), model, event
    )
    _write(spec.directory / names.RESULT, event.SerializeToString(deterministic=True))
    return event


def unseen_by_champion(rows: Rows, parts: Parts, spec: RunSpec) -> tuple[Parts, bool]:
    """The parts with only such test rows as the champion has not seen either, and whether it can be compared on them.

    If too few are left, the test part stays whole and the champion is not measured.
    """
    if spec.champion is None:
        return parts, False
    unseen = later_than(rows.times, parts.test, spec.champion.trained_until)
    if len(unseen) < min(FEWEST_COMPARABLE_ROWS, len(parts.test)):
        return parts, False
    return Parts(parts.train, parts.validation, unseen), True


def _tasks(pipeline: PipelineFile, rows: Rows, parts: Parts) -> list[Task]:
    kinds = feature_kinds(pipeline)
    test = rows.part(parts.test)
    return [
        Task(
            name=candidate.name,
            algorithm=candidate.algorithm,
            hyperparameters=candidate.hyperparameters,
            training_file=pipeline.training_file,
            kinds=kinds,
            signature=signature(kinds, pipeline.label.classes),
            seed=pipeline.seed,
            metrics=pipeline.metrics,
            train=rows.part(parts.train),
            validation=rows.part(parts.validation),
            test=test,
            parity=parity_rows(test.features, kinds),
        )
        for candidate in pipeline.candidates
    ]


def _incumbent(spec: RunSpec, pipeline: PipelineFile, test: Rows, comparable: bool) -> Incumbent | None:
    if spec.champion is None:
        return None
    if not comparable:
        return Incumbent(version=spec.champion.version)
    model = OnnxModel(spec.champion.model.read_bytes())
    metrics = measure(pipeline.metrics, model.outcomes(test.features, test.labels))
    return Incumbent(version=spec.champion.version, test_metrics=metrics)


def _lineage(spec: RunSpec, pipeline: PipelineFile, rows: Rows, parts: Parts) -> Lineage:
    lineage = Lineage(
        pipeline=pipeline.name,
        pipeline_digest=pipeline.digest,
        data_version=spec.data_version,
        data_digest=spec.data_digest,
        table_version=spec.table_version,
        code_commit=spec.code_commit or code_commit(pipeline.training_file),
        code_digest=code_digest(pipeline.training_file),
        libraries=library_versions(),
        image=spec.image,
        seed=pipeline.seed,
        cause_event_id=spec.cause_event_id,
        cause=spec.cause,  # type: ignore[arg-type]
    )
    lineage.trained_until.FromMicroseconds(_span(rows.part(parts.validation))[1])
    return lineage


def _candidate(task: Task, trained: Trained) -> Candidate:
    return Candidate(
        name=task.name,
        algorithm=task.algorithm,
        hyperparameters=canonical_json(task.hyperparameters).decode(),
        validation_metrics=trained.validation_metrics,
        test_metrics=trained.test_metrics,
        parity_error=trained.parity_error,
        error=trained.error,
        training_seconds=trained.seconds,
    )


def _report(
    event: ModelTrained, rows: Rows, parts: Parts, candidates: list[Trained], best: str | None
) -> dict[str, Any]:
    """What GET /v1/runs/{id} shows of the run beside its state."""
    return {
        "winner": best,
        "parts": {
            name: {"rows": len(part), "from": str(rows.times[part.start]), "to": str(rows.times[part.stop - 1])}
            for name, part in (("train", parts.train), ("validation", parts.validation), ("test", parts.test))
        },
        "candidates": [
            {
                "name": one.name,
                "error": one.error,
                "seconds": round(one.seconds, 3),
                "parity_error": one.parity_error if one.parity_error == one.parity_error else None,
                "validation_metrics": dict(one.validation_metrics),
                "test_metrics": dict(one.test_metrics),
                **one.curves,
            }
            for one in candidates
        ],
        "incumbent": {"version": event.incumbent.version, "test_metrics": dict(event.incumbent.test_metrics)}
        if event.HasField("incumbent")
        else None,
    }


def _write_artifact(directory: Path, pipeline: PipelineFile, test: Rows, model: bytes, event: ModelTrained) -> str:
    """Write the artifact's files; the manifest's digest."""
    kinds = feature_kinds(pipeline)
    tensor_names = signature(kinds, pipeline.label.classes)
    golden = decided_rows(golden_rows(test.features, kinds), OnnxModel(model))
    blobs = {
        MODEL_FILE: model,
        GOLDEN_FILE: golden_json(tensor_names, tensors(golden), OnnxModel(model).run(golden)),
        REFERENCE_FILE: event.reference.SerializeToString(deterministic=True),
    }
    best = event.winner
    contents = manifest(
        pipeline,
        files={name: digest(content) for name, content in blobs.items()},
        signature=tensor_names,
        candidate={"name": best.name, "algorithm": best.algorithm, "hyperparameters": best.hyperparameters},
        lineage=event.lineage,
    )
    for name, content in {**blobs, names.MANIFEST: contents}.items():
        _write(directory / name, content)
    return digest(contents)


def _span(rows: Rows) -> tuple[int, int]:
    """Earliest and latest event time, microseconds since the epoch."""
    times = rows.times.astype("datetime64[us]").astype("int64")
    return int(times[0]), int(times[-1])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
