from datetime import timedelta

import pytest

from gyre.monitor import rules
from gyre.specs import Rule

GAP = Rule(name="gap", statistic="calibration_gap", threshold=0.06, min_rows=3000, k=3, n=3, cool_down=timedelta(days=7), action="alarm")


def test_a_statistic_beyond_its_threshold_with_enough_rows_counts():
    assert rules.measured(GAP, 0.07, 3000, 0.06).exceeded
    assert not rules.measured(GAP, 0.06, 3000, 0.06).exceeded


def test_a_night_with_too_few_rows_does_not_count():
    assert not rules.measured(GAP, 0.5, 2999, 0.06).exceeded


def test_nothing_counts_without_a_value_or_a_threshold():
    assert not rules.measured(GAP, None, 9999, 0.06).exceeded
    assert not rules.measured(GAP, 0.5, 9999, None).exceeded


def test_beyond_is_below_for_a_metric_of_which_more_is_better():
    assert rules.measured(GAP, 0.65, 9999, 0.7, higher_is_better=True).exceeded
    assert not rules.measured(GAP, 0.75, 9999, 0.7, higher_is_better=True).exceeded


@pytest.mark.parametrize(
    ("k", "n", "values", "on"),
    [
        (3, 3, [0.1, 0.1, 0.1, 0.1], [2, 3]),
        (3, 3, [0.1, 0.1, 0.0, 0.1, 0.1], []),
        (2, 3, [0.1, 0.0, 0.1, 0.0, 0.0], [2]),
        (1, 1, [0.0, 0.1, 0.0], [1]),
        (2, 4, [0.1, None, None, 0.1], [3]),
    ],
)
def test_a_rule_is_on_when_k_of_the_last_n_nights_exceeded(nights_of, k, n, values, on):
    rule = GAP.model_copy(update={"k": k, "n": n})
    nights = nights_of("gap", values)
    assert [nights.index(night) for night in rules.alarm_nights(rule, nights)] == on


def test_the_first_alarm_is_the_first_night_asked_for_at_which_the_rule_is_on(nights_of):
    nights = nights_of("gap", [0.0, 0.1, 0.1, 0.1, 0.1, 0.0])
    verdict = rules.verdict(GAP, nights, asked=4, requested=None)
    assert verdict.state == "ok"
    assert verdict.first_alarm == nights[3].night


def test_nights_before_those_asked_for_lend_their_figures_and_raise_no_alarm_of_their_own(nights_of):
    nights = nights_of("gap", [0.1, 0.1, 0.1, 0.0])
    assert rules.verdict(GAP, nights, asked=1, requested=None).first_alarm is None
    nights = nights_of("gap", [0.1, 0.1, 0.1])
    assert rules.verdict(GAP, nights, asked=1, requested=None).first_alarm == nights[2].night


def test_one_look_at_a_week_finds_the_same_first_alarm_as_seven_looks_at_a_night(nights_of):
    nights = nights_of("gap", [0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1])
    week = rules.verdict(GAP, nights, asked=7, requested=None).first_alarm
    nightly = [rules.verdict(GAP, nights[: i + 1], asked=1, requested=None).first_alarm for i in range(7)]
    assert week == next(night for night in nightly if night)


def test_a_rule_cools_down_in_event_time_after_a_request(nights_of):
    nights = nights_of("gap", [0.1] * 12)
    requested = nights[2].night
    verdict = rules.verdict(GAP, nights[:9], asked=6, requested=requested)
    assert (verdict.state, verdict.first_alarm) == ("cooling down", None)
    assert rules.verdict(GAP, nights, asked=9, requested=requested).first_alarm == requested + timedelta(days=7)


@pytest.mark.parametrize(
    ("values", "threshold", "rows", "state"),
    [
        ([0.0], 0.06, 5000, "ok"),
        ([0.1], 0.06, 5000, "exceeded"),
        ([0.1] * 3, 0.06, 5000, "alarm"),
        ([0.05], 0.06, 10, "not enough rows"),
        ([None], 0.06, 5000, "not enough rows"),
        ([0.1], None, 5000, "no threshold"),
    ],
)
def test_a_verdict_says_what_a_rule_makes_of_the_night(nights_of, values, threshold, rows, state):
    assert rules.verdict(GAP, nights_of("gap", values, threshold, rows), asked=1, requested=None).state == state


def test_an_advice_is_no_alarm_and_never_cools_down(nights_of):
    advice = GAP.model_copy(update={"action": "advice"})
    nights = nights_of("gap", [0.1] * 3)
    verdict = rules.verdict(advice, nights, asked=1, requested=nights[2].night)
    assert verdict.state == "advice"
    assert rules.proposal([advice], [verdict], nights) is None
    assert rules.overall([verdict], None) == "advice"


def test_a_verdict_says_its_figures_and_that_the_threshold_was_derived(nights_of):
    derived = GAP.model_copy(update={"threshold": None, "false_alarm_rate": 0.05})
    text = rules.verdict(derived, nights_of("gap", [0.134] * 3, 0.056), asked=1, requested=None).text
    assert text == "calibration_gap 0.134 on 5,000 rows, threshold 0.056, derived at a false-alarm rate of 5.0% a window (3 of 3 nights beyond, 3 needed)"


def test_the_proposal_is_the_earliest_alarm_with_its_figures_and_window(nights_of):
    nights = nights_of("gap", [0.0, 0.1, 0.2, 0.3, 0.4])
    proposed = rules.proposal([GAP], [rules.verdict(GAP, nights, asked=5, requested=None)], nights)
    assert (proposed.night, proposed.value, proposed.threshold, proposed.version) == (nights[3].night, 0.3, 0.06, 1)
    assert (proposed.window_start, proposed.window_end) == (nights[3].end - timedelta(days=7), nights[3].end)
