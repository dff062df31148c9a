import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill_monitor.domain.index import NOWHERE, KeyIndex
from tidemill_monitor.domain.keys import prediction_keys

keys = st.lists(st.integers(1, 400), unique=True, max_size=300)


@settings(max_examples=60, deadline=None)
@given(st.lists(keys, max_size=6), st.integers(1, 5))
def test_an_index_finds_what_a_dict_would(bulks: list[list[int]], divisor: int) -> None:
    index, known = KeyIndex(), dict[int, int]()
    for number, bulk in enumerate(bulks):
        places = [1000 * number + place for place in range(len(bulk))]
        index.put(np.array(bulk, dtype=np.uint64), np.array(places, dtype=np.int64))
        known.update(zip(bulk, places, strict=True))
        if number % 3 == 2:
            index.keep(lambda places: places % divisor != 0)
            known = {key: place for key, place in known.items() if place % divisor}
    everything = np.arange(1, 402, dtype=np.uint64)
    assert index.find(everything).tolist() == [known.get(key, NOWHERE) for key in everything.tolist()]
    assert len(index) == len(known)


def test_keys_that_belong_to_one_slot_are_told_apart() -> None:
    index = KeyIndex()
    same_slot = (np.arange(1, 101, dtype=np.uint64)) << np.uint64(32)
    index.put(same_slot, np.arange(100))
    assert index.find(same_slot).tolist() == list(range(100))


@given(
    st.lists(st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text), max_size=20), st.text(max_size=99)
)
def test_the_key_of_an_id_does_not_depend_on_the_others(ids: list[str], other: str) -> None:
    together = prediction_keys([*ids, other])
    assert together[: len(ids)].tolist() == [int(prediction_keys([one])[0]) for one in ids]


def test_keys_are_the_same_in_every_process() -> None:
    assert prediction_keys(["0195f0c2-7a3f-7b0a-9c43-3d0a4e6c1f77", "ä"]).tolist() == KNOWN


def test_similar_ids_have_different_keys() -> None:
    ids = [f"{number:036}" for number in range(100_000)] + [f"p{number}" for number in range(100_000)]
    assert np.unique(prediction_keys(ids)).size == 200_000


KNOWN = [10625633212958915150, 15827256897225768486]
