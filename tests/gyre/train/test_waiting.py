"""A training that answers a retrain request waits until people have labelled rows of its window."""

from __future__ import annotations

from typing import Any

import pytest

from gyre.errors import NothingToDo
from gyre.journal import Kind
from gyre.journal.memory import MemoryJournal
from gyre.journal.questions import open_retrain_requests
from gyre.specs import Facts, People, TextClassification
from gyre.train.decide import plan
from gyre.train.waiting import sorted_out
from tests.gyre.train.test_decide import note, result, run
from tests.gyre.train.test_due import use_case as facts_case

WINDOW = {"reason": "psi .4 > .2", "window_start": "2024-01-20T00:00:00Z", "window_end": "2024-01-27T00:00:00Z"}


def with_people(case: Any, **people: Any) -> Any:
    spec = People(template=TextClassification(text="c", choices=["no", "yes"]), values={"no": 0, "yes": 1}, **{"answer_drift": 60, **people})
    return case.model_copy(update={"labels": spec})


def journal_with(progress: dict[str, tuple[int, int]] | None, **body: Any) -> MemoryJournal:
    journal = MemoryJournal()
    for key in body or {"r": WINDOW}:
        journal.add("late", Kind.RETRAIN_REQUESTED, key, body.get(key, WINDOW))
    if progress is not None:
        requests = {key: {"asked": asked, "answered": answered} for key, (asked, answered) in progress.items()}
        journal.add("late", Kind.ANNOTATIONS_COLLECTED, "c", {"requests": requests})
    return journal


def found(case: Any, journal: MemoryJournal) -> tuple[list[str], list[str]]:
    requests = sorted_out(case, journal, open_retrain_requests(journal, "late"))
    return [e.key for e in requests.ready], requests.waiting


@pytest.mark.parametrize(
    ("progress", "waits_for"),
    [
        (None, "retrain request r waits for its tasks to be sent to people"),
        ({"another": (5, 5)}, "retrain request r waits for its tasks to be sent to people"),
        ({"r": (60, 12)}, "retrain request r waits for labels: 12 of 60 answered, 80% are enough"),
        ({"r": (60, 47)}, "retrain request r waits for labels: 47 of 60 answered, 80% are enough"),
        ({"r": (60, 48)}, None),
        ({"r": (0, 0)}, None),
    ],
)
def test_a_request_waits_until_enough_of_its_tasks_are_answered(progress, waits_for):
    ready, waiting = found(with_people(facts_case()), journal_with(progress))
    assert (ready, waiting) == (([], [waits_for]) if waits_for else (["r"], []))


def test_where_nobody_is_asked_about_drift_nothing_waits():
    assert found(with_people(facts_case(), answer_drift=0), journal_with(None)) == (["r"], [])


def test_where_labels_are_facts_nothing_waits():
    assert isinstance(facts_case().labels, Facts)
    assert found(facts_case(), journal_with(None)) == (["r"], [])


def test_a_request_that_looked_at_no_window_waits_for_nothing():
    assert found(with_people(facts_case()), journal_with(None, r={"reason": "a person asks"})) == (["r"], [])


def test_the_newest_collection_counts():
    journal = journal_with({"r": (60, 12)})
    journal.add("late", Kind.ANNOTATIONS_COLLECTED, "d", {"requests": {"r": {"asked": 60, "answered": 60}}})
    assert found(with_people(facts_case()), journal) == (["r"], [])


def waiting_shop(workshop: Any) -> tuple[Any, MemoryJournal]:
    case, journal = with_people(workshop("binary").use_case), MemoryJournal()
    first = plan(case, run(), journal, None)
    from gyre.train.decide import ask

    note(case, run(), journal, ask(case, run(), journal, first), result())
    journal.add(case.name, Kind.RETRAIN_REQUESTED, "r", WINDOW)
    return case, journal


def test_the_plan_says_what_it_waits_for_and_then_answers_the_request(workshop):
    case, journal = waiting_shop(workshop)
    with pytest.raises(NothingToDo, match="waits for its tasks to be sent to people; version 1 saw labels"):
        plan(case, run(), journal, None)
    journal.add(case.name, Kind.ANNOTATIONS_COLLECTED, "c", {"requests": {"r": {"asked": 60, "answered": 50}}})
    planned = plan(case, run(), journal, None)
    assert (planned["reason"], planned["requests"]) == ("psi .4 > .2", ["r"])


def test_a_training_by_hand_does_not_answer_a_request_that_still_waits(workshop):
    case, journal = waiting_shop(workshop)
    assert plan(case, run(reason="now"), journal, None)["requests"] == []
