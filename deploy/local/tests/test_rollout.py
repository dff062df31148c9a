"""`tidemill rollout`: what it draws, and what it asks of a registry."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType
from tidemill_contracts.release import Metric, Release, Step
from tidemill_local.commands.rollouts import history_list, open_and_newest, rollouts_table
from tidemill_local.commands.standing import standing
from tidemill_local.errors import NotThere, StackError
from tidemill_registry.domain.judging import Plan
from tidemill_registry.domain.rollout import stages_of
from tidemill_registry.rollouts import shown
from tidemill_registry.tables import RolloutRow

MINUTE = 60_000_000
ERROR_RATE: dict[str, Any] = {
    "metric": "error_rate",
    "guardrail": False,
    "better": "lower",
    "champion": 0.1989,
    "candidate": 0.1781,
    "champion_rows": 22_380,
    "candidate_rows": 4_020,
    "effect": -0.0166,
    "lower": -0.048,
    "upper": 0.0125,
    "delta": 0.01,
    "confidence": 0.9917,
    "verdict": "undecided",
}
SLOW = ERROR_RATE | {"metric": "slow", "guardrail": True, "verdict": "worse", "effect": 0.3, "lower": 0.1, "upper": 0.5}
UNSEEN = ERROR_RATE | {
    "champion": None,
    "candidate": None,
    "champion_rows": 0,
    "candidate_rows": 0,
    "effect": 0.0,
    "lower": None,
    "upper": None,
}
NOTHING: dict[str, Any] = {
    "units": {"champion": 0, "candidate": 0},
    "pairs": 0,
    "agreement": None,
    "distance": None,
    "seconds": {"champion": None, "candidate": None},
}
CANARY: dict[str, Any] = {
    "model": "tide",
    "version": 7,
    "champion": 6,
    "strategy": "shadow",
    "risk": "medium",
    "risk_reason": "the same columns, but trained by [another] algorithm",
    "phase": "canary",
    "stage": 1,
    "share": 0.05,
    "held": False,
    "reason": "nothing is worse after 3000 labelled predictions of the candidate in 3h; on to 5% of the traffic",
    "first_epoch": 11,
    "epoch": 12,
    "heard_at": "2013-05-01T11:20:30Z",
    "created_at": "2013-05-01T00:00:00Z",
    "changed_at": "2013-05-01T06:30:00Z",
    "stages": [
        {"phase": "shadow", "share": 0.0, "fraction": 1.0},
        {"phase": "canary", "share": 0.05, "fraction": 0.0},
        {"phase": "canary", "share": 0.2, "fraction": 0.0},
        {"phase": "canary", "share": 0.5, "fraction": 0.0},
    ],
    "fraction": 0.0,
    "verdict": "undecided",
    "evidence": [ERROR_RATE, SLOW],
    "predictions": 4_820,
    "labelled": 4_020,
    "comparison": {
        "units": {"champion": 950, "candidate": 50},
        "pairs": 3_000,
        "agreement": 0.97,
        "distance": 0.0123,
        "seconds": {"champion": 0.0042, "candidate": 1.5},
    },
    "awaits": ["980 more labelled predictions of the candidate", "a verdict"],
    "course": [
        {"at": 0, "metrics": {"error_rate": [0.0, None, None], "slow": None}},
        {"at": 10 * MINUTE, "metrics": {"error_rate": [0.0, -0.5, 0.5]}},
        {"at": 20 * MINUTE, "metrics": {"error_rate": [0.0, -0.25, 0.25]}},
        {"at": 202 * MINUTE, "metrics": {"error_rate": [-0.0166, -0.048, 0.0125]}},
    ],
}
BEGUN = {"evidence": [UNSEEN], "comparison": NOTHING, "course": [], "predictions": 0, "labelled": 0, "heard_at": None}
PENDING = CANARY | BEGUN | {"version": 8, "phase": "pending", "stage": -1, "share": 0.0, "awaits": []}
SHADOW = CANARY | BEGUN | {"phase": "shadow", "stage": 0, "share": 0.0, "fraction": 1.0, "awaits": ["evidence"]}
PROMOTED = CANARY | {"phase": "promoted", "stage": 3, "share": 1.0, "awaits": []}
ROLLED_BACK = CANARY | {"phase": "rolled_back", "share": 0.0, "awaits": [], "verdict": "worse", "reason": "worse: slow"}
TAIL = " → ○ canary 20% → ○ canary 50% → ○ champion 100%"


def drawn(shape: RenderableType, width: int) -> list[str]:
    """Its lines without colours."""
    file = io.StringIO()
    Console(file=file, width=width, no_color=True, highlight=False).print(shape)
    return file.getvalue().splitlines()


def facts(rollout: dict[str, Any], width: int = 120) -> dict[str, list[str]]:
    """The lines of the panel by the name of the fact."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in drawn(standing(rollout, width), width):
        if line.startswith("│ ") and line.endswith("│"):
            name = line[2:12].strip() or name
            found.setdefault(name, []).append(line[12:-1].strip())
    return found


