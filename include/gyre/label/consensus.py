"""What the answers to one task come to. Nothing here reads anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gyre.clients.label_studio_records import Annotation
from gyre.label.answers import Answers
from gyre.label.overlap import Results

State = Literal["waiting", "agreed", "disputed"]


@dataclass(frozen=True)
class Opinion:
    """One person's answer to a task.

    Attributes:
        label: What it means to the model, JSON.
        at: When they last changed it.
        agrees_with: Label of the first opinion on the task that it agrees with; its own if there is none.
    """

    annotation: int
    annotator: str
    label: str
    at: datetime
    agrees_with: str


@dataclass(frozen=True)
class Verdict:
    """What the opinions come to.

    Attributes:
        label: The label they agree on, JSON; None for `waiting` and `disputed`.
        opinions: Those that count, in the order in which they were first given.
    """

    state: State
    label: str | None
    opinions: tuple[Opinion, ...]

    @property
    def supporters(self) -> list[Opinion]:
        """The opinions that say what was agreed."""
        return [opinion for opinion in self.opinions if opinion.agrees_with == self.label]


def opinions_of(annotations: Iterable[Annotation], answers: Answers) -> tuple[Opinion, ...]:
    """Give the opinions that count: no skipped task, no empty answer, and of one person the latest.

    Args:
        annotations: In the order in which they were given.
        answers: Says what they mean.
    """
    by_person: dict[str, tuple[Annotation, str]] = {}
    for each in sorted(annotations, key=lambda annotation: annotation.updated_at):
        label = None if each.skipped else answers.label(each.results)
        if label is not None:
            by_person[each.annotator] = each, label
    first = {each.annotator: each.created_at for each in sorted(annotations, key=lambda a: a.created_at, reverse=True)}
    given = sorted(by_person.values(), key=lambda answer: (first[answer[0].annotator], answer[0].id))
    said: dict[str, Results] = {}  # label -> results of the first who gave it and agreed with nobody
    opinions = []
    for each, label in given:
        agrees_with = label if label in said else next((other for other, results in said.items() if answers.alike(results, each.results)), label)
        said.setdefault(agrees_with, each.results)
        opinions.append(Opinion(each.id, each.annotator, label, each.updated_at, agrees_with))
    return tuple(opinions)


def verdict(opinions: Sequence[Opinion], annotators: int) -> Verdict:
    """Say what opinions come to.

    Args:
        opinions: Those that count.
        annotators: Opinions that each task needs.
    """
    counted = Counter(opinion.agrees_with for opinion in opinions).most_common(1)
    if len(opinions) < annotators or not counted:
        return Verdict("waiting", None, tuple(opinions))
    label, votes = counted[0]
    if votes == len(opinions) or (len(opinions) > annotators and 2 * votes > len(opinions)):
        return Verdict("agreed", label, tuple(opinions))
    return Verdict("disputed", None, tuple(opinions))
