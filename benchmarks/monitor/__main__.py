"""`python -m benchmarks.monitor`: the first stage's speed and memory, beside what faust and aiokafka do bare.

Everything Kafka is one embedded node in a temporary folder; what is measured runs on one core of its own.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.monitor import bare, bus, data, memory

BATCH_ROWS = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__)
    parser.add_argument("--batched", type=int, default=2_000_000, help="predictions in batches of 200")
    parser.add_argument("--single", type=int, default=100_000, help="predictions of one a message")
    parser.add_argument("--memory", type=int, default=5_000_000, help="predictions for the memory's course")
    parser.add_argument("--port-offset", type=int, default=7000)
    options = parser.parse_args()
    met = True
    if options.batched or options.single:
        with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
            met &= _through_kafka(Path(folder), options)
    if options.memory:
        met &= _memory(options.memory)
    return 0 if met else 1


def _through_kafka(folder: Path, options: argparse.Namespace) -> bool:
    stack = bus.new_stack(folder, options.port_offset)
    met, taken = True, 0
    try:
        if options.batched:
            traffic = data.Traffic(BATCH_ROWS, per_second=options.batched / 3600)
            bus.fill(stack.bootstrap, traffic.batches(options.batched // BATCH_ROWS))
            taken += options.batched // BATCH_ROWS * BATCH_ROWS
            rate, by_processor, largest = bus.watch_monitor(stack, taken)
            stack.stop("monitor")
            met &= rate >= 30_000
            _say("batches of 200, labels joined, an hour's backlog", rate, "predictions/s", "at least 30,000")
            _say("  the same by processor time", by_processor, "predictions/s")
            _say("  features", rate * data.FEATURES, "updates/s")
            _say("  largest memory", largest, "MB")
        if options.single:
            met &= _single(stack, options.single)
    finally:
        stack.down()
    return met


def _single(stack: bus.Stack, messages: int) -> bool:
    start = data.START + 48 * data.HOUR
    for topic in (bus.topics.PREDICTIONS, bus.BARE):
        bus.fill(stack.bootstrap, data.Traffic(1, start=start, per_second=1000).batches(messages), topic, labels=False)
    rates = {kind: bare.measure(kind, stack.bootstrap, messages) for kind in bare.KINDS}
    rate, by_processor, _ = bus.watch_monitor(stack, messages)
    stack.stop("monitor")
    ratio = rate / rates["faust"]
    for kind, one in rates.items():
        _say(f"bare {kind}", one, "messages/s")
    _say("monitor, one prediction a message", rate, "messages/s", "at least half of bare faust")
    _say("  the same by processor time", by_processor, "messages/s")
    for kind, one in rates.items():
        print(f"  {rate / one:14.2f} of bare {kind}")
    return ratio >= 0.5


def _memory(predictions: int) -> bool:
    found = list(memory.grow(predictions, 10))
    for step in found:
        print(
            f"{step.predictions:12,} predictions {step.megabytes:8,.0f} MB {step.kept:10,} kept "
            f"{step.rate:10,.0f} predictions/s of processor time"
        )
    settled = found[len(found) // 2 :]
    growth = settled[-1].megabytes / settled[0].megabytes - 1
    print(f"growth over the second half: {growth:+.1%}; asked: below 5 %")
    return growth < 0.05


def _say(what: str, value: float, unit: str, target: str = "") -> None:
    print(f"{what:52} {value:14,.0f} {unit:16} {target and 'asked: ' + target}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
