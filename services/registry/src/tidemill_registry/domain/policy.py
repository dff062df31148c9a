"""The policy: a pure function from a candidate's evidence to findings and a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tidemill_contracts.pipeline import BetterThanServing, Policy, Threshold

HIGHER_IS_BETTER = {"auc", "accuracy", "precision", "recall", "f1", "average_precision", "r2"}
LOWER_IS_BETTER = {"log_loss", "brier", "mae", "mse", "rmse"}


class Verdict(StrEnum):
    """What the policy says of a version."""

    APPROVED = "approved"
    PENDING = "pending"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Finding:
    """One rule and what came of it."""

    rule: str
    passed: bool
    explanation: str


@dataclass(frozen=True)
class Evidence:
    """What is known of a candidate: its metrics on the test rows, and the incumbent's on the same rows."""

    metrics: Mapping[str, float]
    incumbent_version: int
    incumbent_metrics: Mapping[str, float]
    champion_version: int


@dataclass(frozen=True)
class Assessment:
    """The verdict with its findings, and its reason in one sentence."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    reason: str


def assess(policy: Policy, evidence: Evidence) -> Assessment:
    """Rejected if any rule fails; else approved, or pending where the policy wants a person."""
    findings = tuple(_threshold(threshold, evidence) for threshold in policy.thresholds)
    if policy.better_than_serving:
        findings += (_comparison(policy.better_than_serving, evidence),)
    failed = [finding for finding in findings if not finding.passed]
    if failed:
        return Assessment(Verdict.REJECTED, findings, "; ".join(finding.explanation for finding in failed))
    if policy.approval == "human":
        return Assessment(Verdict.PENDING, findings, "every rule holds; a person has to approve")
    return Assessment(Verdict.APPROVED, findings, "; ".join(finding.explanation for finding in findings) or "no rules")


def _threshold(threshold: Threshold, evidence: Evidence) -> Finding:
    at_least = threshold.at_least is not None
    limit = threshold.at_least if threshold.at_least is not None else threshold.at_most
    assert limit is not None
    rule = f"{threshold.metric} {'>=' if at_least else '<='} {limit:g}"
    value = evidence.metrics.get(threshold.metric)
    if value is None:
        return Finding(rule, False, f"{threshold.metric} was not measured")
    passed = value >= limit if at_least else value <= limit
    relation = ("at least" if at_least else "at most") if passed else ("below" if at_least else "above")
    return Finding(rule, passed, f"{threshold.metric} {value:.4f} is {relation} {limit:g}")


def _comparison(comparison: BetterThanServing, evidence: Evidence) -> Finding:
    metric = comparison.metric
    rule = f"{metric} better than serving by {comparison.by:g}"
    if evidence.champion_version == 0:
        return Finding(rule, True, "no version serves yet")
    if evidence.incumbent_version != evidence.champion_version:
        return Finding(
            rule,
            False,
            f"compared with version {evidence.incumbent_version}, but version {evidence.champion_version} serves now; "
            "train again",
        )
    candidate, incumbent = evidence.metrics.get(metric), evidence.incumbent_metrics.get(metric)
    if candidate is None or incumbent is None:
        missing = "the candidate" if candidate is None else f"serving version {evidence.champion_version}"
        return Finding(rule, False, f"{metric} of {missing} was not measured on the test rows")
    if metric not in HIGHER_IS_BETTER | LOWER_IS_BETTER:
        return Finding(rule, False, f"whether a high or a low {metric} is better is not known")
    gain = incumbent - candidate if metric in LOWER_IS_BETTER else candidate - incumbent
    explanation = (
        f"{metric} {candidate:.4f} against {incumbent:.4f} of serving version {evidence.champion_version} "
        f"on the same rows: {'better' if gain >= 0 else 'worse'} by {abs(gain):.4f}"
    )
    return Finding(rule, gain >= comparison.by, explanation)
