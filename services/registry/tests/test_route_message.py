"""The `Route` event of a serving table."""

from dataclasses import replace

import pytest
from tidemill.v1.model_pb2 import Arm, Route
from tidemill_contracts.release import Release
from tidemill_registry.domain.routes import RoutedVersion, RouteState
from tidemill_registry.serving import route_message

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


def test_a_candidate_takes_its_share_from_the_champion():
    state = replace(STATE, candidate=RoutedVersion(4, "d" * 64), share=0.25)

    route = route_message("rides", state, Release())

    assert [(arm.version, arm.weight) for arm in route.arms] == [(3, 0.75), (4, 0.25)]
    assert not route.mirrors


def test_a_candidate_that_only_watches_is_a_mirror():
    state = replace(STATE, candidate=RoutedVersion(4, "d" * 64), fraction=0.5)

    route = route_message("rides", state, Release())

    assert [(arm.version, arm.weight) for arm in route.arms] == [(3, 1.0)]
    assert [(one.version, one.artifact_digest, one.fraction) for one in route.mirrors] == [(4, "d" * 64, 0.5)]
