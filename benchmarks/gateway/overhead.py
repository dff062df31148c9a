"""Rate, latency, processor time and memory of the gateway, one thing after the other switched on."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.gateway.bench import PROTOCOLS, Bench, Served
from benchmarks.gateway.options import Options
from benchmarks.gateway.pairs import COUNTED, LOGGED, MIRRORED, UNLOGGED, UNMIRRORED, Pair, middle, pair, share
from benchmarks.stats.tables import Row, Table

MANY, ONE = 32, 1
LEAST_RATIO, MOST_ADDED, MOST_CPU = 0.8, 0.15e-3, 30e-6
WARM_SECONDS = 1.0
STICKY = "x-caller"
REQUESTS = "tidemill_gateway_requests_total"
EVERYTHING = Served("mirrored", mirror=0.1)


@dataclass(frozen=True)
class Variant:
    """A line of the tables; the targets hold for those with `judged`."""

    name: str
    served: Served
    keyed: bool = False
    judged: bool = False


VARIANTS = (
    Variant("gateway, log off, no mirror", Served("quiet", sample=0.0)),
    Variant("+ full prediction log", Served("logged")),
    Variant("+ 10 % mirror", EVERYTHING),
    Variant("+ API key", EVERYTHING, keyed=True, judged=True),
    Variant("+ two arms, sticky header", Served("split", arms=2, mirror=0.1, sticky=STICKY), keyed=True, judged=True),
)

QUIET, *LOUD = VARIANTS
SPLIT = VARIANTS[-1]

Found = Mapping[tuple[Variant, str, int], Sequence[Pair]]


def overhead(bench: Bench, options: Options) -> Iterator[Table]:
    """Tables of every variant beside Triton alone."""
    found: dict[tuple[Variant, str, int], list[Pair]] = defaultdict(list)
    for keyed in (False, True):
        variants = [variant for variant in VARIANTS if variant.keyed == keyed]
        bench.serve(*(variant.served for variant in variants), keyed=keyed)
        _warm(bench, variants)
        for _ in range(options.runs):
            _measure(bench, variants, options.seconds, found)
    for protocol in PROTOCOLS:
        yield _rates(found, protocol)
        yield _latencies(found, protocol)
    yield _costs(found)
    yield _proofs(bench, found)


def _warm(bench: Bench, variants: Sequence[Variant]) -> None:
    for variant in variants:
        for protocol in PROTOCOLS:
            bench.direct(variant.served, protocol).run(MANY, WARM_SECONDS)
            bench.through(variant.served, protocol).run(MANY, WARM_SECONDS)


def _measure(
    bench: Bench, variants: Sequence[Variant], seconds: float, found: dict[tuple[Variant, str, int], list[Pair]]
) -> None:
    for protocol in PROTOCOLS:
        for connections in (MANY, ONE):
            for variant in variants:
                direct, through = bench.direct(variant.served, protocol), bench.through(variant.served, protocol)
                found[variant, protocol, connections].append(pair(bench, direct, through, connections, seconds))


def _rates(found: Found, protocol: str) -> Table:
    rows = [Row(("Triton alone", *_speed(_direct(found, protocol, MANY)), ""))]
    for variant in VARIANTS:
        pairs = found[variant, protocol, MANY]
        ratio = middle(pairs, lambda one: one.ratio)
        cells = (variant.name, *_speed(pairs, through=True), f"{ratio:.2f}")
        rows.append(_judged(variant, cells, f"≥ {LEAST_RATIO}", ratio >= LEAST_RATIO))
    columns = ("what", "req/s", "p50 ms", "p99 ms", "of Triton")
    return Table(f"{protocol}, {MANY} connections", columns, tuple(rows), _note(found))


def _latencies(found: Found, protocol: str) -> Table:
    rows = [Row(("Triton alone", *_speed(_direct(found, protocol, ONE)), ""))]
    for variant in VARIANTS:
        pairs = found[variant, protocol, ONE]
        added = middle(pairs, lambda one: one.added)
        cells = (variant.name, *_speed(pairs, through=True), f"{added * 1e3:+.3f}")
        rows.append(_judged(variant, cells, f"≤ {MOST_ADDED * 1e3:g}", added <= MOST_ADDED))
    columns = ("what", "req/s", "p50 ms", "p99 ms", "added p50 ms")
    return Table(f"{protocol}, one connection", columns, tuple(rows), _note(found))


def _costs(found: Found) -> Table:
    rows = []
    for protocol in PROTOCOLS:
        for variant in VARIANTS:
            pairs = found[variant, protocol, MANY]
            cpu = middle(pairs, lambda one: one.through.cpu)
            resident = middle(pairs, lambda one: one.through.resident)
            shares = (f"{share(pairs, counter):.1%}" for counter in COUNTED)
            cells = (f"{protocol}: {variant.name}", f"{cpu * 1e6:.1f}", f"{resident / 1e6:,.0f}", *shares)
            rows.append(_judged(variant, cells, f"≤ {MOST_CPU * 1e6:g} µs", cpu <= MOST_CPU))
    columns = ("what", "CPU µs a request", "resident MB", "logged", "log drops", "mirrored", "mirror drops")
    note = "The gateway's processes at 32 connections; its counters of log and mirrors as shares of the requests."
    return Table("The gateway's processor time and memory", columns, tuple(rows), note)


def _proofs(bench: Bench, found: Found) -> Table:
    """Whether what a line says was on, or off, was so."""

    def shared(variants: Sequence[Variant], *counters: str) -> float:
        return share([one for key, pairs in found.items() if key[0] in variants for one in pairs], *counters)

    arms = [bench.counted(REQUESTS, f'model="{SPLIT.served.model}"', f'version="{arm}"') for arm in (1, 2)]
    first = arms[0] / max(1.0, sum(arms))
    mirroring = [variant for variant in VARIANTS if variant.served.mirror]
    off, on, lost = shared([QUIET], LOGGED), shared(LOUD, LOGGED), shared(LOUD, UNLOGGED)
    copied = shared(mirroring, MIRRORED, UNMIRRORED)
    status = bench.status_without_key(SPLIT.served)
    rows = (
        Row(("logged with the log off", f"{off:.2%}"), "≤ 0.1 %", off <= 0.001),
        Row(("logged with the full log", f"{on:.2%}"), "≥ 99 %", on >= 0.99),
        Row(("dropped by the log", f"{lost:.2%}"), "0 %", lost == 0),
        Row(("copied to the mirror", f"{copied:.2%}"), "7 to 13 %", 0.07 <= copied <= 0.13),
        Row(("first of two arms", f"{first:.2%}"), "40 to 60 %", 0.4 <= first <= 0.6),
        Row(("answer without the API key", str(status)), "401", status == 401),
    )
    return Table("What was on", ("what", "found"), rows, "By the gateway's own counters, over all loads above.")


def _judged(variant: Variant, cells: tuple[str, ...], target: str, met: bool) -> Row:
    return Row(cells, target, met) if variant.judged else Row(cells)


def _direct(found: Found, protocol: str, connections: int) -> list[Pair]:
    return [one for variant in VARIANTS for one in found[variant, protocol, connections]]


def _speed(pairs: Sequence[Pair], *, through: bool = False) -> tuple[str, str, str]:
    outcomes = [one.through.outcome if through else one.direct for one in pairs]
    rate, p50, p99 = (median(getattr(one, name) for one in outcomes) for name in ("rate", "p50", "p99"))
    return f"{rate:,.0f}", f"{p50 * 1e3:.3f}", f"{p99 * 1e3:.3f}"


def _note(found: Found) -> str:
    runs = len(next(iter(found.values())))
    return f"Medians of {runs} runs; ratios and differences are medians over pairs of neighbouring loads."
