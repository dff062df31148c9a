"""The four metrics of delivery, read off the audit."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_registry.domain.audit import Entry
from tidemill_registry.domain.delivery import Delivery, delivery
from tidemill_runtime.errors import InvalidInput

START = datetime(2026, 3, 2, tzinfo=UTC)
ACTIONS = (
    "approved",
    "pending",
    "rejected",
    "release_started",
    "promoted",
    "release_rolled_back",
    "release_inconclusive",
    "rolled_back",
)
Told = tuple[int, str, int]
TOLD = st.tuples(st.integers(0, 240), st.sampled_from(ACTIONS), st.integers(1, 5))


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def audit(*told: Told) -> list[Entry]:
    """Entries of (hour, action, version) in the order of time."""
    return [
        Entry(sequence, hour(at).isoformat(), "policy", action, "rides", version, "", {})
        for sequence, (at, action, version) in enumerate(sorted(told, key=lambda one: one[0]), start=1)
    ]


def measured(*told: Told, since: float = 0, until: float = 240) -> Delivery:
    return delivery(audit(*told), hour(since), hour(until))


def test_nothing_delivered_leaves_what_cannot_be_known_unsaid():
    assert measured() == Delivery(0, 10.0, 0.0, None, 0, 0, None, None)


def test_deployments_are_promotions_per_day():
    found = measured((1, "promoted", 1), (2, "promoted", 2), (3, "approved", 3), (4, "release_started", 3))

    assert (found.deployments, found.per_day) == (2, 0.2)


def test_lead_time_is_the_median_from_a_versions_first_entry_to_its_promotion():
    found = measured(
        *((0, "pending", 1), (5, "approved", 1), (6, "promoted", 1)),
        *((10, "approved", 2), (10, "release_started", 2), (12, "promoted", 2)),
        *((20, "approved", 3), (120, "promoted", 3)),
        (130, "approved", 4),
    )

    assert found.lead_time_seconds == 6 * 3600


def test_lead_time_begins_before_the_period_if_the_version_does():
    assert measured((10, "approved", 1), (50, "promoted", 1), since=48).lead_time_seconds == 40 * 3600


def test_a_withdrawn_release_and_a_champion_taken_back_are_failures_restored_since_their_first_traffic():
    found = measured(
        *((1, "release_started", 1), (3, "promoted", 1)),
        *((10, "release_started", 2), (14, "release_rolled_back", 2)),
        *((20, "release_started", 3), (22, "promoted", 3), (25, "rolled_back", 3)),
        *((40, "promoted", 4), (41, "rolled_back", 4)),
    )

    assert (found.changes, found.failures, found.change_failure_rate) == (4, 3, 0.75)
    assert found.time_to_restore_seconds == 4 * 3600


def test_a_version_released_again_is_the_same_change_from_its_first_traffic_to_its_first_failure():
    found = measured(
        *((1, "release_started", 1), (5, "release_rolled_back", 1)),
        *((10, "release_started", 1), (12, "promoted", 1), (20, "rolled_back", 1)),
    )

    assert (found.changes, found.failures, found.time_to_restore_seconds) == (1, 1, 4 * 3600)


def test_what_is_withdrawn_undecided_is_a_change_and_no_failure():
    found = measured((1, "release_started", 1), (5, "release_inconclusive", 1))

    assert (found.changes, found.failures, found.time_to_restore_seconds) == (1, 0, None)


def test_what_never_had_traffic_is_no_change():
    found = measured((1, "rejected", 1), (2, "approved", 2), (3, "release_rolled_back", 2))

    assert (found.changes, found.failures) == (0, 0)


def test_a_failure_belongs_to_the_period_of_its_first_traffic():
    story: list[Told] = [(1, "release_started", 1), (30, "release_rolled_back", 1)]

    assert measured(*story, until=24).failures == 1
    assert measured(*story, since=24).changes == 0


def test_versions_of_other_models_are_other_changes():
    entries = audit((1, "promoted", 1), (2, "promoted", 1))
    entries[1] = Entry(**{**entries[1].__dict__, "model": "flights"})

    assert delivery(entries, hour(0), hour(24)).changes == 2


@pytest.mark.parametrize("until", [0, -1])
def test_a_period_that_ends_before_it_begins_is_refused(until: float):
    with pytest.raises(InvalidInput, match="until must be later than since"):
        measured(until=until)


@given(st.lists(TOLD, max_size=20), st.integers(1, 239))
def test_what_two_adjoining_periods_count_is_what_both_together_count(told: list[Told], middle: int):
    parts = measured(*told, until=middle), measured(*told, since=middle, until=241)
    whole = measured(*told, until=241)

    for count in ("deployments", "changes", "failures"):
        assert sum(getattr(part, count) for part in parts) == getattr(whole, count)


@given(st.lists(TOLD, max_size=20), st.randoms())
def test_failures_are_changes_times_do_not_run_backwards_and_order_is_the_sequences(told: list[Told], random):
    entries = audit(*told)
    found = delivery(entries, hour(0), hour(120))
    random.shuffle(entries)

    assert delivery(entries, hour(0), hour(120)) == found
    assert found.failures <= found.changes
    assert min(found.lead_time_seconds or 0, found.time_to_restore_seconds or 0) >= 0