@pytest.mark.parametrize("width", [80, 120, 160])
@pytest.mark.parametrize("rollout", [PENDING, SHADOW, CANARY, PROMOTED, ROLLED_BACK])
def test_every_rollout_fits_the_screen(rollout: dict[str, Any], width: int):
    lines = drawn(standing(rollout, width), 1000)

    assert max(len(line.rstrip()) for line in lines) <= width


def test_a_canary_says_how_far_it_is_why_and_what_it_waits_for():
    told = facts(CANARY)

    assert told["phase"] == ["canary 2 of 4; last moved 2013-05-01 06:30"]
    assert told["why"] == [CANARY["reason"]]
    assert told["strategy"] == ["shadow, for the risk is medium: the same columns, but trained by [another] algorithm"]
    assert told["stages"] == ["✓ shadow 100% → ● canary 5%" + TAIL]
    assert told["awaits"] == CANARY["awaits"]
    assert told["seen"] == [
        "4,820 predictions of the candidate, 4,020 labelled; evidence last heard 2013-05-01 11:20",
    ]


def test_a_canary_says_how_traffic_and_units_are_split_how_answers_agree_and_how_long_they_take():
    told = facts(CANARY)

    assert [line.split()[-1] for line in told["traffic"]] == ["95%", "5%"]
    assert told["traffic"][0].count("█") > 20 > 2 > told["traffic"][1].count("█")
    assert told["units"] == ["5% the candidate's (50 of 1,000 sampled), 5% asked"]
    assert told["answers"] == ["97% agree of 3,000 pairs; mean distance 0.0123"]
    assert told["latency"] == ["4.2 ms of the champion, 1.5 s of the candidate, on average"]


def test_the_evidence_of_a_metric_is_its_figures_its_interval_and_how_it_narrowed():
    lines = drawn(standing(CANARY, 80), 80)
    place = next(number for number, line in enumerate(lines) if line.startswith("error_rate"))

    assert lines[place].split() == ["error_rate", "0.1989", "0.1781", "-0.0166", "-0.048", "…", "+0.0125", "undecided"]
    assert lines[place + 1].split() == ["success", "22,380", "4,020", "±0.01", "99.17%"]
    assert lines[place + 2] == "  better ·├──────────────────────────────●──────┊─────────┼─────────┊─┤· worse"
    assert lines[place + 3] == "  width  ·▇▇▄  1 → 0.0605 in 3 h 12 min"


def test_a_guardrail_that_is_broken_is_seen_beyond_what_is_tolerated():
    lines = drawn(standing(CANARY, 80), 80)
    place = next(number for number, line in enumerate(lines) if line.startswith("slow"))

    assert lines[place].split()[-1] == "worse"
    assert lines[place + 1].startswith("guardrail ")
    assert lines[place + 2].index("│") < lines[place + 2].index("├") < lines[place + 2].index("●")
    assert lines[place + 3] == "  width  –"


