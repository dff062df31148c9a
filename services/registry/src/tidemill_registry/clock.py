"""What happens by the clock: rollouts whose turn has come, and figures that grow old."""

import asyncio
from datetime import UTC, datetime, timedelta

from tidemill_runtime import logs
from tidemill_runtime.bus import is_transient
from tidemill_runtime.database import Database

from tidemill_registry import metrics
from tidemill_registry.domain.delivery import delivery
from tidemill_registry.repository import Repository
from tidemill_registry.rollouts import Rollouts

TICK_SECONDS = 2.0
DELIVERY_TICKS = 30
DELIVERY_PERIOD = timedelta(days=30)

log = logs.get_logger(__name__)


class Clock:
    """Lets rollouts go on, and keeps the metrics of rollouts and of delivery current."""

    def __init__(self, database: Database, rollouts: Rollouts) -> None:
        self._database = database
        self._rollouts = rollouts

    async def run(self) -> None:
        """Tick until cancelled."""
        ticks = 0
        while True:
            try:
                await self._rollouts.tick()
                await self._measure_rollouts()
                if ticks % DELIVERY_TICKS == 0:
                    await self._measure_delivery()
                ticks += 1
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("rollouts wait for the database", error=str(error))
            await asyncio.sleep(TICK_SECONDS)

    async def _measure_rollouts(self) -> None:
        async with self._database.transaction() as session:
            repository = Repository(session)
            running = {row.name: await repository.running_rollout(row.name) for row in await repository.models()}
        for model, row in running.items():
            heard = row and (row.heard_at or row.changed_at)
            age = (datetime.now(UTC) - heard).total_seconds() if heard else 0.0
            metrics.EVIDENCE_AGE.labels(model).set(age)
            metrics.SHARE.labels(model).set(row.share if row else 0.0)

    async def _measure_delivery(self) -> None:
        until = datetime.now(UTC)
        async with self._database.transaction() as session:
            repository = Repository(session)
            entries = {row.name: await repository.entries_of(row.name) for row in await repository.models()}
        for model, some in entries.items():
            one = delivery(some, until - DELIVERY_PERIOD, until)
            metrics.DEPLOYMENTS.labels(model).set(one.per_day)
            for gauge, value in (
                (metrics.LEAD_TIME, one.lead_time_seconds),
                (metrics.RESTORE_TIME, one.time_to_restore_seconds),
                (metrics.FAILURE_RATE, one.change_failure_rate),
            ):
                if value is not None:
                    gauge.labels(model).set(value)
