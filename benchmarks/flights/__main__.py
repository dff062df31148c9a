"""`python -m benchmarks.flights`: what retraining the flights' model by the calendar would bring, week by week.

The first candidate of the flights' pipeline, trained on all flights known by then, against the one of 1 March for ever.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from tidemill_flights import data
from tidemill_flights.training import build

PIPELINE = Path(__file__).parents[2] / "examples/flights/pipeline.yaml"
CATEGORIES = ("carrier", "origin", "dest")
FIRST = np.datetime64("2013-03-01")
BEGIN = np.datetime64("2013-03-04")
WEEKS = 43
WEEK = np.timedelta64(7, "D")
FASTEST_WIND = 200


class Year:
    """The labelled flights of the year in the order of their departure, and what models say of them."""

    def __init__(self) -> None:
        wind = pl.col("weather_wind_speed")
        asked = data.serving_features().with_columns(pl.when(wind <= FASTEST_WIND).then(wind))
        rows = asked.join(data.truths(), on="id").sort("scheduled_departure")
        numbers = [name for name in data.FEATURES if name not in CATEGORIES]
        self._inputs = rows.select(data.FEATURES).with_columns(pl.col(numbers).cast(pl.Float64)).to_pandas()
        self._late = rows["late"].to_numpy()
        self._departed = rows["scheduled_departure"].dt.replace_time_zone(None).to_numpy().astype("datetime64[s]")
        self._known = self._departed + np.timedelta64(12, "h")
        candidate = yaml.safe_load(PIPELINE.read_text())["candidates"][0]
        self._algorithm, self._hyperparameters = candidate["algorithm"], candidate["hyperparameters"]
        self._losses: dict[np.datetime64, np.ndarray] = {}

    def losses(self, trained_at: np.datetime64) -> np.ndarray:
        """Log loss of every flight by the model of that time."""
        if trained_at not in self._losses:
            self._losses[trained_at] = self._train(trained_at)
        return self._losses[trained_at]

    def _train(self, trained_at: np.datetime64) -> np.ndarray:
        kinds = {name: "category" if name in CATEGORIES else "number" for name in data.FEATURES}
        rows = np.flatnonzero(self._known < trained_at)
        model = build(self._algorithm, self._hyperparameters, kinds, seed=1)
        model.fit(self._inputs.iloc[rows], self._late[rows])
        late = np.clip(model.predict_proba(self._inputs)[:, 1], 1e-6, 1 - 1e-6)
        return -np.log(np.where(self._late == 1, late, 1 - late))

    def weekly(self, losses: np.ndarray) -> np.ndarray:
        """Mean loss of each whole week from 4 March on, shape [43]."""
        weeks = (self._departed - BEGIN) // WEEK
        return np.array([losses[weeks == week].mean() for week in range(WEEKS)])

    def looped(self, times: Sequence[np.datetime64]) -> np.ndarray:
        """Log losses when the model is trained anew at these times, in increasing order."""
        losses = self.losses(times[0])
        for time in times[1:]:
            losses = np.where(self._departed >= time, self.losses(time), losses)
        return losses


def main() -> int:
    year = Year()
    frozen = year.weekly(year.losses(FIRST))
    print("| trained anew | trainings | weeks with the lower log loss | mean gain | worst week | best week |")
    print("|---|---|---|---|---|---|")
    for days in (28, 14, 7):
        step = np.timedelta64(days, "D")
        times = [BEGIN + number * step for number in range(WEEKS * 7 // days)]
        gains = frozen - year.weekly(year.looped(times))
        won = f"{np.count_nonzero(gains > 0)} of {WEEKS}"
        shown = f"{gains.mean():+.4f} | {gains.min():+.3f} | {gains.max():+.3f}"
        print(f"| every {days} days | {len(times)} | {won} | {shown} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
