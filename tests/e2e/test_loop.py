"""The whole loop through its public interfaces: the sea changes, and version 2 serves without a failed request."""

import pytest
from driver import MODEL, Driver, until
from ledger import read_traces
from tidemill_contracts import topics

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="session")]


async def test_the_loop_cures_drift_without_one_failed_request(driver: Driver) -> None:
    await driver.until_version_serves(1)
    await driver.run(720)
    assert driver.failures == []
    first = await driver.champion()
    assert set(driver.versions) == {first}

    async def a_later_version_serves() -> bool:
        await driver.run(60, storm=True)
        return driver.versions[-1] > first

    await until(a_later_version_serves, 200, "a later version serves after drift")
    await driver.run(200, storm=True)
    assert driver.failures == []
    await driver.balanced()
    await _shows_why(driver, first, next(version for version in driver.versions if version > first))


async def _shows_why(driver: Driver, first: int, later: int) -> None:
    """Anyone can see why the later version serves, and what made it."""
    registry = driver.stack.http_url("registry")
    version = (await driver.http.get(f"{registry}/v1/models/{MODEL}/versions/{later}")).json()
    assert version["state"] == "approved"
    assert f"of serving version {first} on the same rows: better by" in version["reason"]
    lineage = version["training"]["lineage"]
    assert lineage["cause"] == "TRAINING_CAUSE_DRIFT"
    assert set(lineage) >= {"data_digest", "pipeline_digest", "code_digest", "libraries", "seed", "trained_until"}
    loop = [topics.DRIFT_DETECTED, topics.MODEL_TRAINED, topics.MODEL_APPROVED, topics.ROUTES]
    traces = [await read_traces(driver.stack.bootstrap, topic) for topic in loop]
    assert set.intersection(*traces), "one trace spans the loop from drift to the new route"
    drift = (await driver.http.get(f"{driver.stack.http_url('monitor')}/v1/models/{MODEL}/drift")).json()
    assert drift
