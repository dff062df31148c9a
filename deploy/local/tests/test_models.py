import pytest
from tidemill_local.commands.models import instance
from tidemill_local.errors import StackError


def test_fields_can_be_one_json_object():
    assert instance(['{"carrier": "UA", "distance": 1400}']) == {"carrier": "UA", "distance": 1400}


def test_fields_can_be_pairs_of_numbers_and_texts():
    assert instance(["carrier=UA", "distance=1400", "temp=null"]) == {"carrier": "UA", "distance": 1400, "temp": None}


@pytest.mark.parametrize("fields", [["carrier"], ['{"carrier": ']])
def test_other_forms_are_refused(fields: list[str]):
    with pytest.raises(StackError):
        instance(fields)
