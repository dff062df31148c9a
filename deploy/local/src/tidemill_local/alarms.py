"""The monitor's HTTP interface, as far as the command line uses it."""

from typing import Any
from urllib.parse import quote

from tidemill_local.errors import NotThere, StackError
from tidemill_local.http import call

LAST = "last"
Alarm = dict[str, Any]


def of_model(url: str, model: str, limit: int = 1000) -> list[Alarm]:
    """The newest alarms of `model`, the newest first; none where the monitor has not seen the model yet."""
    try:
        return list(call("GET", f"{url}/v1/models/{quote(model)}/drift?limit={limit}")["alarms"])
    except NotThere:
        return []


def of_models(url: str, models: list[str], limit: int) -> list[Alarm]:
    """The newest alarms of several models, the newest first."""
    found = [alarm for model in models for alarm in of_model(url, model, limit)]
    return sorted(found, key=lambda alarm: str(alarm.get("until", "")), reverse=True)[:limit]


def find(url: str, models: list[str], alarm_id: str) -> Alarm:
    """The alarm with an id, or the `last` one, with its evidence. Raises StackError if none of `models` has it."""
    listed = of_models(url, models, limit=1000)
    chosen = listed if alarm_id == LAST else [alarm for alarm in listed if str(alarm["id"]).startswith(alarm_id)]
    if not chosen:
        what = "There has been no alarm" if alarm_id == LAST else f"There is no alarm {alarm_id}"
        raise StackError(
            f"{what} of {', '.join(models) or 'any model'}.", "Alarms are listed by: ./tidemill drift list"
        )
    if alarm_id != LAST and len({alarm["id"] for alarm in chosen}) > 1:
        raise StackError(f"Several alarms begin with {alarm_id}.", "Give more of the id.")
    alarm = chosen[0]
    return dict(call("GET", f"{url}/v1/models/{quote(str(alarm['model']))}/drift/{quote(str(alarm['id']))}"))


def acknowledge(url: str, alarm: Alarm, by: str, reason: str, expires: str) -> dict[str, Any]:
    """Take note of an alarm in the name of `by`."""
    path = f"/v1/models/{quote(str(alarm['model']))}/drift/{quote(str(alarm['id']))}/acknowledge"
    return dict(call("POST", url + path, {"by": by, "reason": reason, "expires": expires}))


def silence(url: str, model: str, answer: dict[str, str]) -> dict[str, Any]:
    """Silence alarms of `model`: `answer` has `by`, `reason`, `expires`, and perhaps `kind` and `subject`."""
    return dict(call("POST", f"{url}/v1/models/{quote(model)}/silences", answer))


def responses(url: str, model: str) -> dict[str, list[dict[str, Any]]]:
    """The `silences` and `acknowledgements` in force."""
    return dict(call("GET", f"{url}/v1/models/{quote(model)}/silences"))


def take_back(url: str, model: str, response_id: str) -> dict[str, Any]:
    """End a silence or an acknowledgement before it expires."""
    return dict(call("DELETE", f"{url}/v1/models/{quote(model)}/silences/{quote(response_id)}"))
