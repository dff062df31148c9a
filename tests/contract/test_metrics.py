"""Metrics are declared once, well named, documented, and what is drawn or alarmed on exists."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from tidemill_gateway.metrics import NativeMetric

NAME = re.compile(r"tidemill_(gateway|ingest|monitor|registry|trainer|bus|outbox)_[a-z][a-z0-9_]*[a-z]")
OTHER_UNITS = re.compile(
    r"_(ms|us|ns|millis|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent|count|sum)$"
)
HISTOGRAM_UNITS = ("_seconds", "_bytes", "_rows")
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \|(?P<labels>[^|]*)\|(?P<meaning>[^|]+)\|$", re.MULTILINE)
USED = re.compile(r"\b(tidemill_\w+?)(?:_bucket|_sum|_count)?\b")
FOREIGN_LABELS = {"le", "job", "instance", "gpu_uuid"}


@dataclass(frozen=True)
class Metric:
    name: str
    kind: str
    labels: tuple[str, ...]


def sources(root: Path) -> Iterator[Path]:
    for folder in ("libs", "services", "deploy/local", "examples"):
        yield from (file for file in (root / folder).rglob("src/**/*.py") if ".venv" not in file.parts)


def imported_from_prometheus(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client"]
    return {alias.name for node in found for alias in node.names}


def called(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def metrics_of(module: ModuleType) -> list[Metric]:
    values = vars(module).values()
    of_python = [value for value in values if isinstance(value, MetricWrapperBase)]
    of_the_data_plane = [value for value in values if isinstance(value, NativeMetric)]
    return [
        *(
            Metric(value._name + ("_total" if value._type == "counter" else ""), value._type, tuple(value._labelnames))
            for value in of_python
        ),
        *(Metric(value.name, value.kind, value.labels) for value in of_the_data_plane),
    ]


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, Metric]:
    files = [file for file in sources(root) if file.name == "metrics.py"]
    modules = [importlib.import_module(f"{file.parent.name}.metrics") for file in files]
    found = [metric for module in modules for metric in metrics_of(module)]
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


@pytest.fixture(scope="module")
def documented(root: Path) -> list[Metric]:
    rows = ROW.finditer((root / "docs/metrics.md").read_text())
    return [Metric(row["name"], row["kind"], tuple(re.findall(r"`(\w+)`", row["labels"]))) for row in rows]


def boards(root: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((root / "deploy/grafana/dashboards").glob("*.json"))]


def expressions(root: Path) -> dict[str, str]:
    rules = yaml.safe_load((root / "deploy/prometheus/alerts.yml").read_text())["groups"]
    drawn = {
        f"{board['title']}, panel {panel['title']} {target['refId']}": target["expr"]
        for board in boards(root)
        for panel in board["panels"]
        for target in panel.get("targets", [])
    }
    marked = {
        f"{board['title']}, annotation {item['name']}": item["expr"]
        for board in boards(root)
        for item in board["annotations"]["list"]
    }
    alarmed = {f"alert {rule['alert']}": rule["expr"] for group in rules for rule in group["rules"]}
    return {**drawn, **marked, **alarmed}


def test_every_service_declares_metrics(declared: dict[str, Metric], service: str):
    assert any(name.startswith(f"tidemill_{service}_") for name in declared)


def test_metrics_are_declared_in_metrics_modules_only(root: Path):
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    elsewhere = [
        str(file.relative_to(root))
        for file in sources(root)
        if file.name != "metrics.py" and imported_from_prometheus(file) & kinds & called(file)
    ]

    assert elsewhere == []


def test_names_say_the_owner_and_end_in_the_unit(declared: dict[str, Metric]):
    for metric in declared.values():
        assert NAME.fullmatch(metric.name), metric
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        assert not OTHER_UNITS.search(metric.name.removesuffix("_total")), metric
        if metric.kind == "histogram":
            assert metric.name.endswith(HISTOGRAM_UNITS), metric


def test_a_metric_belongs_to_the_service_that_declares_it(root: Path, service: str):
    module = importlib.import_module(f"tidemill_{service}.metrics")

    assert all(metric.name.startswith(f"tidemill_{service}_") for metric in metrics_of(module))


def test_the_documentation_lists_every_metric_with_its_labels(declared: dict[str, Metric], documented: list[Metric]):
    assert sorted(documented, key=name_of) == sorted(declared.values(), key=name_of)


def test_what_is_drawn_or_alarmed_on_is_declared(root: Path, declared: dict[str, Metric]):
    used = {where: set(USED.findall(text)) for where, text in expressions(root).items()}

    assert {where: names - set(declared) for where, names in used.items() if names - set(declared)} == {}


def test_queries_use_labels_that_their_metrics_have(root: Path, declared: dict[str, Metric]):
    for where, text in expressions(root).items():
        metrics = [declared[name] for name in USED.findall(text)]
        grouped = {name for group in re.findall(r"\bby \(([^)]*)\)", text) for name in re.split(r",\s*", group)}
        matched = {name for group in re.findall(r"\{([^}]*)\}", text) for name in re.findall(r"(\w+)\s*[=!]", group)}
        if metrics:
            known = set.intersection(*(set(metric.labels) for metric in metrics))
            assert grouped | matched <= known | FOREIGN_LABELS, where


def test_a_histogram_is_asked_for_its_buckets_and_nothing_else_is(root: Path, declared: dict[str, Metric]):
    for where, text in expressions(root).items():
        for name, suffix in re.findall(r"\b(tidemill_\w+?)(_bucket|_sum|_count)?\b", text):
            assert (declared[name].kind == "histogram") == bool(suffix), where


def test_alerts_say_what_to_do(root: Path):
    groups = yaml.safe_load((root / "deploy/prometheus/alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert rules
    assert [rule["alert"] for rule in rules if set(rule["annotations"]) != {"summary", "action"}] == []


def test_legends_show_labels_that_the_query_keeps(root: Path):
    targets = [target for board in boards(root) for panel in board["panels"] for target in panel.get("targets", [])]

    for target in targets:
        grouped = re.search(r"\bby \(([^)]*)\)", target["expr"])
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert grouped is None or shown <= set(re.split(r",\s*", grouped[1])), target["expr"]


def name_of(metric: Metric) -> str:
    return metric.name


def test_panels_of_a_dashboard_do_not_overlap(root: Path):
    for board in boards(root):
        places = [panel["gridPos"] for panel in board["panels"]]
        cells = [
            (x, y)
            for place in places
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(cells) == len(set(cells)), board["title"]
        assert max(x for x, _ in cells) < 24, board["title"]


def test_dashboards_are_told_apart(root: Path):
    assert len({board["uid"] for board in boards(root)}) == len(boards(root)) == 2
