"""What Gyre and Label Studio tell one another: tasks, guesses, annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEY = "gyre_key"
REASON = "gyre_reason"
SHOWN = "champion"  # Label Studio shows predictions of one model version of a project, so all have this; which one it was is in the task's meta


@dataclass(frozen=True)
class Token:
    """What signs Gyre in.

    Attributes:
        kind: `legacy` or `personal access`.
        expires: When it stops working; None if never.
        user: E-mail address of the person it belongs to.
    """

    kind: str
    expires: datetime | None
    user: str


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes:
        url: The page that people open.
        created: Whether it was made just now.
    """

    id: int
    url: str
    created: bool


@dataclass(frozen=True)
class Guess:
    """A model's answer that people are shown, a prediction in Label Studio's words.

    Attributes:
        results: Label Studio's results, as its config names them.
        score: How sure the model is, from 0 to 1.
        model_version: Whose answer it is; kept as `guessed_by` in the task's `meta`.
    """

    results: list[dict[str, Any]]
    score: float
    model_version: str


@dataclass(frozen=True)
class NewTask:
    """A task to create.

    Attributes:
        key: Content key; `data["gyre_key"]` carries it.
        data: What the config shows, plus `gyre_key` and `gyre_reason`.
    """

    key: str
    data: dict[str, Any]
    guess: Guess | None = None

    def body(self) -> dict[str, Any]:
        """Write it as Label Studio imports it."""
        body: dict[str, Any] = {"data": {**self.data, KEY: self.key}}
        if self.guess is not None:
            body["predictions"] = [{"result": self.guess.results, "score": self.guess.score, "model_version": SHOWN}]
            body["meta"] = {"guessed_by": self.guess.model_version}
        return body


@dataclass(frozen=True)
class Annotation:
    """What one person answered.

    Attributes:
        annotator: Their e-mail address.
        skipped: Whether they cancelled the task instead of answering.
        seconds: How long they took, if it is known.
    """

    id: int
    annotator: str
    results: list[dict[str, Any]]
    created_at: datetime
    updated_at: datetime
    skipped: bool
    seconds: float | None


@dataclass(frozen=True)
class Task:
    """A task and every annotation it has now."""

    id: int
    key: str
    updated_at: datetime
    annotations: list[Annotation]


def chunks(tasks: Sequence[NewTask], most: int = 2500, most_bytes: int = 8 * 2**20) -> Iterator[list[NewTask]]:
    """Cut tasks into requests that Label Studio takes, limited by count and by bytes (of JSON); a task larger than that goes alone."""
    chunk: list[NewTask] = []
    size = 0
    for task in tasks:
        more = len(json.dumps(task.body()).encode()) + 2
        if chunk and (len(chunk) == most or size + more > most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(task)
        size += more
    if chunk:
        yield chunk
