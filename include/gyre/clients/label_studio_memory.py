"""Label Studio in memory, with the interface of `LabelStudio`: for tests of what is built on it. Its people answer by `annotate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from gyre.clients.label_studio_records import Annotation, NewTask, Project, Task, Token
from gyre.connections import Connection


class Killed(Exception):
    """The process died here, as a test asked."""


@dataclass
class MemoryLabelStudio:
    """One server with its projects.

    Attributes:
        dies_after: Name of the method that next does its work but never answers; the one after it works again.
        settings: Config, instructions and annotators of each project.
        links: (project, bucket) -> connection of its store, and how many minutes a link works.
        webhooks: Address that each project calls, and the headers.
        created: The new tasks as they came, by task id.
        opinions: Annotations that each task shall have.
    """

    dies_after: str | None = None
    projects: dict[str, int] = field(default_factory=dict)
    settings: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    links: dict[tuple[int, str], tuple[str, int]] = field(default_factory=dict)
    webhooks: dict[int, tuple[str, dict[str, str]]] = field(default_factory=dict)
    created: dict[int, NewTask] = field(default_factory=dict)
    opinions: dict[int, int] = field(default_factory=dict)
    _tasks: dict[int, Task] = field(default_factory=dict)
    _in: dict[int, int] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))
    _clock: datetime = field(default_factory=lambda: datetime.now(UTC))

    # what people do

    def annotate(self, task: int, annotator: str, results: list[dict[str, Any]], skipped: bool = False, seconds: float | None = 5.0) -> int:
        """Let a person answer; give the annotation's id. Asked again, the same person changes the answer."""
        mine = next((each for each in self._tasks[task].annotations if each.annotator == annotator), None)
        now = self._now()
        made = Annotation(
            id=mine.id if mine else next(self._ids),
            annotator=annotator,
            results=results,
            created_at=mine.created_at if mine else now,
            updated_at=now,
            skipped=skipped,
            seconds=seconds,
        )
        others = [each for each in self._tasks[task].annotations if each.id != made.id]
        self._tasks[task] = replace(self._tasks[task], updated_at=now, annotations=[*others, made])
        return made.id

    def delete_annotation(self, annotation: int) -> None:
        """Let a person delete an answer."""
        task = next(task for task in self._tasks.values() if any(each.id == annotation for each in task.annotations))
        left = [each for each in task.annotations if each.id != annotation]
        self._tasks[task.id] = replace(task, updated_at=self._now(), annotations=left)

    # what Gyre asks

    def token(self) -> Token:
        """Say who is signed in."""
        return Token("legacy", None, "gyre@example.com")

    def check_config(self, config: str) -> None:
        """Take any config."""

    def project(self, name: str, config: str, instructions: str, annotators: int) -> Project:
        """Find or create the project of that name."""
        created = name not in self.projects
        self.projects.setdefault(name, next(self._ids))
        self.settings[self.projects[name]] = (config, instructions, annotators)
        self._answer("project")
        return Project(self.projects[name], f"memory://projects/{self.projects[name]}", created)

    def find(self, name: str) -> Project | None:
        """Find the project of that name."""
        return Project(self.projects[name], f"memory://projects/{self.projects[name]}", False) if name in self.projects else None

    def link_files(self, project: int, bucket: str, store: Connection, minutes: int) -> None:
        """Note that a bucket is linked."""
        self.links[(project, bucket)] = (store.conn_id, minutes)

    def newest_tasks(self, project: int, after: int) -> Iterator[tuple[int, str]]:
        """Give id and key of each task with a greater id."""
        yield from [(task.id, task.key) for task in self._of(project) if task.id > after]

    def count_tasks(self, project: int) -> int:
        """Count the tasks."""
        return len(self._of(project))

    def create_tasks(self, project: int, tasks: Sequence[NewTask]) -> list[int]:
        """Create tasks; give their ids in order."""
        ids = []
        for task in tasks:
            ids.append(next(self._ids))
            self._tasks[ids[-1]] = Task(ids[-1], task.key, self._now(), [])
            self._in[ids[-1]] = project
            self.created[ids[-1]] = task
            self.opinions[ids[-1]] = self.settings[project][2]
        self._answer("create_tasks")
        return ids

    def delete_tasks(self, project: int, ids: Sequence[int]) -> None:
        """Delete tasks and their annotations."""
        for each in ids:
            if self._in.get(each) == project:
                self._tasks.pop(each, None)
        self._answer("delete_tasks")

    def changed(self, project: int, since: datetime) -> Iterator[Task]:
        """Give the tasks that changed since then, in the order in which they did."""
        yield from sorted((task for task in self._of(project) if task.updated_at >= since), key=lambda task: task.updated_at)

    def count_changed(self, project: int, since: datetime) -> int:
        """Count the tasks that changed since then."""
        return len(list(self.changed(project, since)))

    def export(self, project: int) -> Iterator[Task]:
        """Give every task as it is now."""
        yield from self._of(project)

    def ask_again(self, project: int, tasks: Mapping[int, int]) -> None:
        """Let each task have so many opinions."""
        self.opinions.update({task: opinions for task, opinions in tasks.items() if self._in.get(task) == project})
        self._answer("ask_again")

    def webhook(self, project: int, url: str, headers: Mapping[str, str]) -> None:
        """Note where changes are told."""
        self.webhooks[project] = (url, dict(headers))

    def _of(self, project: int) -> list[Task]:
        return [task for task in self._tasks.values() if self._in[task.id] == project]

    def _now(self) -> datetime:
        self._clock = max(self._clock + timedelta(microseconds=1), datetime.now(UTC))
        return self._clock

    def _answer(self, method: str) -> None:
        if self.dies_after == method:
            self.dies_after = None
            raise Killed(method)
