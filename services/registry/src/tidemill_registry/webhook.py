"""Tells another program of every move of a rollout, signed."""

import json
import time

from google.protobuf.json_format import MessageToDict
from pydantic import SecretStr
from tidemill.v1.model_pb2 import RolloutChanged
from tidemill_runtime.events import Event
from tidemill_runtime.posting import Poster, signed

TIMEOUT_SECONDS = 10.0


class Webhook:
    """A POST of JSON for each `RolloutChanged`, signed like the monitor's (`docs/monitoring.md`)."""

    def __init__(self, url: str, secret: SecretStr) -> None:
        self._poster = Poster(url, TIMEOUT_SECONDS)
        self._secret = secret.get_secret_value().encode()

    async def on_changed(self, event: Event[RolloutChanged]) -> None:
        """Tell of one move. Raises Unavailable where it may be tried again, else InvalidInput."""
        data = MessageToDict(event.data, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        content = {"type": "tidemill.v1.RolloutChanged", "id": event.id, "subject": event.data.model, "data": data}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        await self._poster.post(body, signed(self._secret, int(time.time()), body, event.id))

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        await self._poster.close()
