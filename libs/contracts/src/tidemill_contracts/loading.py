"""Reads pipeline files; a mistake is reported with its line, its field and the cure."""

from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tidemill_contracts.pipeline import Mistake, Pipeline, PipelineFile

MAX_FILE_BYTES = 1 << 20


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
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PipelineError(f"{path}: larger than {MAX_FILE_BYTES} bytes; a pipeline file is a few hundred lines")
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PipelineError(f"{path}: {error.strerror}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PipelineError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path}:1: not YAML in UTF-8: {error}") from error
    if not isinstance(document, dict):
        raise PipelineError(f"{path}:1: a pipeline file is a mapping that begins with `apiVersion: tidemill/v1`")
    try:
        Pipeline.model_validate(document)
        return PipelineFile.model_validate({**document, "path": path})
    except ValidationError as error:
        raise PipelineError("\n".join(_explain(path, document, item) for item in error.errors())) from error


def _explain(path: Path, document: Any, error: Any) -> str:
    location = [part for part in error["loc"] if part != "[key]"]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Mistake):
        location += cause.location
    field = ".".join(str(part) for part in location) or "pipeline"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown field; correct its name or remove it"
    if error["type"] == "missing":
        message = "missing; add it"
    return f"{path}:{_line(document, location)}: {field}: {message}"


def _line(node: Any, location: list[Any]) -> int:
    """Line (from 1) of the deepest part of `location` that the document has."""
    line = 1
    for part in location:
        if not isinstance(node, CommentedBase):
            break
        try:
            mark = node.lc.key(part) if isinstance(node, dict) else node.lc.item(part)
            node = cast(Any, node)[part]
        except (KeyError, IndexError, TypeError):
            break
        line = mark[0] + 1
    return line
