"""The kinds of value a pipeline file is made of."""

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from tidemill_contracts.durations import format_duration, parse_duration

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="Lower case letters, digits, - and _.")]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
    Field(description="A number and a unit: 30s, 15m, 6h, 7d."),
]
PositiveDuration = Annotated[Duration, Field(gt=timedelta(0))]
Share = Annotated[float, Field(ge=0, le=1)]


class Mistake(ValueError):
    """A part of the file that is wrong together with another; `location` leads to it."""

    def __init__(self, message: str, *location: str | int) -> None:
        super().__init__(message)
        self.location = location


class Strict(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def time_zone(name: str) -> ZoneInfo:
    """The time zone that the field `timezone` names. Raises Mistake."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Mistake(f"{name!r} is not an IANA name such as Europe/Berlin", "timezone") from error
