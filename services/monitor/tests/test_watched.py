"""Whether a release is under way, and how slow is slow."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arms", "mirrors", "released"),
    [
        ({1: 1.0}, {}, False),
        ({1: 1.0, 2: 0.0}, {}, False),
        ({1: 1.0}, {2: 0.0}, False),
        ({1: 0.9, 2: 0.1}, {}, True),
        ({1: 1.0}, {2: 0.05}, True),
        ({1: 1.0, 2: 0.0}, {3: 1.0}, True),
    ],
)
def test_a_release_is_under_way_while_a_second_version_answers_or_watches(
    make: Any, arms: dict[int, float], mirrors: dict[int, float], released: bool
) -> None:
    catalogue = make.catalogue()
    catalogue.note_route(make.route(1, arms, mirrors))
    assert catalogue.is_released("tide") is released


def test_a_model_without_a_route_is_not_under_release(make: Any) -> None:
    catalogue = make.catalogue()
    route = make.route()
    route.model = "another"
    catalogue.note_route(route)
    assert not catalogue.is_released("tide")


def test_of_several_routes_the_one_of_the_highest_epoch_counts(make: Any) -> None:
    catalogue = make.catalogue()
    alone, together = make.route(2, {1: 1.0}), make.route(3)
    for route, released in ((alone, False), (together, True), (alone, True), (make.route(4, {2: 1.0}), False)):
        catalogue.note_route(route)
        assert catalogue.is_released("tide") is released


@pytest.mark.parametrize(("serving", "seconds"), [({}, 0.5), (None, 0.5), ({"latency": 0.125}, 0.125)])
def test_an_answer_is_slow_beyond_the_objective_of_its_pipeline(make: Any, serving: Any, seconds: float) -> None:
    assert make.watch(serving=serving).latency_objective == seconds
