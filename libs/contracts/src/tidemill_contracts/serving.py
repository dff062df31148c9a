"""How a model answers, and what is kept of its answers: the `serving` part of the pipeline file.

Everything has a default that is meant for everyone.
"""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from tidemill_contracts.values import PositiveDuration, Share, Strict

Missing = Literal["allow", "refuse"]


class CacheOptions(Strict):
    """Answers that are given again to the very same input."""

    entries: int = Field(default=10_000, ge=1, le=1_000_000, description="Answers that a gateway keeps at most.")
    ttl: PositiveDuration = Field(default=timedelta(minutes=1), description="An older answer is not given again.")


class LogOptions(Strict):
    """Which predictions are logged for the monitor, and what of them."""

    sample: Share = Field(default=1.0, description="Share of the predictions that are logged, 0 to 1.")
    hash: tuple[str, ...] = Field(
        default=(),
        description="Features whose values are logged only as a keyed hash; the monitor cannot watch them.",
    )
    drop: tuple[str, ...] = Field(
        default=(),
        description="Features whose values are not logged at all; the monitor cannot watch them.",
    )


class ServingOptions(Strict):
    """How the model's versions answer."""

    missing: Missing = Field(
        default="allow", description="Whether a number may be NaN, or a category empty, in a request."
    )
    cache: CacheOptions | None = Field(default=None, description="Cache of answers by exact input; null: none.")
    log: LogOptions = Field(default=LogOptions(), description="What is logged of the predictions.")
    concurrency: int = Field(default=256, ge=1, description="Requests of the model in flight at once, per gateway.")
    queue: int = Field(default=1024, ge=0, description="Requests that may wait beyond those; more are refused.")
    retry: bool = Field(
        default=True,
        description="Whether an inference that failed because the server was unavailable may be tried a second time.",
    )
