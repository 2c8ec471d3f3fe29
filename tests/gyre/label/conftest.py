"""A use case whose texts people label, its rows in a lake of files, and a Label Studio in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from gyre.clients.label_studio_memory import MemoryLabelStudio
from gyre.label.answers import Answers
from gyre.label.champion import Champion
from gyre.label.collect import collect
from gyre.label.ledger import Asked, Ledger
from gyre.label.push import push
from gyre.lake import Lake
from gyre.specs import Features, Interval, Objects, People, Promotion, Schedule, TextClassification, Training, UseCase, cell_key
from gyre.specs.label_messages import CollectRequest, CollectResult, DriftWindow, PushRequest, PushResult

START = datetime(2024, 1, 1, tzinfo=UTC)
ANN, BEN, CAT = "ann@x.org", "ben@x.org", "cat@x.org"
TEXTS = TextClassification(text="text", choices=["no", "yes"])


def day(number: int) -> datetime:
    return START + timedelta(days=number - 1)


def days(first: int, last: int) -> Interval:
    return Interval(day(first), day(last) + timedelta(days=1))


def use_case_with(task: str = "multiclass", private: tuple[str, ...] = (), template: Any = TEXTS, **people: Any) -> UseCase:
    return UseCase(
        name="letters",
        task=task,
        keys=["id"],
        event_time="at",
        private=list(private),
        sources={"letters": Objects(uri="file:///tmp/{start:%Y-%m-%d}.parquet", event_time="at")},
        schedule=Schedule(start=START),
        features=Features(function="use_cases.letters.code:features", numeric=["x"], carried=["text"]),
        expectations="use_cases.letters.code:suites",
        labels=People(template=template, **{"budget": 3, **people}),
        training=Training(function="use_cases.letters.code:train"),
        promotion=Promotion(metric="mae" if task == "regression" else "log_loss"),
    )


def answer(choice: str) -> list[dict[str, Any]]:
    return [{"from_name": "answer", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}]


def box(name: str, x: float, y: float, width: float, height: float) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [name]}
    return {"from_name": "answer", "to_name": "image", "type": "rectanglelabels", "value": value}


def stretch(name: str, start: int, end: int) -> dict[str, Any]:
    return {"from_name": "answer", "to_name": "text", "type": "labels", "value": {"start": start, "end": end, "text": "...", "labels": [name]}}


@dataclass
class Desk:
    """Everything a test of people's labels needs, at hand."""

    use_case: UseCase
    lake: Lake
    studio: MemoryLabelStudio = field(default_factory=MemoryLabelStudio)
    jobs: int = 0

    @property
    def people(self) -> People:
        assert isinstance(self.use_case.labels, People)
        return self.use_case.labels

    @property
    def answers(self) -> Answers:
        return Answers(self.use_case, self.people)

    def publish(self, first: int, last: int, rows: int = 10, text: str = "letter") -> None:
        """Publish days, each with rows whose `x` is 0, 1, 2..."""
        made = [
            {
                "id": f"{number}-{n}",
                "at": day(number) + timedelta(minutes=n),
                "x": float(n),
                "text": f"{text} {n} of day {number}",
                "_interval": cell_key(day(number)),
            }
            for number in range(first, last + 1)
            for n in range(rows)
        ]
        self.lake.replace("validated", pl.DataFrame(made).to_arrow(), days(first, last), self.use_case.schedule.grid, transaction="publish", version=1)

    def push(self, first: int = 1, last: int = 9, champion: Champion | None = None, studio: Any = None, **asked: Any) -> PushResult:
        self.jobs += 1
        about = {"job": "push", "job_id": f"push-{self.jobs}", "use_case": "letters", "environment": "tabular", "connections": []}
        request = PushRequest(**{**about, "start": day(first), "end": day(last) + timedelta(days=1), **asked})
        load = (lambda: champion) if champion else None
        return push(self.use_case, self.people, request, studio or self.studio, self.lake, load, self.answers)

    def collect(self) -> CollectResult:
        self.jobs += 1
        about = {"job": "collect", "job_id": f"collect-{self.jobs}", "use_case": "letters", "environment": "tabular", "connections": []}
        request = CollectRequest(**about, start=day(1), end=day(10))
        return collect(self.use_case, self.people, request, self.studio, self.lake, self.answers)

    def tasks(self) -> list[Asked]:
        return [task for task in Ledger(self.lake).read() if not task.gone]

    def keys(self) -> list[str]:
        """The keys of Label Studio's tasks."""
        project = self.studio.projects["letters"]
        return [key for _, key in self.studio.newest_tasks(project, 0)]

    def say(self, choices: dict[str, str], tasks: list[Asked] | None = None) -> list[int]:
        """Let people answer tasks (all of them): person -> choice."""
        return [self.studio.annotate(task.task_id, who, answer(choice)) for task in tasks or self.tasks() for who, choice in choices.items()]

    def labelled(self) -> dict[str, Any]:
        table = self.lake.table("labelled")
        return {row["id"]: row["label"] for row in table.to_pyarrow_table().to_pylist()} if table else {}


@pytest.fixture
def desk(tmp_path) -> Callable[..., Desk]:
    def build(**spec: Any) -> Desk:
        return Desk(use_case_with(**spec), Lake(f"file://{tmp_path}/lake", {}))

    return build


def window(first: int, last: int, key: str = "r") -> DriftWindow:
    return DriftWindow(key=key, start=day(first), end=day(last) + timedelta(days=1))
