"""The audit's hash chain shows every change."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill_registry.domain.audit import GENESIS, Entry, chain_hash, first_broken

FEW = settings(max_examples=25)
Chain = list[tuple[Entry, str]]
TEXT = st.text(max_size=8)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
CONTENTS = st.fixed_dictionaries(
    {
        "at": st.datetimes().map(lambda time: time.isoformat()),
        "actor": TEXT,
        "action": st.sampled_from(["approved", "rejected", "pending", "rolled_back"]),
        "model": TEXT,
        "version": st.integers(1, 1000),
        "reason": TEXT,
        "details": st.dictionaries(TEXT, SCALAR, max_size=2),
    }
)


def chained(contents: list[dict[str, Any]]) -> Chain:
    chain: Chain = []
    previous = GENESIS
    for sequence, content in enumerate(contents, start=1):
        entry = Entry(sequence=sequence, **content)
        previous = chain_hash(previous, entry)
        chain.append((entry, previous))
    return chain


def chains(least: int = 1) -> st.SearchStrategy[Chain]:
    return st.lists(CONTENTS, min_size=least, max_size=4).map(chained)


def test_no_entries_are_intact():
    assert first_broken([]) is None


@FEW
@given(chains())
def test_an_untouched_chain_is_intact(chain: Chain):
    assert first_broken(chain) is None


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Entry)])
@FEW
@given(chain=chains(), data=st.data())
def test_a_change_of_any_field_is_found_where_it_is(field: str, chain: Chain, data: st.DataObject):
    index = data.draw(st.integers(0, len(chain) - 1))
    entry, recorded = chain[index]
    value = getattr(entry, field)
    other: Any = {**value, "tampered": True} if isinstance(value, dict) else value * 2 + type(value)(1)
    chain[index] = (dataclasses.replace(entry, **{field: other}), recorded)

    assert first_broken(chain) == index + 1


@FEW
@given(chain=chains(), data=st.data())
def test_another_hash_is_found(chain: Chain, data: st.DataObject):
    index = data.draw(st.integers(0, len(chain) - 1))
    entry, recorded = chain[index]
    chain[index] = (entry, recorded[::-1] if recorded != recorded[::-1] else "0" * 64)

    assert first_broken(chain) == index + 1


@FEW
@given(chain=chains(least=2), data=st.data())
def test_a_removed_entry_is_found_unless_it_is_the_last(chain: Chain, data: st.DataObject):
    index = data.draw(st.integers(0, len(chain) - 2))
    del chain[index]

    assert first_broken(chain) == index + 1


@FEW
@given(chain=chains(least=2), data=st.data())
def test_two_entries_that_changed_places_are_found(chain: Chain, data: st.DataObject):
    first, second = sorted(data.draw(st.sets(st.integers(0, len(chain) - 1), min_size=2, max_size=2)))
    chain[first], chain[second] = chain[second], chain[first]

    assert first_broken(chain) == first + 1


@FEW
@given(chain=chains(least=2), data=st.data())
def test_rewriting_an_entry_and_its_hash_is_found_at_the_next(chain: Chain, data: st.DataObject):
    index = data.draw(st.integers(0, len(chain) - 2))
    previous = chain[index - 1][1] if index else GENESIS
    forged = dataclasses.replace(chain[index][0], reason=chain[index][0].reason + " really")
    chain[index] = (forged, chain_hash(previous, forged))

    assert first_broken(chain) == index + 2


@FEW
@given(chain=chains(), content=CONTENTS)
def test_an_entry_put_in_between_is_found(chain: Chain, content: dict[str, Any]):
    forged = Entry(sequence=1, **content)
    chain.insert(0, (forged, chain_hash(GENESIS, forged)))

    assert first_broken(chain) == 2
