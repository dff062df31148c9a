"""The published JSON Schema is the model's, and accepts what the loader accepts."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from ruamel.yaml import YAML
from tidemill_contracts.pipeline import json_schema

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "docs/pipeline.schema.json"
PIPELINES = [
    Path(__file__).parent / "pipeline.yaml",
    *sorted(ROOT.glob("examples/*/pipeline.yaml")),
    *sorted(ROOT.glob("tests/pipelines/*/pipeline.yaml")),
]


def validate(document: object) -> None:
    Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(document)


def test_the_published_schema_is_current():
    assert json.loads(PUBLISHED.read_text()) == json_schema()


def test_the_schema_is_a_json_schema():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_the_schema_accepts_the_examples(path: Path):
    validate(YAML(typ="safe").load(path))


@pytest.mark.parametrize(
    ("field", "value"), [("surprise", 1), ("seed", "lucky"), ("task", "guessing"), ("metrics", [])]
)
def test_the_schema_refuses_what_the_loader_refuses(example: Path, field: str, value: object):
    document = YAML(typ="safe").load(example)

    with pytest.raises(ValidationError):
        validate({**document, field: value})
