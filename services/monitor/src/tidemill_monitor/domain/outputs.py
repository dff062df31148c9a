"""The columns of answers that are watched, in the types their profile is counted from."""

import numpy as np
from tidemill_stats.answers import output_columns
from tidemill_stats.arrays import FloatArray

from tidemill_monitor.domain.cells import Values


def watched_outputs(outputs: FloatArray, classes: int | None) -> dict[str, Values]:
    """Columns of finite answers [n, width] by name: numbers as float64 [n], or texts."""
    columns: dict[str, Values] = {}
    for name, values in output_columns(outputs, classes).items():
        columns[name] = values.astype(np.float64) if values.dtype.kind == "f" else values.tolist()
    return columns
