"""What people answered becomes labels: agreed on, traceable, and withdrawn when it is deleted."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from gyre.clients.label_studio_memory import Killed
from gyre.data import read_labelled
from gyre.errors import InvalidUseCase, SourceUnreadable
from gyre.label import annotations
from gyre.label import collect as collect_module
from gyre.label.annotations import Annotations
from gyre.label.answers import Answers
from gyre.label.ledger import Ledger
from gyre.specs import NamedEntities
from tests.gyre.label.conftest import ANN, BEN, CAT, Desk, answer, day, days, use_case_with, window
from tests.gyre.label.test_push import kill


def pushed(desk: Any, last: int = 1, rows: int = 3, **spec: Any) -> Desk:
    at = desk(**{"budget": None, **spec})
    at.publish(1, last, rows=rows)
    at.push()
    return at


def test_an_answer_becomes_a_label_with_who_when_and_which_project(desk):
    at = pushed(desk)
    (given,) = at.say({ANN: "yes"}, at.tasks()[:1])
    result = at.collect()
    assert (result.labelled, result.agreed, result.waiting, result.annotations) == (1, 1, 2, 1)
    row = read_labelled(at.lake, at.use_case, days(1, 1)).to_dict("records")[0]
    assert (row["label"], row["labelled_by"], row["annotations"]) == ("yes", ANN, str(given))
    assert row["label_project"] == at.studio.projects["letters"]
    (answered,) = [task for task in at.studio.export(row["label_project"]) if task.annotations]
    assert row["labelled_at"].to_pydatetime() == answered.updated_at


def test_keys_may_be_numbers_and_nothing_answered_yet(desk):
    at = desk(budget=None)
    at.publish(1, 1, rows=2)
    rows = pl.read_delta(at.lake.uri("validated")).with_columns(id=pl.col("id").str.slice(2).cast(pl.Int64))
    at.lake = type(at.lake)(at.lake.root + "-numbers", {})
    at.lake.replace("validated", rows.to_arrow(), days(1, 1), at.use_case.schedule.grid, transaction="publish", version=1)
    at.push()
    assert (at.collect().labelled, at.labelled()) == (0, {})
    at.say({ANN: "yes"})
    at.collect()
    assert at.labelled() == {0: "yes", 1: "yes"}


def test_collecting_again_adds_and_writes_nothing(desk):
    at = pushed(desk)
    at.say({ANN: "yes"})
    first, again = at.collect(), at.collect()
    assert (again.annotations, again.withdrawn, again.changed, again.version) == (0, 0, [], first.version)
    assert at.lake.table("annotations").to_pyarrow_table().num_rows == 3


def test_only_cells_whose_labels_changed_are_written(desk):
    at = pushed(desk, last=2, rows=1)
    at.say({ANN: "yes"})
    assert at.collect().changed == [day(1), day(2)]
    at.say({ANN: "no"}, at.tasks()[1:])
    assert len(at.collect().changed) == 1


def test_a_changed_answer_changes_the_label_and_both_are_kept(desk):
    at = pushed(desk, rows=1)
    at.say({ANN: "yes"})
    at.collect()
    at.say({ANN: "no"})
    assert at.collect().annotations == 1
    assert at.labelled() == {"1-0": "no"}
    assert at.lake.table("annotations").to_pyarrow_table().num_rows == 2


def test_a_deleted_answer_withdraws_the_label(desk):
    at = pushed(desk, rows=2)
    ids = at.say({ANN: "yes"})
    at.collect()
    at.studio.delete_annotation(ids[0])
    result = at.collect()
    assert (result.withdrawn, result.agreed, len(at.labelled())) == (1, 1, 1)


def test_a_deleted_task_withdraws_the_label(desk):
    at = pushed(desk, rows=2)
    at.say({ANN: "yes"})
    at.collect()
    at.studio.delete_tasks(at.studio.projects["letters"], [task.task_id for task in at.tasks()])
    result = at.collect()
    assert (result.tasks, len(result.changed), at.labelled()) == (0, 1, {})


def test_a_row_whose_text_changed_since_loses_the_label_that_was_about_the_old_text(desk):
    at = pushed(desk, rows=1)
    at.say({ANN: "yes"})
    at.collect()
    at.publish(1, 1, rows=1, text="another letter")
    at.collect()
    assert at.labelled() == {}


def test_features_published_anew_are_labelled_anew(desk):
    at = pushed(desk, rows=2)
    at.say({ANN: "yes"})
    at.collect()
    rows = pl.read_delta(at.lake.uri("validated")).with_columns(x=pl.col("x") + 7)
    at.lake.replace("validated", rows.to_arrow(), days(1, 1), at.use_case.schedule.grid, transaction="publish", version=2)
    assert at.collect().changed == [day(1)]
    assert sorted(pl.read_delta(at.lake.uri("labelled"))["x"]) == [7.0, 8.0]


def test_labels_of_a_project_that_was_made_anew_stay_and_only_the_others_are_asked_again(desk):
    at = pushed(desk, rows=3)
    at.say({ANN: "yes"}, at.tasks()[:1])
    at.collect()
    del at.studio.projects["letters"]
    assert at.push().tasks == 2
    assert at.collect().labelled == 1


def test_without_a_project_the_cure_is_named(desk):
    at = desk()
    with pytest.raises(SourceUnreadable, match=r"no project of 'letters'.*clear `push`"):
        at.collect()


# two people and more


def two(desk: Any, **spec: Any) -> Desk:
    return pushed(desk, **{"annotators": 2, "agreement": 0.8, **spec})


def test_one_opinion_of_two_waits(desk):
    at = two(desk)
    at.say({ANN: "yes"})
    assert (at.collect().waiting, at.labelled()) == (3, {})


def test_a_skipped_answer_is_no_opinion(desk):
    at = two(desk, rows=1)
    at.say({ANN: "yes"})
    at.studio.annotate(at.tasks()[0].task_id, BEN, [], skipped=True)
    assert at.collect().waiting == 1


def disagree(at: Desk) -> None:
    """Let two people agree on all tasks but the first."""
    first, *others = at.tasks()
    at.say({ANN: "yes", BEN: "no"}, [first])
    for n, task in enumerate(others):
        at.say(dict.fromkeys([ANN, BEN], ["yes", "no"][n % 2]), [task])


def test_disputed_rows_stay_out_and_below_the_bar_their_tasks_go_back_once(desk):
    at = two(desk)
    disagree(at)
    result = at.collect()
    assert (result.agreed, result.disputed, result.asked_again, result.agreement.low) == (2, 1, 1, True)
    assert len(at.labelled()) == 2
    assert sorted(at.studio.opinions.values()) == [2, 2, 3]
    assert at.collect().asked_again == 0


def test_at_the_bar_nothing_goes_back(desk):
    at = two(desk, agreement=-1.0)
    disagree(at)
    result = at.collect()
    assert (result.disputed, result.asked_again) == (1, 0)


def test_a_third_opinion_decides_and_the_label_names_those_who_gave_it(desk):
    at = two(desk)
    disagree(at)
    at.collect()
    at.say({CAT: "no"}, at.tasks()[:1])
    result = at.collect()
    assert (result.agreed, result.disputed) == (3, 0)
    rows = read_labelled(at.lake, at.use_case, days(1, 1)).set_index("annotations")
    decided = rows[rows["labelled_by"] == f"{BEN}, {CAT}"]
    assert decided["label"].tolist() == ["no"]


def test_a_task_is_given_up_after_the_last_opinion(desk):
    at = two(desk, opinions_at_most=2)
    disagree(at)
    assert at.collect().asked_again == 0


def test_killed_between_asking_again_and_writing_it_down_it_is_asked_again_for_as_many(desk, monkeypatch):
    at = two(desk)
    disagree(at)
    at.studio.dies_after = "ask_again"
    with pytest.raises(Killed):
        at.collect()
    assert at.collect().asked_again == 1
    assert sorted(at.studio.opinions.values()) == [2, 2, 3]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", ["_append", "write", "join"])
def test_killed_at_every_step_and_repeated_the_labels_are_the_same(desk, monkeypatch, step, before):
    at = two(desk)
    disagree(at)
    with monkeypatch.context() as broken:
        target = {"_append": Annotations, "write": Ledger, "join": collect_module}[step]
        kill(broken, target, step, 1, before)
        with pytest.raises(Killed):
            at.collect()
    at.collect()
    assert len(at.labelled()) == 2
    assert at.lake.table("annotations").to_pyarrow_table().num_rows == 6


# gold, requests, changes


def test_gold_tasks_measure_people_and_label_nothing(desk, tmp_path):
    pl.DataFrame({"id": ["1-0"], "label": ["no"]}).write_parquet(tmp_path / "gold.parquet")
    at = pushed(desk, rows=2, gold=f"file://{tmp_path}/gold.parquet", gold_share=1.0)
    at.say({ANN: "yes", BEN: "no"}, [task for task in at.tasks() if task.question.gold])
    result = at.collect()
    assert {a.name: (a.gold, a.gold_correct) for a in result.agreement.annotators} == {ANN: (1, 0), BEN: (1, 1)}
    assert at.labelled() == {}


def test_the_progress_of_a_retrain_request_counts_labels_and_what_was_given_up(desk):
    at = desk(budget=1, annotators=2, agreement=0.9, opinions_at_most=2)
    at.publish(1, 1)
    at.push(drifted=[window(1, 1)], first=5)
    asked = [task for task in at.tasks() if task.question.request]
    at.say({ANN: "yes", BEN: "yes"}, asked[:2])
    at.say({ANN: "yes", BEN: "no"}, asked[2:3])
    at.say({ANN: "yes"}, asked[3:4])
    found = at.collect().requests["r"]
    assert (found.asked, found.answered) == (10, 3)


def test_a_disputed_task_that_went_back_is_not_answered_yet(desk):
    at = desk(budget=1, annotators=2, agreement=0.9)
    at.publish(1, 1, rows=1)
    at.push(drifted=[window(1, 1)], first=5)
    at.say({ANN: "yes", BEN: "no"})
    assert at.collect().requests["r"].answered == 0


def test_the_first_look_is_an_export_and_later_ones_read_what_changed(desk):
    at = pushed(desk)
    assert at.collect().by == "export"
    at.say({ANN: "yes"})
    assert at.collect().by == "changes"


def test_many_changes_come_as_an_export(desk, monkeypatch):
    at = pushed(desk)
    at.say({ANN: "yes"})
    at.collect()
    monkeypatch.setattr(annotations, "MOST_CHANGES", 2)
    at.say({ANN: "no"})
    result = at.collect()
    assert (result.by, result.annotations) == ("export", 3)


def test_the_watermark_is_the_newest_change_in_microseconds_and_only_what_is_newer_is_read(desk):
    at = pushed(desk)
    at.say({ANN: "yes"})
    at.collect()
    project = at.studio.projects["letters"]
    newest = max(task.updated_at for task in at.studio.export(project))
    assert Annotations(at.lake).watermark(project) == newest
    asked = []
    real = at.studio.changed
    at.studio.changed = lambda of, since: asked.append(since) or real(of, since)
    at.collect()
    assert set(asked) == {newest - annotations.OVERLAP}


def test_what_came_within_the_overlap_is_not_missed(desk):
    """Label Studio's clock may stand still or go back a little: a change older than the newest one seen is found all the same."""
    from dataclasses import replace
    from datetime import timedelta

    at = pushed(desk)
    at.say({ANN: "yes"}, at.tasks()[:1])
    at.collect()
    late = at.tasks()[1]
    at.say({ANN: "no"}, [late])
    task = at.studio._tasks[late.task_id]
    at.studio._tasks[late.task_id] = replace(task, updated_at=task.updated_at - timedelta(minutes=2))
    assert at.collect().annotations == 1


# what an answer means


def test_choices_are_given_their_values():
    case = use_case_with(task="binary", values={"no": 0, "yes": 1})
    assert [Answers(case, case.labels).label(answer(choice)) for choice in ("no", "yes")] == ["0", "1"]


def test_the_use_cases_own_function_says_what_regions_mean_and_none_is_no_answer():
    template = NamedEntities(text="text", labels=["name"], label="use_cases.letters.code:label")
    case = use_case_with(task="regression", template=template)
    answers = Answers(case, case.labels, lambda results: len(results) or None)
    assert (answers.label([{}, {}]), answers.label([])) == (json.dumps(2.0), None)


def test_a_label_that_cannot_be_one_names_itself():
    template = NamedEntities(text="text", labels=["name"], label="use_cases.letters.code:label")
    case = use_case_with(task="regression", template=template)
    with pytest.raises(InvalidUseCase, match="the label 'many' does not fit the task 'regression'"):
        Answers(case, case.labels, lambda results: "many").label([])
