"""People are asked: each row once, within the budget, and nothing private leaves."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from gyre.clients.label_studio_memory import Killed
from gyre.errors import InvalidUseCase, SourceUnreadable
from gyre.histograms import build_reference
from gyre.journal.memory import MemoryJournal
from gyre.label import push as push_module
from gyre.label.champion import Champion
from gyre.label.ledger import Ledger
from gyre.label.questions import content_keys, read_rows
from gyre.specs import ImageClassification, cell_key
from tests.gyre.label.conftest import ANN, Desk, answer, day, window


def per_cell(desk: Desk) -> Counter[str]:
    return Counter(task.question.cell for task in desk.tasks())


def test_each_cell_gets_its_budget_once(desk):
    at = desk()
    at.publish(1, 2)
    assert at.push().tasks == 6
    assert at.push().tasks == 0
    assert per_cell(at) == {cell_key(day(1)): 3, cell_key(day(2)): 3}
    assert len(set(at.keys())) == 6


def test_a_budget_given_by_hand_tops_up_and_zero_asks_about_every_row(desk):
    at = desk()
    at.publish(1, 1)
    at.push()
    assert at.push(budget=5).tasks == 2
    assert at.push(budget=0).tasks == 5
    assert at.push(budget=0).tasks == 0


def test_without_a_budget_every_row_is_asked_about(desk):
    at = desk(budget=None)
    at.publish(1, 1)
    assert at.push().reasons == {"random": 10}


def test_cells_outside_the_window_are_left_alone(desk):
    at = desk()
    at.publish(1, 3)
    at.push(first=2, last=2)
    assert per_cell(at) == {cell_key(day(2)): 3}


def test_a_task_shows_what_the_template_shows_and_nothing_else_of_its_row(desk):
    at = desk(budget=1)
    at.publish(1, 1, rows=1)
    at.push()
    (task,) = at.studio.created.values()
    assert task.data == {"text": "letter 0 of day 1", "gyre_key": task.key, "gyre_reason": "random"}


@pytest.mark.parametrize(("private", "named"), [("text", "shows the column 'text'"), ("id", "key column 'id'")])
def test_a_private_column_is_refused_by_name_and_nothing_leaves(desk, private, named):
    at = desk(private=(private,))
    at.publish(1, 1)
    with pytest.raises(InvalidUseCase, match=f"{named}.*nothing was sent"):
        at.push()
    assert at.studio.projects == {}


def test_a_row_that_lacks_what_is_shown_is_not_asked_about(desk):
    at = desk(budget=None)
    at.publish(1, 1, rows=2)
    rows = pl.scan_delta(at.lake.uri("validated")).with_columns(text=pl.when(pl.col("id") == "1-0").then(None).otherwise(pl.col("text"))).collect()
    at.lake.replace("validated", rows.to_arrow(), at.use_case.schedule.grid.aligned(window_of(1)), at.use_case.schedule.grid, transaction="publish", version=2)
    assert at.push().tasks == 1


def window_of(number: int) -> Any:
    from tests.gyre.label.conftest import days

    return days(number, number)


def test_the_same_content_has_the_same_key_in_any_process_and_other_content_another(desk):
    at = desk(budget=None)
    at.publish(1, 1, rows=1)
    at.push()
    at.publish(1, 1, rows=1, text="another letter")
    assert at.push().tasks == 1
    assert content_keys(at.use_case, at.people, read_rows(at.use_case, at.people, at.lake, [window_of(1)])) == ["80b024678f0c1adcfeb59466"]
    assert len(set(at.keys())) == 2


# exactly once

STEPS = ("studio.project", "studio.create_tasks", "ledger.intend", "ledger.write", "studio.create_tasks:2", "ledger.write:2")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step_and_repeated_nothing_is_there_twice_or_missing(desk, monkeypatch, step, before):
    at = desk(budget=6, gold_share=0)
    at.publish(1, 2)
    monkeypatch.setattr(push_module, "chunks", lambda tasks: (tasks[i : i + 5] for i in range(0, len(tasks), 5)))
    where, _, name = step.partition(".")
    name, _, nth = name.partition(":")
    target = {"studio": at.studio.__class__, "ledger": Ledger}[where]
    with monkeypatch.context() as broken:
        kill(broken, target, name, int(nth or 1), before)
        with pytest.raises(Killed):
            at.push(job_id="the-same", drifted=[window(1, 1)])
    at.push(job_id="the-same", drifted=[window(1, 1)])
    assert at.push(drifted=[window(1, 1)]).tasks == 0
    assert len(at.keys()) == len(set(at.keys()))
    assert sorted(task.key for task in at.tasks()) == sorted(at.keys())
    ordinary = Counter(task.question.cell for task in at.tasks() if task.question.request is None)
    assert ordinary == {cell_key(day(1)): 6, cell_key(day(2)): 6}
    assert sum(task.question.request == "r" for task in at.tasks()) == 4


def kill(broken: pytest.MonkeyPatch, target: type, name: str, nth: int, before: bool) -> None:
    """Let the nth call of a method die before its work, or after it and before it answers."""
    real, calls = getattr(target, name), []

    def dies(self: Any, *given: Any, **named: Any) -> Any:
        calls.append(name)
        if len(calls) == nth and before:
            raise Killed(name)
        result = real(self, *given, **named)
        if len(calls) == nth:
            raise Killed(name)
        return result

    broken.setattr(target, name, dies)


def test_a_job_counts_what_its_killed_try_created(desk):
    at = desk()
    at.publish(1, 2)
    at.studio.dies_after = "create_tasks"
    with pytest.raises(Killed):
        at.push(job_id="one")
    assert at.push(job_id="one").reasons == {"random": 6}


def test_tasks_of_a_dead_job_keep_their_reason_when_another_job_finds_them(desk):
    at = desk(budget=1, sampling={"uncertain": 1.0})
    at.publish(1, 1)
    at.studio.dies_after = "create_tasks"
    with pytest.raises(Killed):
        at.push(champion=champion())
    assert at.push(champion=champion()).tasks == 0
    assert [(task.question.reason, task.job_id) for task in at.tasks()] == [("uncertain", "push-1")]


def test_two_workers_at_once_take_turns_and_ask_about_each_row_once(desk):
    at, journal = desk(budget=5), MemoryJournal()
    at.publish(1, 2)

    def work() -> None:
        with journal.lock("letters", "push"):
            at.push()

    both = [threading.Thread(target=work) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(at.keys()) == len(set(at.keys())) == 10


def test_twins_of_a_worker_that_lost_its_lock_are_swept_and_the_answered_one_stays(desk):
    at = desk(budget=None)
    at.publish(1, 1, rows=2)

    class Rival(type(at.studio)):
        """Answers as Label Studio does; meanwhile another worker has created the same tasks, and somebody answered one of those."""

        def create_tasks(self, project: int, tasks: Any) -> list[int]:
            ids = super().create_tasks(project, tasks)
            others = super().create_tasks(project, tasks)
            self.annotate(others[0], ANN, answer("yes"))
            return ids

    at.studio = Rival()
    at.push()
    project = at.studio.projects["letters"]
    there = dict(at.studio.newest_tasks(project, 0))
    assert len(there) == 2
    assert sorted(task.task_id for task in at.tasks()) == sorted(there)
    assert at.collect().agreed == 1
    assert at.push().tasks == 0


def test_a_task_that_people_deleted_is_replaced_by_another_row_and_not_by_itself(desk):
    at = desk()
    at.publish(1, 1)
    at.push()
    gone = at.tasks()[0]
    at.studio.delete_tasks(at.studio.projects["letters"], [gone.task_id])
    assert at.push().tasks == 1
    assert gone.key not in set(at.keys())
    assert per_cell(at) == {cell_key(day(1)): 3}


def test_tasks_of_strangers_are_left_alone(desk):
    from gyre.clients.label_studio_records import NewTask

    at = desk()
    at.publish(1, 1)
    at.push()
    (stranger,) = at.studio.create_tasks(at.studio.projects["letters"], [NewTask("", {"text": "hello"})])
    assert (at.push().tasks, at.push().asked) == (0, 3)
    assert stranger in dict(at.studio.newest_tasks(at.studio.projects["letters"], 0))


# what the champion says


def champion(signals: bool = False) -> Champion:
    """Give one that is undecided about x = 4, and was trained on x from 0 to 7."""
    import pandas as pd

    from tests.gyre.label.conftest import use_case_with

    def ask(frame: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        yes = 1 / (1 + np.exp(4.2 - frame["x"].to_numpy()))
        return np.column_stack([1 - yes, yes]), {}

    trained_on = pd.DataFrame({"x": np.tile(np.arange(8.0), 100)})
    return Champion(3, ["no", "yes"], ask, build_reference(trained_on, use_case_with().features, np.full((800, 2), 0.5), bins=64))


def test_the_rows_that_the_champion_is_least_sure_of_are_chosen_and_say_so(desk):
    at = desk(budget=2, sampling={"uncertain": 1.0})
    at.publish(1, 1)
    assert at.push(champion=champion()).reasons == {"uncertain": 2}
    assert {task.data["text"] for task in at.studio.created.values()} == {"letter 4 of day 1", "letter 5 of day 1"}
    assert {task.question.version for task in at.tasks()} == {3}


def test_the_rows_that_lie_outside_what_it_was_trained_on_are_chosen_and_say_so(desk):
    at = desk(budget=2, sampling={"drifted": 1.0})
    at.publish(1, 1)
    at.push(champion=champion())
    assert {task.data["text"] for task in at.studio.created.values()} == {"letter 8 of day 1", "letter 9 of day 1"}


def test_the_champion_is_not_asked_where_nothing_is_due(desk):
    at = desk(budget=2, sampling={"uncertain": 1.0}, prelabels=True)
    at.publish(1, 1)
    at.push(champion=champion())

    def never(frame: Any) -> Any:
        pytest.fail("it was asked")

    assert at.push(champion=replace(champion(), answer=never)).tasks == 0


def test_a_mix_never_takes_a_row_twice(desk):
    at = desk(budget=9, sampling={"uncertain": 0.4, "drifted": 0.2, "random": 0.4})
    at.publish(1, 1)
    assert at.push(champion=champion()).tasks == len(set(at.keys())) == 9


def test_people_see_its_guess_only_where_wanted(desk):
    at = desk(budget=None, prelabels=True)
    at.publish(1, 1)
    at.push(champion=champion())
    guesses = {task.data["text"]: task.guess for task in at.studio.created.values()}
    assert guesses["letter 9 of day 1"].results == answer("yes")
    assert guesses["letter 0 of day 1"].results == answer("no")
    assert guesses["letter 9 of day 1"].score > 0.99
    assert guesses["letter 9 of day 1"].model_version == "letters v3"


def test_before_there_is_a_champion_all_are_chosen_at_random(desk):
    at = desk(sampling={"uncertain": 1.0})
    at.publish(1, 1)
    assert at.push().reasons == {"random": 3}


# drift, gold, files


def test_a_retrain_requests_window_is_asked_about_in_addition_to_the_budget_and_once(desk):
    at = desk(answer_drift=4)
    at.publish(1, 3)
    result = at.push(drifted=[window(2, 2)])
    assert (result.reasons, result.requests) == ({"random": 9, "drifted": 4}, {"r": 4})
    again = at.push(drifted=[window(2, 2)])
    assert (again.tasks, again.requests) == (0, {"r": 4})


def test_a_window_with_few_rows_left_is_topped_up_when_more_are_published(desk):
    at = desk(answer_drift=12, budget=1)
    at.publish(1, 1)
    assert at.push(drifted=[window(1, 2)]).requests == {"r": 9}
    at.publish(2, 2)
    assert at.push(drifted=[window(1, 2)]).requests == {"r": 12}


def test_only_event_times_inside_the_window_are_asked_about(desk):
    at = desk(answer_drift=9, budget=1)
    at.publish(1, 1)
    half = window(1, 1).model_copy(update={"end": day(1) + timedelta(minutes=4)})
    at.push(first=5, drifted=[half])
    assert {task.data["text"] for task in at.studio.created.values()} == {f"letter {n} of day 1" for n in range(4)}


def test_gold_rows_are_among_the_tasks_unmarked_and_their_share_holds_over_several_runs(desk, tmp_path):
    at = desk(budget=5, gold=f"file://{tmp_path}/gold.parquet", gold_share=0.2)
    pl.DataFrame({"id": ["1-0", "1-1", "2-0"], "label": ["no", "yes", "no"]}).write_parquet(tmp_path / "gold.parquet")
    at.publish(1, 1)
    assert at.push().reasons == {"random": 5, "gold": 1}
    at.publish(2, 2)
    assert at.push().reasons == {"random": 5, "gold": 1}
    assert {task.data["gyre_reason"] for task in at.studio.created.values()} == {"random"}
    assert all(set(task.data) == {"text", "gyre_key", "gyre_reason"} for task in at.studio.created.values())
    assert at.push().tasks == 0


def test_gold_rows_bear_a_guess_and_a_reason_as_the_others_do(desk, tmp_path):
    at = desk(budget=6, prelabels=True, sampling={"uncertain": 1.0}, gold=f"file://{tmp_path}/gold.parquet", gold_share=0.5)
    pl.DataFrame({"id": ["1-0", "1-1", "1-2"], "label": ["no", "yes", "no"]}).write_parquet(tmp_path / "gold.parquet")
    at.publish(1, 1)
    assert at.push(champion=champion()).reasons == {"uncertain": 6, "gold": 3}
    assert {task.data["gyre_reason"] for task in at.studio.created.values()} == {"uncertain"}
    assert all(task.guess for task in at.studio.created.values())


def test_a_gold_file_without_labels_is_told(desk, tmp_path):
    at = desk(gold=f"file://{tmp_path}/gold.parquet")
    pl.DataFrame({"id": ["1-0"], "lable": ["no"]}).write_parquet(tmp_path / "gold.parquet")
    at.publish(1, 1)
    with pytest.raises(SourceUnreadable, match=r"no column 'label'. Did you mean 'lable'"):
        at.push()


@pytest.fixture
def files(monkeypatch):
    monkeypatch.setenv("GYRE_CONN_BUCKET", '{"conn_type": "aws", "login": "key", "password": "secret"}')


def test_every_bucket_that_is_shown_is_linked(desk, files):
    at = desk(template=ImageClassification(image="text", choices=["no", "yes"]), files="bucket", budget=None, link_minutes=7)
    at.publish(1, 1, text="s3://one/a")
    at.publish(2, 2, text="s3://two/a")
    at.push()
    project = at.studio.projects["letters"]
    assert at.studio.links == {(project, "one"): ("bucket", 7), (project, "two"): ("bucket", 7)}


def test_an_address_that_cannot_be_linked_is_named(desk, files):
    at = desk(template=ImageClassification(image="text", choices=["no", "yes"]), files="bucket")
    at.publish(1, 1, rows=1, text="http://one/a")
    with pytest.raises(SourceUnreadable, match="'http://one/a 0 of day 1' is shown to people as a link"):
        at.push()
