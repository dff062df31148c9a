"""kill -9 of each service at each of its failpoints while the loop runs: after the restart the ledger balances."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from driver import Driver, until
from tidemill_local.home import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


async def records(driver: Driver) -> None:
    """Records and truths only."""
    await driver.run(40, predict=False)


async def traffic(driver: Driver) -> None:
    """Records, predictions and truths."""
    await driver.run(100)


async def training(driver: Driver) -> None:
    """New data, and a training asked for by hand."""
    await driver.run(100, predict=False)
    await driver.ask_for_training()


async def bad_records(driver: Driver) -> None:
    """Records, one of them refused."""
    await driver.run(20, predict=False)
    await driver.push_bad_record()


async def storm(driver: Driver) -> None:
    """Records, predictions and truths of another sea."""
    await driver.run(200, storm=True)


Provoke = Callable[[Driver], Awaitable[None]]
FAILPOINTS: list[tuple[str, str, Provoke]] = [
    ("ingest", "ingest.after-raw", records),
    ("ingest", "ingest.after-quarantine", bad_records),
    ("ingest", "ingest.after-clean", records),
    ("ingest", "ingest.before-kafka-commit", records),
    ("ingest", "ingest.after-dataset", records),
    ("ingest", "ingest.after-announce", records),
    ("trainer", "bus.before-commit", training),
    ("trainer", "trainer.before-run", training),
    ("trainer", "trainer.after-artifacts", training),
    ("trainer", "trainer.after-commit", training),
    ("trainer", "outbox.after-publish", training),
    ("registry", "bus.before-commit", training),
    ("registry", "registry.before-commit", training),
    ("registry", "registry.after-commit", training),
    ("registry", "outbox.after-publish", training),
    ("gateway", "gateway.before-load", training),
    ("gateway", "gateway.after-load", training),
    ("gateway", "gateway.before-swap", training),
    ("gateway", "gateway.before-log-flush", traffic),
    ("monitor", "monitor.before-partial", traffic),
    ("monitor", "monitor.after-drift", storm),
]


def test_every_failpoint_of_the_code_is_in_this_list() -> None:
    declared = set()
    for file in [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/runtime/src/**/*.py")]:
        declared |= set(re.findall(r'failpoints\.hit\("([^"]+)"\)', Path(file).read_text()))
    assert declared == {failpoint for _, failpoint, _ in FAILPOINTS}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("service", "failpoint", "provoke"), FAILPOINTS, ids=[f"{s}-{f}" for s, f, _ in FAILPOINTS])
async def test_a_service_killed_at_a_failpoint_loses_nothing(
    driver: Driver, service: str, failpoint: str, provoke: Provoke
) -> None:
    stack = driver.stack
    await driver.until_version_serves(1)
    failed_before = len(driver.failures)
    stack.stop(service)
    stack.launch(service, {"TIDEMILL_FAILPOINT": failpoint})

    async def died() -> bool:
        if stack.is_running(service):
            await provoke(driver)
        return not stack.is_running(service)

    await until(died, 90, f"{service} dies at {failpoint}")
    assert failpoint.startswith("gateway") or len(driver.failures) == failed_before
    stack.start(service)
    await driver.run(20, predict=service != "gateway")
    await driver.balanced(gateway_was_killed=driver.gateway_was_killed(service))
