"""Tells of alarms in the service's log."""

from tidemill_runtime import logs

from tidemill_monitor.notify.notice import Notice

log = logs.get_logger(__name__)


class LogNotifier:
    """A line in the log."""

    async def send(self, notice: Notice, delivery: str) -> None:
        log.warning(
            "drift",
            subject=notice.subject,
            reason=notice.reason,
            evidence=list(notice.evidence),
            asked=notice.asked,
            link=notice.link,
            delivery=delivery,
        )

    async def close(self) -> None:
        return
