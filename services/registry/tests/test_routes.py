"""A model's serving table."""

from hypothesis import given
from hypothesis import strategies as st
from tidemill_registry.domain.routes import RoutedVersion, RouteState, promote, roll_back


def version(number: int) -> RoutedVersion:
    return RoutedVersion(number, f"{number:064x}")


VERSIONS = st.integers(1, 9).map(version)


def after(versions: list[RoutedVersion]) -> RouteState:
    """The route after promoting `versions` one by one."""
    route = None
    for promoted in versions:
        route = promote(route, promoted, f"version {promoted.version}")
    assert route is not None
    return route


def test_the_first_version_serves_alone():
    assert promote(None, version(1), "first") == RouteState(1, version(1), None, "first")


def test_a_promoted_version_takes_over_and_the_one_before_is_kept():
    assert after([version(1), version(2)]) == RouteState(2, version(2), version(1), "version 2")


def test_promoting_the_champion_again_keeps_its_fallback():
    assert after([version(1), version(2), version(2)]) == RouteState(3, version(2), version(1), "version 2")


@given(st.lists(VERSIONS, min_size=1))
def test_whatever_is_promoted_last_serves(versions: list[RoutedVersion]):
    route = after(versions)

    assert route.champion == versions[-1]
    assert route.epoch == len(versions)


@given(st.lists(VERSIONS, min_size=1))
def test_the_fallback_is_what_served_before_and_never_the_champion(versions: list[RoutedVersion]):
    others = [promoted for promoted in versions if promoted != versions[-1]]

    assert after(versions).fallback == (others[-1] if others else None)


@given(st.lists(VERSIONS, min_size=2), st.none() | VERSIONS)
def test_a_rollback_moves_forward_in_epoch_and_drops_the_champion(
    versions: list[RoutedVersion], next_fallback: RoutedVersion | None
):
    before = after(versions)
    target = before.fallback or version(99)

    route = roll_back(before, target, next_fallback, "slow")

    assert route == RouteState(before.epoch + 1, target, next_fallback, "slow")
    assert before.champion not in (route.champion,)