def test_where_higher_is_better_the_axis_says_so():
    rollout = CANARY | {"evidence": [ERROR_RATE | {"metric": "outcome", "better": "higher"}]}

    line = next(line for line in drawn(standing(rollout, 80), 80) if "●" in line and "better" in line)
    assert line.split()[0] == "worse"
    assert line.split()[-1] == "better"


def test_a_shadow_is_drawn_with_its_copy_of_the_traffic_and_what_is_unknown_as_a_dash():
    told = facts(SHADOW)

    assert told["stages"] == ["● shadow 100% → ○ canary 5%" + TAIL]
    assert [line.split()[-1] for line in told["traffic"]] == ["100%", "0%", "100%"]
    assert told["traffic"][2].startswith("copied to 7")
    assert (told["units"], told["answers"]) == (["–"], ["–"])
    assert told["latency"] == ["– of the champion, – of the candidate, on average"]
    assert told["seen"][0].endswith("last heard –")


def test_an_effect_of_no_rows_and_unknown_bounds_are_dashes_and_not_drawn():
    lines = drawn(standing(SHADOW, 80), 80)
    place = next(number for number, line in enumerate(lines) if line.startswith("error_rate"))

    assert lines[place].split() == ["error_rate", "–", "–", "–", "–", "undecided"]
    assert set(lines[place + 2].split()[1]) == {"·", "┊", "│"}
    assert lines[place + 3] == "  width  –"


def test_one_that_waits_has_all_its_stages_to_come():
    told = facts(PENDING)

    assert told["phase"][0].startswith("pending; ")
    assert told["stages"] == ["○ shadow 100% → ○ canary 5%" + TAIL]
    assert told["awaits"] == ["its turn, or the end of a freeze"]
    assert "traffic" not in told


@pytest.mark.parametrize("rollout", [PENDING, SHADOW, CANARY])
def test_one_that_is_held_waits_for_a_person(rollout: dict[str, Any]):
    told = facts(rollout | {"held": True})

    assert ", held; " in told["phase"][0]
    assert told["awaits"] == [*rollout["awaits"], "a person, for it is held"]


def test_one_that_waits_for_nothing_more_waits_for_the_next_look():
    assert facts(CANARY | {"awaits": []})["awaits"] == ["the next evidence, or the end of a freeze"]


def test_one_that_ended_shows_where_and_waits_for_nothing():
    promoted, withdrawn = facts(PROMOTED), facts(ROLLED_BACK)

    assert promoted["stages"] == [
        "✓ shadow 100% → ✓ canary 5% → ✓ canary 20% → ✓ canary 50% → ✓ champion 100%",
    ]
    assert withdrawn["stages"] == ["✓ shadow 100% → ✗ canary 5%" + TAIL]
    assert withdrawn["phase"][0].startswith("rolled back; ")
    assert {"awaits", "traffic"}.isdisjoint(promoted.keys() | withdrawn.keys())


def test_a_bandits_stage_shows_the_share_it_has_now():
    bandit = CANARY | {"stages": [{"phase": "bandit", "share": 0.05, "fraction": 0.0}], "phase": "bandit", "stage": 0}

    assert facts(bandit | {"share": 0.4})["stages"] == ["● bandit 40% → ○ champion 100%"]


def test_stages_break_between_two():
    assert facts(CANARY, 80)["stages"] == [
        "✓ shadow 100% → ● canary 5% → ○ canary 20% → ○ canary 50% →",
        "○ champion 100%",
    ]


