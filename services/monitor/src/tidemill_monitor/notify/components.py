"""What the monitor runs to tell people of alarms."""

import sys
from collections.abc import Iterable

from tidemill.v1.monitoring_pb2 import DriftDetected, Notified
from tidemill_contracts import topics
from tidemill_runtime.bus import Consumer, Producer, TableReader
from tidemill_runtime.lifecycle import Component

from tidemill_monitor.notify.channels import Notifiers, NotifiersError, load_notifiers
from tidemill_monitor.notify.delivery import Delivered, Delivery
from tidemill_monitor.notify.notifier import Notifier
from tidemill_monitor.settings import MonitorSettings

GROUP = "tidemill-notifier"


def notifier_components(settings: MonitorSettings, producer: Producer) -> list[Component]:
    """In the order of their start; `producer` starts before them. Exits with 2 when the notifiers' file is wrong."""
    routes = _routes(settings)
    notifiers = routes.notifiers()
    delivered = Delivered(producer)
    reader = TableReader(settings, topics.NOTIFICATIONS, Notified, delivered.on_notified)
    delivery = Delivery(notifiers, routes, delivered, settings.monitor_url)
    subscriptions = {topics.DRIFT_DETECTED: (DriftDetected, delivery.on_drift)}
    consumer = Consumer(settings, GROUP, subscriptions, producer, max_attempts=1)
    return [_Open(notifiers.values()), reader, _Known(reader), consumer]


def _routes(settings: MonitorSettings) -> Notifiers:
    try:
        return load_notifiers(settings.notifiers)
    except NotifiersError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


class _Known:
    """What was delivered before is known before anything is sent."""

    def __init__(self, reader: TableReader) -> None:
        self._reader = reader

    async def start(self) -> None:
        await self._reader.wait_caught_up()

    async def stop(self) -> None:
        return


class _Open:
    """Closes the notifiers at the end."""

    def __init__(self, notifiers: Iterable[Notifier]) -> None:
        self._notifiers = list(notifiers)

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        for notifier in self._notifiers:
            await notifier.close()
