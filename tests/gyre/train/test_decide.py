"""The train phase inside Airflow, on a real Delta table and a journal in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gyre.errors import BadParameters, NothingToDo
from gyre.journal import Kind
from gyre.journal.memory import MemoryJournal
from gyre.journal.questions import open_retrain_requests
from gyre.run import Run
from gyre.specs import DatasetVersion
from gyre.specs.train_messages import TrainingResult
from gyre.train.decide import ask, labelled_rows, note, plan
from tests.gyre.train.conftest import DAYS, START

END = START + timedelta(days=DAYS)


def run(**params: Any) -> Run:
    return Run("binary_case__train", "r1", "train", params={"reason": None, "data_through": None, "parameters": {}, **params})


def result(version: int = 1) -> TrainingResult:
    figures = {"log_loss": 0.5}
    dataset = DatasetVersion(table="t", version=0, start=START, end=END, rows=600, content_hash="600-0")
    uris = dict.fromkeys(("run_url", "logged_model", "reference_uri", "holdout_uri", "sample_uri", "model_uri"), "u")
    counts = {"rows_train": 500, "rows_validation": 100, "train_end": END - timedelta(days=7), "data_end": END}
    return TrainingResult(
        version=version,
        run_id="r",
        metrics={"train": figures, "validation": figures},
        baselines={"dummy": figures},
        gap=0.01,
        dataset=dataset,
        **counts,
        **uris,
    )


def test_rows_are_counted_and_their_end_found_without_reading_them(workshop):
    shop = workshop("binary")
    counted = labelled_rows(shop.use_case, shop.lake)
    assert (counted.version, counted.rows, counted.end) == (0, 600, END)


def test_the_first_plan_fixes_the_tables_version_and_holds_out_the_last_week(workshop):
    planned = plan(workshop("binary").use_case, run(), MemoryJournal(), None)
    assert planned["reason"].startswith("first model: 600 labelled rows")
    assert planned["table_version"] == 0
    assert [planned[k] for k in ("start", "train_end", "data_end")] == ["2024-01-01T00:00:00Z", "2024-01-24T00:00:00Z", "2024-01-31T00:00:00Z"]
    assert planned["parameters"] == {"depth": 3, "rate": 0.1}


def test_a_bad_parameter_is_refused_before_anything_runs(workshop):
    with pytest.raises(BadParameters, match="Did you mean 'depth'"):
        plan(workshop("binary").use_case, run(parameters={"dept": 4}), MemoryJournal(), None)


def test_a_hundred_open_requests_are_answered_by_one_training(workshop):
    case, journal = workshop("binary").use_case, MemoryJournal()
    for night in range(100):
        journal.add(case.name, Kind.RETRAIN_REQUESTED, f"calibration/{night}", {"reason": f"gap {night}"})
    planned = plan(case, run(), journal, None)
    request = ask(case, run(), journal, planned)
    note(case, run(), journal, request, result())
    assert open_retrain_requests(journal, case.name) == []
    with pytest.raises(NothingToDo, match="no open retrain request; version 1"):
        plan(case, run(), journal, None)


def test_a_training_on_older_rows_leaves_requests_open(workshop):
    case, journal = workshop("binary").use_case, MemoryJournal()
    journal.add(case.name, Kind.RETRAIN_REQUESTED, "k", {"reason": "gap"})
    planned = plan(case, run(data_through="2024-01-20"), journal, None)
    assert (planned["requests"], planned["data_end"]) == ([], "2024-01-20T00:00:00Z")
    assert planned["reason"] == "asked for by hand: data_through 2024-01-20"


def test_no_plan_reaches_beyond_the_newest_labels(workshop):
    planned = plan(workshop("binary").use_case, run(data_through="2030-01-01", reason="now"), MemoryJournal(), None)
    assert (planned["data_end"], planned["reason"]) == ("2024-01-31T00:00:00Z", "now")


def test_a_retry_asks_for_the_same_and_records_it_once(workshop):
    case, journal = workshop("binary").use_case, MemoryJournal()
    planned = plan(case, run(), journal, None)
    assert ask(case, run(), journal, planned) == ask(case, run(), journal, planned)
    assert [e.key for e in journal.entries(case.name, Kind.TRAINING_STARTED)] == [run().job_id]


def test_what_was_made_is_noted_with_its_reason(workshop):
    case, journal = workshop("binary").use_case, MemoryJournal()
    request = ask(case, run(), journal, plan(case, run(reason="now"), journal, None))
    for _ in range(2):
        assert note(case, run(), journal, request, result())["version"] == 1
    entries = list(journal.entries(case.name, Kind.TRAINING_FINISHED))
    assert [(e.body["version"], e.body["reason"], e.body["data_end"]) for e in entries] == [(1, "now", "2024-01-31T00:00:00Z")]


def test_a_train_task_without_its_plan_says_which_task_to_clear():
    from tests.gyre.train.test_due import use_case

    with pytest.raises(BadParameters, match="clear the task 'decide'"):
        ask(use_case(), Run("late__train", "r", "train"), MemoryJournal(), None)


def test_an_instant_that_is_none_says_how_to_write_one(workshop):
    with pytest.raises(BadParameters, match="'yesterday' is no date"):
        plan(workshop("binary").use_case, run(data_through="yesterday"), MemoryJournal(), None)