def test_extreme_figures_keep_their_columns():
    extreme = ERROR_RATE | {
        "champion": -1.234e12,
        "candidate": -1.234e-12,
        "champion_rows": 10**12,
        "effect": -1.234e-12,
        "lower": -1.234e12,
        "upper": 1.234e12,
        "delta": 1e-12,
    }
    lines = drawn(standing(CANARY | {"evidence": [extreme]}, 80), 80)
    place = next(number for number, line in enumerate(lines) if line.startswith("error_rate"))

    assert lines[place].split()[1:4] == ["-1.234e+12", "-1.234e-12", "-1.23e-12"]
    assert lines[place].endswith("  undecided")
    assert lines[place].index("undecided") == lines[place - 2].index("verdict")
    assert lines[place + 1].split() == ["success", "1e+12", "4,020", "±1e-12", "99.17%"]


def test_what_the_registry_tells_can_be_drawn():
    metrics = (Metric(metric="error_rate"),)
    release = Release(strategy="canary", steps=(Step(share=0.1), Step(share=0.5)), metrics=metrics)
    plan = Plan(release, stages_of(release, "canary"), metrics, 0)
    row = RolloutRow(
        **{name: CANARY[name] for name in ("model", "version", "champion", "risk", "risk_reason", "reason")},
        strategy="canary",
        plan=plan.to_dict(),
        phase="canary",
        stage=0,
        share=0.1,
        held=False,
        first_epoch=2,
        epoch=2,
        progress=plan.start().to_dict(),
        course=[],
    )

    told = facts(shown(row))

    assert told["stages"] == ["● canary 10% → ○ canary 50% → ○ champion 100%"]
    assert told["awaits"][0] == "evidence of the monitor"


def test_of_each_model_the_open_rollouts_are_listed_or_else_the_newest():
    moon = [PROMOTED | {"model": "moon", "version": 3}, ROLLED_BACK | {"model": "moon", "version": 2}]

    chosen = open_and_newest([PENDING, *moon, CANARY, ROLLED_BACK | {"version": 5}])

    assert [(one["model"], one["version"]) for one in chosen] == [("moon", 3), ("tide", 8), ("tide", 7)]


def test_a_line_of_the_list_fits_the_screen_and_cuts_off_the_reason():
    lines = drawn(rollouts_table([CANARY | {"held": True}, PENDING]), 80)

    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("tide   7 v. 6   shadow    canary 2 of 4, held  5%     undecided  noth")
    assert lines[1].rstrip().endswith("…")


def test_a_long_name_of_a_model_is_told_whole():
    lines = drawn(rollouts_table([CANARY | {"model": "arrivals_of_tomorrow", "held": True}]), 80)

    assert "".join(line.split()[0] for line in lines[1:]) == "arrivals_of_tomorrow"


ENTRIES = [
    {
        "sequence": 1,
        "at": "2013-05-01T00:00:00.123456+00:00",
        "actor": "policy",
        "action": "approved",
        "model": "tide",
        "version": 7,
        "reason": "every [rule] is satisfied",
        "details": {"rows": 1000},
        "hash": "00",
    },
    {
        "sequence": 2,
        "at": "2013-05-01T06:30:05+00:00",
        "actor": "rollout",
        "action": "release_advanced",
        "model": "tide",
        "version": 7,
        "reason": CANARY["reason"],
        "details": {"phase": "canary", "stage": 1, "share": 0.05, "epoch": 12},
        "hash": "01",
    },
    {
        "sequence": 3,
        "at": "2013-05-01T07:00:00+00:00",
        "actor": "ada",
        "action": "release_aborted",
        "model": "tide",
        "version": 7,
        "reason": "a wrong join",
        "details": {"phase": "rolled_back", "stage": 1, "share": 0.0, "epoch": 13},
        "hash": "02",
    },
]


