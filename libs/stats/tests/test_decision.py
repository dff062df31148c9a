import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.decision import DecisionRule, DecisionState, RetrainingBudget, restart, retraining_asked, step
from tidemill_stats.errors import InvalidInput
from tidemill_stats.evidence import Action, Evidence, Finding, Severity

DAY = 86_400_000_000
RULE = DecisionRule(min_effect=0.1, persistence=3, cooldown=5 * DAY, critical_effect=0.5)
STRONG = {"p": 0.001, "effect": 0.2}
LARGE = {"p": 0.001, "effect": 0.6}


def finding(day, level=0.01, **subjects):
    evidence = [Evidence(name, "chi_square", 1.0, s["p"], s["effect"]) for name, s in subjects.items()]
    return Finding(day * DAY, (day + 1) * DAY, level, tuple(evidence))


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


def test_each_window_is_held_to_its_own_level():
    one = {"p": 0.003, "effect": 0.2}
    strict, lax = [finding(day, 0.002, a=one) for day in range(3)], [finding(day, 0.004, a=one) for day in range(3)]
    assert alarm_days(*strict) == []
    assert alarm_days(*lax) == [2]
    assert alarm_days(lax[0], strict[1], lax[2]) == []


def test_an_alarm_tells_since_when_until_when_how_much_and_what_is_asked():
    _, alarms = play(series("-xxx"))
    alarm = alarms[-1]
    assert (alarm.since, alarm.until, alarm.windows) == (1 * DAY, 4 * DAY, 3)
    assert (alarm.severity, alarm.action) == (Severity.WARNING, Action.RETRAIN)
    assert [one.subject for one in alarm.evidence] == ["temp"]
    assert alarm.reason == (
        "temp in 3 windows in a row: chi_square, p = 0.001 where 0.01 is allowed, effect 0.2 where 0.1 matters"
    )


def test_the_reason_uses_the_explanation_and_counts_the_others():
    evidence = (
        Evidence("wind", "wasserstein", 3.0, 0.0, 0.9, scale=4, explanation="mean 3 → 7"),
        Evidence("temp", "chi_square", 1.0, 0.001, 0.2),
    )
    _, alarm = step(DecisionState(), Finding(0, DAY, 0.01, evidence), DecisionRule(min_effect=0.1, persistence=1))
    assert alarm
    assert alarm.reason == (
        "wind in one window: mean 3 → 7 over the last 4 windows, p = 0 where 0.01 is allowed, "
        "effect 0.9 where 0.1 matters; and 1 more"
    )


def test_persistence_is_of_one_subject_not_of_whichever():
    takes_turns = [finding(day, **{name: STRONG}) for day, name in enumerate(["a", "b", "a", "b", "a"])]
    assert alarm_days(*takes_turns) == []


def test_persistence_holds_over_changing_tests_and_scales_and_the_strongest_is_told():
    def at(day, *evidence):
        return Finding(day * DAY, (day + 1) * DAY, 0.01, evidence)

    slow = Evidence("a", "chi_square", 1.0, 0.001, 0.2, scale=16)
    fast = Evidence("a", "chi_square", 1.0, 0.001, 0.3, scale=1)
    small = Evidence("a", "wasserstein", 1.0, 0.001, 0.01)
    _, alarms = play([at(0, slow), at(1, fast, small), at(2, small, slow, fast)])
    assert alarms[-1].evidence == (fast,)


def test_only_confirmed_subjects_are_evidence_the_largest_effect_first():
    _, alarms = play(
        [finding(0, a=STRONG, b=LARGE), finding(1, a=STRONG, b=LARGE), finding(2, a=STRONG, b=LARGE, c=LARGE)]
    )
    assert [one.subject for one in alarms[-1].evidence] == ["b", "a"]
    assert alarms[-1].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("action", "effect", "severity"),
    [
        (Action.RETRAIN, STRONG, Severity.WARNING),
        (Action.TELL_DATA_ENGINEER, LARGE, Severity.CRITICAL),
        (Action.NONE, STRONG, Severity.INFO),
        (Action.NONE, LARGE, Severity.CRITICAL),
    ],
)
def test_severity_by_action_and_effect(action, effect, severity):
    rule = DecisionRule(min_effect=0.1, action=action, persistence=1, critical_effect=0.5)
    _, (alarm,) = play([finding(0, a=effect)], rule)
    assert (alarm.action, alarm.severity) == (action, severity)


