"""The risk of letting a candidate take the serving version's place: a pure function of what differs between the two.

Source: Red Hat, "Enterprise MLOps Reference Design": its table of types of change with their baseline risk. Retraining
changes the model, its API, its data and its code; the riskier the change, the fewer callers depend on the candidate.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from tidemill_contracts.release import Release, Risk, Strategy

STRATEGY_OF: Final[Mapping[Risk, Strategy]] = {"low": "canary", "medium": "ab", "high": "shadow"}
STRUCTURE: Final = frozenset({"activation", "hidden", "hidden_layer_sizes", "kernel", "layers"})
"""Hyperparameters that size a network or shape its structure: another value is another architecture."""
MAJOR = 0.5
"""Share of the larger data set's rows, 0 to 1; a data set change is major above it."""
_RANK: Final[Mapping[Risk, int]] = {risk: rank for rank, risk in enumerate(get_args(Risk))}


@dataclass(frozen=True)
class Made:
    """What made a version.

    `hyperparameters`: a JSON object, or empty; `rows`: of the train, validation and test parts; `trained_until`: ISO
    8601, UTC; `inputs` and `outputs`: a text for each tensor, in any order.
    """

    code_digest: str
    libraries: Mapping[str, str]
    image: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    algorithm: str
    hyperparameters: str
    data_version: int
    rows: int
    trained_until: str

    @staticmethod
    def of(training: Mapping[str, Any], inputs: Iterable[str], outputs: Iterable[str]) -> "Made":
        """From a `ModelTrained` as JSON with its fields' own names: 64-bit integers are texts, defaults are absent."""
        lineage, winner = training.get("lineage", {}), training.get("winner", {})
        return Made(
            code_digest=lineage.get("code_digest", ""),
            libraries=lineage.get("libraries", {}),
            image=lineage.get("image", ""),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            algorithm=winner.get("algorithm", ""),
            hyperparameters=winner.get("hyperparameters", ""),
            data_version=int(lineage.get("data_version", 0)),
            rows=sum(int(training.get(f"{part}_rows", 0)) for part in ("train", "validation", "test")),
            trained_until=lineage.get("trained_until", ""),
        )


@dataclass(frozen=True)
class Change:
    """One difference, its risk by itself, and what it is in one phrase."""

    what: str
    risk: Risk
    explanation: str


@dataclass(frozen=True)
class RiskAssessment:
    """The risk of all changes together, its reason in one sentence, and the changes, the riskiest first."""

    risk: Risk
    reason: str
    changes: tuple[Change, ...] = ()


def assess_risk(serving: Made | None, candidate: Made, minimum: Risk) -> RiskAssessment:
    """As risky as the riskiest change, and as `minimum`; low where no version serves that could be harmed."""
    if serving is None:
        return RiskAssessment("low", "low: no version serves yet")
    found = changes(serving, candidate)
    riskiest = _highest("low", *(change.risk for change in found))
    risk = _highest(riskiest, minimum)
    told = [change.explanation for change in found] or ["nothing changed"]
    if risk != riskiest:
        told.append(f"the pipeline takes no change to be less than {minimum}")
    return RiskAssessment(risk, f"{risk}: {'; '.join(told)}", found)


def changes(serving: Made, candidate: Made) -> tuple[Change, ...]:
    """What differs, the riskiest first."""
    found = (*_model(serving, candidate), *_api(serving, candidate), *_data(serving, candidate))
    return tuple(sorted((*found, *_code(serving, candidate)), key=lambda change: -_RANK[change.risk]))


def strategy_of(release: Release, risk: Risk) -> Strategy:
    """The strategy the pipeline declares; for `auto`, the one that fits `risk`."""
    return STRATEGY_OF[risk] if release.strategy == "auto" else release.strategy


def _highest(*risks: Risk) -> Risk:
    return max(risks, key=lambda risk: _RANK[risk])


def _model(serving: Made, candidate: Made) -> Iterator[Change]:
    if serving.algorithm != candidate.algorithm:
        yield Change("architecture", "high", f"algorithm {serving.algorithm} -> {candidate.algorithm}")
        return
    differences = _differences(_values(serving.hyperparameters), _values(candidate.hyperparameters))
    structure = [told for name, told in differences.items() if name in STRUCTURE]
    others = [told for name, told in differences.items() if name not in STRUCTURE]
    if structure:
        yield Change("architecture", "high", f"architecture changed ({', '.join(structure)})")
    if others:
        yield Change("hyperparameters", "medium", f"hyperparameters changed ({', '.join(others)})")


def _api(serving: Made, candidate: Made) -> Iterator[Change]:
    before, after = _tensors(serving), _tensors(candidate)
    told = [
        *(f"new {tensor}" for tensor in sorted(after - before)),
        *(f"no {tensor}" for tensor in sorted(before - after)),
    ]
    if told:
        yield Change("API", "medium", f"API changed ({', '.join(told)})")


def _tensors(made: Made) -> set[str]:
    return {*(f"input {tensor}" for tensor in made.inputs), *(f"output {tensor}" for tensor in made.outputs)}


def _data(serving: Made, candidate: Made) -> Iterator[Change]:
    if serving.data_version == candidate.data_version:
        return
    more = candidate.rows - serving.rows
    percent = f"{round(100 * abs(more) / max(serving.rows, 1), 1):g} %"
    size = f"{'grew' if more > 0 else 'shrank'} by {percent}" if more else "has as many rows"
    until = f", until {candidate.trained_until}" if candidate.trained_until != serving.trained_until else ""
    explanation = f"data set version {serving.data_version} -> {candidate.data_version} {size}{until}"
    if abs(more) > MAJOR * max(serving.rows, candidate.rows):
        yield Change("major data set change", "medium", explanation)
    else:
        yield Change("minor data set change", "low", explanation)


def _code(serving: Made, candidate: Made) -> Iterator[Change]:
    if serving.code_digest != candidate.code_digest:
        digests = f"{serving.code_digest[:12]} -> {candidate.code_digest[:12]}"
        yield Change("code", "low", f"training code changed ({digests})")
    if libraries := _differences(serving.libraries, candidate.libraries):
        yield Change("libraries", "low", f"libraries changed ({', '.join(libraries.values())})")
    if serving.image != candidate.image:
        yield Change("base image", "low", f"base image {serving.image or 'unknown'} -> {candidate.image or 'unknown'}")


def _values(hyperparameters: str) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in json.loads(hyperparameters or "{}").items()}


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """By name, what it was and what it is."""
    return {
        name: f"{name} {before.get(name, 'absent')} -> {after.get(name, 'absent')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }
