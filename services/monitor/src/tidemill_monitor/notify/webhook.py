"""Tells another program of alarms, signed."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable

from pydantic import SecretStr

from tidemill_monitor.notify.notice import Notice
from tidemill_monitor.notify.posting import Poster

SIGNATURE = "tidemill-signature"
DELIVERY = "tidemill-delivery"


class WebhookNotifier:
    """A POST of JSON, with `tidemill-signature` and, as its idempotency key, `tidemill-delivery`.

    A receiver computes `sign` over the bytes it got, compares in constant time, refuses an old timestamp (five minutes
    is usual), and drops a delivery that it knows.
    Source: Standard Webhooks (https://www.standardwebhooks.com) for what is signed, retried and told apart; the form of
    the header is Stripe's (https://docs.stripe.com/webhooks#verify-manually).
    """

    def __init__(self, url: str, secret: SecretStr, timeout: float, *, now: Callable[[], float] = time.time) -> None:
        self._poster = Poster(url, timeout)
        self._secret = secret
        self._now = now

    async def send(self, notice: Notice, delivery: str) -> None:
        body = json.dumps(_content(notice), ensure_ascii=False, separators=(",", ":")).encode()
        signature = sign(self._secret.get_secret_value().encode(), int(self._now()), body)
        await self._poster.post(body, {SIGNATURE: signature, DELIVERY: delivery})

    async def close(self) -> None:
        await self._poster.close()


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """`t=<timestamp>,v1=<hex>`: HMAC-SHA256 (RFC 2104) over the timestamp in seconds, a full stop and the body."""
    digest = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def _content(notice: Notice) -> dict[str, object]:
    return {
        "type": "tidemill.v1.DriftDetected",
        "id": notice.alarm_id,
        "subject": notice.subject,
        "asked": notice.asked,
        "link": notice.link or None,
        "data": notice.alarm,
    }
