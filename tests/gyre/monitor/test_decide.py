from datetime import UTC, datetime, timedelta

import pytest

from gyre.errors import BadParameters, NothingToDo
from gyre.journal import Kind
from gyre.journal.memory import MemoryJournal
from gyre.monitor.decide import ask, note, request_retraining
from gyre.run import Run
from gyre.specs import Rule
from gyre.specs.monitor_messages import Collected, MonitorResult, Proposal

GAP = Rule(name="gap", statistic="calibration_gap", threshold=0.06, min_rows=3000, k=3, n=3, cool_down=timedelta(days=7), action="alarm")
DAY = timedelta(days=1)


def run(name="r1", **params):
    return Run("shop__monitor", name, "monitor", params=params)


def promote(journal, version):
    journal.add(
        "shop", Kind.TRAINING_FINISHED, f"t{version}", {"version": version, "reference_uri": f"file:///r{version}", "holdout_uri": f"file:///h{version}"}
    )
    journal.add("shop", Kind.PROMOTION_FINISHED, f"p{version}", {"version": version, "previous": None})


def publish(journal, end):
    journal.add("shop", Kind.INTERVAL_PUBLISHED, end, {"start": "2024-01-01T00:00:00+00:00", "end": end})


@pytest.fixture
def journal():
    made = MemoryJournal()
    promote(made, 1)
    publish(made, "2024-01-05T00:00:00+00:00")
    return made


def seen(use_case, journal, nights, alarm=None, by=None):
    """Note a look at these nights, with an alarm on one of them."""
    by = by or run(f"night-{nights[-1].night:%d}")
    figures = {} if alarm is None else {"value": 0.1, "threshold": 0.06, "rows": 5000, "window_start": alarm - 7 * DAY, "window_end": alarm}
    proposed = None if alarm is None else Proposal(rule="gap", statistic="calibration_gap", version=nights[-1].version, night=alarm, **figures)
    result = MonitorResult(nights=nights, verdicts=[], features=[], collected=Collected(), report="file:///page.html", proposal=proposed)
    return note(use_case, by, journal, ask(use_case, by, journal, None).model_copy(update={"version": nights[-1].version}), result)


def requests(journal):
    return list(journal.entries("shop", Kind.RETRAIN_REQUESTED))


def test_there_is_nothing_to_watch_before_a_version_serves(make_use_case):
    with pytest.raises(NothingToDo, match="no version serves yet"):
        ask(make_use_case(GAP), run(), MemoryJournal(), None)


def test_the_newest_published_cell_says_what_time_it_is(make_use_case, journal):
    asked = ask(make_use_case(GAP), run(), journal, None)
    assert asked.ends[-1] == datetime(2024, 1, 5, tzinfo=UTC)
    assert (asked.version, asked.reference_uri, asked.holdout_uri) == (1, "file:///r1", "file:///h1")


def test_an_instant_without_an_offset_is_in_the_schedule_s_time_zone(make_use_case, journal):
    asked = ask(make_use_case(GAP, timezone="America/New_York"), run(as_of="2024-01-04T00:00:00"), journal, None)
    assert asked.ends[-1] == datetime(2024, 1, 4, 5, tzinfo=UTC)


def test_a_wrong_instant_is_refused_with_its_cure(make_use_case, journal):
    with pytest.raises(BadParameters, match="'soon' is no date or time"):
        ask(make_use_case(GAP), run(as_of="soon"), journal, None)


def test_a_night_is_looked_at_once_and_a_retry_asks_for_the_same_nights(make_use_case, journal, nights_of):
    use_case, first = make_use_case(GAP), run("first")
    before = ask(use_case, first, journal, None)
    seen(use_case, journal, nights_of("gap", [0.0] * 4), by=first)
    assert ask(use_case, first, journal, None).ends == before.ends
    with pytest.raises(NothingToDo, match="no night is due"):
        ask(use_case, run("second"), journal, None)
    publish(journal, "2024-01-06T00:00:00+00:00")
    assert ask(use_case, run("second"), journal, None).ends == [datetime(2024, 1, 6, tzinfo=UTC)]


