"""Reads files that people write in YAML; a mistake is reported with its line, its field and the cure."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tidemill_contracts.values import Mistake

MAX_FILE_BYTES = 1 << 20
T = TypeVar("T")


def read_file(
    path: Path, validate: Callable[[dict[str, Any]], T], failure: type[ValueError], what: str, beginning: str
) -> T:
    """What `validate` makes of the file's mapping; `failure` lists every mistake as `file:line: field: cure`.

    `what` it is and its `beginning` are named to those who wrote something else.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise failure(f"{path}: larger than {MAX_FILE_BYTES} bytes; {what} is a few hundred lines")
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise failure(f"{path}: {error.strerror}") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise failure(f"{path}:{line}: not YAML: {error.problem}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise failure(f"{path}:1: not YAML in UTF-8: {error}") from error
    if not isinstance(document, dict):
        raise failure(f"{path}:1: {what} is a mapping that begins with {beginning}")
    try:
        return validate(document)
    except ValidationError as error:
        raise failure("\n".join(_explain(path, document, item, what) for item in error.errors())) from error


def _explain(path: Path, document: Any, error: Any, what: str) -> str:
    location = [part for part in error["loc"] if part != "[key]"]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Mistake):
        location += cause.location
    field = ".".join(str(part) for part in location) or what
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
