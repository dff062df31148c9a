"""Predictions as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from tidemill_stats.arrays import BoolArray, ByteArray, FloatArray, HashArray, IntArray, SingleArray

from tidemill_monitor.domain.cells import Values


@dataclass(frozen=True)
class Predictions:
    """Predictions of one arm with equal columns, in the order of their offsets; each array is of shape [n].

    `keys`: uint64. `times`: event times, microseconds. `before`: the latest event time of the messages before.
    `limits`: the latest event time that is no mistake. `latencies`: seconds, NaN if not said. `epochs`: of the route.
    `units`: uint64, hash of what the arm was chosen by, 0 if the weights did not choose it. `outputs`: float32 [n,
    width], NaN without an answer. `answered`: whether there is an answer. `inputs`: by name; empty if not to be read.
    """

    keys: HashArray
    times: IntArray
    offsets: IntArray
    before: IntArray
    limits: IntArray
    latencies: FloatArray
    epochs: IntArray
    units: HashArray
    outputs: SingleArray
    answered: bool
    inputs: Mapping[str, Values]

    def part(self, first: int, last: int) -> "Predictions":
        """Rows first to last - 1."""
        cut = slice(first, last)
        inputs: dict[str, Values] = {name: values[cut] for name, values in self.inputs.items()}
        return Predictions(
            self.keys[cut],
            self.times[cut],
            self.offsets[cut],
            self.before[cut],
            self.limits[cut],
            self.latencies[cut],
            self.epochs[cut],
            self.units[cut],
            self.outputs[cut],
            self.answered,
            inputs,
        )

    def take(self, rows: IntArray) -> "Predictions":
        """The rows of these places, in their order."""
        if np.array_equal(rows, np.arange(self.keys.size)):
            return self
        inputs: dict[str, Values] = {}
        for name, values in self.inputs.items():
            inputs[name] = values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]
        return Predictions(
            self.keys[rows],
            self.times[rows],
            self.offsets[rows],
            self.before[rows],
            self.limits[rows],
            self.latencies[rows],
            self.epochs[rows],
            self.units[rows],
            self.outputs[rows],
            self.answered,
            inputs,
        )


@dataclass(frozen=True)
class Kept:
    """What is kept of each prediction: key, answer (float32 [n, width]), whether there was one, its slices (uint8 [n,
    features]), latency in seconds (float32, NaN if not said), epoch of its route, and unit (see `Predictions`)."""

    keys: HashArray
    outputs: SingleArray
    answered: BoolArray
    slices: ByteArray
    latencies: SingleArray
    epochs: IntArray
    units: HashArray

    @staticmethod
    def joined(parts: Sequence["Kept"]) -> "Kept":
        """The rows of one part or more, in their order."""
        if len(parts) == 1:
            return parts[0]
        return Kept(*(np.concatenate([getattr(part, name) for part in parts]) for name in KEPT))

    def take(self, rows: IntArray | BoolArray) -> "Kept":
        """The rows of these places, in their order, or of a mask."""
        return Kept(*(getattr(self, name)[rows] for name in KEPT))


KEPT = tuple(one.name for one in fields(Kept))
"""Names of the columns of `Kept`, in their order."""
