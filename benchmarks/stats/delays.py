"""How many rows it takes to see a change, against the targets and river's detectors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from tidemill_monitor.domain.monitors.loss import rise
from tidemill_stats.arrays import FloatArray
from tidemill_stats.baseline import Baseline
from tidemill_stats.decision import DecisionRule
from tidemill_stats.edetector import EDetector
from tidemill_stats.evidence import Evidence
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.profiling import profile_columns

from benchmarks.stats.contenders import QUICK, our_delay, river_delay, river_false_alarms
from benchmarks.stats.streams import FEATURES
from benchmarks.stats.tables import Row, Table, delay_text
from benchmarks.stats.window_rule import (
    DEFAULTS,
    OBSERVATIONS,
    PERIOD,
    ROWS,
    SCALES,
    Findings,
    Tempo,
    findings_of_one,
    rules,
)

REFERENCE, BEFORE, HORIZON = 10_000, 2000, 4000
RATE = 0.2
HISTORY = 16
TEMPO = Tempo("50,000 rows in 30 days", ROWS, PERIOD * ROWS // OBSERVATIONS)
COLUMNS = ("change", "detector", "runs", "median / 90 %", "false alarms in 50,000 rows")


@dataclass(frozen=True)
class Change:
    """A change that is to be seen within `target` rows in the median."""

    name: str
    target: int
    before: Callable[[np.random.Generator, int], FloatArray]
    after: Callable[[np.random.Generator, int], FloatArray]


def _errors(rate: float, rng: np.random.Generator, rows: int) -> FloatArray:
    return (rng.random((rows, 1)) < rate).astype(np.float64)


def _normal(shift: float, rng: np.random.Generator, rows: int) -> FloatArray:
    values = rng.standard_normal((rows, FEATURES))
    values[:, 0] += shift
    return values


ERRORS = (
    Change("error rate .2 to .3", 500, partial(_errors, RATE), partial(_errors, 0.3)),
    Change("error rate .2 to .4", 160, partial(_errors, RATE), partial(_errors, 0.4)),
)
SHIFT = Change("0.5 sigma in one of 20 features", 1000, partial(_normal, 0.0), partial(_normal, 0.5))


def delays(runs: int, seed: int) -> Iterator[Table]:
    """The table of median delays."""
    rows: list[Row] = []
    for number, change in enumerate((*ERRORS, SHIFT)):
        generators = [np.random.default_rng([seed, 3, number, run]) for run in range(runs)]
        rows += [*_ours(change, generators), *_windows(change, generators), *_rivers(change, generators)]
    note = (
        "Rows from the change to the first alarm after it. Ours ask for one false alarm in 50,000 rows over all "
        "features (realised: see false alarms); baselines estimated from 10,000 rows drawn for each run; up: only "
        "rises are watched, as the monitor does for losses. Windows of 500 rows begin at random before the change; an "
        "error rate is to be seen sooner than two of them end, so nothing is asked of them there. "
        "river's detectors, at their defaults, are shown the changed feature alone; false alarms: of 20 of them."
    )
    yield Table("Delay until a change is seen", COLUMNS, tuple(rows), note)


def _ours(change: Change, generators: Sequence[np.random.Generator]) -> Iterator[Row]:
    cases = [("known", "both"), ("estimated", "both")]
    if change is not SHIFT:
        cases += [("known", "up"), ("estimated", "up")]
    for known, sides in cases:
        found = []
        for rng in generators:
            detector = EDetector(_baseline(change, known, rng), sides)
            found.append(our_delay(detector, change.before(rng, BEFORE), change.after(rng, HORIZON)))
        name = f"e-detector, {known}" + (", up" if sides == "up" else "")
        cells = (change.name, name, str(len(found)), delay_text(found, HORIZON), "≤ 1")
        yield _row(change, cells, found)


def _row(change: Change, cells: tuple[str, ...], delays: Sequence[float]) -> Row:
    return Row(cells, f"≤ {change.target:,}", float(np.median(delays)) <= change.target)


def _baseline(change: Change, known: str, rng: np.random.Generator) -> Baseline:
    if change is SHIFT:
        zeros = np.zeros(FEATURES)
        if known == "known":
            return Baseline(zeros, zeros, -4.0, 4.0)
        return Baseline.sample(change.before(rng, REFERENCE), low=-4.0, high=4.0)
    if known == "known":
        return Baseline(np.array([RATE]), np.array([RATE]))
    losses = MeanEstimate.of(change.before(rng, REFERENCE)[:, 0])
    return Baseline.estimated(np.array([losses.mean]), np.array([losses.standard_error]))


def _windows(change: Change, generators: Sequence[np.random.Generator]) -> Iterator[Row]:
    judged = rules(DEFAULTS.input_drift if change is SHIFT else DEFAULTS.performance)
    found: dict[str, list[float]] = {name: [] for name in judged}
    for rng in generators:
        late = int(rng.integers(ROWS))
        before = change.before(rng, HISTORY * ROWS + late)
        live = np.concatenate([before, change.after(rng, HORIZON)])
        evidence = _judged(change, change.before(rng, REFERENCE), live)
        for name, rule in judged.items():
            found[name].append(first_after(evidence, rule, len(before)))
    for name, seen in found.items():
        cells = (change.name, f"windows of 500, {name}", str(len(seen)), delay_text(seen, HORIZON), "≤ 1")
        yield _row(change, cells, seen) if change is SHIFT else Row(cells)


def _judged(change: Change, reference: FloatArray, live: FloatArray) -> Findings:
    if change is SHIFT:
        return findings_of_one(profile_columns({"x": reference[:, 0]}), live[:, 0], of=FEATURES, skip=HISTORY)
    starts = range(0, len(live) - ROWS + 1, ROWS)
    return _rises(MeanEstimate.of(reference[:, 0]), [MeanEstimate.of(live[at : at + ROWS, 0]) for at in starts])


def _rises(promise: MeanEstimate, windows: Sequence[MeanEstimate]) -> Findings:
    """The evidence of the monitor's test of a loss, at its three scales; none in the windows that are history."""
    found: Findings = [()] * HISTORY
    for last in range(HISTORY + 1, len(windows) + 1):
        results = [(scale, rise(windows[last - scale : last], promise, 1.0)) for scale in SCALES]
        found.append(
            tuple(
                Evidence("loss", "z_test", one.statistic, min(1.0, one.p_value * len(SCALES)), one.share, scale)
                for scale, one in results
                if one
            )
        )
    return found


def first_after(evidence: Findings, rule: DecisionRule, rows: int) -> float:
    """Rows from row number `rows` to the end of the first window after it that raises an alarm."""
    ends = [(window + 1) * ROWS - rows for window in TEMPO.alarms(evidence, rule)]
    return float(min((end for end in ends if end > 0), default=np.inf))


def _rivers(change: Change, generators: Sequence[np.random.Generator]) -> Iterator[Row]:
    losses, still = change is not SHIFT, generators[0]
    for contender in QUICK:
        if not contender.fits(losses):
            continue
        found = []
        for run, rng in enumerate(generators):
            detector = contender.warm(change.before(rng, BEFORE)[:, 0], run)
            found.append(river_delay(detector, change.after(rng, HORIZON)[:, 0]))
        alarms = river_false_alarms(contender, lambda rows: change.before(still, rows)[:, 0], len(generators))
        rate = alarms * (1 if losses else FEATURES)
        cells = (change.name, f"river {contender.name}", str(len(found)), delay_text(found, HORIZON), f"{rate:.1f}")
        yield Row(cells)
