"""Ask people: create the tasks of the chosen rows, each exactly once, whoever dies meanwhile."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gyre.clients.label_studio_records import Guess, NewTask, Project, chunks
from gyre.connections import connection
from gyre.errors import SourceUnreadable
from gyre.label.annotations import Annotations
from gyre.label.answers import Answers
from gyre.label.champion import UNKNOWN, Load, results_of, score, wanted
from gyre.label.choose import Choice, any_due, chosen_rows, gold_choices, gold_rows
from gyre.label.gold import read_gold
from gyre.label.ledger import Asked, Ledger, Question
from gyre.label.questions import KEY, REASON, read_rows, refuse_private
from gyre.label.reconcile import reconcile, sweep
from gyre.label.sampling import generator
from gyre.lake import PARTITION, Lake
from gyre.specs import Interval, People, UseCase
from gyre.specs.label_messages import PushRequest, PushResult
from gyre.specs.templates import linked_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from gyre.clients.label_studio import LabelStudio

log = logging.getLogger("gyre.job")


def push(use_case: UseCase, people: People, request: PushRequest, studio: LabelStudio, lake: Lake, champion: Load | None, answers: Answers) -> PushResult:
    """Ask about rows that nobody was asked about. One worker at a time; repeated after any death, it creates nothing twice and leaves nothing out.

    Args:
        use_case: Whose rows.
        people: Its labels' spec.
        request: The window, the budget, and the windows that drifted.
        studio: Where people are asked.
        lake: Where the rows and the ledger are.
        champion: Loads the version that serves, called if something depends on it; None before the first.
        answers: Reads the labels of gold rows.

    Raises:
        InvalidUseCase: If something private would leave.
        LabelStudioRefused: If Label Studio cannot work with the template.
    """
    refuse_private(use_case, people)
    config = people.template.config(people.question)
    studio.check_config(config)
    project = studio.project(use_case.name, config, people.instructions, people.annotators)
    ledger = Ledger(lake)
    rows = read_rows(use_case, people, lake, _cells(use_case, request, lake))
    tasks = reconcile(studio, project.id, people.annotators, ledger, lambda keys: _identify(rows, keys))
    asked = _asked_before(ledger, lake, project.id)
    gold = read_gold(use_case, people, lake, answers)
    free = rows.filter(~rows[KEY].is_in(list(asked)))
    free = free.join(gold, on=KEY, how="anti") if gold is not None else free
    rng = generator(request.job_id, "pool")
    scores = score(use_case, champion(), lake, free, rng) if champion and wanted(people) and any_due(people, request, free, tasks) else UNKNOWN
    chosen = chosen_rows(use_case, people, request, free, tasks, scores)
    if gold is not None:
        known = gold_rows(people, gold, chosen, tasks, request.job_id)
        guessed = score(use_case, champion(), lake, known, rng) if champion and known.height and people.prelabels else UNKNOWN
        chosen += gold_choices(use_case, people, known, chosen, guessed, rng)
    chosen = [chosen[index] for index in rng.permutation(len(chosen))]  # where a task stands must not tell why it is asked
    _link(people, [rows, *([gold] if gold is not None else [])], studio, project)
    new = {choice.question.key: _task(use_case, people, choice) for choice in chosen}
    tasks = _create(studio, project, people, request.job_id, [choice.question for choice in chosen], new, tasks, ledger)
    return _result(request, project, tasks)


def _result(request: PushRequest, project: Project, tasks: Sequence[Asked]) -> PushResult:
    """Sum up what this job did, in all its tries."""
    reasons = Counter(task.question.reason for task in tasks if task.job_id == request.job_id)
    made = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "none were due"
    log.info("%s tasks were created in %s: %s.", f"{reasons.total():,}", project.url, made)
    requests = Counter(task.question.request for task in tasks if task.question.request)
    counted = {window.key: requests[window.key] for window in request.drifted}
    return PushResult(project=project.id, project_url=project.url, tasks=reasons.total(), reasons=dict(reasons), asked=len(tasks), requests=counted)


def _create(
    studio: LabelStudio,
    project: Project,
    people: People,
    job_id: str,
    questions: Sequence[Question],
    new: Mapping[str, NewTask],
    tasks: list[Asked],
    ledger: Ledger,
) -> list[Asked]:
    """Create tasks chunk by chunk, each written down at once; then look whether another worker did the same."""
    if not questions:
        return sweep(studio, project.id, tasks, ledger)
    ledger.intend(questions, job_id)
    by_key = {question.key: question for question in questions}
    for chunk in chunks([new[question.key] for question in questions]):
        ids = studio.create_tasks(project.id, chunk)
        now = time.time_ns() // 1000
        made = [Asked(id_, project.id, by_key[task.key], people.annotators, job_id, now) for id_, task in zip(ids, chunk, strict=True)]
        ledger.write(made)
        log.info("%s tasks sent.", f"{len(made):,}")
    return sweep(studio, project.id, reconcile(studio, project.id, people.annotators, ledger), ledger)


def _task(use_case: UseCase, people: People, choice: Choice) -> NewTask:
    question = choice.question
    data = {**choice.data, KEY: question.key, REASON: choice.shown_reason}
    results = results_of(people, json.loads(question.guess)) if people.prelabels and question.guess is not None else None
    return NewTask(question.key, data, Guess(results, choice.certainty, f"{use_case.name} v{question.version}") if results else None)


def _cells(use_case: UseCase, request: PushRequest, lake: Lake) -> list[Interval]:
    """List the published cells of the window and of the windows that drifted, oldest first."""
    grid = use_case.schedule.grid
    spans = [request.interval, *(Interval(max(grid.floor(w.start), use_case.schedule.start), w.end) for w in request.drifted)]
    cells = {cell for span in spans for cell in grid.cells(span)}
    return lake.published("validated", sorted(cells))


def _identify(rows: pl.DataFrame, keys: Sequence[str]) -> dict[str, Question]:
    """Find the rows of content keys that no job intended."""
    found = rows.filter(rows[KEY].is_in(list(keys)))
    return {key: Question(key, cell, "{}", "random") for key, cell in zip(found[KEY], found[PARTITION], strict=True)}


def _asked_before(ledger: Ledger, lake: Lake, project: int) -> set[str]:
    """Name the keys that need not be asked about: those of this project's tasks, deleted ones too, and those answered in one that is no more."""
    answered = set(Annotations(lake).latest())
    return {task.key for task in ledger.read() if task.project == project or (not task.gone and task.id in answered)}


def _link(people: People, frames: Sequence[pl.DataFrame], studio: LabelStudio, project: Project) -> None:
    """Let Label Studio make links for every bucket that the rows' files lie in, with the keys that are good now.

    Raises:
        SourceUnreadable: If an address is none of an object store.
    """
    columns = [people.template.shown[variable] for variable in linked_in(people.template)]
    addresses = [frame[column].cast(str) for frame in frames for column in columns if frame.height]
    buckets = {bucket: found for each in addresses for found, bucket in zip(each, each.str.extract(r"^s3://([^/]+)/."), strict=True)}
    for bucket, address in sorted(buckets.items(), key=str):
        if bucket is None:
            raise SourceUnreadable(f"'{address}' is shown to people as a link, and only s3:// can be. Fix: give the rows addresses such as s3://bucket/key.")
        assert people.files is not None  # noqa: S101 - the spec insists on it where files are shown
        studio.link_files(project.id, bucket, connection(people.files), people.link_minutes)
