"""From evidence to what happens next in a rollout: pure, and the same however often it is looked at.

Every test is always valid, and the release's alpha is split over them, so a verdict may be taken at any look. A wrong
"not worse" by a metric of success has probability alpha at most, and so has a wrong "worse". A guardrail can only stop.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NamedTuple

from tidemill_contracts.durations import format_duration, microseconds
from tidemill_contracts.pipeline import Pipeline
from tidemill_contracts.release import Bandit, Metric, Release, Shadow, Strategy
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.alpha import split_alpha
from tidemill_stats.sequential.blocks import Block, Proportion
from tidemill_stats.sequential.counts import CountTest
from tidemill_stats.sequential.means import MeanTest
from tidemill_stats.sequential.proportions import ProportionTest
from tidemill_stats.sequential.ratio import log_mixture
from tidemill_stats.sequential.release import Decision, decide
from tidemill_stats.sequential.verdict import Metric as Judged
from tidemill_stats.sequential.verdict import Verdict

from tidemill_registry.domain.evidence import News, Pair, merge_units, sampled
from tidemill_registry.domain.rollout import Phase, PlannedStage, State, Trigger, stages_of

SAMPLE_RATIO, AGREEMENT = "sample_ratio", "agreement"
SHIFT_BY = 0.05
Test = ProportionTest | MeanTest
_NOTHING: Pair = Block(MeanEstimate(), MeanEstimate())


class Move(NamedTuple):
    """What is to happen and why, in one sentence; `share`: the candidate's new one, for SHIFT."""

    trigger: Trigger
    reason: str
    share: float = 0.0


