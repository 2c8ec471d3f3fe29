"""Job: ask people in Label Studio about rows that nobody was asked about."""

from __future__ import annotations

import logging
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gyre.clients.label_studio import LabelStudio
from gyre.connections import Connection, connection
from gyre.jobs.contract import load, main
from gyre.journal import JOURNAL_CONNECTION, Journal
from gyre.label.answers import Answers
from gyre.label.ask_people import people_of
from gyre.label.champion import Champion
from gyre.label.push import push
from gyre.lake import Lake
from gyre.specs import UseCase, load_use_case
from gyre.specs.label_messages import PushRequest, PushResult
from gyre.train.leftovers import FOLDER

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("gyre.job")


def work(request: PushRequest) -> PushResult:
    """Send the tasks that are due, while no other worker does."""
    use_case, lake = load_use_case(request.use_case), Lake.of(request.use_case)
    people = people_of(use_case)
    answers = Answers(use_case, people, load(people.label_function) if people.label_function else None)
    champion = cache(partial(champion_of, use_case, lake, request.champion)) if request.champion is not None else None
    studio = LabelStudio.of(people.connection)
    with Journal(connection(JOURNAL_CONNECTION).postgres_uri).lock(use_case.name, "push"):
        result = push(use_case, people, request, studio, lake, champion, answers)
    tell_of_answers(studio, result.project, connection(people.connection), use_case.name)
    return result


def tell_of_answers(studio: LabelStudio, project: int, conn: Connection, use_case: str) -> None:
    """Let Label Studio say when people answered, where its connection's extra names who listens; without, the DAG's schedule finds out."""
    url, secret = conn.extra.get("webhook_url"), conn.extra.get("webhook_secret")
    if url and secret:
        studio.webhook(project, f"{url.rstrip('/')}/{use_case}", {"X-Gyre-Secret": secret})


def champion_of(use_case: UseCase, lake: Lake, version: int) -> Champion:
    """Load the version that serves, and what it was trained on."""
    from gyre.clients.mlflow import TRAINING_TAG, Registry
    from gyre.clients.mlflow_files import download
    from gyre.frames import answers
    from gyre.histograms import Reference
    from gyre.serving.model import load_model

    registry = Registry.of()
    with tempfile.TemporaryDirectory(prefix="gyre-model-") as temporary:
        folder = Path(temporary) / "model"
        download(registry, use_case.name, version, folder)
        model = load_model(folder)
    made = registry.version(use_case.name, version)
    uri = lake.uri(FOLDER, made.tags.get(TRAINING_TAG, ""), "reference.json") if made else ""
    reference = Reference.model_validate_json(lake.objects.read(uri)) if uri and lake.objects.exists(uri) else None
    if reference is None:
        log.info("Version %d has no reference of what it was trained on: the share `drifted` is chosen at random.", version)
    classes = np.asarray(model.classes_).tolist() if use_case.task == "multiclass" else []

    def answer(frame: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return answers(model, use_case.task, use_case.monitoring.signals, frame)

    return Champion(version, classes, answer, reference)


if __name__ == "__main__":
    main(PushRequest, work)
