"""Messages as columns: many small batches become few large ones, without a look at single values."""

from collections.abc import Sequence

import numpy as np
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, Column, PredictionBatch
from tidemill_stats.arrays import SingleArray
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.held import Held
from tidemill_monitor.domain.keys import prediction_keys
from tidemill_monitor.domain.rows import Predictions
from tidemill_monitor.domain.scoring import output_width
from tidemill_monitor.domain.watched import Watch

FUTURE_TOLERANCE = 24 * 3600 * 1_000_000
Kind = tuple[str, int, bool, bool]
Signature = tuple[Kind, tuple[tuple[str, str | None], ...]]


def kind_of(batch: PredictionBatch) -> Kind:
    """Model, version, whether it only watched, and whether it answered."""
    return batch.model, batch.version, batch.role == ARM_ROLE_MIRROR, not batch.error


def signature_of(batch: PredictionBatch) -> Signature:
    """Batches of one signature are of one kind and have the same columns of inputs that can be watched."""
    return kind_of(batch), tuple(
        [(column.name, column.WhichOneof("values")) for column in batch.inputs if not column.hashed]
    )


class Bulk:
    """Batches of one signature, appended column by column."""

    def __init__(self, watch: Watch, signature: Signature) -> None:
        """Raises InvalidInput when the signature names an input twice."""
        kind, columns = signature
        names = [name for name, _ in columns]
        if len(set(names)) < len(names):
            raise InvalidInput(f"inputs are named twice: {sorted(names)}")
        self.watch = watch
        self.arm, self._answered = kind[:3], kind[3]
        self.ids: list[str] = []
        self._times: list[int] = []
        self._latencies: list[float] = []
        self._units: list[int] = []
        self._messages: list[tuple[int, int, int, int, int]] = []
        self._inputs = Held([(name, values == "texts", 1) for name, values in columns])
        width = output_width(watch)
        outputs = [("prediction", False, 1)] if watch.classes is None else [("label", False, 1)]
        self._outputs = Held([*outputs, ("probabilities", False, width - 1)] if width > 1 else outputs)

    @property
    def rows(self) -> int:
        return len(self.ids)

    def add(self, batch: PredictionBatch, offset: int, before: int, now: int) -> int | None:
        """Append a batch; `before`: the latest event time of the messages before; `now`: when Kafka got it.

        Returns the latest event time, or `before`; of what lies ahead of `now` no more than `now`, so that one wrong
        clock does not make the rows of right ones late. None if its inputs are others. Raises
        InvalidInput when the batch contradicts itself. In both cases nothing was appended.
        """
        count = len(batch.prediction_ids)
        times = batch.event_times
        if len(times) != count or count == 0:
            raise InvalidInput(f"{count} prediction ids with {len(times)} event times")
        if len(batch.latencies) not in (0, count):
            raise InvalidInput(f"{count} prediction ids with {len(batch.latencies)} latencies")
        if len(batch.units) not in (0, count):
            raise InvalidInput(f"{count} prediction ids with {len(batch.units)} units")
        inputs = self._inputs.fit([column for column in batch.inputs if not column.hashed], count)
        if inputs is None:
            return None
        if self._answered:
            outputs = self._outputs.fit(_chosen(batch.outputs, self._outputs.names), count)
            if outputs is None:
                raise InvalidInput(f"outputs {[one.name for one in batch.outputs]}, not {self._outputs.names}")
            self._outputs.append(outputs, count)
        self._inputs.append(inputs, count)
        self.ids.extend(batch.prediction_ids)
        self._times.extend(times)
        self._latencies.extend(batch.latencies or [np.nan] * count)
        self._units.extend(batch.units or [0] * count)
        limit = now + FUTURE_TOLERANCE
        self._messages.append((count, offset, before, limit, batch.epoch))
        latest = max(times)
        if latest > limit:
            latest = max((time for time in times if time <= limit), default=before)
        return max(before, min(latest, now))

    def predictions(self) -> Predictions:
        """All rows."""
        messages = np.array(self._messages, dtype=np.int64)
        offsets, before, limits, epochs = np.repeat(messages[:, 1:], messages[:, 0], axis=0).T
        return Predictions(
            keys=prediction_keys(self.ids),
            times=np.array(self._times, dtype=np.int64),
            offsets=offsets,
            before=before,
            limits=limits,
            latencies=np.array(self._latencies, dtype=np.float64),
            epochs=epochs,
            units=np.array(self._units, dtype=np.uint64),
            outputs=self._answers(),
            answered=self._answered,
            inputs=self._inputs.columns(),
        )

    def _answers(self) -> SingleArray:
        if not self._answered:
            return np.full((self.rows, output_width(self.watch)), np.nan, dtype=np.float32)
        parts = [np.reshape(np.asarray(one), (self.rows, -1)) for one in self._outputs.columns().values()]
        with np.errstate(over="ignore"):
            return np.hstack(parts).astype(np.float32)


def _chosen(columns: Sequence[Column], names: Sequence[str]) -> Sequence[Column]:
    """The named columns in the order of the names, as far as they are there."""
    if [column.name for column in columns] == names:
        return columns
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in names if name in by_name]
