"""What is in a project: its tasks by id, and those that changed with what people answered, page by page.

No numbered pages: tasks that change while one reads would shift them, and some would be missed. Each page begins where the last one ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from gyre.clients.label_studio_records import KEY, Annotation, Task
from gyre.clients.label_studio_server import Server

KEYS_AT_ONCE = 1000
TASKS_AT_ONCE = 200
# What is not named here costs the server a query a task; the names are of tasks and of the annotations in them.
KEYS = "id,data"
ANSWERS = "id,data,updated_at,annotations,completed_by,result,created_at,was_cancelled,lead_time"


@dataclass(frozen=True)
class Listing:
    """One project, as it is now."""

    server: Server
    project: int

    def count(self, since: datetime | None = None) -> int:
        """Count the tasks, or those that changed since then."""
        return int(self._ask([] if since is None else [_is("updated_at", "greater_or_equal", since)], "id", 1, answers=False)["total"])

    def keys(self, after: int) -> Iterator[tuple[int, str]]:
        """Give id and key of each task with a greater id, in order."""
        while True:
            page = self._page([_is("id", "greater", after)], "id", KEYS_AT_ONCE)
            for task in page:
                yield int(task["id"]), key_of(task)
            if len(page) < KEYS_AT_ONCE:
                return
            after = page[-1]["id"]

    def changed(self, since: datetime) -> Iterator[Task]:
        """Give each task that changed since then, oldest change first."""
        operator = "greater_or_equal"
        while True:
            page = self._page([_is("updated_at", operator, since)], "updated_at", TASKS_AT_ONCE, answers=True)
            if len(page) < TASKS_AT_ONCE:
                yield from map(self.task, page)
                return
            since, operator = _time(page[-1]["updated_at"]), "greater_or_equal"
            certain = [task for task in page if _time(task["updated_at"]) < since]
            yield from map(self.task, certain)
            if not certain:  # a bulk action changed more tasks in one instant than a page holds
                yield from map(self.task, self._changed_at(since))
                operator = "greater"

    def _changed_at(self, at: datetime) -> Iterator[dict[str, Any]]:
        after = 0
        while True:
            page = self._page([_is("updated_at", "equal", at), _is("id", "greater", after)], "id", TASKS_AT_ONCE, answers=True)
            yield from page
            if len(page) < TASKS_AT_ONCE:
                return
            after = page[-1]["id"]

    def _page(self, filters: list[dict[str, Any]], order: str, size: int, answers: bool = False) -> list[dict[str, Any]]:
        return list(self._ask(filters, order, size, answers)["tasks"])

    def _ask(self, filters: list[dict[str, Any]], order: str, size: int, answers: bool) -> dict[str, Any]:
        query = {"filters": {"conjunction": "and", "items": filters}, "ordering": [f"tasks:{order}"]}
        answer: dict[str, Any] = self.server.get(
            f"list tasks of project {self.project}",
            "api/tasks/",
            project=self.project,
            fields="all" if answers else "task_only",
            include=ANSWERS if answers else KEYS,
            page_size=size,
            resolve_uri="false",
            query=json.dumps(query),
        )
        return answer

    def task(self, task: Mapping[str, Any]) -> Task:
        """Read a task with its annotations, as the API and an export write it."""
        annotations = sorted(task["annotations"], key=lambda each: int(each["id"]))
        return Task(id=int(task["id"]), key=key_of(task), updated_at=_time(task["updated_at"]), annotations=[self._annotation(each) for each in annotations])

    def _annotation(self, made: Mapping[str, Any]) -> Annotation:
        by = made["completed_by"]
        return Annotation(
            id=int(made["id"]),
            annotator=self._people.get(by, f"user {by}"),
            results=list(made["result"] or []),
            created_at=_time(made["created_at"]),
            updated_at=_time(made["updated_at"]),
            skipped=bool(made["was_cancelled"]),
            seconds=made["lead_time"],
        )

    @cached_property
    def _people(self) -> dict[int, str]:
        return {int(each["id"]): str(each["email"]) for each in self.server.get("list the people", "api/users/")}


def key_of(task: Mapping[str, Any]) -> str:
    """Give a task's key; '' if Gyre did not make it."""
    return str(task["data"].get(KEY, ""))


def _is(field: str, operator: str, value: datetime | int) -> dict[str, Any]:
    if isinstance(value, datetime):
        text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"filter": f"filter:tasks:{field}", "operator": operator, "type": "Datetime", "value": text}
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": "Number", "value": value}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
