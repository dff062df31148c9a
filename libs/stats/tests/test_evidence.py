import pytest
from tidemill_stats.errors import InvalidInput
from tidemill_stats.evidence import Evidence, Finding


@pytest.mark.parametrize(
    "values", [{"p_value": 1.5}, {"p_value": float("nan")}, {"effect": float("nan")}, {"scale": 0}]
)
def test_evidence_out_of_range_is_refused(values):
    with pytest.raises(InvalidInput):
        Evidence(**{"subject": "a", "test": "t", "statistic": 1.0, "p_value": 0.5, "effect": 0.1, **values})


@pytest.mark.parametrize(("start", "end", "level", "copies"), [(5, 5, 0.1, 0), (0, 5, 0.1, 2), (0, 5, 0.0, 1)])
def test_findings_that_contradict_themselves_are_refused(start, end, level, copies):
    one = Evidence("a", "chi_square", 1.0, 0.5, 0.1)
    with pytest.raises(InvalidInput):
        Finding(start, end, level, (one,) * copies)
