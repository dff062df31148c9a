"""The policy: from a candidate's evidence to a verdict that can be explained."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.pipeline import Policy
from tidemill_registry.domain.policy import HIGHER_IS_BETTER, LOWER_IS_BETTER, Evidence, Verdict, assess

THRESHOLD = Policy.model_validate({"thresholds": [{"metric": "auc", "at_least": 0.6}]})
BETTER = Policy.model_validate({"better_than_serving": {"metric": "log_loss", "by": 0.01}})
FINITE = st.floats(-1e6, 1e6)


def policy(**parts: Any) -> Policy:
    return Policy.model_validate(parts)


def evidence(
    incumbent: dict[str, float] | None = None, *, champion: int = 1, compared_with: int | None = None, **metrics: float
) -> Evidence:
    measured = champion if compared_with is None else compared_with
    return Evidence(metrics, measured, incumbent or {}, champion)


@pytest.mark.parametrize(
    ("rules", "given_evidence", "verdict", "reason"),
    [
        (policy(), evidence(champion=0), "approved", "no rules"),
        (policy(approval="human"), evidence(), "pending", "every rule holds; a person has to approve"),
        (THRESHOLD, evidence(auc=0.6), "approved", "auc 0.6000 is at least 0.6"),
        (THRESHOLD, evidence(auc=0.59), "rejected", "auc 0.5900 is below 0.6"),
        (THRESHOLD, evidence(f1=0.9), "rejected", "auc was not measured"),
        (
            policy(thresholds=[{"metric": "log_loss", "at_most": 0.5}]),
            evidence(log_loss=0.51),
            "rejected",
            "log_loss 0.5100 is above 0.5",
        ),
        (BETTER, evidence(champion=0, log_loss=9), "approved", "no version serves yet"),
        (
            BETTER,
            evidence({"log_loss": 0.5}, log_loss=0.45),
            "approved",
            "log_loss 0.4500 against 0.5000 of serving version 1 on the same rows: better by 0.0500",
        ),
        (
            BETTER,
            evidence({"log_loss": 0.5}, log_loss=0.495),
            "rejected",
            "log_loss 0.4950 against 0.5000 of serving version 1 on the same rows: better by 0.0050",
        ),
        (
            BETTER,
            evidence({"log_loss": 0.5}, log_loss=0.6),
            "rejected",
            "log_loss 0.6000 against 0.5000 of serving version 1 on the same rows: worse by 0.1000",
        ),
        (
            BETTER,
            evidence({"log_loss": 0.5}, champion=3, compared_with=2, log_loss=0.1),
            "rejected",
            "compared with version 2, but version 3 serves now; train again",
        ),
        (
            BETTER,
            evidence({"log_loss": 0.5}, champion=3, compared_with=0, log_loss=0.1),
            "rejected",
            "compared with version 0, but version 3 serves now; train again",
        ),
        (
            BETTER,
            evidence({}, log_loss=0.1),
            "rejected",
            "log_loss of serving version 1 was not measured on the test rows",
        ),
        (
            BETTER,
            evidence({"log_loss": 0.5}, auc=0.9),
            "rejected",
            "log_loss of the candidate was not measured on the test rows",
        ),
        (
            policy(better_than_serving={"metric": "auc"}),
            evidence({"auc": 0.7}, auc=0.8),
            "approved",
            "auc 0.8000 against 0.7000 of serving version 1 on the same rows: better by 0.1000",
        ),
        (
            policy(better_than_serving={"metric": "auc", "by": -0.05}),
            evidence({"auc": 0.7}, auc=0.66),
            "approved",
            "auc 0.6600 against 0.7000 of serving version 1 on the same rows: worse by 0.0400",
        ),
        (
            policy(better_than_serving={"metric": "error_rate"}),
            evidence({"error_rate": 0.1}, error_rate=0.9),
            "rejected",
            "whether a high or a low error_rate is better is not known",
        ),
        (
            policy(thresholds=[{"metric": "auc", "at_least": 0.6}], approval="human"),
            evidence(auc=0.5),
            "rejected",
            "auc 0.5000 is below 0.6",
        ),
    ],
)
def test_the_verdict_and_its_reason(rules: Policy, given_evidence: Evidence, verdict: str, reason: str):
    assessment = assess(rules, given_evidence)

    assert (assessment.verdict, assessment.reason) == (verdict, reason)


def test_every_rule_leaves_a_finding_and_the_reason_tells_only_what_failed():
    rules = policy(
        thresholds=[{"metric": "auc", "at_least": 0.6}, {"metric": "brier", "at_most": 0.2}],
        better_than_serving={"metric": "log_loss"},
    )

    assessment = assess(rules, evidence({"log_loss": 0.5}, auc=0.7, brier=0.3, log_loss=0.6))

    assert [(finding.rule, finding.passed) for finding in assessment.findings] == [
        ("auc >= 0.6", True),
        ("brier <= 0.2", False),
        ("log_loss better than serving by 0", False),
    ]
    assert assessment.reason.startswith("brier 0.3000 is above 0.2; log_loss 0.6000 against")


@pytest.mark.parametrize("rules", [THRESHOLD, BETTER, policy(thresholds=[{"metric": "auc", "at_most": 0.6}])])
def test_a_metric_that_is_no_number_never_passes(rules: Policy):
    worthless = evidence({"log_loss": 0.5}, auc=math.nan, log_loss=math.nan)

    assert assess(rules, worthless).verdict is Verdict.REJECTED


@given(value=FINITE, limit=FINITE)
def test_a_limit_splits_the_line(value: float, limit: float):
    least = assess(policy(thresholds=[{"metric": "auc", "at_least": limit}]), evidence(auc=value))
    most = assess(policy(thresholds=[{"metric": "auc", "at_most": limit}]), evidence(auc=value))

    assert (least.verdict is Verdict.APPROVED) == (value >= limit)
    assert (most.verdict is Verdict.APPROVED) == (value <= limit)


@given(metric=st.sampled_from(sorted(HIGHER_IS_BETTER | LOWER_IS_BETTER)), candidate=FINITE, incumbent=FINITE)
def test_of_two_different_models_exactly_one_beats_the_other(metric: str, candidate: float, incumbent: float):
    rules = policy(better_than_serving={"metric": metric, "by": 0})

    there = assess(rules, evidence({metric: incumbent}, **{metric: candidate})).verdict
    back = assess(rules, evidence({metric: candidate}, **{metric: incumbent})).verdict

    assert (there == back) == (candidate == incumbent)
    assert Verdict.APPROVED in (there, back)


@given(at_least=FINITE, by=FINITE, approval=st.sampled_from(["automatic", "human"]), candidate=FINITE, incumbent=FINITE)
def test_only_what_passes_every_rule_gets_past_the_policy(
    at_least: float, by: float, approval: str, candidate: float, incumbent: float
):
    rules = policy(
        thresholds=[{"metric": "auc", "at_least": at_least}],
        better_than_serving={"metric": "auc", "by": by},
        approval=approval,
    )

    assessment = assess(rules, evidence({"auc": incumbent}, auc=candidate))

    assert len(assessment.findings) == 2
    assert (assessment.verdict is not Verdict.REJECTED) == all(finding.passed for finding in assessment.findings)
    assert (assessment.verdict is Verdict.APPROVED) <= (approval == "automatic")


def test_every_metric_has_one_direction():
    assert not HIGHER_IS_BETTER & LOWER_IS_BETTER
