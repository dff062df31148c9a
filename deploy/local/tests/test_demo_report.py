"""What the demo's report says of alarms and of the weeks."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tidemill.v1.model_pb2 import RELEASE_STRATEGY_CANARY, RolloutChanged
from tidemill.v1.monitoring_pb2 import (
    DRIFT_ACTION_TELL_DATA_SCIENTIST,
    DRIFT_KIND_SCHEMA_SKEW,
    SEVERITY_CRITICAL,
    DriftDetected,
)
from tidemill.v1.profile_pb2 import CategoricalProfile, ColumnProfile, NumericProfile
from tidemill_local.demo.alarms import HEIGHT, NOW_COLOUR, THEN_COLOUR, alarm_section
from tidemill_local.demo.clients import ClientStatistics
from tidemill_local.demo.report import Result, summary, write_html
from tidemill_local.demo.watch import Mark

FIRST_WEEK = datetime(2013, 3, 4)


def numbers(*counts: int, missing: int = 0) -> ColumnProfile:
    edges = [float(edge) for edge in range(len(counts) - 1)]
    return ColumnProfile(missing=missing, numeric=NumericProfile(edges=edges, counts=counts))


def categories(other: int = 0, **counts: int) -> ColumnProfile:
    return ColumnProfile(categorical=CategoricalProfile(counts=counts, other=other))


def alarm(*columns: tuple[ColumnProfile | None, ColumnProfile | None]) -> DriftDetected:
    event = DriftDetected(
        version=3,
        kind=DRIFT_KIND_SCHEMA_SKEW,
        severity=SEVERITY_CRITICAL,
        action=DRIFT_ACTION_TELL_DATA_SCIENTIST,
        reason="2 of <b> moved",
    )
    event.since.FromDatetime(datetime(2013, 5, 2, 6))
    event.until.FromDatetime(datetime(2013, 5, 3))
    for index, (then, now) in enumerate(columns):
        event.evidence.add(subject=f"f{index}", explanation=f"f{index}: went <up>", then=then, now=now)
    return event


def heights(html: str, colour: str) -> list[float]:
    """Shares of the tallest bar."""
    found = re.findall(rf"height='([\d.]+)' fill='{colour}'", html)
    return [float(height) / HEIGHT for height in found]


def test_an_alarm_says_what_moved_since_when_and_what_was_asked():
    html = alarm_section(alarm((None, None)))

    assert "03 May: schema skew, critical, version 3; asked: tell data scientist" in html
    assert "2 of &lt;b&gt; moved. Since 02 May 06:00." in html
    assert "<li>f0: went &lt;up&gt;</li>" in html
    assert "<svg" not in html


def test_bins_and_missing_values_are_drawn_then_and_now_on_one_scale():
    html = alarm_section(alarm((numbers(50, 50), numbers(20, 60, missing=20))))

    assert heights(html, THEN_COLOUR) == pytest.approx([0.5 / 0.6, 0.5 / 0.6, 0], abs=0.01)
    assert heights(html, NOW_COLOUR) == pytest.approx([0.2 / 0.6, 1, 0.2 / 0.6], abs=0.01)
    assert "missing: 20.0%" in html


def test_categories_that_training_did_not_have_are_drawn_too():
    html = alarm_section(alarm((categories(**{"<a>": 60, "b": 40}), categories(b=40, other=60))))

    assert sum(heights(html, THEN_COLOUR)) == pytest.approx(sum(heights(html, NOW_COLOUR)), abs=0.01)
    assert "all others: 60.0%" in html
    assert "&lt;a&gt;: 60.0%" in html


def test_only_columns_known_then_and_now_are_drawn():
    html = alarm_section(alarm((numbers(1, 2), numbers(3, 4)), (None, None), (numbers(1), numbers(2))))

    assert html.count("<svg") == 2


def test_a_column_without_rows_is_drawn_as_nothing():
    html = alarm_section(alarm((numbers(0, 0), numbers(0, 0))))

    assert set(heights(html, THEN_COLOUR) + heights(html, NOW_COLOUR)) == {0.0}


def result(*, swapped: tuple[datetime, ...], loop: list[float], alarms: int = 0) -> Result:
    weeks = pl.DataFrame(
        {
            "period": [FIRST_WEEK + timedelta(weeks=number) for number in range(len(loop))],
            "flights": [1000] * len(loop),
            "loop_auc": [0.7] * len(loop),
            "frozen_auc": [0.6] * len(loop),
            "loop_log_loss": loop,
            "frozen_log_loss": [0.5] * len(loop),
        }
    )
    months = weeks.with_columns(period=pl.lit(datetime(2013, 4, 1))).head(1)
    return Result(
        title="<Year>",
        months=months,
        weeks=weeks,
        marks=[Mark("swapped", at, "") for at in swapped],
        topics={"predictions": 10},
        statistics=ClientStatistics(requests=7),
        memory={},
        setup_seconds=1,
        replay_seconds=2,
        trainings=len(swapped),
        alarms=[alarm((numbers(1, 2), numbers(2, 1)))] * alarms,
        releases=[
            RolloutChanged(version=2, trigger="start", phase="canary", strategy=RELEASE_STRATEGY_CANARY),
            RolloutChanged(version=2, trigger="promote", phase="promoted", strategy=RELEASE_STRATEGY_CANARY),
        ]
        * (len(swapped) - 1),
    )


FIRST, SECOND = datetime(2013, 3, 4, 12, tzinfo=UTC), datetime(2013, 3, 18, 3, tzinfo=UTC)


def test_the_weeks_that_count_are_the_whole_ones_after_the_first_retraining():
    told = summary(result(swapped=(FIRST, SECOND), loop=[0.4, 0.4, 0.6, 0.4, 0.45], alarms=2))

    assert (
        "2 alarms; the loop trained 2 times, let 1 models in by canary (1 promoted), swapped the model 1 time" in told
    )
    assert "lower one in 2 of the 3 whole weeks" in told


def test_a_retraining_within_a_week_leaves_that_week_out():
    told = summary(result(swapped=(FIRST, SECOND + timedelta(days=1)), loop=[0.4, 0.4, 0.4, 0.6, 0.4]))

    assert "lower one in 1 of the 2 whole weeks" in told


def test_without_a_retraining_no_week_counts():
    told = summary(result(swapped=(FIRST,), loop=[0.4, 0.4]))

    assert "0 alarms" in told
    assert "lower one in 0 of the 0 whole weeks" in told


def test_the_report_has_a_section_for_each_alarm(tmp_path: Path):
    write_html(result(swapped=(FIRST, SECOND), loop=[0.4, 0.4], alarms=2), tmp_path / "some.html")
    write_html(result(swapped=(FIRST,), loop=[0.4, 0.4]), tmp_path / "none.html")

    some, none = ((tmp_path / name).read_text() for name in ("some.html", "none.html"))
    assert some.count("schema skew, critical") == 2
    assert "<h2>Alarms</h2><p>None.</p>" in none
    assert "<Year>" not in some
