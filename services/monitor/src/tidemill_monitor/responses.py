"""What people answered to alarms: acknowledgements and silences, kept in the topic `drift-responses`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tidemill.v1.monitoring_pb2 import DRIFT_KIND_UNSPECIFIED, DriftDetected, DriftResponse
from tidemill_contracts import topics
from tidemill_contracts.durations import parse_duration
from tidemill_runtime.bus import Producer
from tidemill_runtime.errors import Conflict, InvalidInput
from tidemill_runtime.events import Event, new_event

MAX_AHEAD = timedelta(days=30)
MAX_IN_FORCE = 1000
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class Responses:
    """Every response in force, by its id; times are those of people's clocks, not event time.

    `on_response` is the handler of a TableReader of `drift-responses`, which must have caught up before anything is
    muted. A message without a value takes back the response of its key.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._by_id: dict[str, DriftResponse] = {}

    async def on_response(self, event: Event[DriftResponse]) -> None:
        if event.data.id:
            self.keep(event.data)
        else:
            self.drop(event.subject)

    def keep(self, response: DriftResponse) -> None:
        """Know a response; the newest of an id holds, and those that have expired are forgotten."""
        now = self._clock()
        self._by_id = {key: one for key, one in self._by_id.items() if expires(one) > now}
        self._by_id[response.id] = response

    def drop(self, response_id: str) -> None:
        """Forget a response; one that is not known changes nothing."""
        self._by_id.pop(response_id, None)

    def in_force(self, model: str, at: datetime) -> list[DriftResponse]:
        """Responses that hold `at` that time, the first to expire first."""
        found = [one for one in self._by_id.values() if one.model == model and expires(one) > at]
        return sorted(found, key=lambda one: (expires(one), one.id))

    def mutes(self, alarm: DriftDetected, at: datetime) -> DriftResponse | None:
        """The response because of which nobody is told of `alarm`; None if there is none.

        A silence must match the alarm's kind, if it names one, and every subject of its evidence, if it names one. An
        acknowledgement mutes alarms of its kind and slice with the same or fewer subjects, if they are no more severe.
        """
        return next((one for one in self.in_force(alarm.model, at) if _matches(one, alarm)), None)


class ResponseLog:
    """Writes responses to the topic, and to `responses` at once, so that this process reads its own writes."""

    def __init__(self, responses: Responses, producer: Producer, clock: Clock = utc_now) -> None:
        self._responses = responses
        self._producer = producer
        self.clock = clock

    async def add(self, response: DriftResponse) -> None:
        """Conflict when 1,000 are in force for the model; Unavailable when it may not be safe."""
        held = self._responses.in_force(response.model, self.clock())
        if len(held) >= MAX_IN_FORCE and response.id not in {one.id for one in held}:
            raise Conflict(f"{MAX_IN_FORCE} responses are in force for {response.model!r}; take some back first")
        await self._producer.send(topics.DRIFT_RESPONSES, new_event("monitor", response.id, response))
        self._responses.keep(response)

    async def take_back(self, response_id: str) -> None:
        """End a response before it expires; Unavailable as in `add`."""
        await self._producer.send_raw(topics.DRIFT_RESPONSES, key=response_id.encode(), value=None)
        self._responses.drop(response_id)


def expiry(text: str, now: datetime) -> datetime:
    """When a response expires, of RFC 3339 text or a duration such as `7d` from `now` on.

    Raises InvalidInput unless it is after `now` and at most 30 days later.
    """
    try:
        end = now + parse_duration(text) if text[-1:].isalpha() and text[-1:] not in "zZ" else _time(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"expires: {text!r} is neither a duration such as 12h or 7d nor an RFC 3339 time") from error
    if not now < end <= now + MAX_AHEAD:
        raise InvalidInput(f"expires: {text!r} must lie in the future, at most {MAX_AHEAD.days} days ahead")
    return end


def expires(response: DriftResponse) -> datetime:
    """When a response ends."""
    return response.expires.ToDatetime(UTC)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time


def _matches(response: DriftResponse, alarm: DriftDetected) -> bool:
    subjects = {evidence.subject for evidence in alarm.evidence}
    if response.HasField("acknowledged"):
        known = response.acknowledged
        alike = (known.kind, known.slice) == (alarm.kind, alarm.slice) and alarm.severity <= known.severity
        return alike and subjects <= set(known.subjects)
    if response.HasField("silenced"):
        silence = response.silenced
        kind_matches = silence.kind in (DRIFT_KIND_UNSPECIFIED, alarm.kind)
        return kind_matches and (not silence.subject or subjects == {silence.subject})
    return False
