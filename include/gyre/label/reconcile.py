"""Bring the ledger in line with what Label Studio holds, whoever died or deleted something meanwhile."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gyre.label.ledger import Asked, Ledger, Question, without

if TYPE_CHECKING:
    from gyre.clients.label_studio import LabelStudio

log = logging.getLogger("gyre.job")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Identify = Callable[[Sequence[str]], Mapping[str, Question]]


def nobody(keys: Sequence[str]) -> Mapping[str, Question]:  # noqa: ARG001 - as every `Identify` is called
    """Identify no row."""
    return {}


def reconcile(studio: LabelStudio, project: int, opinions: int, ledger: Ledger, identify: Identify = nobody) -> list[Asked]:
    """Enter tasks that the ledger does not know (their job died before it wrote them down), and note those that were deleted.

    Label Studio's keys are read from the ledger's last task on; from the first on only where the number of tasks does not fit.

    Args:
        studio: Label Studio.
        project: Id of the project.
        opinions: Opinions that a new task shall have.
        ledger: The use case's ledger.
        identify: Finds the questions of content keys that no job intended.

    Returns:
        The project's tasks.
    """
    known = {task.id: task for task in ledger.read() if task.project == project}
    present = {id_ for id_, task in known.items() if not task.gone}
    present |= set(studio.newest_tasks(project, max((task_id for task_id, _ in known), default=0)))
    if studio.count_tasks(project) != len(present):
        present = set(studio.newest_tasks(project, 0))
    entered = _enter(sorted(present - set(known)), project, opinions, ledger, identify)
    gone = without(task for id_, task in known.items() if not task.gone and id_ not in present)
    back = [replace(task, gone=False) for id_, task in known.items() if task.gone and id_ in present]
    for tasks, what in ((entered, "were created by a job that could not write them down"), (gone, "were deleted in Label Studio"), (back, "are back")):
        if tasks:
            log.info("%s tasks %s: entered into the ledger.", f"{len(tasks):,}", what)
    ledger.write([*entered, *gone, *back])
    return sorted([*entered, *back, *(task for id_, task in known.items() if not task.gone and id_ in present)], key=lambda task: task.id)


def sweep(studio: LabelStudio, project: int, tasks: Sequence[Asked], ledger: Ledger) -> list[Asked]:
    """Delete tasks about the same content (two workers pushed at once); one that somebody answered stays, else the first."""
    by_key = defaultdict(list)
    for task in tasks:
        by_key[task.key].append(task)
    twins = [each for each in by_key.values() if len(each) > 1]
    if not twins:
        return list(tasks)
    answered = {task.id for task in studio.changed(project, EPOCH) if task.annotations}
    extra = [task for each in twins for task in sorted(each, key=lambda t: (t.task_id not in answered, t.task_id))[1:]]
    log.info("%s tasks were there twice, as two workers pushed at once: deleted.", f"{len(extra):,}")
    studio.delete_tasks(project, [task.task_id for task in extra])
    ledger.write(without(extra))
    deleted = {task.id for task in extra}
    return [task for task in tasks if task.id not in deleted]


def _enter(ids: Sequence[tuple[int, str]], project: int, opinions: int, ledger: Ledger, identify: Identify) -> list[Asked]:
    """Make entries of tasks that the ledger does not know; those of strangers stay out."""
    if not ids:
        return []
    intended = ledger.intended()
    others = identify([key for _, key in ids if key not in intended])
    found = {**{key: ("", question) for key, question in others.items()}, **intended}
    now = time.time_ns() // 1000
    entered = [Asked(task_id, project, found[key][1], opinions, found[key][0], now) for task_id, key in ids if key in found]
    if len(entered) < len(ids):
        log.info("%s tasks of the project are about no row of this use case: left alone.", f"{len(ids) - len(entered):,}")
    return entered
