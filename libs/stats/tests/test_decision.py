import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats import DecisionRule, DecisionState, Evidence, Finding, InvalidInput, Severity, restart, step

DAY = 10
RULE = DecisionRule(alpha=0.01, min_effect=0.1, persistence=3, cooldown=5 * DAY, critical_effect=0.5)
STRONG = {"p": 0.001, "effect": 0.2}


def finding(day, **subjects):
    evidence = [Evidence(name, "chi_square", 1.0, s["p"], s["effect"]) for name, s in subjects.items()]
    return Finding(day * DAY, (day + 1) * DAY, tuple(evidence))


def play(findings, rule=RULE, state=None):
    state, alarms = state or DecisionState(), []
    for one in findings:
        state, alarm = step(state, one, rule)
        alarms.append(alarm)
    return state, alarms


def alarm_days(*findings, rule=RULE):
    return [alarm.until // DAY - 1 for alarm in play(findings, rule)[1] if alarm]


def series(pattern, subject="temp"):
    """One window per letter: x drifts, - does not, p is not significant, e is too small."""
    kinds = {
        "x": STRONG,
        "-": {"p": 0.5, "effect": 0.0},
        "p": {"p": 0.02, "effect": 0.2},
        "e": {"p": 0.001, "effect": 0.09},
    }
    return [finding(day, **{subject: kinds[letter]}) for day, letter in enumerate(pattern)]


@pytest.mark.parametrize(
    ("pattern", "days"),
    [
        ("--------", []),
        ("xx-xx-xx", []),
        ("xxpxxexx", []),
        ("-xxx----", [3]),
        ("xxxxxxxx", [2, 7]),
        ("xxx--xxx", [2, 7]),
        ("xxx-xxx-", [2]),
        ("xxx-xxxx", [2, 7]),
    ],
)
def test_alarms_by_day(pattern, days):
    assert alarm_days(*series(pattern)) == days


def test_an_alarm_tells_since_when_until_when_and_how_much():
    _, alarms = play(series("-xxx"))
    alarm = alarms[-1]
    assert (alarm.since, alarm.until, alarm.windows) == (1 * DAY, 4 * DAY, 3)
    assert alarm.severity is Severity.WARNING
    assert [one.subject for one in alarm.evidence] == ["temp"]


def test_persistence_is_of_one_subject_not_of_whichever():
    takes_turns = [finding(day, **{name: STRONG}) for day, name in enumerate(["a", "b", "a", "b", "a"])]
    assert alarm_days(*takes_turns) == []


def test_only_confirmed_subjects_are_evidence_the_largest_effect_first():
    large = {"p": 0.001, "effect": 0.6}
    _, alarms = play(
        [finding(0, a=STRONG, b=large), finding(1, a=STRONG, b=large), finding(2, a=STRONG, b=large, c=large)]
    )
    assert [one.subject for one in alarms[-1].evidence] == ["b", "a"]
    assert alarms[-1].severity is Severity.CRITICAL


def test_a_window_told_twice_or_late_counts_once():
    first, second, third = series("xxx")
    assert alarm_days(first, first, second, first, second) == []
    assert alarm_days(first, first, second, first, third) == [2]


def test_a_new_reference_starts_runs_again_but_not_the_cooldown():
    state, _ = play(series("xxx"))
    _, alarms = play(series("xxxxxxxxx")[3:], state=restart(state))
    assert [bool(alarm) for alarm in alarms] == [False] * 4 + [True] * 1 + [False]


def test_a_state_that_is_none_is_refused():
    for bad in ({}, {"streaks": {"a": 1}, "last_window": None, "last_alarm": None}, {"streaks": []}):
        with pytest.raises(InvalidInput):
            DecisionState.from_dict(bad)


@pytest.mark.parametrize(
    "options",
    [{"alpha": 0.0}, {"persistence": 0}, {"cooldown": -1}, {"min_effect": -0.1}, {"critical_effect": 0.05}],
)
def test_rules_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput):
        DecisionRule(**{"alpha": 0.01, "min_effect": 0.1, **options})


def test_findings_that_contradict_themselves_are_refused():
    one = Evidence("a", "chi_square", 1.0, 0.5, 0.1)
    for start, end, evidence in ((5, 5, ()), (0, 5, (one, one))):
        with pytest.raises(InvalidInput):
            Finding(start, end, evidence)


EVIDENCE = st.fixed_dictionaries(
    {"p": st.sampled_from([0.001, 0.01, 0.5]), "effect": st.sampled_from([0.05, 0.1, 0.6])}
)
DAYS = st.lists(st.dictionaries(st.sampled_from(["a", "b"]), EVIDENCE, min_size=1), max_size=40)
RULES = st.builds(
    DecisionRule,
    alpha=st.just(0.01),
    min_effect=st.just(0.1),
    persistence=st.integers(1, 4),
    cooldown=st.integers(0, 12 * DAY),
)


@given(DAYS, RULES)
def test_no_alarm_within_the_cooldown_or_before_persistence(days, rule):
    findings = [finding(day, **subjects) for day, subjects in enumerate(days)]
    _, alarms = play(findings, rule)
    told = [alarm for alarm in alarms if alarm]
    assert all(b.until - a.until >= rule.cooldown for a, b in pairwise(told))
    for alarm in told:
        last = alarm.until // DAY - 1
        for one in alarm.evidence:
            run = findings[last - rule.persistence + 1 : last + 1]
            assert len(run) == rule.persistence
            assert all(any(rule.shows_drift(e) and e.subject == one.subject for e in f.evidence) for f in run)


@given(DAYS, RULES, st.integers(0, 40))
def test_a_restored_state_goes_on_as_if_nothing_had_happened(days, rule, cut):
    findings = [finding(day, **subjects) for day, subjects in enumerate(days)]
    state, before = play(findings[:cut], rule)
    restored = DecisionState.from_dict(json.loads(json.dumps(state.to_dict())))
    assert restored == state
    assert before + play(findings[cut:], rule, restored)[1] == play(findings, rule)[1]
