"""How a rollout's evidence came to be: the bounds of its metrics over event time, thinned out."""

from collections.abc import Sequence
from typing import Any, Final

from tidemill_registry.domain.judging import Progress, finite

MOST_LOOKS: Final = 64


def with_look(course: Sequence[dict[str, Any]], progress: Progress) -> list[dict[str, Any]]:
    """The course with one more look, if event time went on: `at` in microseconds, and by metric its effect, lower and
    upper bound, None where unknown. Every second look is dropped when there are `MOST_LOOKS`."""
    if course and progress.now <= course[-1]["at"]:
        return list(course)
    bounds = {name: test.bounds() for name, test in progress.tests.items()}
    metrics = {name: [finite(one.effect), finite(one.lower), finite(one.upper)] for name, one in bounds.items()}
    kept = list(course) if len(course) < MOST_LOOKS else list(course[1::2])
    return [*kept, {"at": progress.now, "metrics": metrics}]
