"""`tidemill drift` against servers that answer as the services do."""

import pytest
from tidemill_local.commands.explaining import bar
from tidemill_local.errors import StackError

ALARM = {
    "id": "0b5c7f0e-6d6f-5d39-9f1e-0c8f5ad1a001",
    "model": "tide",
    "version": "3",
    "pipeline": "tides",
    "kind": "DRIFT_KIND_INPUT",
    "severity": "SEVERITY_CRITICAL",
    "action": "DRIFT_ACTION_RETRAIN",
    "since": "2013-05-01T00:00:00Z",
    "until": "2013-05-04T06:30:00Z",
    "windows": 3,
    "reason": "temp in 3 windows in a row: [bold]mean 10.2 → 12.9",
    "published": True,
    "muted_by": None,
    "evidence": [
        {
            "subject": "temp",
            "test": "ks",
            "effect": 0.31,
            "p_value": 1e-12,
            "explanation": "mean 10.2 → 12.9",
            "then": {"name": "temp", "numeric": {"edges": [5.0, 10.0], "counts": ["25", "50", "25"]}},
            "now": {"name": "temp", "numeric": {"edges": [5.0, 10.0], "counts": ["0", "50", "150"]}},
        }
    ],
}
OLDER = {
    **ALARM,
    "id": "1aaa0000-0000-5000-8000-000000000001",
    "until": "2013-02-01T00:00:00Z",
    "muted_by": "silence-7",
}
RUN = {"id": "run-9", "state": "succeeded", "error": None, "cause_event_id": ALARM["id"], "joined_event_ids": []}
VERSION = {"version": 4, "run_id": "run-9", "state": "approved", "reason": "every rule is satisfied"}


@pytest.fixture(autouse=True)
def answers(services):
    services.answers = {
        "GET /v1/models": [{"name": "moon"}, {"name": "tide"}],
        "GET /v1/models/tide/drift": {"alarms": [ALARM, OLDER]},
        f"GET /v1/models/tide/drift/{ALARM['id']}": ALARM,
        "GET /v1/runs": [RUN],
        "GET /v1/models/tide/versions": [VERSION],
    }


def test_alarms_of_every_model_are_listed_the_newest_first(tidemill):
    lines = tidemill("drift", "list").output.splitlines()

    first = next(number for number, line in enumerate(lines) if ALARM["id"][:8] in line)
    second = next(number for number, line in enumerate(lines) if OLDER["id"][:8] in line)
    assert first < second
    assert "silence-7" in "".join(lines)


def test_only_as_many_alarms_are_listed_as_asked_for(tidemill, services):
    output = tidemill("drift", "list", "tide", "--limit", "1").output

    assert ALARM["id"][:8] in output
    assert OLDER["id"][:8] not in output
    assert [request for request, _ in services.asked] == ["GET /v1/models/tide/drift?limit=1"]


def test_the_last_alarm_is_explained_with_both_distributions(tidemill):
    output = tidemill("drift", "explain", "last").output

    assert "[bold]mean 10.2 → 12.9" in output
    assert "2013-05-01 00:00 until 2013-05-04 06:30, 3 windows in a row" in output
    assert "ks, effect 0.31, p = 1e-12" in output
    row = next(line for line in output.splitlines() if line.startswith(" > 10"))
    assert ("25.0%" in row, "75.0%" in row) == (True, True)
    assert row.count("█") == 8 + 24


def test_what_came_of_an_alarm_is_told(tidemill):
    output = tidemill("drift", "explain", str(ALARM["id"])[:13]).output

    assert "the trainer was asked to retrain" in output
    assert "training run run-9 succeeded and made version 4, approved: every rule is satisfied" in output


def test_a_muted_alarm_asked_for_nothing(tidemill, services):
    services.answers[f"GET /v1/models/tide/drift/{OLDER['id']}"] = OLDER

    output = tidemill("drift", "explain", str(OLDER["id"])).output

    assert "nothing, for it is muted" in output
    assert "muted by silence-7" in output


def test_a_failed_run_is_told_with_its_error(tidemill, services):
    services.answers["GET /v1/runs"] = [{**RUN, "state": "failed", "error": "no rows"}]

    assert "training run run-9 failed: no rows" in tidemill("drift", "explain").output


def test_runs_of_other_causes_are_not_laid_to_an_alarm(tidemill, services):
    services.answers["GET /v1/runs"] = [{**RUN, "cause_event_id": "something else"}]

    assert "nothing yet" in tidemill("drift", "explain").output


def test_an_alarm_is_explained_where_the_trainer_is_away(tidemill, services):
    del services.answers["GET /v1/runs"]

    assert "unknown: the trainer or the registry does not answer" in tidemill("drift", "explain").output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("nothing",), "There is no alarm nothing"), (("last", "--model", "moon"), "There has been no alarm of moon")],
)
def test_an_alarm_that_does_not_exist_is_named(tidemill, arguments: tuple[str, ...], told: str):
    result = tidemill("drift", "explain", *arguments)

    assert isinstance(result.exception, StackError)
    assert told in str(result.exception)


def test_the_beginning_of_an_id_must_mean_one_alarm(tidemill, services):
    services.answers["GET /v1/models/tide/drift"] = {"alarms": [ALARM, {**OLDER, "id": "0b5c0000"}]}

    result = tidemill("drift", "explain", "0b5c")

    assert "Several alarms begin with 0b5c" in str(result.exception)


def test_an_alarm_is_acknowledged_with_a_reason_and_an_end(tidemill, services):
    path = f"POST /v1/models/tide/drift/{ALARM['id']}/acknowledge"
    services.answers[path] = {"id": "response-1"}

    result = tidemill("drift", "acknowledge", "last", "--reason", "known", "--by", "ada", "--expires", "2d")

    assert "response-1" in result.output
    assert services.asked[-1] == (path, {"by": "ada", "reason": "known", "expires": "2d"})


def test_a_silence_names_only_what_was_named(tidemill, services):
    services.answers["POST /v1/models/tide/silences"] = {"id": "s"}
    asked = ["drift", "silence", "tide", "--reason", "new station", "--by", "ada", "--expires", "7d"]

    tidemill(*asked, "--subject", "temp")

    body = {"by": "ada", "reason": "new station", "expires": "7d", "subject": "temp"}
    assert services.asked[-1] == ("POST /v1/models/tide/silences", body)


@pytest.mark.parametrize("missing", ["--reason", "--expires"])
def test_a_silence_needs_a_reason_and_an_end(tidemill, services, missing: str):
    options = {"--reason": "x", "--expires": "7d"}
    given = [word for name, text in options.items() if name != missing for word in (name, text)]

    assert tidemill("drift", "silence", "tide", *given).exit_code == 2
    assert services.asked == []


def test_a_silence_is_taken_back(tidemill, services):
    services.answers["DELETE /v1/models/tide/silences/s1"] = {"id": "s1"}

    assert "s1" in tidemill("drift", "unsilence", "tide", "s1").output


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, "    "), (1e-9, "▏   "), (0.5, "██  "), (0.53125, "██▏ "), (1.0, "████"), (2.0, "████")]
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str):
    assert bar(share, 4) == drawn
