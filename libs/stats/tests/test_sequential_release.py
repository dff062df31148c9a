import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.alpha import split_alpha
from tidemill_stats.sequential.blocks import Block, Proportion
from tidemill_stats.sequential.bounds import Bounds
from tidemill_stats.sequential.proportions import ProportionTest
from tidemill_stats.sequential.release import Decision, decide
from tidemill_stats.sequential.verdict import Metric, Verdict, judge

BETTER, WORSE, EQUIVALENT, UNDECIDED = Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.UNDECIDED


def metric(lower, upper, *, name="accuracy", margin=0.02, higher=True, guardrail=False):
    bounds = Bounds((lower + upper) / 2, lower, upper, 0.05, 1000, 500)
    return Metric(name, bounds, higher, margin, guardrail)


UNKNOWN = Bounds(0.0, -math.inf, math.inf, 0.05, 10, 10)


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [
        (0.001, 0.03, BETTER),
        (-0.06, -0.001, WORSE),
        (-0.015, 0.018, EQUIVALENT),
        (-0.02, 0.02, EQUIVALENT),
        (-0.03, 0.01, UNDECIDED),
        (-0.01, 0.03, UNDECIDED),
        (-0.015, -0.001, EQUIVALENT),
        (-0.025, -0.001, UNDECIDED),
    ],
)
def test_verdicts_follow_from_bounds_and_margin(lower, upper, verdict):
    assert judge(metric(lower, upper)) is verdict
    assert judge(metric(-upper, -lower, higher=False)) is verdict


def test_no_evidence_of_a_difference_is_no_evidence_of_none():
    unknown = Metric("accuracy", UNKNOWN, True, 0.02)
    assert judge(unknown) is UNDECIDED
    assert not unknown.not_worse


def test_without_a_margin_nothing_is_equivalent():
    assert judge(metric(-1e-9, 1e-9, margin=None)) is UNDECIDED


@given(st.sampled_from([BETTER, WORSE, EQUIVALENT]), st.floats(-1, 1), st.floats(0, 1))
def test_a_decided_metric_stays_decided(before, lower, width):
    assert judge(metric(lower, lower + width), before) is before


def test_worse_on_a_guardrail_is_worse_however_good_the_rest_is():
    decision = decide([metric(0.1, 0.2), metric(0.001, 0.09, name="errors", higher=False, guardrail=True)])
    assert decision.verdict is WORSE
    assert decision.reason == (
        "worse: errors differs by +0.0455, between +0.001 and +0.09 with confidence 0.95, "
        "from 500 rows of the candidate and 1000 of the champion, a loss of 0.02 is tolerated"
    )


def test_better_needs_every_other_metric_shown_to_be_not_worse():
    good, doubtful = metric(0.01, 0.05), metric(-0.03, 0.05, name="recall")
    assert decide([good, doubtful]).verdict is UNDECIDED
    assert "recall" in decide([good, doubtful]).reason
    assert decide([good, metric(-0.019, 0.05, name="recall")]).verdict is BETTER


def test_a_guardrail_with_a_margin_must_be_shown_to_be_not_worse_and_one_without_only_stops():
    good = metric(0.01, 0.05)
    assert decide([good, metric(-0.03, 0.05, name="errors", guardrail=True)]).verdict is UNDECIDED
    assert decide([good, metric(-0.03, 0.05, name="errors", margin=None, guardrail=True)]).verdict is BETTER


def test_equivalent_needs_every_success_metric_within_its_margin():
    alike = metric(-0.01, 0.01)
    assert decide([alike]).verdict is EQUIVALENT
    assert decide([alike, metric(-0.01, 0.03, name="recall")]).verdict is UNDECIDED


def test_a_better_guardrail_alone_makes_no_better_candidate():
    assert decide([metric(-0.01, 0.01), metric(0.1, 0.2, name="errors", guardrail=True)]).verdict is EQUIVALENT


def test_a_decision_stays_save_that_worse_always_wins():
    good, bad = metric(0.01, 0.05), metric(-0.09, -0.05, name="errors", guardrail=True)
    unknown = Metric("errors", UNKNOWN, True, guardrail=True)
    better = decide([good, unknown])
    assert better.verdict is BETTER
    assert decide([metric(-0.5, 0.5), unknown], better).reason == better.reason
    worse = decide([good, bad], better)
    assert worse.verdict is WORSE
    assert decide([good, unknown], worse) == worse


@pytest.mark.parametrize("metrics", [[], [metric(0, 1), metric(0, 1)], [metric(0, 1, guardrail=True)]])
def test_metrics_that_cannot_decide_are_refused(metrics):
    with pytest.raises(InvalidInput):
        decide(metrics)


@pytest.mark.parametrize("margin", [-0.1, math.inf, math.nan])
def test_unusable_margins_are_refused(margin):
    with pytest.raises(InvalidInput):
        metric(0, 1, margin=margin)


def test_decisions_survive_json():
    for metrics in ([metric(0.01, 0.05)], [Metric("loss", UNKNOWN, False)]):
        decision = decide(metrics)
        assert Decision.from_dict(json.loads(json.dumps(decision.to_dict()))) == decision
    with pytest.raises(InvalidInput):
        Decision.from_dict({"verdict": "splendid", "reason": "", "metrics": {}})


@pytest.mark.parametrize(("loss", "wrong"), [(0.05, {BETTER, EQUIVALENT}), (0.0, {BETTER, WORSE})])
def test_wrong_decisions_over_three_metrics_are_rarer_than_alpha(loss, wrong):
    rng, runs, alpha = np.random.default_rng(7), 60, 0.1
    alphas = split_alpha(alpha, {"accuracy": 2, "recall": 1, "errors": 1})
    decisions = [_release(rng, alphas, loss) for _ in range(runs)]
    assert sum(decision in wrong for decision in decisions) <= binom.ppf(0.999, runs, alpha)
    assert sum(decision is (WORSE if loss else EQUIVALENT) for decision in decisions) >= 0.7 * runs


def _release(rng, alphas, loss):
    tests = {name: ProportionTest.start(alpha, 0.04) for name, alpha in alphas.items()}
    decision = Decision()
    for _ in range(12):
        for name, test in tests.items():
            hits = [Proportion(int(rng.binomial(2000, p)), 2000) for p in (0.7, 0.7 - loss * (name == "accuracy"))]
            tests[name] = test.observe(Block(*hits))
        evidence = [Metric(name, test.bounds(), True, 0.04, name == "errors") for name, test in tests.items()]
        decision = decide(evidence, decision)
    return decision.verdict
