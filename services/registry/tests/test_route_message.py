"""The `Route` event of a serving table."""

import pytest
from tidemill.v1.model_pb2 import Arm, Route
from tidemill_contracts.pipeline import Release
from tidemill_registry.decisions import route_message
from tidemill_registry.domain.routes import RoutedVersion, RouteState

STATE = RouteState(4, RoutedVersion(3, "c" * 64), RoutedVersion(2, "b" * 64), "better")


def test_the_champion_takes_everything_and_the_fallback_is_kept_warm():
    assert route_message("rides", STATE, Release()) == Route(
        model="rides",
        epoch=4,
        arms=[Arm(version=3, artifact_digest="c" * 64, weight=1.0)],
        warm=[Arm(version=2, artifact_digest="b" * 64)],
        reason="better",
    )


@pytest.mark.parametrize(
    ("release", "header", "field"),
    [
        (Release(sticky_header="x-user"), "x-user", ""),
        (Release(sticky_field="carrier"), "", "carrier"),
        (Release(sticky_field="weather.rain"), "", "weather_rain"),
    ],
)
def test_what_keeps_a_caller_on_one_version_is_a_header_or_an_input(release: Release, header: str, field: str):
    route = route_message("rides", STATE, release)

    assert (route.sticky_header, route.sticky_field) == (header, field)
