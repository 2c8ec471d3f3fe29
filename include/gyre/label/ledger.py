"""Who was asked what: the Delta table `label_tasks`, one row for each task and for each thing that happened to it; the last one of a task counts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gyre.lake import Lake

TABLE = "label_tasks"
PLAN = ("label", "plan.json")


@dataclass(frozen=True)
class Question:
    """One row that people are asked about.

    Attributes:
        key: Its content key.
        cell: The cell it lies in, as `_interval` names it.
        item: The use case's keys and the event time, JSON.
        reason: Why this row.
        request: Key of the retrain request it was asked for.
        gold: The known label of a gold row, JSON; None for any other row.
        guess: The champion's answer, JSON.
        version: The champion that gave it.
    """

    key: str
    cell: str
    item: str
    reason: str
    request: str | None = None
    gold: str | None = None
    guess: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Asked:
    """A task as it is now. Its id names it together with the key: a Label Studio that was set up anew counts from 1 again.

    Attributes:
        opinions: Opinions it shall have.
        pushed: When it was written down, in microseconds.
        gone: Whether it was deleted in Label Studio.
    """

    task_id: int
    project: int
    question: Question
    opinions: int
    job_id: str
    pushed: int
    gone: bool = False

    @property
    def id(self) -> tuple[int, str]:
        """Names the task."""
        return self.task_id, self.question.key

    @property
    def key(self) -> str:
        """The row's content key."""
        return self.question.key


@dataclass(frozen=True)
class Ledger:
    """One use case's tasks."""

    lake: Lake

    def read(self) -> list[Asked]:
        """Read every task there ever was, as it is now, in the order of their ids."""
        import polars as pl

        table = self.lake.table(TABLE)
        if table is None:
            return []
        rows = pl.from_arrow(table.to_pyarrow_table())
        assert isinstance(rows, pl.DataFrame)  # noqa: S101 - a table with columns, never a series
        newest = rows.sort("written").unique(["task_id", "key"], keep="last").sort("task_id", "key")
        asked, about = ([field.name for field in fields(kind) if field.name != "question"] for kind in (Asked, Question))
        questions = (Question(*row) for row in newest.select(about).iter_rows())
        tasks = newest.select(asked).iter_rows()
        return [Asked(task_id, project, question, *rest) for (task_id, project, *rest), question in zip(tasks, questions, strict=True)]

    def write(self, tasks: Sequence[Asked]) -> None:
        """Write down new tasks, or what happened to old ones."""
        import polars as pl
        from deltalake import write_deltalake

        if not tasks:
            return
        now = time.time_ns() // 1000
        rows = [{**{name: value for name, value in asdict(task).items() if name != "question"}, **asdict(task.question), "written": now} for task in tasks]
        frame = pl.DataFrame(rows, schema=_schema())
        write_deltalake(self.lake.uri(TABLE), frame.to_arrow(), mode="append", storage_options=dict(self.lake.options))

    def intend(self, questions: Sequence[Question], job_id: str) -> None:
        """Write down what is about to be created, so that tasks of a job that dies meanwhile are known for what they are."""
        content = json.dumps({"job_id": job_id, "questions": [asdict(question) for question in questions]})
        self.lake.objects.write(self.lake.uri(*PLAN), content.encode())

    def intended(self) -> dict[str, tuple[str, Question]]:
        """Say what was last about to be created: key -> job and question."""
        try:
            plan: dict[str, Any] = json.loads(self.lake.objects.read(self.lake.uri(*PLAN)))
        except FileNotFoundError:
            return {}
        return {each["key"]: (plan["job_id"], Question(**each)) for each in plan["questions"]}


def without(tasks: Iterable[Asked]) -> list[Asked]:
    """Note that tasks are no more."""
    return [replace(task, gone=True) for task in tasks]


def _schema() -> dict[str, Any]:
    import polars as pl

    numbers = ("task_id", "project", "opinions", "pushed", "version", "written")
    names = [field.name for kind in (Asked, Question) for field in fields(kind) if field.name != "question"]
    return {name: pl.Int64 if name in numbers else pl.Boolean if name == "gone" else pl.String for name in [*names, "written"]}
