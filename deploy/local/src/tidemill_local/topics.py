"""The bus's topics: declared in `deploy/kafka/topics.yaml`, created here and nowhere else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import NewTopic
from aiokafka.errors import for_code

from tidemill_local.broker import admin
from tidemill_local.errors import StackError
from tidemill_local.home import ROOT

TOPICS = ROOT / "deploy/kafka/topics.yaml"
ALREADY_EXISTS = 36


@dataclass(frozen=True)
class Topic:
    """A topic as it has to be."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def declared(sources: Iterable[str], file: Path = TOPICS) -> list[Topic]:
    """Every topic of `file`, `<source>` standing for each of `sources`; consumed ones with their `.dlq`."""
    content = yaml.safe_load(file.read_text())
    return list(_expand(content, sorted(set(sources))))


def sources(pipelines: Path) -> set[str]:
    """Source names of every `pipeline.yaml` below `pipelines`."""
    files = pipelines.rglob("pipeline.yaml")
    return {name for file in files for name in yaml.safe_load(file.read_text()).get("sources", {})}


async def apply(bootstrap: str, topics: Iterable[Topic], replication: int = 1) -> list[str]:
    """Create what is missing and return its names; what exists stays as it is. Raises StackError."""
    wanted = {topic.name: topic for topic in topics}
    async with admin(bootstrap) as client:
        missing = wanted.keys() - set(await client.list_topics())
        if not missing:
            return []
        requests = [
            NewTopic(name, wanted[name].partitions, replication, topic_configs=wanted[name].config)
            for name in sorted(missing)
        ]
        answer = await client.create_topics(requests)
    for name, code, *reason in answer.topic_errors:
        if code not in (0, ALREADY_EXISTS):
            raise StackError(
                f"Topic {name} could not be created: {for_code(code).__name__} {' '.join(map(str, reason))}"
            )
    return sorted(missing)


def _expand(content: dict[str, Any], sources: list[str]) -> Iterator[Topic]:
    defaults, dead = content["defaults"], content["dead_letters"]
    for entry in content["topics"]:
        partitions = entry.get("partitions", defaults["partitions"])
        config = {**defaults["config"], **entry.get("config", {})}
        names = [entry["name"].replace("<source>", source) for source in sources]
        for name in names if "<source>" in entry["name"] else [entry["name"]]:
            yield Topic(name, partitions, config)
            if entry.get("consumers"):
                yield Topic(f"{name}.dlq", dead["partitions"], {**defaults["config"], **dead["config"]})
