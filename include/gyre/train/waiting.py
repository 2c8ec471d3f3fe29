"""Which retrain requests may be answered now, and which wait until people have labelled rows of their windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gyre.journal import Entry, Journal, Kind
from gyre.specs import People, UseCase


@dataclass(frozen=True)
class Requests:
    """The open retrain requests.

    Attributes:
        ready: Those that a training may answer now.
        waiting: What the others wait for, in words.
    """

    ready: list[Entry]
    waiting: list[str]


def sorted_out(use_case: UseCase, journal: Journal, opened: Sequence[Entry]) -> Requests:
    """Say which open requests wait for labels: those whose tasks people were not sent yet, or have not answered enough of."""
    people = use_case.labels
    if not isinstance(people, People) or not people.answer_drift:
        return Requests(list(opened), [])
    collected = journal.last(use_case.name, Kind.ANNOTATIONS_COLLECTED)
    known: dict[str, dict[str, int]] = collected.body["requests"] if collected else {}
    waits = {e.key: _waits_for(e, people, known.get(e.key)) for e in opened if e.body.get("window_start")}
    return Requests([e for e in opened if not waits.get(e.key)], [why for why in waits.values() if why])


def _waits_for(request: Entry, people: People, progress: dict[str, int] | None) -> str | None:
    if progress is None:
        return f"retrain request {request.key} waits for its tasks to be sent to people"
    asked, answered = progress["asked"], progress["answered"]
    if answered >= people.enough * asked:
        return None
    return f"retrain request {request.key} waits for labels: {answered} of {asked} answered, {people.enough:.0%} are enough"
