"""Acknowledging alarms and silencing them, over HTTP."""

import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from tidemill.v1.monitoring_pb2 import DriftAcknowledged, DriftDetected, DriftResponse, DriftSilenced
from tidemill_runtime.errors import NotFound
from tidemill_runtime.events import derived_id
from tidemill_runtime.http import operators_only

from tidemill_monitor.responses import ResponseLog, Responses, expiry

FindAlarm = Callable[[str, str], DriftDetected | None]
"""The alarm of a model by its event id; None if there is no such alarm here. Raises NotFound for an unknown model."""
Identifier = Annotated[str, Path(min_length=1, max_length=100)]
Kind = Literal[
    "input",
    "performance",
    "prediction",
    "data_skew",
    "schema_skew",
    "multivariate",
    "outliers",
    "estimated_performance",
    "staleness",
    "numerical_health",
    "traffic",
    "serving",
]


class Answer(BaseModel):
    """A person's answer to alarms."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2000)
    expires: str = Field(min_length=1, max_length=40, description="RFC 3339 or a duration; at most 30 days ahead.")


class Silence(Answer):
    """Alarms nobody wants to be told of; what is not named is any."""

    kind: Kind | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=200, description="Feature or metric.")


def create_router(
    token: SecretStr | None,
    responses: Responses,
    log: ResponseLog,
    find_alarm: FindAlarm,
    check_model: Callable[[str], object],
) -> APIRouter:
    """The routes; `check_model` raises NotFound for a model that is not watched."""
    router = APIRouter(prefix="/v1/models/{model}", tags=["responses"])
    operator = [Depends(operators_only(token))]

    @router.post("/drift/{alarm_id}/acknowledge", status_code=201, dependencies=operator)
    async def acknowledge(model: str, alarm_id: Identifier, answer: Answer) -> dict[str, Any]:
        """Somebody has taken note: its repetitions, with no other subjects and no more severe, are not told of until it
        expires."""
        check_model(model)
        alarm = find_alarm(model, alarm_id)
        if alarm is None:
            raise NotFound(f"no alarm {alarm_id} of model {model!r} is known here")
        response = _response(derived_id("acknowledged", alarm_id), model, answer, log)
        known = DriftAcknowledged(alarm_id=alarm_id, kind=alarm.kind, slice=alarm.slice, severity=alarm.severity)
        known.subjects.extend(sorted({evidence.subject for evidence in alarm.evidence}))
        response.acknowledged.CopyFrom(known)
        await log.add(response)
        return shown(response)

    @router.post("/silences", status_code=201, dependencies=operator)
    async def silence(model: str, wanted: Silence) -> dict[str, Any]:
        """Alarms of a kind, of a subject, or all, are recorded and not told of until it expires."""
        check_model(model)
        response = _response(str(uuid.uuid4()), model, wanted, log)
        kind = f"DRIFT_KIND_{(wanted.kind or 'unspecified').upper()}"
        response.silenced.CopyFrom(DriftSilenced(kind=kind, subject=wanted.subject or ""))
        await log.add(response)
        return shown(response)

    @router.get("/silences")
    async def silences(model: str) -> dict[str, Any]:
        """What is in force, the first to expire first."""
        check_model(model)
        held = responses.in_force(model, log.clock())
        return {
            "model": model,
            "silences": [shown(one) for one in held if one.HasField("silenced")],
            "acknowledgements": [shown(one) for one in held if one.HasField("acknowledged")],
        }

    @router.delete("/silences/{response_id}", dependencies=operator)
    async def end_silence(model: str, response_id: Identifier) -> dict[str, Any]:
        """Take back a silence or an acknowledgement before it expires."""
        check_model(model)
        held = {one.id: one for one in responses.in_force(model, log.clock())}
        if response_id not in held:
            raise NotFound(f"no response {response_id} to alarms of model {model!r} is in force")
        await log.take_back(response_id)
        return shown(held[response_id])

    return router


def shown(response: DriftResponse) -> dict[str, Any]:
    """A response as plain values."""
    return dict(MessageToDict(response, preserving_proto_field_name=True))


def _response(response_id: str, model: str, answer: Answer, log: ResponseLog) -> DriftResponse:
    now = log.clock()
    response = DriftResponse(id=response_id, model=model, by=answer.by, reason=answer.reason)
    response.at.FromDatetime(now)
    response.expires.FromDatetime(expiry(answer.expires, now))
    return response
