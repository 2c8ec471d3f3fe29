"""Whether to train, and on which stretch of event time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gyre.errors import BadParameters, NothingToDo
from gyre.specs import UseCase
from gyre.train import due

MARCH = datetime(2013, 3, 1, tzinfo=UTC)
LAST = due.PastTraining(version=2, data_end=MARCH)


def use_case(timezone: str = "UTC", **training: Any) -> UseCase:
    return UseCase.model_validate(
        {
            "name": "late",
            "task": "binary",
            "keys": ["id"],
            "event_time": "at",
            "sources": {"facts": {"kind": "table", "connection": "db", "table": "t", "watermark": "at"}},
            "schedule": {"start": datetime(2013, 1, 1), "timezone": timezone},  # noqa: DTZ001 - local
            "features": {"function": "a.b:f", "numeric": ["x"]},
            "expectations": "a.b:e",
            "labels": {"kind": "facts", "source": "facts", "function": "a.b:l"},
            "training": {"function": "a.b:t", "min_rows": 100, **training},
            "promotion": {"metric": "auc"},
        }
    )


def labelled(rows: int = 5000, end: datetime = MARCH) -> due.LabelledRows:
    return due.LabelledRows(version=7, rows=rows, end=end)


def test_a_run_by_hand_always_trains():
    assert due.why(use_case(), labelled(rows=1), LAST, "the boss wants it", []) == "the boss wants it"


def test_a_run_by_hand_without_any_labels_names_the_dags_that_bring_them():
    with pytest.raises(BadParameters, match="'late__ingest' and 'late__label' run first"):
        due.why(use_case(), None, None, "now", [])


def test_open_requests_are_the_reason_all_together():
    assert due.why(use_case(), labelled(), LAST, None, ["gap .15", "gap .16"]) == "gap .15; gap .16"


def test_the_first_model_waits_for_enough_rows():
    with pytest.raises(NothingToDo, match="needs 100 labelled rows, there are 99"):
        due.why(use_case(), labelled(rows=99), None, None, [])


def test_the_first_model_is_made_as_soon_as_there_are_enough_rows():
    assert due.why(use_case(), labelled(rows=100), None, None, []) == "first model: 100 labelled rows to 2013-03-01 00:00"


def test_without_labels_there_is_nothing_to_do():
    with pytest.raises(NothingToDo, match="no labelled rows yet"):
        due.why(use_case(), None, None, None, ["gap"])


def test_labels_much_newer_than_the_last_version_make_a_training_due():
    newer = labelled(end=MARCH + timedelta(days=28))
    assert "28 days newer than those of version 2" in due.why(use_case(every=timedelta(days=28)), newer, LAST, None, [])


def test_labels_a_little_newer_do_not_and_the_reason_says_when_they_will():
    newer = labelled(end=MARCH + timedelta(days=27))
    with pytest.raises(NothingToDo, match=r"no open retrain request; version 2 saw labels to 2013-03-01.*due after 2013-03-29"):
        due.why(use_case(every=timedelta(days=28)), newer, LAST, None, [])


def test_without_every_no_training_is_due_by_time():
    with pytest.raises(NothingToDo, match=r"training.every is not set"):
        due.why(use_case(), labelled(end=MARCH + timedelta(days=999)), LAST, None, [])


def test_the_last_days_are_held_out_in_local_time_when_clocks_change():
    cut = due.stretch(use_case("America/New_York"), datetime(2013, 3, 11, 4, tzinfo=UTC))  # midnight, summer time began on the 10th
    assert cut.train_end == datetime(2013, 3, 4, 5, tzinfo=UTC)
    assert cut.start == datetime(2013, 1, 1, 5, tzinfo=UTC)


def test_a_window_forgets_what_is_older():
    cut = due.stretch(use_case(window=timedelta(days=28)), MARCH)
    assert cut == due.Stretch(datetime(2013, 1, 25, tzinfo=UTC), datetime(2013, 2, 22, tzinfo=UTC), MARCH)


def test_nothing_left_to_train_on_says_what_is_held_out():
    with pytest.raises(BadParameters, match=r"data begin 2013-01-01 00:00.*the last 7 days, 0:00:00 are held out"):
        due.stretch(use_case(), datetime(2013, 1, 8, tzinfo=UTC))
