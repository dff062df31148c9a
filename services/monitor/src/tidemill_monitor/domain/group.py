"""A group: everything one partition knows of one window of one model version."""

from dataclasses import dataclass, field

from tidemill.v1.monitoring_pb2 import MetricSums, WindowPartial
from tidemill_stats import DataProfile, merge, to_proto

from tidemill_monitor.domain.block import Block, WindowKey
from tidemill_monitor.domain.scoring import Score, output_width, score, total
from tidemill_monitor.domain.watched import Watch


@dataclass
class Group:
    """Blocks of one window by number, with what is derived from them kept until they change."""

    window: WindowKey
    watch: Watch
    blocks: dict[int, Block] = field(default_factory=dict)
    _scores: dict[int, Score] = field(default_factory=dict)
    _full_inputs: DataProfile | None = None
    _counted: set[int] = field(default_factory=set)

    def open_block(self) -> Block:
        """The block that takes the next rows."""
        last = self.blocks[max(self.blocks)] if self.blocks else None
        if last is None or last.room == 0:
            last = Block(self.window, 0 if last is None else last.number + 1, output_width(self.watch))
            self.blocks[last.number] = last
        return last

    def changed(self, block: Block) -> None:
        """Forget what was derived from a block."""
        self._scores.pop(block.number, None)

    def inputs(self) -> DataProfile | None:
        """Profile of the inputs of all rows; None if no row was profiled."""
        for block in self.blocks.values():
            if block.room == 0 and block.number not in self._counted:
                self._counted.add(block.number)
                self._full_inputs = _merged(self._full_inputs, block.inputs)
        result = self._full_inputs
        for block in self.blocks.values():
            if block.number not in self._counted:
                result = _merged(result, block.inputs)
        return result

    def score(self) -> Score:
        """Performance of the labelled rows."""
        for block in self.blocks.values():
            if block.number not in self._scores:
                self._scores[block.number] = score(self.watch, block.outputs, block.labels)
        return total(self._scores.values())

    def partial(self, partition: int, watermark: int) -> WindowPartial:
        """The group as a message, complete in itself.

        Its `offset` is a clock that ticks with every message counted: one more than the last offset in `predictions`
        plus one more than the last in `ground-truth`.
        """
        blocks = self.blocks.values()
        known = self.score()
        inputs = self.inputs()
        message = WindowPartial(
            model=self.window.model,
            version=self.window.version,
            partition=partition,
            start=self.window.start,
            length=self.window.length,
            watermark=watermark,
            inputs=to_proto(inputs) if inputs is not None else None,
            predictions=sum(block.rows for block in blocks),
            errors=sum(block.errors for block in blocks),
            labelled=sum(block.labelled for block in blocks),
            metrics={
                name: MetricSums(count=one.count, sum=one.sum, sum_of_squares=one.sum_of_squares)
                for name, one in known.metrics.items()
            },
            offset=max(block.offset for block in blocks) + max(block.truth_offset for block in blocks) + 2,
        )
        if known.positives.any() or known.negatives.any():
            message.score_positives.extend(known.positives.tolist())
            message.score_negatives.extend(known.negatives.tolist())
        return message


def _merged(a: DataProfile | None, b: DataProfile | None) -> DataProfile | None:
    if a is None or b is None:
        return b if a is None else a
    return merge(a, b)
