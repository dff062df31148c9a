"""The risk of a release follows from what differs between the candidate and the serving version."""

import dataclasses
import json
from typing import Any, get_args

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts.release import Release, Risk, Strategy
from tidemill_registry.domain.risk import STRATEGY_OF, STRUCTURE, Made, assess_risk, changes, strategy_of

RISKS: tuple[Risk, ...] = get_args(Risk)
TUNED = {"learning_rate": 0.05, "hidden": 32}
SERVING = Made(
    code_digest="a" * 64,
    libraries={"numpy": "2.0.0", "onnx": "1.17.0"},
    image="tidemill/trainer:1",
    inputs=("distance", "station"),
    outputs=("late",),
    algorithm="neural_net",
    hyperparameters=json.dumps(TUNED),
    data_version=4,
    rows=1000,
    trained_until="2026-03-01T00:00:00Z",
)
ASPECTS: dict[str, dict[str, Any]] = {
    "code": {"code_digest": "b" * 64},
    "libraries": {"libraries": {"numpy": "2.1.0", "onnx": "1.17.0"}},
    "base image": {"image": "tidemill/trainer:2"},
    "minor data": {"data_version": 5, "rows": 1120},
    "major data": {"data_version": 6, "rows": 400},
    "inputs": {"inputs": ("distance", "rain")},
    "outputs": {"outputs": ("late", "delay")},
    "algorithm": {"algorithm": "logistic_regression"},
    "learning rate": {"learning_rate": 0.1},
    "layers": {"hidden": 64},
}


def candidate(*aspects: str) -> Made:
    """The serving version made again, other in the `aspects`."""
    changed = {field: value for aspect in ASPECTS if aspect in aspects for field, value in ASPECTS[aspect].items()}
    tuned = {name: changed.pop(name, value) for name, value in TUNED.items()}
    return dataclasses.replace(SERVING, hyperparameters=json.dumps(tuned), **changed)


@pytest.mark.parametrize(
    ("aspect", "what", "reason"),
    [
        ("code", "code", "low: training code changed (aaaaaaaaaaaa -> bbbbbbbbbbbb)"),
        ("libraries", "libraries", "low: libraries changed (numpy 2.0.0 -> 2.1.0)"),
        ("base image", "base image", "low: base image tidemill/trainer:1 -> tidemill/trainer:2"),
        ("minor data", "minor data set change", "low: data set version 4 -> 5 grew by 12 %"),
        ("major data", "major data set change", "medium: data set version 4 -> 6 shrank by 60 %"),
        ("inputs", "API", "medium: API changed (new input rain, no input station)"),
        ("outputs", "API", "medium: API changed (new output delay)"),
        ("learning rate", "hyperparameters", "medium: hyperparameters changed (learning_rate 0.05 -> 0.1)"),
        ("layers", "architecture", "high: architecture changed (hidden 32 -> 64)"),
        ("algorithm", "architecture", "high: algorithm neural_net -> logistic_regression"),
    ],
)
def test_a_change_has_a_kind_a_risk_and_a_reason_with_its_numbers(aspect: str, what: str, reason: str):
    assessment = assess_risk(SERVING, candidate(aspect), "low")

    assert [change.what for change in assessment.changes] == [what]
    assert (assessment.risk, assessment.reason) == (reason.split(":")[0], reason)


def test_several_changes_are_as_risky_as_the_riskiest_which_is_told_first():
    assessment = assess_risk(SERVING, candidate("code", "minor data", "learning rate"), "low")

    assert [change.risk for change in assessment.changes] == ["medium", "low", "low"]
    assert assessment.reason == (
        "medium: hyperparameters changed (learning_rate 0.05 -> 0.1); data set version 4 -> 5 grew by 12 %; "
        "training code changed (aaaaaaaaaaaa -> bbbbbbbbbbbb)"
    )


def test_nothing_changed_is_low():
    assert assess_risk(SERVING, candidate(), "low").reason == "low: nothing changed"


@pytest.mark.parametrize("minimum", RISKS)
def test_the_first_version_has_nobody_to_harm(minimum: Risk):
    assessment = assess_risk(None, SERVING, minimum)

    assert (assessment.risk, assessment.reason) == ("low", "low: no version serves yet")


@pytest.mark.parametrize(
    ("aspects", "told"),
    [
        (["base image"], "base image tidemill/trainer:1 -> tidemill/trainer:2"),
        ([], "nothing changed"),
    ],
)
def test_no_change_is_less_risky_than_the_pipeline_takes_it_to_be(aspects: list[str], told: str):
    assessment = assess_risk(SERVING, candidate(*aspects), "medium")

    assert assessment.risk == "medium"
    assert assessment.reason == f"medium: {told}; the pipeline takes no change to be less than medium"