def test_a_history_tells_when_who_what_whereto_and_why():
    assert [line.rstrip() for line in drawn(history_list(ENTRIES), 120)] == [
        "2013-05-01 00:00:00  policy   approved          –",
        "    every [rule] is satisfied",
        "2013-05-01 06:30:05  rollout  release advanced  canary stage 2, 5%, epoch 12",
        f"    {CANARY['reason']}",
        "2013-05-01 07:00:00  ada      release aborted   rolled back, 0%, epoch 13",
        "    a wrong join",
    ]


def test_a_long_reason_is_broken_under_its_decision():
    lines = [line.rstrip() for line in drawn(history_list(ENTRIES[1:2]), 80)]

    assert len(lines) == 3
    assert lines[1].startswith("    nothing is worse")
    assert lines[2].startswith("    ")


def test_the_status_of_a_model_is_asked_of_the_registry(tidemill, services):
    services.answers["GET /v1/models/tide/rollout"] = CANARY

    output = tidemill("rollout", "status", "tide").output

    assert "tide: version 7 against champion 6" in output
    assert "980 more labelled predictions" in output


def test_the_status_of_all_models_is_a_list(tidemill, services):
    services.answers["GET /v1/rollouts"] = [PENDING, CANARY, PROMOTED | {"model": "moon"}]

    lines = tidemill("rollout", "status").output.splitlines()

    assert [line.split()[:2] for line in lines[1:]] == [["moon", "7"], ["tide", "8"], ["tide", "7"]]


def test_where_nothing_was_released_by_stages_that_is_said(tidemill, services):
    services.answers["GET /v1/rollouts"] = []

    assert "No version was released by stages yet." in tidemill("rollout", "status").output


def test_a_model_without_rollouts_is_refused_in_the_registrys_words(tidemill):
    result = tidemill("rollout", "status", "moon")

    assert isinstance(result.exception, NotThere)


def test_the_history_is_that_of_the_newest_rollout(tidemill, services):
    services.answers["GET /v1/rollouts"] = [CANARY]
    services.answers["GET /v1/models/tide/versions/7/history"] = ENTRIES

    assert "a wrong join" in tidemill("rollout", "history", "tide").output
    assert services.asked[0][0] == "GET /v1/rollouts?model=tide&limit=1"


def test_the_history_of_a_version_is_asked_for_by_its_number(tidemill, services):
    services.answers["GET /v1/models/tide/versions/3/history"] = ENTRIES

    assert "release advanced" in tidemill("rollout", "history", "tide", "--version", "3").output
    assert len(services.asked) == 1


def test_without_a_rollout_the_history_wants_a_version(tidemill, services):
    services.answers["GET /v1/rollouts"] = []

    result = tidemill("rollout", "history", "tide")

    assert isinstance(result.exception, StackError)
    assert "No version of tide was released by stages" in str(result.exception)


@pytest.mark.parametrize("trigger", ["hold", "resume", "promote", "abort"])
def test_a_person_moves_a_rollout_with_a_reason(tidemill, services, trigger: str):
    path = f"POST /v1/models/tide/rollout:{trigger}"
    services.answers[path] = CANARY | {"reason": "looked at it"}

    output = tidemill("rollout", trigger, "tide", "--reason", "looked at it", "--actor", "ada").output

    assert services.asked == [(path, {"actor": "ada", "reason": "looked at it"})]
    assert "why       looked at it" in output


@pytest.mark.parametrize("trigger", ["hold", "resume", "promote", "abort"])
def test_nobody_moves_a_rollout_without_a_reason(tidemill, services, trigger: str):
    assert tidemill("rollout", trigger, "tide", "--actor", "ada").exit_code == 2
    assert services.asked == []


def test_the_operators_token_goes_along(tidemill, services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIDEMILL_OPERATOR_TOKEN", "k3Jx9-vQ2mZ7pW")
    services.answers["POST /v1/models/tide/rollout:hold"] = CANARY

    tidemill("rollout", "hold", "tide", "--reason", "x", "--actor", "ada")

    assert services.tokens == ["Bearer k3Jx9-vQ2mZ7pW"]
