"""Validation: a clean row, or every reason why not."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.pipeline import Source
from tidemill_ingest.domain.schema import Validator

SOURCE = Source.model_validate(
    {
        "event_time": "at",
        "fields": {
            "at": {"type": "timestamp"},
            "city": {"type": "category", "categories": ["NYC", "LAX"]},
            "distance": {"type": "float", "min": 0, "max": 100},
            "seats": {"type": "int", "required": False},
            "paid": {"type": "bool", "required": False},
        },
    }
)
GOOD = {"id": "a", "at": "2024-01-01T00:00:00Z", "city": "NYC", "distance": 3, "seats": 2, "paid": True}


def reasons(**changes: object) -> str:
    verdict = Validator(SOURCE).check({**GOOD, **changes})
    assert verdict.row is None
    return "; ".join(verdict.reasons)


def test_a_good_record_becomes_a_typed_row() -> None:
    row = Validator(SOURCE).check(GOOD).row
    assert row == {
        "id": "a",
        "at": datetime(2024, 1, 1, tzinfo=UTC),
        "city": "NYC",
        "distance": 3.0,
        "seats": 2,
        "paid": True,
    }


def test_optional_fields_may_be_missing() -> None:
    verdict = Validator(SOURCE).check({key: value for key, value in GOOD.items() if key not in ("seats", "paid")})
    assert verdict.row is not None
    assert verdict.row["seats"] is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "id: None is not a text of 1 to 256 characters"),
        ({"id": ""}, "id: '' is not a text"),
        ({"id": "x" * 257}, "id: "),
        ({"at": "yesterday"}, "at: 'yesterday' is not a time, for example"),
        ({"at": "2024-01-01T00:00:00"}, "has no time zone; add Z"),
        ({"at": 5}, "at: 5 is not a time as text"),
        ({"at": None}, "at: missing"),
        ({"city": "SFO"}, "city: 'SFO' is not one of NYC, LAX"),
        ({"city": 1}, "city: 1 is not a text"),
        ({"distance": -1}, "distance: -1 is below 0"),
        ({"distance": 101}, "distance: 101 is above 100"),
        ({"distance": "3"}, "distance: '3' is not a number"),
        ({"distance": True}, "distance: True is not a number"),
        ({"distance": float("nan")}, "not finite"),
        ({"distance": 10**400}, "too large"),
        ({"seats": 1.5}, "seats: 1.5 is not a whole number"),
        ({"seats": 2**60}, "beyond ±2^53"),
        ({"paid": 1}, "paid: 1 is not true or false"),
        ({"colour": "red"}, "not in the schema: colour"),
    ],
)
def test_a_bad_field_is_named_with_its_cause(changes: dict, reason: str) -> None:
    assert reason in reasons(**changes)


def test_every_mistake_of_a_record_is_reported() -> None:
    assert len(Validator(SOURCE).check({"id": "", "city": "SFO"}).reasons) == 4


@pytest.mark.parametrize("record", [None, 5, "text", [], True])
def test_what_is_not_an_object_is_refused(record: object) -> None:
    assert "a record is a JSON object" in Validator(SOURCE).check(record).reasons[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), json_values))
def test_any_json_gets_a_row_or_reasons_and_never_an_exception(record: dict) -> None:
    verdict = Validator(SOURCE).check(record)
    assert (verdict.row is None) == bool(verdict.reasons)