def test_a_spent_retraining_budget_tells_the_data_scientist_and_says_so():
    rule = DecisionRule(min_effect=0.1, persistence=1, retrainings=RetrainingBudget(2, 5 * DAY))
    state, alarms = play(series("xxxxxxx"), rule)
    retrain, tell = Action.RETRAIN, Action.TELL_DATA_SCIENTIST
    assert [alarm.action for alarm in alarms] == [retrain, retrain, tell, tell, tell, retrain, retrain]
    assert alarms[2].reason.endswith("; no retraining: all 2 of 5d have been asked for")
    assert "no retraining" not in alarms[5].reason
    assert state.retrainings == (6 * DAY, 7 * DAY)


def test_only_retrainings_spend_the_retraining_budget():
    rule = DecisionRule(min_effect=0.1, action=Action.TELL_DATA_ENGINEER, retrainings=RetrainingBudget(0, DAY))
    state, alarms = play(series("xxx"), rule)
    assert alarms[-1].action is Action.TELL_DATA_ENGINEER
    assert state.retrainings == ()


def test_a_retraining_asked_for_elsewhere_cools_down_and_counts_once():
    rule = DecisionRule(min_effect=0.1, persistence=1, cooldown=2 * DAY, retrainings=RetrainingBudget(1, 9 * DAY))
    state = retraining_asked(retraining_asked(DecisionState(), DAY, rule), DAY, rule)
    assert state.retrainings == (DAY,)
    _, alarms = play(series("xxx"), rule, state)
    assert alarms[:2] == [None, None]
    assert alarms[2].action is Action.TELL_DATA_SCIENTIST


def test_an_older_retraining_told_late_does_not_shorten_the_cooldown():
    state = DecisionState(last_alarm=8 * DAY)
    assert retraining_asked(state, 3 * DAY, RULE).last_alarm == 8 * DAY


def test_a_window_told_twice_or_late_counts_once():
    first, second, third = series("xxx")
    assert alarm_days(first, first, second, first, second) == []
    assert alarm_days(first, first, second, first, third) == [2]


def test_a_new_reference_starts_runs_again_but_not_the_cooldown_or_the_budget():
    rule = DecisionRule(min_effect=0.1, persistence=3, cooldown=5 * DAY, retrainings=RetrainingBudget(1, 99 * DAY))
    state, _ = play(series("xxx"), rule)
    _, alarms = play(series("xxxxxxxxx")[3:], rule, restart(state))
    assert [bool(alarm) for alarm in alarms] == [False] * 4 + [True] * 1 + [False]
    assert alarms[4].action is Action.TELL_DATA_SCIENTIST


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"streaks": {"a": 1}, "last_window": None, "last_alarm": None, "retrainings": []},
        {"streaks": [], "last_window": None, "last_alarm": None, "retrainings": []},
        {"streaks": {}, "last_window": "late", "last_alarm": None, "retrainings": []},
        {"streaks": {}, "last_window": None, "last_alarm": None, "retrainings": None},
    ],
)
def test_a_state_that_is_none_is_refused(bad):
    with pytest.raises(InvalidInput):
        DecisionState.from_dict(bad)


@pytest.mark.parametrize(
    "options", [{"persistence": 0}, {"cooldown": -1}, {"min_effect": -0.1}, {"critical_effect": 0.05}]
)
def test_rules_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput):
        DecisionRule(**{"min_effect": 0.1, **options})


