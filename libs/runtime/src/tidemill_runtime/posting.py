"""Posts JSON to an address that the deployment names, signed if there is a secret."""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

import httpx

from tidemill_runtime.errors import InvalidInput, Unavailable

MAX_ANSWER_BYTES = 64 << 10
RETRYABLE = {408, 425, 429}
SIGNATURE = "tidemill-signature"
DELIVERY = "tidemill-delivery"


class Poster:
    """Posts to one address. Redirects are not followed, an answer of more than 64 KiB is not read to its end, proxies
    and credentials of the environment are not used, and all of it ends after `timeout` seconds.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Raises Unavailable or InvalidInput, neither of which shows more of the address than its host."""
        try:
            async with asyncio.timeout(self._timeout):
                status, answer = await self._post(body, headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Unavailable(f"{self._host} does not answer within {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._host} cannot be reached: {type(error).__name__}") from error
        if 200 <= status < 300:
            return
        told = f"{self._host} answered {status}: {answer[:200].decode('utf-8', 'replace')}"
        raise Unavailable(told) if status >= 500 or status in RETRYABLE else InvalidInput(told)

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        content = {"content-type": "application/json", "accept-encoding": "identity", **headers}
        async with self._client.stream("POST", self._url, content=body, headers=content) as response:
            answer = b""
            async for part in response.aiter_raw():
                answer += part[: MAX_ANSWER_BYTES - len(answer)]
                if len(answer) >= MAX_ANSWER_BYTES:
                    break
            return response.status_code, answer

    @property
    def _host(self) -> str:
        return httpx.URL(self._url).host


def signed(secret: bytes, timestamp: int, body: bytes, delivery: str) -> dict[str, str]:
    """Headers of a webhook: `tidemill-signature` and, as its idempotency key, `tidemill-delivery`.

    A receiver computes `sign` over the bytes it got, compares in constant time, refuses an old timestamp (five minutes
    is usual), and drops a delivery that it knows.
    Source: Standard Webhooks (https://www.standardwebhooks.com) for what is signed, retried and told apart; the form of
    the header is Stripe's (https://docs.stripe.com/webhooks#verify-manually).
    """
    return {SIGNATURE: sign(secret, timestamp, body), DELIVERY: delivery}


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """`t=<timestamp>,v1=<hex>`: HMAC-SHA256 (RFC 2104) over the timestamp in seconds, a full stop and the body."""
    digest = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
