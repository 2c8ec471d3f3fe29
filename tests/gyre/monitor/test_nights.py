from datetime import UTC, datetime, timedelta

from gyre.monitor.nights import ends_due, with_lead


def days(*numbers):
    return [datetime(2024, 1, number, tzinfo=UTC) for number in numbers]


def test_every_night_since_the_last_one_is_due(make_use_case):
    assert ends_due(make_use_case(), datetime(2024, 1, 6, 12, tzinfo=UTC), days(3)[0]) == days(4, 5, 6)


def test_nothing_is_due_twice(make_use_case):
    assert ends_due(make_use_case(), *days(6, 6)) == []


def test_a_night_is_due_when_its_labels_had_their_time(make_use_case):
    use_case = make_use_case(night=timedelta(hours=6))
    assert ends_due(use_case, datetime(2024, 1, 6, 5, 59, tzinfo=UTC), days(4)[0]) == days(5)
    assert ends_due(use_case, datetime(2024, 1, 6, 6, 0, tzinfo=UTC), days(4)[0]) == days(5, 6)


def test_the_first_look_goes_back_no_further_than_the_schedule_allows(make_use_case):
    assert ends_due(make_use_case(catch_up=2), days(9)[0], None) == days(8, 9)
    assert ends_due(make_use_case(), days(4)[0], None) == days(2, 3, 4)


def test_a_day_is_a_day_of_local_time_when_clocks_change(make_use_case):
    use_case = make_use_case(timezone="America/New_York")
    ends = ends_due(use_case, datetime(2024, 3, 12, 12, tzinfo=UTC), datetime(2024, 3, 9, 5, tzinfo=UTC))
    assert [end.hour for end in ends] == [5, 4, 4]


def test_nights_before_are_added_for_k_of_n(make_use_case):
    assert with_lead(make_use_case(), days(5, 6), 2) == days(3, 4, 5, 6)
    assert with_lead(make_use_case(), days(3), 5) == days(2, 3)