@pytest.mark.parametrize("arguments", [(-1, DAY), (1, 0)])
def test_retraining_budgets_out_of_range_are_refused(arguments):
    with pytest.raises(InvalidInput):
        RetrainingBudget(*arguments)


EVIDENCE = st.fixed_dictionaries(
    {"p": st.sampled_from([0.001, 0.01, 0.5]), "effect": st.sampled_from([0.05, 0.1, 0.6])}
)
FINDINGS = st.lists(
    st.tuples(
        st.sampled_from([0.0005, 0.01]),
        st.dictionaries(st.sampled_from(["a", "b"]), EVIDENCE, min_size=1),
        st.booleans(),
    ),
    max_size=40,
).map(lambda days: [finding(day, level, **found) for day, (level, found, kept) in enumerate(days) if kept])
RULES = st.builds(
    DecisionRule,
    min_effect=st.just(0.1),
    action=st.sampled_from([Action.RETRAIN, Action.RETRAIN, Action.TELL_DATA_ENGINEER]),
    persistence=st.integers(1, 4),
    cooldown=st.integers(0, 8 * DAY),
    retrainings=st.none() | st.builds(RetrainingBudget, st.integers(0, 3), st.integers(1, 15 * DAY)),
)


def run_lengths(findings, rule):
    """By finding and subject, how many findings in a row up to it show drift."""
    lengths = []
    for one in findings:
        before = lengths[-1] if lengths else {}
        shown = {e.subject for e in one.evidence if e.p_value <= one.level and e.effect >= rule.min_effect}
        lengths.append({subject: before.get(subject, 0) + 1 for subject in shown})
    return lengths


@given(FINDINGS, RULES)
def test_an_alarm_comes_exactly_with_persistence_outside_the_cooldown(findings, rule):
    last = None
    for one, lengths, alarm in zip(findings, run_lengths(findings, rule), play(findings, rule)[1], strict=True):
        confirmed = {subject for subject, length in lengths.items() if length >= rule.persistence}
        cooling = last is not None and one.end - last < rule.cooldown
        assert bool(alarm) == (bool(confirmed) and not cooling)
        if alarm:
            assert {evidence.subject for evidence in alarm.evidence} == confirmed
            assert alarm.windows == max(lengths[subject] for subject in confirmed)
            last = one.end


@given(FINDINGS, RULES)
def test_never_two_alarms_within_the_cooldown(findings, rule):
    told = [alarm for alarm in play(findings, rule)[1] if alarm]
    assert all(b.until - a.until >= rule.cooldown for a, b in pairwise(told))


@given(FINDINGS, RULES)
def test_never_more_retrainings_than_the_budget_in_any_span_and_none_refused_without_need(findings, rule):
    told = [alarm for alarm in play(findings, rule)[1] if alarm]
    asked = [alarm.until for alarm in told if alarm.action is Action.RETRAIN]
    if rule.retrainings is None:
        assert all(alarm.action is rule.action for alarm in told)
        return
    for start in asked:
        assert sum(start <= at < start + rule.retrainings.span for at in asked) <= rule.retrainings.at_most
    for alarm in told:
        if alarm.action is Action.TELL_DATA_SCIENTIST:
            recent = sum(alarm.until - rule.retrainings.span < at < alarm.until for at in asked)
            assert recent == rule.retrainings.at_most


@given(FINDINGS, RULES, st.integers(0, 40))
def test_replaying_any_suffix_changes_nothing(findings, rule, cut):
    state, _ = play(findings, rule)
    again, alarms = play(findings[cut:], rule, state)
    assert again == state
    assert not any(alarms)


@given(FINDINGS, RULES, st.integers(0, 40))
def test_a_restored_state_goes_on_as_if_nothing_had_happened(findings, rule, cut):
    state, before = play(findings[:cut], rule)
    restored = DecisionState.from_dict(json.loads(json.dumps(state.to_dict())))
    assert restored == state
    assert before + play(findings[cut:], rule, restored)[1] == play(findings, rule)[1]
