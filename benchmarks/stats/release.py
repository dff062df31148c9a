"""Release tests looked at after every observation: errors without a difference, and rows until a verdict."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from tidemill_stats.arrays import BoolArray, FloatArray
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.betting import Counts, block_evidence
from tidemill_stats.sequential.blocks import Block, Proportion
from tidemill_stats.sequential.counts import CountTest
from tidemill_stats.sequential.means import MeanTest
from tidemill_stats.sequential.proportions import ProportionTest
from tidemill_stats.sequential.ratio import SampleRatioTest, log_mixture
from tidemill_stats.sequential.verdict import Metric, Verdict, judge

from benchmarks.stats.tables import Row, Table, delay_text

ALPHA = 0.05
ROWS = 10_000
PEEK = 100
HORIZON = 60_000
MARGIN = 0.03


def release(runs: int, seed: int) -> Iterator[Table]:
    """Tables of type I errors and of rows until a verdict."""
    generators = [np.random.default_rng([seed, 4, number]) for number in range(7)]
    errors = tuple(_errors(runs, generators))
    note = (
        f"{ROWS:,} rows (or 2,000 events) a run, both arms alike. Proportions: either of the two e-processes against "
        "no difference, which every claim of better or worse needs, computed for all runs at once by `block_evidence` "
        "with one row of each arm a block."
    )
    columns = ("test", "null hypothesis", "runs", "looks a run", "type I error")
    yield Table(f"Type I error of release tests, alpha {ALPHA}", columns, errors, note)
    note = f"Rows of both arms together, as many in each; looked at every {PEEK} and stopped at {HORIZON:,}."
    columns = ("test", "truth", "runs", "verdicts", "rows: median / 90 %")
    yield Table("Rows until a verdict", columns, tuple(_verdicts(runs, seed)), note)


def _errors(runs: int, generators: Sequence[np.random.Generator]) -> Iterator[Row]:
    one, two, three, four, five, six, seven = generators
    many = 5 * runs
    yield _error("z-test of proportions", ".2 and .2", ROWS // PEEK, _peeked_z(one, many), asked=False)
    frequent, rare = _proportions(two, many, (0.2, 0.02))
    yield _error("e-process of proportions", ".2 and .2", ROWS, frequent)
    yield _error("e-process of proportions", ".02 and .02", ROWS, rare)
    yield _error("confidence sequence of means", "normal", ROWS, _means(three.standard_normal, runs))
    yield _error("confidence sequence of means", "exponential", ROWS, _means(four.standard_exponential, runs))
    yield _error("e-process of counts", "share .5", 2000, _counts(five, runs, 0.5))
    yield _error("e-process of counts", "share .1", 2000, _counts(six, runs, 0.1))
    yield _error("sample ratio", "shares .9 and .1", ROWS, _ratios(seven, runs))


def _error(test: str, truth: str, looks: int, wrong: BoolArray, *, asked: bool = True) -> Row:
    share = float(wrong.mean())
    off = 1.96 * math.sqrt(share * (1 - share) / wrong.size)
    cells = (test, truth, f"{wrong.size:,}", f"{looks:,}", f"{share:.4f} ± {off:.4f}")
    return Row(cells, f"≤ {ALPHA}", share <= ALPHA) if asked else Row(cells)


def _peeked_z(rng: np.random.Generator, runs: int) -> BoolArray:
    hits = np.cumsum(rng.binomial(PEEK // 2, 0.2, (2, runs, ROWS // PEEK)), axis=2)
    rows = np.arange(1, ROWS // PEEK + 1) * PEEK / 2
    pooled = hits.sum(axis=0) / (2 * rows)
    z = (hits[1] - hits[0]) / np.sqrt(2 * rows * np.maximum(pooled * (1 - pooled), 1e-12))
    wrong: BoolArray = (np.abs(z) > 1.959964).any(axis=1)
    return wrong


def _proportions(rng: np.random.Generator, runs: int, rates: Sequence[float]) -> BoolArray:
    """Whether either e-process against no difference reached 2 / alpha, shape [rates, runs].

    Rows one by one, of the arms in turn.
    """
    shape = (len(rates), runs)
    past, ones, none = np.zeros((2, *shape)), np.ones(shape), np.zeros(1)
    log_e, wrong = np.zeros((2, *shape)), np.zeros(shape, dtype=np.bool_)
    for number in range(ROWS // 2):
        champion, candidate = (rng.random((2, *shape)) < np.array(rates)[:, None]).astype(np.float64)
        before = Counts(past[0], ones * number, past[1], ones * number)
        evidence = block_evidence(before, Counts(champion, ones, candidate, ones), none)
        log_e += (evidence.greater, evidence.less)
        wrong |= (log_e >= math.log(2 / ALPHA)).any(axis=0)
        past += (champion, candidate)
    return wrong


def _means(draw: Callable[[tuple[int, ...]], FloatArray], runs: int) -> BoolArray:
    """Whether bounds ever excluded no difference; two rows of each arm a step, the fewest that change them."""
    return np.array([_mean_run(draw((ROWS // 4, 2, 2))) for _ in range(runs)])


def _mean_run(values: FloatArray) -> bool:
    test = MeanTest.start(ALPHA)
    sums, squares = values.sum(axis=2).tolist(), np.square(values).sum(axis=2).tolist()
    for (total0, total1), (squares0, squares1) in zip(sums, squares, strict=True):
        test = test.observe(Block(MeanEstimate(2, total0, squares0), MeanEstimate(2, total1, squares1)))
    bounds = test.bounds()
    return bounds.lower >= 0 or bounds.upper <= 0


def _counts(rng: np.random.Generator, runs: int, share: float) -> BoolArray:
    """Whether equal rates were ever outside the bounds: exactly when their e-process reached 1 / alpha."""
    candidates = np.cumsum(rng.random((runs, 2000)) < share, axis=1)
    return np.array([any(_rejects(of, at + 1, share) for at, of in enumerate(run)) for run in candidates.tolist()])


def _rejects(candidate: int, events: int, share: float) -> bool:
    return log_mixture((events - candidate, candidate), (1 - share, share)) >= -math.log(ALPHA)


def _ratios(rng: np.random.Generator, runs: int) -> BoolArray:
    wrong = []
    for _ in range(runs):
        test = SampleRatioTest.start(ALPHA, (0.9, 0.1))
        for candidate in (rng.random(ROWS) < 0.1).tolist():
            test = test.observe((0, 1) if candidate else (1, 0))
        wrong.append(test.mismatch)
    return np.array(wrong)


def _verdicts(runs: int, seed: int) -> Iterator[Row]:
    cases: list[tuple[str, str, Verdict, Callable[[np.random.Generator], Iterator[Metric]]]] = [
        ("error rate, margin .03", ".2 and .3", Verdict.WORSE, lambda rng: _rates(rng, 0.3)),
        ("error rate, margin .03", ".2 and .25", Verdict.WORSE, lambda rng: _rates(rng, 0.25)),
        ("error rate, margin .03", ".2 and .15", Verdict.BETTER, lambda rng: _rates(rng, 0.15)),
        ("error rate, margin .03", ".2 and .2", Verdict.EQUIVALENT, lambda rng: _rates(rng, 0.2)),
        ("mean loss, margin .1 sigma", "0 and .2 sigma", Verdict.WORSE, lambda rng: _losses(rng, 0.2)),
        ("mean loss, margin .1 sigma", "0 and -.2 sigma", Verdict.BETTER, lambda rng: _losses(rng, -0.2)),
        ("mean loss, margin .1 sigma", "0 and 0", Verdict.EQUIVALENT, lambda rng: _losses(rng, 0.0)),
        ("error count, margin .5", "rates of .01 and .03", Verdict.WORSE, lambda rng: _events(rng, 0.03)),
        ("error count, margin .5", "rates of .01 and .01", Verdict.EQUIVALENT, lambda rng: _events(rng, 0.01)),
    ]
    for number, (test, truth, expected, stream) in enumerate(cases):
        found, rows = [], []
        for run in range(runs):
            verdict, needed = _first(stream(np.random.default_rng([seed, 5, number, run])))
            found.append(verdict)
            rows.append(needed)
        told = ", ".join(f"{one.value} {found.count(one)}" for one in Verdict if one in found)
        wrong = 1 - (found.count(expected) + found.count(Verdict.UNDECIDED)) / runs
        cells = (test, truth, str(runs), told, delay_text(rows, HORIZON))
        yield Row(cells, f"another than {expected.value} ≤ {ALPHA:.0%}", wrong <= ALPHA)


def _first(metrics: Iterator[Metric]) -> tuple[Verdict, float]:
    for look, metric in enumerate(metrics, start=1):
        if (verdict := judge(metric)) is not Verdict.UNDECIDED:
            return verdict, float(look * PEEK)
    return Verdict.UNDECIDED, math.inf


def _rates(rng: np.random.Generator, rate: float) -> Iterator[Metric]:
    test, rows = ProportionTest.start(ALPHA, MARGIN), PEEK // 2
    for _ in range(HORIZON // PEEK):
        hits = rng.binomial(rows, (0.2, rate)).tolist()
        test = test.observe(Block(Proportion(hits[0], rows), Proportion(hits[1], rows)))
        yield Metric("error rate", test.bounds(), higher_is_better=False, margin=MARGIN)


def _losses(rng: np.random.Generator, shift: float) -> Iterator[Metric]:
    test = MeanTest.start(ALPHA)
    for _ in range(HORIZON // PEEK):
        champion, candidate = rng.standard_normal((2, PEEK // 2))
        test = test.observe(Block(MeanEstimate.of(champion), MeanEstimate.of(candidate + shift)))
        yield Metric("loss", test.bounds(), higher_is_better=False, margin=0.1)


def _events(rng: np.random.Generator, rate: float) -> Iterator[Metric]:
    test = CountTest.start(ALPHA, 0.5)
    for _ in range(HORIZON // PEEK):
        champion, candidate = rng.binomial(PEEK // 2, (0.01, rate)).tolist()
        test = test.observe(Block(champion, candidate))
        yield Metric("errors", test.bounds(), higher_is_better=False, margin=0.5)
