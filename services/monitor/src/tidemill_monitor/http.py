"""What the monitor knows of its models, over HTTP. A replica answers for the models it evaluates."""

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query
from google.protobuf.json_format import MessageToDict
from tidemill_runtime.errors import NotFound
from tidemill_runtime.http import create_app
from tidemill_stats import MeanEstimate

from tidemill_monitor.domain.block import WindowKey
from tidemill_monitor.domain.scoring import promised
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.domain.windows import Merged
from tidemill_monitor.evaluation import EvaluationStage, Model

Limit = Annotated[int, Query(ge=1, le=1000, description="Windows, the newest ones.")]


def make_app(
    stage: EvaluationStage, catalogue: Catalogue, readiness: Callable[[], Awaitable[Mapping[str, bool]]]
) -> FastAPI:
    """The monitor's endpoints."""
    app = create_app("Tidemill monitor", readiness)

    def model_of(name: str) -> Model:
        if catalogue.watch(name) is None:
            raise NotFound(f"no pipeline file has the model {name!r}; there are {', '.join(catalogue.models)}")
        if name not in stage.models:
            raise NotFound(f"nothing known of model {name!r} here: no predictions yet, or another replica evaluates it")
        return stage.models[name]

    @app.get("/v1/models/{name}/windows", tags=["monitor"])
    async def windows(name: str, limit: Limit = 30) -> dict[str, Any]:
        """Counts and performance by window and version, the newest first."""
        model = model_of(name)
        newest = model.windows.windows[: -limit - 1 : -1]
        return {
            "model": name,
            "watermark": _time(model.windows.watermark),
            "windows": [_window(key, model.windows.one(key), model) for key in newest],
        }

    @app.get("/v1/models/{name}/drift", tags=["monitor"])
    async def drift(name: str) -> dict[str, Any]:
        """The last alarms with their evidence, the newest first."""
        model = model_of(name)
        alarms = [MessageToDict(alarm, preserving_proto_field_name=True) for alarm in reversed(model.alarms)]
        return {"model": name, "version": model.state.version, "alarms": alarms}

    @app.get("/v1/models/{name}/performance", tags=["monitor"])
    async def performance(name: str) -> dict[str, Any]:
        """The answering version over its last judged horizon, and what it promised."""
        model = model_of(name)
        state = model.state
        until = state.performance.until
        if until is None:
            return {"model": name, "version": state.version, "until": None, "labelled": 0, "metrics": {}}
        merged = model.windows.horizon(state.version, until)
        version = catalogue.version(name, state.version)
        tested = version.test_metrics if version else {}
        return {
            "model": name,
            "version": state.version,
            "until": _time(until),
            "labelled": merged.labelled,
            "metrics": {
                metric: {
                    "mean": mean,
                    "standard_error": _finite(merged.score.metrics.get(metric, MeanEstimate()).standard_error),
                    "promised": promised(metric, tested),
                }
                for metric, mean in merged.score.means.items()
            },
        }

    return app


def _window(key: WindowKey, merged: Merged, model: Model) -> dict[str, Any]:
    closed = model.state.input.until
    return {
        "version": key.version,
        "start": _time(key.start),
        "end": _time(key.end),
        "closed": closed is not None and key.end <= closed,
        "predictions": merged.predictions,
        "errors": merged.errors,
        "labelled": merged.labelled,
        "metrics": merged.score.means,
    }


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
