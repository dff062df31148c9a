"""Sends each alarm through each of its channels, once."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tidemill.v1.monitoring_pb2 import DriftDetected, Notified
from tidemill_contracts import topics
from tidemill_runtime import logs
from tidemill_runtime.bus import backoff, is_transient
from tidemill_runtime.events import Event, new_event

from tidemill_monitor import metrics
from tidemill_monitor.messages import Publisher
from tidemill_monitor.notify.channels import Notifiers
from tidemill_monitor.notify.notice import Notice, action_name, compose
from tidemill_monitor.notify.notifier import Notifier

MAX_ATTEMPTS = 5
BACKOFF_SECONDS = 1.0
MAX_KNOWN = 100_000
MAX_AGE = timedelta(days=3)

log = logs.get_logger(__name__)


class NotDelivered(Exception):
    """Some channels have not been told, and will not be by trying again."""


class Delivered:
    """Which alarms went through which channels: the newest 100,000, kept in the topic `notifications`."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._known: dict[str, None] = {}

    def __contains__(self, delivery: str) -> bool:
        return delivery in self._known

    async def on_notified(self, event: Event[Notified]) -> None:
        """Handler of the topic."""
        self._remember(delivery_id(event.data.alarm_id, event.data.channel))

    async def record(self, alarm_id: str, channel: str) -> None:
        """Keep that a delivery was made; Unavailable when that may not be safe."""
        data = Notified(alarm_id=alarm_id, channel=channel)
        data.at.GetCurrentTime()
        key = delivery_id(alarm_id, channel)
        await self._publisher.send(topics.NOTIFICATIONS, new_event("monitor", key, data))
        self._remember(key)

    def _remember(self, key: str) -> None:
        self._known[key] = None
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]


class Delivery:
    """Handles `drift-detected`: the channels of an alarm are told side by side, so that none waits for another.

    Each has `attempts` >= 1 attempts with growing pauses. What is delivered is kept in `delivered` and is not sent
    again when the event comes again. Between a delivery and its record a crash may repeat it: the delivery's id is
    the same, so that the other side can tell.
    """

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        routes: Notifiers,
        delivered: Delivered,
        monitor_url: str | None = None,
        *,
        attempts: int = MAX_ATTEMPTS,
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        self._notifiers = notifiers
        self._routes = routes
        self._delivered = delivered
        self._monitor_url = monitor_url
        self._attempts = attempts
        self._backoff_seconds = backoff_seconds
        self._unrecorded: set[str] = set()

    async def on_drift(self, event: Event[DriftDetected]) -> None:
        """Raises NotDelivered with each failed channel's name and cause, after the others have been told.

        Alarms raised more than three days ago, as when notifiers are turned on, are not told: nobody can act on them.
        """
        if datetime.now(UTC) - event.time > MAX_AGE:
            log.info("too old to be told", alarm=event.id)
            return
        notice = compose(event.id, event.data, self._monitor_url)
        wanted = self._routes.route(action_name(event.data.action))
        channels = [name for name in wanted if delivery_id(event.id, name) not in self._delivered]
        outcomes = await asyncio.gather(*(self._tell(name, notice) for name in channels), return_exceptions=True)
        failures = dict(zip(channels, outcomes, strict=True))
        causes = [f"{name}: {error}" for name, error in failures.items() if isinstance(error, NotDelivered)]
        for error in failures.values():
            if isinstance(error, BaseException) and not isinstance(error, NotDelivered):
                raise error
        if causes:
            raise NotDelivered(f"alarm {event.id} of {event.data.model} was not told to " + "; ".join(causes))

    async def _tell(self, channel: str, notice: Notice) -> None:
        delivery = delivery_id(notice.alarm_id, channel)
        if delivery not in self._unrecorded:
            await self._send(channel, notice, delivery)
            self._unrecorded.add(delivery)
        await self._delivered.record(notice.alarm_id, channel)
        self._unrecorded.discard(delivery)

    async def _send(self, channel: str, notice: Notice, delivery: str) -> None:
        for attempt in range(1, self._attempts + 1):
            try:
                await self._notifiers[channel].send(notice, delivery)
            except Exception as error:
                last = attempt == self._attempts or not is_transient(error)
                outcome = "failed" if last else "retried"
                metrics.NOTIFICATIONS.labels(channel, outcome).inc()
                log.warning("not delivered", channel=channel, attempt=attempt, error=str(error), given_up=last)
                if last:
                    raise NotDelivered(str(error) or type(error).__name__) from error
                await asyncio.sleep(backoff(attempt, self._backoff_seconds))
            else:
                metrics.NOTIFICATIONS.labels(channel, "delivered").inc()
                return


def delivery_id(alarm_id: str, channel: str) -> str:
    """The idempotency key of a delivery."""
    return f"{alarm_id}/{channel}"
