"""The monitor's ledger: what was sent of a model against its panes, windows, alarms and evidence on the bus.

A pane's rows, labels and corrections must all be counted, and once; an event told again must say the same.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import ndiff
from typing import Any

import numpy as np
from bus_log import BusLog, Record
from google.protobuf.message import Message
from tideline import CORRECTED_AFTER, EXPIRY, MIRRORED, PANE, PANES, PER_PANE, START, Stream, partition_of, world
from tidemill.v1.monitoring_pb2 import DeadLetter, DriftDetected, PanePartial, RolloutEvidence
from tidemill_contracts import topics
from tidemill_runtime.events import derived_id

COUNTS = ("predictions", "errors", "labelled", "corrected", "censored")
SHOWN = ("predictions", "errors", "labelled")
Pane = tuple[int, int, bool]
Counts = dict[str, int]


@dataclass
class Seen:
    """What the bus says of a model, its name left out: counts by pane, alarms by the end they name, contradictions.

    `evidence`: by pane what the newest event says its arms show, and `shown`: the counts in it.
    """

    panes: dict[Pane, Counts] = field(default_factory=dict)
    alarms: dict[str, Message] = field(default_factory=dict)
    evidence: dict[str, Message] = field(default_factory=dict)
    shown: dict[Pane, Counts] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)


def expected_panes(stream: Stream, last: int = PANES) -> dict[Pane, Counts]:
    """Counts by start, version and role of the panes before number `last`, when the stream was sent up to there."""
    known = START + (last - 1) * PANE
    sea = world()
    labelled = sea.labelled & (sea.observed < known)
    corrected = sea.labelled & sea.corrected & (sea.observed + CORRECTED_AFTER < known)
    placed = np.array([partition_of(stream.identifier(row)) for row in range(last * PER_PANE)])
    watermarks = {place: int(sea.times[: placed.size][placed == place].max()) for place in set(placed.tolist())}
    found: dict[Pane, Counts] = {}
    for pane in range(last):
        start = START + pane * PANE
        rows = np.arange(pane * PER_PANE, (pane + 1) * PER_PANE)
        expired = np.array([watermarks[place] > start + PANE + EXPIRY for place in placed[rows].tolist()])
        counts = {
            "predictions": rows.size,
            "errors": int(sea.failed[rows].sum()),
            "labelled": int((labelled & ~sea.failed)[rows].sum()),
            "corrected": int(corrected[rows].sum()),
            "censored": int((expired & ~labelled[rows]).sum()),
        }
        found[start, 1, False] = counts
        if pane in MIRRORED:
            found[start, 2, True] = counts
    return found


def seen(log: BusLog, model: str) -> Seen:
    """What the bus says of a model up to now."""
    result = Seen(panes=_panes(_partials(log, model).values()))
    for record, alarm in _events(log, topics.DRIFT_DETECTED, DriftDetected, model):
        until = alarm.until.ToMicroseconds()
        identity = derived_id("drift", model, alarm.version, alarm.kind, alarm.slice, until)
        name = f"{alarm.kind}/{alarm.slice}/{(until - START) / PANE}"
        _note(result, name, record.identity == identity, alarm)
    newest = _newest_evidence(result, log, model)
    result.evidence = {f"pane {(start - START) / PANE:g}": RolloutEvidence(arms=one.arms) for start, one in newest}
    result.shown = {pane: counts for _, one in newest for pane, counts in _arms(one)}
    return result


def imbalances(log: BusLog, model: str, panes: dict[Pane, Counts], like: Seen | None = None) -> list[str]:
    """Every difference to the panes expected, and to the events of the model that is `like` it."""
    now = seen(log, model)
    found = [*now.contradictions]
    shown = {pane: {name: counts[name] for name in SHOWN} for pane, counts in panes.items()}
    for what, wanted, got in (("pane", panes, now.panes), ("evidence of pane", shown, now.shown)):
        for start, version, mirror in sorted({*wanted, *got}):
            sent, told = (side.get((start, version, mirror)) for side in (wanted, got))
            if sent != told:
                found.append(f"{what} {(start - START) / PANE:g} of version {version}: {told} where {sent} was sent")
    if like is not None:
        for what, wanted_events, got_events in (
            ("alarms", like.alarms, now.alarms),
            ("evidence", like.evidence, now.evidence),
        ):
            found += _differences(what, wanted_events, got_events)
    return found


def letters(log: BusLog) -> Counter[tuple[str, int, int, str]]:
    """How often each message was given up: by topic, partition, offset and consumer group."""
    found: Counter[tuple[str, int, int, str]] = Counter()
    for topic in (topics.PREDICTIONS, topics.GROUND_TRUTH, topics.MONITOR_WINDOWS, topics.DRIFT_DETECTED):
        for record in log.records(topics.dead_letter(topic)):
            letter = DeadLetter.FromString(record.value or b"")
            found[letter.topic, letter.partition, letter.offset, letter.consumer_group] += 1
    return found


def watermark(log: BusLog, model: str) -> int:
    """Event time that every partition heard of has told, 0 before the first."""
    told: dict[int, int] = {}
    for partial in _told(log, model):
        told[partial.partition] = max(told.get(partial.partition, 0), partial.watermark)
    return min(told.values(), default=0)


def state_of(log: BusLog, model: str) -> dict[tuple[Any, ...], bytes]:
    """The newest partial of each pane, version, role and partition, without what says when it was told."""
    found = {}
    for key, partial in _partials(log, model).items():
        copy = PanePartial()
        copy.CopyFrom(partial)
        copy.ClearField("watermark")
        found[key] = copy.SerializeToString(deterministic=True)
    return found


def _partials(log: BusLog, model: str) -> dict[tuple[int, int, bool, int], PanePartial]:
    """The newest partials by pane, version, role and partition: an older one never replaces a newer one."""
    newest: dict[tuple[int, int, bool, int], PanePartial] = {}
    for partial in _told(log, model):
        key = (partial.start, partial.version, partial.mirror, partial.partition)
        known = newest.get(key)
        if known is None or partial.offset >= known.offset:
            newest[key] = partial
    return newest


def _told(log: BusLog, model: str) -> Iterable[PanePartial]:
    return (partial for _, partial in _events(log, topics.MONITOR_WINDOWS, PanePartial, model))


def _panes(partials: Iterable[PanePartial]) -> dict[Pane, Counts]:
    found: dict[Pane, Counts] = {}
    for one in partials:
        counts = found.setdefault((one.start, one.version, one.mirror), dict.fromkeys(COUNTS, 0))
        values = (one.total.predictions, one.total.errors, one.total.labelled, one.corrected, one.censored)
        for name, value in zip(COUNTS, values, strict=True):
            counts[name] += value
    return found


def _newest_evidence(result: Seen, log: BusLog, model: str) -> list[tuple[int, RolloutEvidence]]:
    """By the start of the pane, the evidence that has read most; notes ids that do not derive from it, or say two
    things.

    How far was read when it was told is a matter of chance, so its events are not those of another model.
    """
    said: dict[str, RolloutEvidence] = {}
    newest: dict[int, RolloutEvidence] = {}
    for record, evidence in _events(log, topics.ROLLOUT_EVIDENCE, RolloutEvidence, model):
        read = (evidence.sequence, evidence.complete_until)
        if record.identity != derived_id("rollout", model, evidence.start, evidence.length, *read):
            result.contradictions.append(f"evidence of {evidence.start} at {read} has an id of something else")
        known = said.setdefault(record.identity, evidence)
        if known != evidence:
            result.contradictions.append(f"evidence {record.identity} says two things: {_change(known, evidence)}")
        before = newest.get(evidence.start)
        if before is None or (before.sequence, before.complete_until) <= read:
            newest[evidence.start] = evidence
    return sorted(newest.items())


def _arms(evidence: RolloutEvidence) -> Iterable[tuple[Pane, Counts]]:
    for arm in evidence.arms:
        values = (arm.predictions, sum(one.errors for one in arm.epochs), arm.labelled)
        yield (evidence.start, arm.version, arm.mirror), dict(zip(SHOWN, values, strict=True))


def _events(log: BusLog, topic: str, kind: type[Any], model: str) -> Iterable[tuple[Record, Any]]:
    """Events of a topic with this model as their key."""
    return ((record, log.parsed(record, kind)) for record in log.records(topic, model.encode()))


def _note(result: Seen, name: str, is_its: bool, alarm: DriftDetected) -> None:
    copy = DriftDetected()
    copy.CopyFrom(alarm)
    copy.model = copy.pipeline = ""
    known = result.alarms.setdefault(name, copy)
    if known != copy:
        result.contradictions.append(f"{name} says two things: {_change(known, copy)}")
    if not is_its:
        result.contradictions.append(f"{name} has an id of something else")


def _differences(what: str, wanted: dict[str, Message], got: dict[str, Message]) -> list[str]:
    found = [f"{what}: {name} is lost" for name in sorted(wanted.keys() - got.keys())]
    found += [f"{what}: {name} was not to be" for name in sorted(got.keys() - wanted.keys())]
    other = [name for name in sorted(wanted.keys() & got.keys()) if wanted[name] != got[name]]
    return found + [f"{what}: {name} says something else: {_change(wanted[name], got[name])}" for name in other]


def _change(before: Message, after: Message) -> str:
    lines = ndiff(str(before).splitlines(), str(after).splitlines())
    return " ".join([line for line in lines if line[0] in "+-"][:6])
