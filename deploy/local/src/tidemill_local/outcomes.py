"""What came of an alarm that asked for a retraining."""

from typing import Any
from urllib.parse import quote

from tidemill_local import registry
from tidemill_local.http import call


def of_alarm(trainer: str, registry_url: str, alarm: dict[str, Any]) -> list[str]:
    """Sentences on the runs that an alarm caused and the versions they made; empty if it caused none."""
    runs = [run for run in _runs(trainer, str(alarm["pipeline"])) if _was_caused(run, str(alarm["id"]))]
    versions = {str(one["run_id"]): one for one in registry.versions(registry_url, str(alarm["model"]))} if runs else {}
    return [_sentence(run, versions.get(str(run["id"]))) for run in runs]


def _runs(trainer: str, pipeline: str) -> list[dict[str, Any]]:
    return list(call("GET", f"{trainer}/v1/runs?pipeline={quote(pipeline)}&limit=1000"))


def _was_caused(run: dict[str, Any], alarm_id: str) -> bool:
    return alarm_id == run["cause_event_id"] or alarm_id in run["joined_event_ids"]


def _sentence(run: dict[str, Any], version: dict[str, Any] | None) -> str:
    said = f"training run {run['id']} {run['state']}"
    if run.get("error"):
        return f"{said}: {run['error']}"
    if version is None:
        return said
    return f"{said} and made version {version['version']}, {version['state']}: {version['reason']}"
