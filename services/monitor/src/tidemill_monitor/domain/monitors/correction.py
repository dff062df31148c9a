"""Evidence corrected for the number of tests."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tidemill_stats.evidence import Evidence
from tidemill_stats.multiplicity import holm

from tidemill_monitor.domain.context import Context
from tidemill_monitor.domain.exhibit import Exhibit


def over_scales(context: Context, test: Callable[[int], Sequence[Exhibit]], tests: int = 1) -> list[Exhibit]:
    """What `test` finds in the last 1, 4 and 16 windows, with p-values corrected for subjects, scales and `tests`.

    Within a scale by Holm (1979), Scand. J. Statist. 6(2); over the scales that can be tested by Bonferroni (1936): the
    smallest p-value holds however the tests depend on one another.
    """
    heard = [found for scale in context.scales if (found := test(scale))]
    return [one for found in heard for one in _corrected(found, tests * len(heard))]


def _corrected(found: Sequence[Exhibit], times: int) -> list[Exhibit]:
    adjusted = holm([one.evidence.p_value for one in found]).tolist()
    return [
        replace(one, evidence=replace(one.evidence, p_value=min(1.0, p * times)))
        for one, p in zip(found, adjusted, strict=True)
    ]


def threshold(subject: str, test: str, value: float, exceeded: bool, effect: float, explanation: str) -> Exhibit:
    """Evidence that is no matter of chance: it is so (p-value 0) or not (1)."""
    return Exhibit(Evidence(subject, test, value, 0.0 if exceeded else 1.0, effect, 1, explanation))
