"""What is remembered of windows that were judged."""

from collections.abc import Sequence
from typing import Any

from tidemill_monitor.domain.judgement import Judge, Judged
from tidemill_monitor.domain.pane_store import Arm
from tidemill_monitor.domain.shown import judged_values, performance_values, time
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.domain.windows import maturity


def window_records(judge: Judge, catalogue: Catalogue, judged: Sequence[Judged]) -> dict[int, dict[str, Any]]:
    """By the end of each window what was found in it, and once its performance is judged, that too."""
    records: dict[int, dict[str, Any]] = {}
    for one in judged:
        window = one.window
        record = records.setdefault(window.end, {})
        record |= {"start": time(window.start), "end": time(window.end), "rows": window.rows}
        record[one.stage] = judged_values(one)
        if one.ages:
            record["ages_seconds"] = {name: None if age is None else age / 1e6 for name, age in one.ages.items()}
        if one.stage == "performance":
            record["performance"] |= _performance(judge, catalogue, one)
    return records


def _performance(judge: Judge, catalogue: Catalogue, judged: Judged) -> dict[str, Any]:
    version = catalogue.version(judge.watch.model, judged.version)
    merged = judge.arms.one(Arm(judged.version), judged.window)
    known = merged.labelled_by(maturity(judge.watch, judged.window)) if merged.labels else merged.total.metrics
    slices = {name: performance_values(None, part, part.metrics) for name, part in merged.slices.items()}
    return {**performance_values(version, merged.total, known), "slices": slices}
