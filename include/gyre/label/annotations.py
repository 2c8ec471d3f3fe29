"""What people answered: the Delta table `annotations`, to which each answer is added that is new, changed or deleted; the last row of an answer counts.

How far Label Studio was read is kept in the same commits, as their application transaction: microseconds of the newest `updated_at` that was seen.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gyre.clients.label_studio_records import Annotation, Task
from gyre.lake import Lake

if TYPE_CHECKING:
    from gyre.clients.label_studio import LabelStudio

log = logging.getLogger("gyre.job")

TABLE = "annotations"
OVERLAP = timedelta(minutes=3)
MOST_CHANGES = 2_000  # more than these come faster as an export
TaskId = tuple[int, str]


@dataclass(frozen=True)
class Taken:
    """What a look at Label Studio brought.

    Attributes:
        added: Answers that were new or changed.
        withdrawn: Answers that were deleted.
        by: `changes` or `export`.
    """

    added: int
    withdrawn: int
    by: str


@dataclass(frozen=True)
class Annotations:
    """One use case's answers."""

    lake: Lake

    def latest(self) -> dict[TaskId, list[Annotation]]:
        """Read the answers there are now: task -> answers, in the order they were first given."""
        found: dict[TaskId, list[Annotation]] = {}
        for row in self._rows():
            if not row["deleted"]:
                found.setdefault((row["task_id"], row["key"]), []).append(_annotation(row))
        return {task: sorted(answers, key=lambda answer: (answer.created_at, answer.id)) for task, answers in found.items()}

    def take(self, studio: LabelStudio, project: int, tasks: Iterable[TaskId], job_id: str) -> Taken:
        """Add what changed in a project since last time, a few minutes before it included; what is there already is not added again."""
        since = self.watermark(project)
        by = "changes" if since and studio.count_changed(project, since - OVERLAP) <= MOST_CHANGES else "export"
        changed = studio.changed(project, since - OVERLAP) if since and by == "changes" else studio.export(project)
        before, wanted = self.latest(), set(tasks)
        rows: list[dict[str, Any]] = []
        newest = since or datetime.fromtimestamp(0, UTC)
        for task in changed:
            newest = max(newest, task.updated_at)
            if (task.id, task.key) in wanted:
                rows += _news(task, before.get((task.id, task.key), []))
        now = time.time_ns() // 1000
        if rows or newest - (since or newest - OVERLAP) >= OVERLAP:
            self._append([{**row, "project": project, "job_id": job_id, "written": now} for row in rows], project, newest)
        withdrawn = sum(row["deleted"] for row in rows)
        log.info("%s answers are new or changed, %s were deleted (by %s, since %s).", len(rows) - withdrawn, withdrawn, by, since or "the beginning")
        return Taken(len(rows) - withdrawn, withdrawn, by)

    def watermark(self, project: int) -> datetime | None:
        """Say how far the project was read; None if it never was."""
        table = self.lake.table(TABLE)
        mark = table.transaction_version(_app(project)) if table else None
        return None if mark is None else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=mark)

    def _rows(self) -> list[dict[str, Any]]:
        """Read the last row of each answer."""
        import polars as pl

        table = self.lake.table(TABLE)
        if table is None:
            return []
        rows = pl.from_arrow(table.to_pyarrow_table())
        assert isinstance(rows, pl.DataFrame)  # noqa: S101 - a table with columns, never a series
        return rows.sort("written").unique(["task_id", "key", "annotation_id"], keep="last").to_dicts()

    def _append(self, rows: list[dict[str, Any]], project: int, newest: datetime) -> None:
        """Add rows and the mark of how far was read, in one commit."""
        import polars as pl
        from deltalake import CommitProperties, Transaction, write_deltalake

        mark = (newest - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
        write_deltalake(
            self.lake.uri(TABLE),
            pl.DataFrame(rows, schema=_schema()).to_arrow(),
            mode="append",
            storage_options=dict(self.lake.options),
            commit_properties=CommitProperties(app_transactions=[Transaction(app_id=_app(project), version=mark)]),
        )


def _app(project: int) -> str:
    return f"collect/{project}"


def _news(task: Task, before: list[Annotation]) -> list[dict[str, Any]]:
    """Give the rows that say what changed in a task's answers."""
    known: Mapping[int, Annotation] = {answer.id: answer for answer in before}
    rows = [_row(task, answer, deleted=False) for answer in task.annotations if not _same(answer, known.get(answer.id))]
    there = {answer.id for answer in task.annotations}
    return rows + [_row(task, answer, deleted=True) for answer in before if answer.id not in there]


def _same(now: Annotation, before: Annotation | None) -> bool:
    return before is not None and (now.updated_at, now.results, now.skipped, now.annotator) == (
        before.updated_at,
        before.results,
        before.skipped,
        before.annotator,
    )


def _row(task: Task, answer: Annotation, *, deleted: bool) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "key": task.key,
        "annotation_id": answer.id,
        "annotator": answer.annotator,
        "results": json.dumps(answer.results),
        "skipped": answer.skipped,
        "seconds": answer.seconds,
        "created_at": answer.created_at,
        "updated_at": answer.updated_at,
        "deleted": deleted,
    }


def _annotation(row: Mapping[str, Any]) -> Annotation:
    return Annotation(
        id=row["annotation_id"],
        annotator=row["annotator"],
        results=json.loads(row["results"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        skipped=row["skipped"],
        seconds=row["seconds"],
    )


def _schema() -> dict[str, Any]:
    import polars as pl

    instant = pl.Datetime("us", "UTC")
    names = dict.fromkeys(["project", "task_id", "annotation_id", "written"], pl.Int64) | dict.fromkeys(["key", "annotator", "results", "job_id"], pl.String)
    return names | {"skipped": pl.Boolean, "deleted": pl.Boolean, "seconds": pl.Float64, "created_at": instant, "updated_at": instant}
