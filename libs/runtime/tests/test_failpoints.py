import signal

import pytest
from tidemill_runtime import failpoints

CODE = """
from tidemill_runtime import failpoints
failpoints.arm({armed!r})
print("before", flush=True)
failpoints.hit("ingest.after-commit")
print("after", flush=True)
"""


def test_the_process_dies_by_sigkill_at_the_armed_place(launch):
    child = launch(CODE.format(armed="ingest.after-commit"))

    assert child.communicate(timeout=30)[0] == "before\n"
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("armed", ["ingest.before-commit", "", None])
def test_other_places_and_a_disarmed_process_live_on(armed: str | None):
    failpoints.arm(armed)
    failpoints.hit("ingest.after-commit")
    failpoints.arm(None)


def test_nothing_is_armed_by_default():
    assert failpoints._armed is None
