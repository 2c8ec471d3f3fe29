"""Bring in what people finished, judge it, and give the rows their labels."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from gyre.clients.label_studio_records import Project
from gyre.errors import SourceUnreadable
from gyre.label.agreement import agreement
from gyre.label.annotations import Annotations
from gyre.label.answers import Answers
from gyre.label.consensus import State, Verdict, opinions_of, verdict
from gyre.label.join import join
from gyre.label.ledger import Asked, Ledger
from gyre.label.questions import KEY, cell_of, read_rows
from gyre.label.reconcile import reconcile
from gyre.lake import Lake
from gyre.specs import People, UseCase
from gyre.specs.label_messages import Agreement, CollectRequest, CollectResult, Progress

if TYPE_CHECKING:
    import polars as pl

    from gyre.clients.label_studio import LabelStudio

log = logging.getLogger("gyre.job")

Judged = Sequence[tuple[Asked, Verdict]]


def collect(use_case: UseCase, people: People, request: CollectRequest, studio: LabelStudio, lake: Lake, answers: Answers) -> CollectResult:
    """Collect what changed, once: repeated, it adds nothing.

    Raises:
        SourceUnreadable: If the project is gone.
    """
    project = studio.find(use_case.name)
    if project is None:
        raise SourceUnreadable(f"Label Studio has no project of '{use_case.name}' (any more). Fix: clear `push` of the same run, which makes it.")
    ledger, book = Ledger(lake), Annotations(lake)
    tasks = reconcile(studio, project.id, people.annotators, ledger)
    taken = book.take(studio, project.id, (task.id for task in tasks), request.job_id)
    given = book.latest()
    everything = ledger.read()
    earlier = [task for task in everything if task.project != project.id and not task.gone and task.id in given]
    judged = [(task, verdict(opinions_of(given.get(task.id, []), answers), people.annotators)) for task in [*earlier, *tasks]]
    agreed = agreement(people, [(found.opinions, task.question.gold) for task, found in judged])
    again = _ask_again(people, project, studio, ledger, judged, agreed)
    rows = labels(use_case, people, lake, judged, answers)
    joined = join(use_case, [cell_of(use_case, key) for key in sorted({task.question.cell for task in everything})], lake, rows)
    states = Counter(found.state for _, found in judged)
    _say(agreed, states)
    return CollectResult(
        start=request.start,
        end=request.end,
        rows=joined.rows,
        labelled=joined.labelled,
        changed=[cell.start for cell in joined.changed],
        version=joined.version,
        project_url=project.url,
        tasks=len(judged),
        waiting=states["waiting"],
        agreed=states["agreed"],
        disputed=states["disputed"],
        asked_again=len(again),
        annotations=taken.added,
        withdrawn=taken.withdrawn,
        by=taken.by,
        agreement=agreed,
        requests=progress([(again.get(task.id, task), found) for task, found in judged]),
    )


def labels(use_case: UseCase, people: People, lake: Lake, judged: Judged, answers: Answers) -> pl.DataFrame:
    """Give the rows whose label was agreed on: keys, `label`, `labelled_at`, and who said so in which annotations of which project.

    A row whose content changed since it was asked about has another content key, and no label from then on. Gold rows measure people, and are none.
    """
    import polars as pl

    agreed = {task.key: (task, found) for task, found in judged if found.state == "agreed" and task.question.gold is None}
    found = [
        {
            KEY: key,
            "label": json.loads(said.label or "null"),
            "labelled_at": max(opinion.at for opinion in said.supporters),
            "labelled_by": ", ".join(sorted(opinion.annotator for opinion in said.supporters)),
            "annotations": ",".join(str(opinion.annotation) for opinion in said.supporters),
            "label_project": task.project,
        }
        for key, (task, said) in agreed.items()
    ]
    schema = {"label": answers.dtype, "labelled_at": pl.Datetime("us", "UTC"), "labelled_by": pl.String, "annotations": pl.String, "label_project": pl.Int64}
    cells = [cell_of(use_case, key) for key in sorted({task.question.cell for task, _ in agreed.values()})]
    rows = read_rows(use_case, people, lake, cells).select(*use_case.keys, KEY)
    return rows.join(pl.DataFrame(found, schema={KEY: pl.String, **schema}), on=KEY, how="inner", maintain_order="left").drop(KEY)


def progress(judged: Judged) -> dict[str, Progress]:
    """Say how far the tasks of each retrain request are: answered are those with a label, and those given up as disputed."""
    asked, answered = Counter[str](), Counter[str]()
    for task, found in judged:
        if key := task.question.request:
            asked[key] += 1
            answered[key] += found.state == "agreed" or (found.state == "disputed" and task.opinions <= len(found.opinions))
    return {key: Progress(asked=count, answered=answered[key]) for key, count in asked.items()}


def _ask_again(people: People, project: Project, studio: LabelStudio, ledger: Ledger, judged: Judged, agreed: Agreement) -> Mapping[tuple[int, str], Asked]:
    """Send disputed tasks back for one more opinion each, if people agree too little; once for each number of opinions."""
    if not agreed.low:
        return {}
    again = {
        task.id: replace(task, opinions=len(found.opinions) + 1)
        for task, found in judged
        if task.project == project.id and found.state == "disputed" and task.opinions <= len(found.opinions) < people.opinions_at_most
    }
    if again:
        studio.ask_again(project.id, {task.task_id: task.opinions for task in again.values()})
        ledger.write(list(again.values()))
        log.info("Kappa %.2f is below the bar %.2f: %s disputed tasks went back for another opinion.", agreed.kappa, agreed.bar, f"{len(again):,}")
    return again


def _say(agreed: Agreement, states: Counter[State]) -> None:
    """Tell the one on call how the labelling is going."""
    log.info("%s tasks: %s waiting, %s agreed, %s disputed.", f"{states.total():,}", *(f"{states[state]:,}" for state in get_args(State)))
    if agreed.bar is not None or agreed.tasks:
        bar = "none" if agreed.bar is None else f"{agreed.bar:.2f}"
        log.info("Agreement: kappa %s on %s tasks that people share; the bar is %s.", _figure(agreed.kappa), f"{agreed.tasks:,}", bar)
    for each in agreed.annotators:
        gold = f"{each.gold_correct} of {each.gold} gold tasks right" if each.gold else "no gold tasks"
        log.info("%s: %s answers, kappa with colleagues %s, %s.", each.name, f"{each.annotations:,}", _figure(each.kappa), gold)


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
