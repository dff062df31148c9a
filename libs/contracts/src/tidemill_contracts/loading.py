"""Reads pipeline files; a mistake is reported with its line, its field and the cure."""

from pathlib import Path
from typing import Any

from tidemill_contracts.files import read_file
from tidemill_contracts.pipeline import Pipeline, PipelineFile


class PipelineError(ValueError):
    """A pipeline file that cannot be used; the text lists every mistake as `file:line: field: cure`."""


def load_pipelines(directory: Path) -> dict[str, PipelineFile]:
    """Every `*/pipeline.yaml` below `directory`, by pipeline name.

    Raises PipelineError if there is none, if one is wrong, or if two share a name or a model.
    """
    pipelines: dict[str, PipelineFile] = {}
    models: dict[str, Path] = {}
    for path in sorted(directory.rglob("pipeline.yaml")):
        pipeline = load_pipeline(path)
        if pipeline.name in pipelines:
            raise PipelineError(f"{path}: name {pipeline.name!r} is taken by {pipelines[pipeline.name].path}")
        if pipeline.model in models:
            raise PipelineError(f"{path}: model {pipeline.model!r} is taken by {models[pipeline.model]}")
        pipelines[pipeline.name] = pipeline
        models[pipeline.model] = path
    if not pipelines:
        raise PipelineError(
            f"{directory}: no pipeline.yaml below this directory; add one or correct TIDEMILL_PIPELINES"
        )
    return pipelines


def load_pipeline(path: Path) -> PipelineFile:
    """The pipeline of one file; PipelineError lists its mistakes."""

    def validate(document: dict[str, Any]) -> PipelineFile:
        Pipeline.model_validate(document)
        return PipelineFile.model_validate({**document, "path": path})

    return read_file(path, validate, PipelineError, "a pipeline file", "`apiVersion: tidemill/v1`")
