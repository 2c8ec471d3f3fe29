"""What the label DAG of a use case with people asks its jobs, and what it notes."""

from __future__ import annotations

from typing import Any

import pytest

from gyre.errors import NothingToDo
from gyre.journal import Kind
from gyre.journal.memory import MemoryJournal
from gyre.journal.questions import labelling
from gyre.label.ask_people import ask_collect, ask_push, note_collect, note_push
from gyre.lake import Lake
from gyre.run import Run
from tests.gyre.label.conftest import ANN, Desk, day, days


@pytest.fixture
def at(desk, monkeypatch, tmp_path) -> Desk:
    at = desk(budget=2, horizon="P3D", answer_drift=5)
    monkeypatch.setenv("GYRE_LAKE_URI", f"file://{tmp_path}/lake")
    monkeypatch.setattr(Lake, "of", classmethod(lambda cls, name: at.lake))
    return at


def run(number: int = 1, **params: Any) -> Run:
    return Run("letters__label", f"r{number}", "push", params=params)


REQUEST = {"reason": "drift", "window_start": day(2).isoformat(), "window_end": day(4).isoformat()}


def pushed(at: Desk, journal: MemoryJournal, number: int = 1) -> dict[str, Any]:
    request = ask_push(at.use_case, run(number), journal, None)
    result = at.push(job_id=request.job_id, start=request.start, end=request.end, drifted=request.drifted)
    return note_push(at.use_case, run(number), journal, request, result)


def collected(at: Desk, journal: MemoryJournal, number: int = 1) -> dict[str, Any]:
    request = ask_collect(at.use_case, run(number), journal, None)
    return note_collect(at.use_case, run(number), journal, request, at.collect())


def test_a_push_looks_one_horizon_back_and_names_champion_and_drift_windows(at):
    at.publish(1, 8)
    journal = MemoryJournal()
    journal.add("letters", Kind.PROMOTION_FINISHED, "p", {"version": 4})
    journal.add("letters", Kind.RETRAIN_REQUESTED, "rule/4/x", REQUEST)
    request = ask_push(at.use_case, run(), journal, None)
    assert (request.start, request.end, request.champion) == (day(6), day(9), 4)
    assert [(w.key, w.start, w.end) for w in request.drifted] == [("rule/4/x", day(2), day(4))]
    assert request.connections == ["gyre_labelstudio", "gyre_journal", "gyre_mlflow"]


def test_a_push_by_hand_takes_its_window_and_budget(at):
    at.publish(1, 8)
    request = ask_push(at.use_case, run(start="2024-01-02", end="2024-01-03", budget=7), MemoryJournal(), None)
    assert (request.interval, request.budget) == (days(2, 2), 7)


def test_before_anything_is_published_nobody_is_asked(at):
    for ask in (ask_push, ask_collect):
        with pytest.raises(NothingToDo, match="no interval is published yet"):
            ask(at.use_case, run(), MemoryJournal(), None)


def test_a_push_is_noted_once_and_one_that_asks_nothing_new_is_a_skip(at):
    at.publish(1, 1)
    journal = MemoryJournal()
    assert pushed(at, journal)["tasks"] == 2
    with pytest.raises(NothingToDo, match="nobody needs to be asked: 2 tasks cover"):
        pushed(at, journal, 2)
    assert len(list(journal.entries("letters", Kind.TASKS_PUSHED))) == 1


def test_a_note_taken_twice_says_the_same(at):
    at.publish(1, 1)
    journal = MemoryJournal()
    request = ask_push(at.use_case, run(), journal, None)
    result = at.push()
    assert note_push(at.use_case, run(), journal, request, result) == note_push(at.use_case, run(), journal, request, result)
    at.say({ANN: "yes"})
    request, got = ask_collect(at.use_case, run(), journal, None), at.collect()
    assert note_collect(at.use_case, run(), journal, request, got) == note_collect(at.use_case, run(), journal, request, got)
    assert len(list(journal.entries("letters", Kind.ANNOTATIONS_COLLECTED))) == 1


def test_labels_are_noted_when_cells_changed_and_answers_always(at):
    at.publish(1, 1)
    journal = MemoryJournal()
    pushed(at, journal)
    at.say({ANN: "yes"}, at.tasks()[:1])
    assert collected(at, journal)["labelled"] == 1
    assert [e.body["labelled"] for e in journal.entries("letters", Kind.LABELS_JOINED)] == [1]
    with pytest.raises(NothingToDo, match="no answer came or changed: 1 of 2 tasks are agreed on, 1 wait"):
        collected(at, journal, 2)


def test_a_window_without_rows_to_ask_about_keeps_no_training_waiting(at):
    at.publish(1, 1)
    journal = MemoryJournal()
    pushed(at, journal)
    journal.add("letters", Kind.RETRAIN_REQUESTED, "r", REQUEST)
    pushed(at, journal, 2)
    assert journal.last("letters", Kind.TASKS_PUSHED).body["requests"] == {"r": 0}
    collected(at, journal, 2)
    assert journal.last("letters", Kind.ANNOTATIONS_COLLECTED).body["requests"] == {"r": {"asked": 0, "answered": 0}}


def test_the_progress_of_a_request_is_noted_when_nothing_else_changed(at):
    at.publish(1, 4)
    journal = MemoryJournal()
    pushed(at, journal)
    collected(at, journal)
    journal.add("letters", Kind.RETRAIN_REQUESTED, "r", REQUEST)
    pushed(at, journal, 2)
    assert collected(at, journal, 2)["requests"] == {"r": {"asked": 5, "answered": 0}}


def test_the_board_is_told_how_the_labelling_goes(at):
    at.publish(1, 1)
    journal = MemoryJournal()
    assert labelling(journal, "letters") is None
    pushed(at, journal)
    assert labelling(journal, "letters") == {"project_url": "memory://projects/1", "tasks": 2, "waiting": 2, "disputed": 0, "kappa": None, "bar": None}
    at.say({ANN: "yes"}, at.tasks()[:1])
    collected(at, journal)
    assert labelling(journal, "letters")["waiting"] == 1
