"""A program that is told of alarms: a real HTTP server that keeps what it was sent."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

SECRET_VARIABLE = "HOOK_SECRET"
SECRET = "not-a-secret-outside-of-tests"
ACTIONS = ("retrain", "tell_data_scientist", "tell_data_engineer")


@dataclass(frozen=True)
class Delivery:
    """A POST: its idempotency key, its signature and its body."""

    key: str
    signature: str
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def is_signed(self) -> bool:
        """Whether the signature is HMAC-SHA256 over its time and the body with the shared secret."""
        parts = dict(part.split("=", 1) for part in self.signature.split(","))
        expected = hmac.new(SECRET.encode(), f"{parts['t']}.".encode() + self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, parts["v1"])


@dataclass
class Receiver:
    """Answers 204 to every POST."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)

    def of(self, model: str) -> list[Delivery]:
        """Those of one model's alarms."""
        return [one for one in self.deliveries if one.content["data"]["model"] == model]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = self.headers
            receiver.deliveries.append(Delivery(headers["tidemill-delivery"], headers["tidemill-signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/alarms"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def notifiers_file(path: Path, url: str) -> Path:
    """A notifiers' file that has every alarm told to the receiver at `url`."""
    channel = {"type": "webhook", "url": url, "secret_env": SECRET_VARIABLE}
    path.write_text(json.dumps({"channels": {"hook": channel}, "routes": {action: ["hook"] for action in ACTIONS}}))
    return path
