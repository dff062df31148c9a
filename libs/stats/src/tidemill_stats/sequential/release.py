"""One decision on a candidate from all its metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.verdict import Metric, Verdict, judge


@dataclass(frozen=True)
class Decision:
    """The verdict on the candidate, why in one sentence with its numbers, and the verdict by metric."""

    verdict: Verdict = Verdict.UNDECIDED
    reason: str = "undecided: nothing was observed yet"
    metrics: Mapping[str, Verdict] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        metrics = {name: verdict.value for name, verdict in self.metrics.items()}
        return {"verdict": self.verdict.value, "reason": self.reason, "metrics": metrics}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Decision":
        """The decision that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            metrics = {str(name): Verdict(verdict) for name, verdict in values["metrics"].items()}
            return Decision(Verdict(values["verdict"]), str(values["reason"]), metrics)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"not a decision: {error!r}") from error


def decide(metrics: Sequence[Metric], before: Decision | None = None) -> Decision:
    """The decision on all metrics; `before` is the one of the last look.

    - WORSE as soon as any metric is, guardrail or not.
    - BETTER when a success metric is, and every other, and every guardrail with a margin, is shown to be not worse.
    - EQUIVALENT when all those are shown to be not worse and every success metric is decided, none better.

    Once decided it stays, save that a metric found worse always wins. A false WORSE has probability at most the sum
    of the bounds' alphas, and so has a BETTER or EQUIVALENT candidate that loses more than a margin (union bound;
    conjunctions need no correction: Berger 1982, "Multiparameter hypothesis testing", Technometrics 24(4)).
    Raises InvalidInput when two metrics share a name or none is a success metric.
    """
    names = [metric.name for metric in metrics]
    if len(set(names)) < len(names) or all(metric.guardrail for metric in metrics):
        raise InvalidInput("metrics need different names, and one of them to be no guardrail")
    before = before or Decision()
    verdicts = {one.name: judge(one, before.metrics.get(one.name, Verdict.UNDECIDED)) for one in metrics}
    verdict, telling = _combine(metrics, verdicts)
    if before.verdict is not Verdict.UNDECIDED and (verdict is not Verdict.WORSE or before.verdict is verdict):
        return Decision(before.verdict, before.reason, verdicts)
    return Decision(verdict, _sentence(verdict, telling, len(metrics)), verdicts)


def _combine(metrics: Sequence[Metric], verdicts: Mapping[str, Verdict]) -> tuple[Verdict, list[Metric]]:
    worse = [metric for metric in metrics if verdicts[metric.name] is Verdict.WORSE]
    if worse:
        return Verdict.WORSE, worse
    success = [metric for metric in metrics if not metric.guardrail]
    required = [metric for metric in metrics if not metric.guardrail or metric.margin is not None]
    doubtful = [metric for metric in required if not metric.not_worse]
    better = [metric for metric in success if verdicts[metric.name] is Verdict.BETTER]
    if better and not doubtful:
        return Verdict.BETTER, better
    undecided = [metric for metric in success if verdicts[metric.name] is Verdict.UNDECIDED]
    if doubtful or undecided:
        return Verdict.UNDECIDED, doubtful or undecided
    return Verdict.EQUIVALENT, success


def _sentence(verdict: Verdict, telling: Sequence[Metric], total: int) -> str:
    facts = "; ".join(_fact(metric) for metric in telling)
    if verdict is Verdict.UNDECIDED:
        return f"undecided: {len(telling)} of {total} metrics wait for evidence: {facts}"
    return f"{verdict.value}: {facts}"


def _fact(metric: Metric) -> str:
    bounds = metric.bounds
    rows = f"{bounds.candidate_rows} rows of the candidate and {bounds.champion_rows} of the champion"
    if not bounds.known:
        return f"{metric.name} is unknown from {rows}"
    tolerated = "" if metric.margin is None else f", a loss of {metric.margin:.4g} is tolerated"
    interval = f"between {bounds.lower:+.4g} and {bounds.upper:+.4g} with confidence {1 - bounds.alpha:.4g}"
    return f"{metric.name} differs by {bounds.effect:+.4g}, {interval}, from {rows}{tolerated}"