def test_a_look_noted_twice_is_there_once(make_use_case, journal, nights_of):
    nights = nights_of("gap", [0.1] * 3)
    for _ in range(2):
        noted = seen(make_use_case(GAP), journal, nights, alarm=nights[2].night, by=run("same"))
    assert noted["verdict"] == "alarm"
    assert [e.key for e in journal.entries("shop", Kind.MONITORED)] == ["1/2024-01-04T00:00:00Z"]


def test_a_hundred_equal_alarms_ask_once(make_use_case, journal, nights_of):
    use_case, nights = make_use_case(GAP), nights_of("gap", [0.1] * 3)
    seen(use_case, journal, nights, alarm=nights[2].night)
    asked = request_retraining(use_case, run(), journal, None)
    assert asked["request"] == "gap/1/2024-01-04T00:00:00Z"
    for _ in range(99):
        with pytest.raises(NothingToDo, match=r"retrain request gap/1/2024-01-04T00:00:00Z is open"):
            request_retraining(use_case, run(), journal, None)
    assert len(requests(journal)) == 1


def test_a_hundred_alarms_on_a_hundred_nights_ask_once_while_the_request_is_open(make_use_case, journal, nights_of):
    use_case, nights = make_use_case(GAP), nights_of("gap", [0.1] * 103)
    publish(journal, "2024-06-01T00:00:00+00:00")
    for i in range(2, 102):
        seen(use_case, journal, nights[i : i + 1], alarm=nights[i].night)
        if i == 2:
            request_retraining(use_case, run(), journal, None)
        else:
            with pytest.raises(NothingToDo, match="is open"):
                request_retraining(use_case, run(), journal, None)
    assert len(requests(journal)) == 1


def test_an_answered_request_is_followed_by_none_before_its_cool_down_is_over(make_use_case, journal, nights_of):
    use_case, nights = make_use_case(GAP), nights_of("gap", [0.1] * 12)
    publish(journal, "2024-06-01T00:00:00+00:00")
    seen(use_case, journal, nights[2:3], alarm=nights[2].night)
    key = request_retraining(use_case, run(), journal, None)["request"]
    journal.add("shop", Kind.TRAINING_FINISHED, "t2", {"version": 2, "requests": [key]})
    seen(use_case, journal, nights[8:9], alarm=nights[8].night)
    with pytest.raises(NothingToDo, match="cools down"):
        request_retraining(use_case, run(), journal, None)
    seen(use_case, journal, nights[9:10], alarm=nights[9].night)
    assert request_retraining(use_case, run(), journal, None)["request"] == "gap/1/2024-01-11T00:00:00Z"


def test_a_lost_request_is_made_by_the_next_run_of_the_same_look(make_use_case, journal, nights_of):
    use_case, nights = make_use_case(GAP), nights_of("gap", [0.1] * 3)
    seen(use_case, journal, nights, alarm=nights[2].night)  # and the worker dies here
    assert request_retraining(use_case, run("later"), journal, None)
    assert requests(journal)[0].body["reason"] == "calibration_gap 0.100 > 0.060 on 5,000 rows from 2023-12-28 to 2024-01-04 (rule gap, version 1)"


def test_an_alarm_of_a_version_that_serves_no_more_asks_for_nothing(make_use_case, journal, nights_of):
    use_case, nights = make_use_case(GAP), nights_of("gap", [0.1] * 3)
    seen(use_case, journal, nights, alarm=nights[2].night)
    promote(journal, 2)
    with pytest.raises(NothingToDo, match="version 1, which raised the alarm, serves no more"):
        request_retraining(use_case, run(), journal, None)


def test_a_quiet_night_asks_for_nothing(make_use_case, journal, nights_of):
    use_case = make_use_case(GAP)
    with pytest.raises(NothingToDo, match="no rule asks"):
        request_retraining(use_case, run(), journal, None)
    seen(use_case, journal, nights_of("gap", [0.0] * 3))
    with pytest.raises(NothingToDo, match="no rule asks"):
        request_retraining(use_case, run(), journal, None)


def test_earlier_nights_are_handed_on_for_the_pictures(make_use_case, journal, nights_of):
    use_case, nights = make_use_case(GAP), nights_of("gap", [0.01, 0.02, 0.03])
    seen(use_case, journal, nights, by=run("first"))
    assert ask(use_case, run("second"), journal, None).history == nights
