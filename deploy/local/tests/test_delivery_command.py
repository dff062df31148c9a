"""`tidemill metrics`."""

import io
from typing import Any

import pytest
from rich.console import Console
from tidemill_local.commands.delivery import delivery_table

DELIVERY: dict[str, Any] = {
    "deployments": 12,
    "days": 30.0,
    "per_day": 0.4,
    "lead_time_seconds": 11_520.0,
    "changes": 12,
    "failures": 1,
    "change_failure_rate": 1 / 12,
    "time_to_restore_seconds": 754.0,
}
NOTHING = dict.fromkeys(DELIVERY, None) | {"deployments": 0, "days": 30.0, "per_day": 0.0, "changes": 0, "failures": 0}


def drawn(delivery: dict[str, Any], width: int, model: str = "") -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, no_color=True).print(delivery_table(delivery, model))
    return file.getvalue().splitlines()


def figures(delivery: dict[str, Any]) -> list[str]:
    return [line.split("│")[2].strip() for line in drawn(delivery, 120) if line.count("│") == 4]


def test_the_four_metrics_of_delivery_are_said_in_human_terms():
    assert figures(DELIVERY) == ["12, 0.4 a day", "3 h 12 min", "8.33% (1 of 12)", "12 min 34 s"]


def test_what_nothing_is_known_of_is_a_dash():
    assert figures(NOTHING) == ["0, 0 a day", "–", "–", "–"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_metrics_fit_the_screen(width: int):
    assert max(map(len, drawn(DELIVERY, width))) <= width


@pytest.mark.parametrize(
    ("options", "asked", "title"),
    [
        ((), "days=30", "Delivery of all models, the last 30 days"),
        (("--days", "7", "--model", "tide"), "days=7&model=tide", "Delivery of tide, the last 7 days"),
    ],
)
def test_the_metrics_are_asked_of_the_registry(tidemill, services, options: tuple[str, ...], asked: str, title: str):
    services.answers["GET /v1/delivery"] = DELIVERY | {"days": float(asked.split("&")[0].removeprefix("days="))}

    output = tidemill("metrics", "delivery", *options).output

    assert services.asked == [(f"GET /v1/delivery?{asked}", None)]
    assert title in output
    assert "3 h 12 min" in output


def test_no_days_are_refused(tidemill, services):
    assert tidemill("metrics", "delivery", "--days", "0").exit_code == 2
    assert services.asked == []
