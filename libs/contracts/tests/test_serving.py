"""How a pipeline's model is served, and what keeps a caller on one version."""

import re
from datetime import timedelta

import pytest
from tidemill_contracts.loading import PipelineError, load_pipeline
from tidemill_contracts.serving import CacheOptions, LogOptions, ServingOptions

PLACE = "triggers: {data_arrived: every}\n"
MISTAKES = {
    "an unknown way with what is missing": ("serving: {missing: maybe}", "serving.missing: Input should be 'allow' or"),
    "a cache of nothing": ("serving: {cache: {entries: 0}}", "serving.cache.entries: Input should be greater"),
    "a cache too large": ("serving: {cache: {entries: 1000001}}", "serving.cache.entries: Input should be less"),
    "a cache for no time": ("serving: {cache: {ttl: 0s}}", "serving.cache.ttl: Input should be greater than"),
    "a share above 1": ("serving: {log: {sample: 1.1}}", "serving.log.sample: Input should be less"),
    "no requests at once": ("serving: {concurrency: 0}", "serving.concurrency: Input should be greater"),
    "a queue below nothing": ("serving: {queue: -1}", "serving.queue: Input should be greater"),
    "an unknown option": ("serving: {retries: 3}", "serving.retries: unknown field; correct its name or remove it"),
    "a hash of no feature": (
        "serving: {log: {hash: [station, platform]}}",
        "serving.log.hash.1: 'platform' is not one of the features",
    ),
    "a tensor's name for a feature": (
        "serving: {log: {drop: [weather_rain]}}",
        "serving.log.drop.0: 'weather_rain' is not one of the features",
    ),
    "a feature hashed and dropped": (
        "serving: {log: {hash: [station], drop: [distance, station]}}",
        "serving.log.drop.1: 'station' is hashed too; remove it from one of both",
    ),
    "a caller kept by no feature": (
        "release: {sticky_field: platform}",
        "release.sticky_field: 'platform' is not one of the features",
    ),
    "a caller kept by two things": (
        "release: {sticky_header: x-user, sticky_field: station}",
        "release.sticky_field: give at most one of sticky_header and sticky_field",
    ),
}


def test_by_default_everything_is_logged_nothing_is_cached_and_missing_values_are_allowed() -> None:
    assert ServingOptions() == ServingOptions(
        missing="allow", cache=None, log=LogOptions(sample=1.0), concurrency=256, queue=1024, retry=True
    )


def test_what_is_given_is_read(write) -> None:
    given = (
        "serving: {missing: refuse, cache: {entries: 10, ttl: 5m}, retry: false, concurrency: 8, queue: 0,"
        " log: {sample: 0.5, hash: [station], drop: [weather.rain]}}\n"
    )
    assert load_pipeline(write((PLACE, PLACE + given))).serving == ServingOptions(
        missing="refuse",
        cache=CacheOptions(entries=10, ttl=timedelta(minutes=5)),
        log=LogOptions(sample=0.5, hash=("station",), drop=("weather.rain",)),
        concurrency=8,
        queue=0,
        retry=False,
    )


@pytest.mark.parametrize("given", ["sticky_header: x-user", "sticky_field: station", "sticky_field: weather.rain"])
def test_a_caller_is_kept_by_a_header_or_a_feature(write, given: str) -> None:
    release = load_pipeline(write((PLACE, f"{PLACE}release: {{{given}}}\n"))).release
    assert given in (f"sticky_header: {release.sticky_header}", f"sticky_field: {release.sticky_field}")


@pytest.mark.parametrize(("wrong", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_what_does_not_fit_names_line_field_and_cure(write, wrong: str, told: str) -> None:
    path = write((PLACE, f"{PLACE}{wrong}\n"))

    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)

    line = len(path.read_text().splitlines())
    assert re.search(rf"^{re.escape(str(path))}:{line}: {re.escape(told)}", str(refused.value), re.MULTILINE)


def test_a_slice_is_not_made_by_what_is_not_logged(write) -> None:
    path = write(
        (PLACE, f"{PLACE}serving: {{log: {{hash: [station]}}}}\n"),
        ("monitors:\n", "monitors:\n  slices: [station]\n"),
    )

    with pytest.raises(PipelineError, match="'station' is not logged as it is, so the monitor cannot slice by it"):
        load_pipeline(path)