@pytest.mark.parametrize("name", sorted(STRUCTURE))
def test_what_shapes_a_network_is_its_architecture_even_where_it_is_new(name: str):
    shaped = dataclasses.replace(SERVING, hyperparameters=json.dumps({**TUNED, name: "other"}))

    assert assess_risk(SERVING, shaped, "low").risk == "high"


def test_a_hyperparameter_that_is_new_or_gone_is_told():
    other = dataclasses.replace(SERVING, hyperparameters='{"epochs":5,"hidden":32}')

    assert assess_risk(SERVING, other, "low").reason == (
        "medium: hyperparameters changed (epochs absent -> 5, learning_rate 0.05 -> absent)"
    )


def test_another_algorithm_is_not_compared_by_its_hyperparameters():
    other = dataclasses.replace(candidate("algorithm"), hyperparameters='{"C":1.0}')

    assert [change.what for change in changes(SERVING, other)] == ["architecture"]


@pytest.mark.parametrize(
    ("before", "after", "risk"),
    [(1000, 500, "low"), (1000, 499, "medium"), (1000, 2000, "low"), (1000, 2001, "medium"), (0, 1, "medium")],
)
def test_a_data_set_change_is_major_above_half_of_the_larger_ones_rows(before: int, after: int, risk: str):
    old, new = (dataclasses.replace(SERVING, rows=rows, data_version=rows) for rows in (before, after))

    assert assess_risk(old, new, "low").risk == risk


def test_data_as_many_but_later_is_told_until_when():
    later = dataclasses.replace(SERVING, data_version=5, trained_until="2026-03-08T00:00:00Z")

    assert assess_risk(SERVING, later, "low").reason == (
        "low: data set version 4 -> 5 has as many rows, until 2026-03-08T00:00:00Z"
    )


@given(st.sets(st.sampled_from(sorted(ASPECTS))), st.sampled_from(sorted(ASPECTS)), st.sampled_from(RISKS))
def test_a_further_change_never_lowers_the_risk(aspects: set[str], further: str, minimum: Risk):
    few = assess_risk(SERVING, candidate(*aspects), minimum)
    more = assess_risk(SERVING, candidate(*aspects, further), minimum)

    assert RISKS.index(minimum) <= RISKS.index(few.risk) <= RISKS.index(more.risk)


@given(st.data(), st.sets(st.sampled_from(sorted(ASPECTS))))
def test_no_order_matters(data: st.DataObject, aspects: set[str]):
    made = candidate(*aspects)
    tuned = json.loads(made.hyperparameters)
    shuffled = dataclasses.replace(
        made,
        libraries=dict(data.draw(st.permutations(list(made.libraries.items())))),
        inputs=tuple(data.draw(st.permutations(made.inputs))),
        hyperparameters=json.dumps(dict(data.draw(st.permutations(list(tuned.items()))))),
    )

    assert changes(made, shuffled) == ()
    assert changes(SERVING, shuffled) == changes(SERVING, made)


def test_what_made_a_version_is_read_from_its_training():
    trained = ModelTrained(train_rows=700, validation_rows=200, test_rows=100)
    trained.winner.algorithm, trained.winner.hyperparameters = SERVING.algorithm, SERVING.hyperparameters
    trained.lineage.code_digest, trained.lineage.data_version = SERVING.code_digest, SERVING.data_version
    trained.lineage.libraries.update(SERVING.libraries)
    trained.lineage.trained_until.FromJsonString(SERVING.trained_until)
    training = MessageToDict(trained, preserving_proto_field_name=True)

    assert Made.of(training, SERVING.inputs, SERVING.outputs) == dataclasses.replace(SERVING, image="")


def test_a_training_that_says_nothing_is_like_itself():
    nothing = Made.of({}, (), ())

    assert nothing.rows == 0
    assert changes(nothing, nothing) == ()


@pytest.mark.parametrize("risk", RISKS)
def test_auto_takes_the_strategy_of_the_risk_and_what_is_declared_stays(risk: Risk):
    assert strategy_of(Release(strategy="auto"), risk) == STRATEGY_OF[risk]
    declared: list[Strategy] = [strategy for strategy in get_args(Strategy) if strategy != "auto"]
    assert [strategy_of(Release(strategy=strategy), risk) for strategy in declared] == declared


def test_the_riskier_the_change_the_fewer_see_it():
    assert [STRATEGY_OF[risk] for risk in RISKS] == ["canary", "ab", "shadow"]
