"""Tells another program of alarms, signed."""

import json
import time
from collections.abc import Callable

from pydantic import SecretStr
from tidemill_runtime.posting import Poster, signed

from tidemill_monitor.notify.notice import Notice


class WebhookNotifier:
    """A POST of JSON, signed."""

    def __init__(self, url: str, secret: SecretStr, timeout: float, *, now: Callable[[], float] = time.time) -> None:
        self._poster = Poster(url, timeout)
        self._secret = secret
        self._now = now

    async def send(self, notice: Notice, delivery: str) -> None:
        body = json.dumps(_content(notice), ensure_ascii=False, separators=(",", ":")).encode()
        secret = self._secret.get_secret_value().encode()
        await self._poster.post(body, signed(secret, int(self._now()), body, delivery))

    async def close(self) -> None:
        await self._poster.close()


def _content(notice: Notice) -> dict[str, object]:
    return {
        "type": "tidemill.v1.DriftDetected",
        "id": notice.alarm_id,
        "subject": notice.subject,
        "asked": notice.asked,
        "link": notice.link or None,
        "data": notice.alarm,
    }