@dataclass(frozen=True)
class Progress:
    """What a rollout has shown so far. Times in microseconds of event time.

    `tests` and `sums` by metric; `decision`: of the last look; `units` of both arms and `log_e` of their ratio in the
    present epoch, the `epochs`-th of the rollout; `predictions` and `labelled` of the candidate, and what they were at
    `since`, when the stage began to be seen; `now`: how far everything has been read.
    """

    tests: Mapping[str, Test]
    agreement: CountTest
    sums: Mapping[str, Pair] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    units: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    log_e: float = 0.0
    epochs: int = 1
    predictions: int = 0
    labelled: int = 0
    stage_predictions: int = 0
    stage_labelled: int = 0
    since: int | None = None
    shifted: int | None = None
    now: int = 0
    latency: Pair = _NOTHING
    distance: MeanEstimate = field(default_factory=MeanEstimate)

    @staticmethod
    def start(release: Release, metrics: Sequence[Metric]) -> "Progress":
        """Before any evidence; `metrics`: those of success, then the guardrails."""
        names = [one.metric for one in metrics]
        alphas = split_alpha(release.alpha, dict.fromkeys([*names, SAMPLE_RATIO, AGREEMENT], 1.0))
        tests: dict[str, Test] = {
            one.metric: ProportionTest.start(alphas[one.metric], one.margin)
            if one.is_rate
            else MeanTest.start(alphas[one.metric])
            for one in metrics
        }
        return Progress(tests, CountTest.start(alphas[AGREEMENT], 0.5))

    def observe(
        self, more: News, complete_until: int, success: Sequence[Metric], guardrails: Sequence[Metric]
    ) -> "Progress":
        """After more evidence of one pane."""
        tests, sums = dict(self.tests), dict(self.sums)
        for one in (*success, *guardrails):
            name = one.metric
            for block in _blocks(more, name):
                tests[name] = _observe(tests[name], block)
                sums[name] = sums.get(name, _NOTHING) + block
        units = merge_units(self.units[0], more.units[0]), merge_units(self.units[1], more.units[1])
        now = max(self.now, complete_until)
        return replace(
            self,
            tests=tests,
            sums=sums,
            decision=_decide(
                [_judged(one, tests[one.metric]) for one in success],
                [_judged(one, tests[one.metric]) for one in guardrails],
                self.decision,
            ),
            agreement=self.agreement.observe(Block(more.pairs - more.agreements, more.agreements)),
            units=units,
            predictions=self.predictions + more.predictions,
            labelled=self.labelled + more.labelled,
            since=now if self.since is None and now else self.since,
            now=now,
            latency=self.latency + more.latency,
            distance=self.distance + more.distance,
        )

    def with_ratio(self, share: float) -> "Progress":
        """The same with the ratio of the arms' units tested against the candidate's `share`, inside 0..1."""
        counts = sampled(*self.units)
        return replace(self, log_e=max(self.log_e, log_mixture(counts, (1 - share, share))))

    def next_stage(self) -> "Progress":
        """At the beginning of a stage: its own time, observations and ratio of units."""
        return replace(
            self.next_epoch(),
            stage_predictions=self.predictions,
            stage_labelled=self.labelled,
            since=self.now or None,
            shifted=self.now or None,
        )

    def next_epoch(self) -> "Progress":
        """When the shares change: another ratio of units is tested."""
        return replace(self, units=((), ()), log_e=0.0, epochs=self.epochs + 1, shifted=self.now or None)

    def resumed(self) -> "Progress":
        """When the rollout goes on by itself again: the time of its stage begins anew."""
        return replace(self, since=self.now or None)

    def is_mismatched(self, alpha: float) -> bool:
        """Whether traffic is surely split otherwise than asked. `alpha` is split over the epochs as 1 / (k (k + 1))."""
        return self.log_e >= -math.log(alpha / (self.epochs * (self.epochs + 1)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {
            "tests": {name: test.to_dict() for name, test in self.tests.items()},
            "agreement": self.agreement.to_dict(),
            "sums": {name: _pair(block) for name, block in self.sums.items()},
            "decision": self.decision.to_dict(),
            "units": [[str(unit) for unit in side] for side in self.units],
            **{name: getattr(self, name) for name in _PLAIN},
            "latency": _pair(self.latency),
            "distance": self.distance.__dict__,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Progress":
        """The progress that `to_dict` wrote."""
        champion, candidate = values["units"]
        return Progress(
            tests={name: _test(one) for name, one in values["tests"].items()},
            agreement=CountTest.from_dict(values["agreement"]),
            sums={name: _pair_of(one) for name, one in values["sums"].items()},
            decision=Decision.from_dict(values["decision"]),
            units=(tuple(map(int, champion)), tuple(map(int, candidate))),
            latency=_pair_of(values["latency"]),
            distance=MeanEstimate(**values["distance"]),
            **{name: values[name] for name in _PLAIN},
        )


_PLAIN = (
    "log_e",
    "epochs",
    "predictions",
    "labelled",
    "stage_predictions",
    "stage_labelled",
    "since",
    "shifted",
    "now",
)


@dataclass(frozen=True)
class Plan:
    """What a rollout is decided by. `label_wait` in microseconds."""

    release: Release
    stages: tuple[PlannedStage, ...]
    metrics: tuple[Metric, ...]
    label_wait: int

    @property
    def compared(self) -> tuple[Metric, ...]:
        """Metrics of success, then the guardrails."""
        return (*self.metrics, *self.release.guardrails)

    @property
    def needs_labels(self) -> bool:
        return any(one.needs_labels for one in self.metrics)

    @staticmethod
    def of(pipeline: Pipeline, strategy: Strategy) -> "Plan":
        """The plan of a pipeline's release by `strategy`."""
        release = pipeline.release
        loss = pipeline.monitors.performance.metric if pipeline.monitors.performance else None
        metrics = release.metrics or (Metric(metric=loss or "log_loss"),)
        names = {one.metric for one in metrics}
        guardrails = tuple(one for one in release.guardrails if one.metric not in names)
        wait = release.label_wait if release.label_wait is not None else pipeline.label.delay
        release = release.model_copy(update={"guardrails": guardrails})
        return Plan(release, stages_of(release, strategy), metrics, microseconds(wait))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {
            "release": self.release.model_dump(mode="json"),
            "metrics": [one.model_dump(mode="json") for one in self.metrics],
            "label_wait": self.label_wait,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any], strategy: Strategy) -> "Plan":
        """The plan that `to_dict` wrote."""
        release = Release.model_validate(values["release"])
        metrics = tuple(Metric.model_validate(one) for one in values["metrics"])
        return Plan(release, stages_of(release, strategy), metrics, values["label_wait"])

    def start(self) -> Progress:
        """Before any evidence."""
        return Progress.start(self.release, self.compared)

    def observe(self, progress: Progress, more: News, complete_until: int, state: State) -> Progress:
        """After more evidence of one pane."""
        after = progress.observe(more, complete_until, self.metrics, self.release.guardrails)
        return after.with_ratio(state.share) if 0 < state.share < 1 else after

    def judge(self, state: State, progress: Progress, *, frozen: bool) -> Move | None:
        """What is due now, if anything is. A candidate that is surely worse is withdrawn even if held or frozen."""
        if not state.phase.is_running:
            return None
        withdrawn = self._withdrawn(state, progress)
        if withdrawn is not None or state.held or frozen:
            return withdrawn
        return self._onward(state, progress)

    def awaited(self, state: State, progress: Progress) -> list[str]:
        """What the rollout waits for, each in one phrase."""
        if not state.phase.is_running:
            return []
        waits = self.stages[state.stage].waits
        seen, elapsed = self._observations(progress), _elapsed(progress)
        least = self._least(state)
        found = []
        if progress.since is None:
            found.append("evidence of the monitor")
        if seen < waits.observations:
            kind = "labelled predictions" if self.needs_labels else "predictions"
            found.append(f"{waits.observations - seen} more {kind} of the candidate")
        if elapsed < least:
            found.append(f"{_duration(least - elapsed)} of event time")
        if self._is_last(state) and progress.decision.verdict is Verdict.UNDECIDED:
            found.append("a verdict")
        if doubtful := self._looks_worse(progress):
            found.append(f"certainty about {' and '.join(doubtful)}, which looks worse")
        return found

    def evidence(self, progress: Progress) -> list[dict[str, Any]]:
        """What is known by metric: effect (candidate less champion), bounds, what is tolerated, verdict and rows."""
        found: list[dict[str, Any]] = []
        for index, one in enumerate(self.compared):
            bounds, sums = progress.tests[one.metric].bounds(), progress.sums.get(one.metric, _NOTHING)
            alone = decide([_judged(one, progress.tests[one.metric])])
            found.append(
                {
                    "metric": one.metric,
                    "guardrail": index >= len(self.metrics),
                    "better": one.better,
                    "champion": finite(sums.champion.mean),
                    "candidate": finite(sums.candidate.mean),
                    "champion_rows": sums.champion.count,
                    "candidate_rows": sums.candidate.count,
                    "effect": finite(bounds.effect),
                    "lower": finite(bounds.lower),
                    "upper": finite(bounds.upper),
                    "delta": one.margin,
                    "confidence": 1 - bounds.alpha,
                    "verdict": alone.verdict,
                }
            )
        return found

    def comparison(self, progress: Progress) -> dict[str, Any]:
        """What else is known of both arms: how units were split, how answers agreed, and how long they took."""
        champion, candidate = sampled(*progress.units)
        agreement, pairs = progress.agreement, progress.agreement.champion + progress.agreement.candidate
        return {
            "units": {"champion": champion, "candidate": candidate},
            "pairs": pairs,
            "agreement": agreement.candidate / pairs if pairs else None,
            "distance": finite(progress.distance.mean),
            "seconds": {
                "champion": finite(progress.latency.champion.mean),
                "candidate": finite(progress.latency.candidate.mean),
            },
        }

    def _withdrawn(self, state: State, progress: Progress) -> Move | None:
        stage = self.stages[state.stage]
        if progress.is_mismatched(progress.agreement.alpha):
            champion, candidate = sampled(*progress.units)
            reason = (
                f"traffic is not split as asked: {candidate} of {champion + candidate} callers or requests went to the "
                f"candidate, {candidate / (champion + candidate):.1%} where {state.share:.1%} should"
            )
            return Move(Trigger.ROLL_BACK, reason)
        if progress.decision.verdict is Verdict.WORSE:
            return Move(Trigger.ROLL_BACK, progress.decision.reason)
        if isinstance(stage.waits, Shadow) and stage.waits.agreement is not None:
            test = progress.agreement
            if test.upper < stage.waits.agreement:
                pairs = test.champion + test.candidate
                reason = (
                    f"answers agree in {test.candidate / pairs:.1%} of {pairs} pairs, surely in less than the "
                    f"{stage.waits.agreement:.1%} asked (at most {test.upper:.1%})"
                )
                return Move(Trigger.ROLL_BACK, reason)
        return None

    def _onward(self, state: State, progress: Progress) -> Move | None:
        waits = self.stages[state.stage].waits
        elapsed = _elapsed(progress)
        if not self.awaited(state, progress):
            if self._is_last(state):
                return Move(Trigger.PROMOTE, progress.decision.reason)
            return Move(Trigger.ADVANCE, self._enough(state, progress))
        if elapsed >= max(microseconds(waits.max_time), self._least(state)):
            return self._undecided(state, progress)
        return self._shift(state, progress)

    def _undecided(self, state: State, progress: Progress) -> Move:
        awaited = ", ".join(self.awaited(state, progress)) or "a verdict"
        lasted = _duration(_elapsed(progress))
        reason = f"after {lasted} still waiting for {awaited}; {progress.decision.reason}"
        if self.release.undecided == "hold":
            return Move(Trigger.HOLD, reason)
        if self.release.undecided == "roll_back" or self._looks_worse(progress):
            return Move(Trigger.GIVE_UP, reason)
        return Move(Trigger.PROMOTE if self._is_last(state) else Trigger.ADVANCE, reason)

    def _shift(self, state: State, progress: Progress) -> Move | None:
        """A bandit's next share: the probability that the candidate is the better one, which is what Thompson sampling
        gives it on average.

        Sources: Thompson (1933), Biometrika 25; Chapelle & Li (2011), "An empirical evaluation of Thompson sampling".
        The posterior means are taken to be normal.
        """
        waits = self.stages[state.stage].waits
        if not isinstance(waits, Bandit) or state.phase is not Phase.BANDIT:
            return None
        began = progress.since if progress.shifted is None else progress.shifted
        if began is None or progress.now - began < microseconds(waits.every):
            return None
        metric = self.metrics[0]
        best = probability_of_better(progress.sums.get(metric.metric, _NOTHING), higher=metric.better == "higher")
        if best is None:
            return None
        share = min(max(best, waits.min_share), waits.max_share)
        if abs(share - state.share) < SHIFT_BY:
            return None
        return Move(
            Trigger.SHIFT, f"the candidate is the better one by {metric.metric} with probability {best:.2f}", share
        )

    def _enough(self, state: State, progress: Progress) -> str:
        kind = "labelled predictions" if self.needs_labels else "predictions"
        following = self.stages[state.stage + 1]
        onward = f"on to {following.share:.0%} of the traffic" if following.share else "on to a copy of the traffic"
        seen = self._observations(progress)
        return f"nothing is worse after {seen} {kind} of the candidate in {_duration(_elapsed(progress))}; {onward}"

    def _looks_worse(self, progress: Progress) -> list[str]:
        """Metrics whose estimate loses more than is tolerated, though it is not sure yet."""
        judged = [_judged(one, progress.tests[one.metric]) for one in self.compared]
        return [one.name for one in judged if one.gain.effect < -(one.margin or 0.0)]

    def _observations(self, progress: Progress) -> int:
        if self.needs_labels:
            return progress.labelled - progress.stage_labelled
        return progress.predictions - progress.stage_predictions

    def _least(self, state: State) -> int:
        """Event time a stage lasts at least: its first predictions must have had the time to be labelled."""
        least = microseconds(self.stages[state.stage].waits.min_time)
        return max(least, self.label_wait) if self.needs_labels else least

    def _is_last(self, state: State) -> bool:
        return state.stage + 1 == len(self.stages)


def finite(value: float) -> float | None:
    """The value, None where it is unknown: JSON has no infinity."""
    return value if math.isfinite(value) else None


def probability_of_better(sums: Pair, *, higher: bool) -> float | None:
    """Probability that the candidate's mean is the better one; None while either arm has fewer than two rows."""
    champion, candidate = sums.champion, sums.candidate
    if min(champion.count, candidate.count) < 2:
        return None
    error = math.sqrt(champion.variance / champion.count + candidate.variance / candidate.count)
    gain = candidate.mean - champion.mean if higher else champion.mean - candidate.mean
    if error == 0:
        return 0.5 if gain == 0 else float(gain > 0)
    return 0.5 * math.erfc(-gain / error / math.sqrt(2))


def _decide(success: Sequence[Judged], guardrails: Sequence[Judged], before: Decision) -> Decision:
    """The decision by the metrics of success, unless a guardrail is surely worse: it can only stop a release.

    Worse stays. Another verdict does not: a candidate that breaks after it was found to be equivalent is found out.
    """
    if before.verdict is Verdict.WORSE:
        return before
    for one in guardrails:
        alone = decide([one])
        if alone.verdict is Verdict.WORSE:
            return alone
    return decide(success)


def _judged(metric: Metric, test: Test) -> Judged:
    return Judged(metric.metric, test.bounds(), metric.better == "higher", metric.margin)


def _blocks(more: News, name: str) -> Sequence[Pair]:
    if name in more.rates:
        block = more.rates[name]
        return (Block(_mean(block.champion), _mean(block.candidate)),)
    return more.labels.get(name, ())


def _mean(rate: Proportion) -> MeanEstimate:
    return MeanEstimate(rate.rows, float(rate.successes), float(rate.successes))


def _observe(test: Test, block: Pair) -> Test:
    if isinstance(test, MeanTest):
        return test.observe(block)
    return test.observe(Block(_rate(block.champion), _rate(block.candidate)))


def _rate(sums: MeanEstimate) -> Proportion:
    return Proportion(min(max(round(sums.sum), 0), sums.count), sums.count)


def _elapsed(progress: Progress) -> int:
    return progress.now - progress.since if progress.since is not None else 0


def _duration(span: int) -> str:
    return format_duration(timedelta(seconds=max(0, -(-span // 1_000_000))))


def _pair(block: Pair) -> list[list[float]]:
    return [[side.count, side.sum, side.sum_of_squares] for side in (block.champion, block.candidate)]


def _pair_of(values: Sequence[Sequence[float]]) -> Pair:
    champion, candidate = (MeanEstimate(int(count), total, squares) for count, total, squares in values)
    return Block(champion, candidate)


def _test(values: Mapping[str, Any]) -> Test:
    return ProportionTest.from_dict(values) if "margin" in values else MeanTest.from_dict(values)
