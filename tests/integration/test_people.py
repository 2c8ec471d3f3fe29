"""People's labels against a real Label Studio: tasks out, answers back, for pictures, texts and sounds, through the functions that the jobs run.

The pictures and the sounds are made here (coloured squares; a synthesised tone of half a second each), and lie in the stack's object store; the texts
are short sentences. Nothing else is made up: the server, its links to the store, the people's accounts and their answers are real. No webhook is set.
"""

from __future__ import annotations

import io
import logging
import math
import os
import struct
import time
import uuid
import wave
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest

from gyre.clients.label_studio import LabelStudio
from gyre.clients.object_store import LAKE_CONNECTION, Objects
from gyre.connections import connection, variable_of
from gyre.data import read_labelled
from gyre.errors import LabelStudioUnreachable
from gyre.journal import JOURNAL_CONNECTION, Journal
from gyre.label import annotations
from gyre.label.answers import Answers
from gyre.label.collect import collect
from gyre.label.ledger import Ledger
from gyre.label.push import push
from gyre.lake import Lake
from gyre.specs import (
    AudioClassification,
    Features,
    ImageClassification,
    Interval,
    People,
    Promotion,
    Schedule,
    TextClassification,
    Training,
    Transcription,
    UseCase,
)
from gyre.specs import Objects as Files
from gyre.specs.label_messages import CollectRequest, CollectResult, PushRequest, PushResult
from tests.integration.label_people import Person

pytestmark = pytest.mark.stack

log = logging.getLogger("gyre.test")

LABEL_STUDIO = "gyre_labelstudio"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = Interval(START, START + timedelta(days=1))
BUCKET = "s3://gyre"


def picture(n: int) -> bytes:
    """A red or a blue square."""
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", (32, 32), ("red", "blue")[n % 2]).save(content, "PNG")
    return content.getvalue()


def sound(n: int) -> bytes:
    """Half a second of a synthesised tone, low or high."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * (220, 880)[n % 2] * t / 8000))) for t in range(4000)))
    return content.getvalue()


def sentence(n: int) -> bytes:
    return ("The train was late again.", "Thank you for the quick help!")[n % 2].encode()


@dataclass(frozen=True)
class Medium:
    """One kind of thing that people look at."""

    template: Any
    make: Any
    suffix: str
    choices: tuple[str, str]
    linked: bool = True


MEDIA = {
    "image": Medium(ImageClassification(image="shown", choices=["red", "blue"]), picture, "png", ("red", "blue")),
    "text": Medium(TextClassification(text="shown", choices=["bad", "good"]), sentence, "txt", ("bad", "good"), linked=False),
    "linked text": Medium(TextClassification(text="shown", choices=["bad", "good"], linked=True), sentence, "txt", ("bad", "good")),
    "audio": Medium(AudioClassification(audio="shown", choices=["low", "high"]), sound, "wav", ("low", "high")),
}


@dataclass(frozen=True)
class Office:
    """A use case, its lake, and the server at which people label its rows."""

    use_case: UseCase
    lake: Lake
    studio: LabelStudio

    @property
    def project(self) -> int:
        found = self.studio.find(self.use_case.name)
        assert found is not None
        return found.id

    def publish(self, shown: list[str]) -> None:
        count = len(shown)
        rows = {
            "id": list(range(count)),
            "at": [START + timedelta(seconds=n % 86400) for n in range(count)],
            "x": [float(n) for n in range(count)],
            "shown": shown,
        }
        table = pl.DataFrame({**rows, "shown": shown, "_interval": ["2024-01-01T00:00:00Z"] * count}).to_arrow()
        self.lake.replace("validated", table, DAY, self.use_case.schedule.grid, transaction="publish", version=1)

    def push(self, job_id: str = "push-1") -> PushResult:
        request = PushRequest(**self._about("push", job_id))
        with Journal(connection(JOURNAL_CONNECTION).postgres_uri).lock(self.use_case.name, "push"):
            return self._push(request)

    def _push(self, request: PushRequest) -> PushResult:
        return push(self.use_case, self.use_case.labels, request, self.studio, self.lake, None, self.answers)

    def collect(self) -> CollectResult:
        return collect(self.use_case, self.use_case.labels, CollectRequest(**self._about("collect", "collect-1")), self.studio, self.lake, self.answers)

    @property
    def answers(self) -> Answers:
        heard = (lambda results: results[0]["value"]["text"][0]) if self.use_case.labels.label_function else None
        return Answers(self.use_case, self.use_case.labels, heard)

    def _about(self, job: str, job_id: str) -> dict[str, Any]:
        return {"job": job, "job_id": job_id, "use_case": self.use_case.name, "environment": "tabular", "connections": [], "start": DAY.start, "end": DAY.end}

    def keys(self) -> list[str]:
        return [key for _, key in self.studio.newest_tasks(self.project, 0)]

    def labels(self) -> dict[int, str]:
        rows = read_labelled(self.lake, self.use_case, DAY)
        return dict(zip(rows["id"], rows["label"], strict=True)) if len(rows) else {}


@pytest.fixture(scope="module")
def studio(request) -> LabelStudio:
    if variable_of(LABEL_STUDIO) not in os.environ:
        request.getfixturevalue("stack")
    return LabelStudio.of(LABEL_STUDIO)


@pytest.fixture(scope="module")
def team(studio) -> list[Person]:
    return [Person.sign_up(studio, f"{name}-{uuid.uuid4().hex[:8]}@example.com") for name in ("ann", "ben", "cat")]


@pytest.fixture
def office(studio, tmp_path) -> Iterator[Any]:
    made = []

    def build(template: Any, **people: Any) -> Office:
        use_case = UseCase(
            name=f"people_{uuid.uuid4().hex[:8]}",
            task="multiclass",
            keys=["id"],
            event_time="at",
            sources={"rows": Files(uri="s3://gyre/rows/{start:%Y-%m-%d}.parquet", event_time="at")},
            schedule=Schedule(start=START),
            features=Features(function="use_cases.people.code:features", numeric=["x"], carried=["shown"]),
            expectations="use_cases.people.code:suites",
            labels=People(template=template, files=LAKE_CONNECTION, **{"budget": None, **people}),
            training=Training(function="use_cases.people.code:train"),
            promotion=Promotion(metric="log_loss"),
        )
        made.append(Office(use_case, Lake(f"file://{tmp_path}/{use_case.name}", {}), studio))
        return made[-1]

    yield build
    for each in made:
        if found := studio.find(each.use_case.name):
            studio.server.sdk.projects.delete(found.id)


def deliver(medium: Medium, count: int) -> list[str]:
    """Put files into the bucket; give what the rows hold of them."""
    folder = f"{BUCKET}/people/{uuid.uuid4().hex[:8]}"
    if not medium.linked:
        return [medium.make(n).decode() for n in range(count)]
    shown = [f"{folder}/{n}.{medium.suffix}" for n in range(count)]
    store = Objects.of(LAKE_CONNECTION, BUCKET)
    for n, uri in enumerate(shown):
        store.write(uri, medium.make(n))
    return shown


def say(person: Person, task: int, results: list[dict[str, Any]]) -> int:
    made = person.http.post(f"/api/tasks/{task}/annotations/", json={"result": results, "lead_time": 2.0})
    return made.raise_for_status().json()["id"]


def choice(template: Any, chosen: str) -> list[dict[str, Any]]:
    return [{"from_name": "answer", "to_name": next(iter(template.shown)), "type": "choices", "value": {"choices": [chosen]}}]


def row_of(office: Office, person: Person, task: int) -> int:
    """Say which row a task is about, by what it shows."""
    entry = next(each for each in Ledger(office.lake).read() if each.task_id == task)
    return int(entry.question.item.partition('"id": ')[2].partition(",")[0])


@pytest.mark.parametrize("name", MEDIA)
def test_a_round_trip(office, team, name):
    medium = MEDIA[name]
    at = office(medium.template, annotators=2)
    shown = deliver(medium, 6)
    at.publish(shown)
    assert at.push().tasks == 6
    assert at.push("push-2").tasks == 0
    for person in team[:2]:
        while (task := person.next_task(at.project)) is not None:
            n = row_of(at, person, task)
            data = person.http.get(f"/api/tasks/{task}/").json()["data"]
            assert see(person, data) == medium.make(n)
            say(person, task, choice(medium.template, medium.choices[n % 2]))
    result = at.collect()
    assert (result.tasks, result.agreed, result.annotations, result.agreement.kappa) == (6, 6, 12, pytest.approx(1.0))
    assert at.labels() == {n: medium.choices[n % 2] for n in range(6)}
    rows = read_labelled(at.lake, at.use_case, DAY)
    assert set(rows["labelled_by"]) == {", ".join(sorted(person.email for person in team[:2]))}
    assert (at.collect().annotations, at.collect().changed) == (0, [])


def see(person: Person, data: dict[str, Any]) -> bytes:
    """Open what a task shows, as a browser does: by Label Studio's link, which leads to the store for a few minutes; a text is in the task."""
    value = next(value for name, value in data.items() if not name.startswith("gyre_"))
    if not value.startswith("/"):
        return value.encode()
    signed = person.http.get(value)
    assert signed.status_code in (302, 303), signed.text[:300]
    return httpx.get(signed.headers["Location"], trust_env=False).raise_for_status().content


def test_what_is_said_in_a_sound_is_a_label_by_the_use_cases_own_function(office, team):
    at = office(Transcription(audio="shown", label="use_cases.people.code:label"))
    at.publish(deliver(MEDIA["audio"], 1))
    at.push()
    (task,) = [id_ for id_, _ in at.studio.newest_tasks(at.project, 0)]
    say(team[0], task, [{"from_name": "answer", "to_name": "audio", "type": "textarea", "value": {"text": ["a low tone"]}}])
    assert at.collect().labelled == 1
    assert at.labels() == {0: "a low tone"}


def test_a_dispute_goes_back_is_decided_and_a_deletion_withdraws_the_label(office, team):
    medium = MEDIA["text"]
    at = office(medium.template, annotators=2, agreement=0.9)
    at.publish(deliver(medium, 4))
    at.push()
    tasks = sorted(id_ for id_, _ in at.studio.newest_tasks(at.project, 0))
    given = {}
    for person, wrong in zip(team[:2], (None, tasks[0]), strict=True):
        for task in tasks:
            n = row_of(at, person, task) % 2
            given[person.email, task] = say(person, task, choice(medium.template, medium.choices[1 - n if task == wrong else n]))
    first = at.collect()
    assert (first.agreed, first.disputed, first.asked_again, first.agreement.low) == (3, 1, 1, True)
    assert [person.next_task(at.project) for person in team] == [None, None, tasks[0]]
    assert at.collect().asked_again == 0
    n = row_of(at, team[2], tasks[0]) % 2
    say(team[2], tasks[0], choice(medium.template, medium.choices[n]))
    assert at.collect().agreed == 4
    team[0].delete(given[team[0].email, tasks[1]])
    last = at.collect()
    assert (last.withdrawn, last.waiting, len(at.labels())) == (1, 1, 3)
    at.studio.delete_tasks(at.project, [tasks[2]])
    assert (at.collect().tasks, len(at.labels())) == (3, 2)


class Dies(LabelStudio):
    """Loses Label Studio's answer."""

    def create_tasks(self, project: int, tasks: Any) -> list[int]:
        super().create_tasks(project, tasks)
        raise LabelStudioUnreachable("the answer was lost")


def test_an_answer_that_was_lost_creates_nothing_twice(office):
    at = office(MEDIA["text"].template)
    at.publish([f"sentence {n}" for n in range(300)])
    with pytest.raises(LabelStudioUnreachable):
        Office(at.use_case, at.lake, Dies(at.studio.server)).push()
    assert at.push().tasks == 300  # the same job: what its first try created is its own
    assert at.push("push-2").tasks == 0
    assert len(at.keys()) == len(set(at.keys())) == 300
    assert len(Ledger(at.lake).read()) == 300


@pytest.mark.parametrize("locked", [True, False], ids=["taking turns", "without the lock"])
def test_two_workers_that_push_at_once_ask_about_each_row_once(office, locked):
    at = office(MEDIA["text"].template)
    at.publish([f"sentence {n}" for n in range(300)])
    at.studio.project(at.use_case.name, at.use_case.labels.template.config(""), "", 1)

    def work(n: int) -> int:
        return at.push(f"push-{n}").tasks if locked else at._push(PushRequest(**at._about("push", f"push-{n}"))).tasks

    with ThreadPoolExecutor(2) as workers:
        list(workers.map(work, range(2)))
    at.push("push-3")
    assert len(at.keys()) == len(set(at.keys())) == 300
    assert Counter(task.gone for task in Ledger(at.lake).read())[False] == 300


def test_ten_thousand_tasks_go_out_and_a_hundred_answers_come_back(office, team, monkeypatch):
    """The tasks count as created long ago: the overlap is set to nothing (for three minutes after so large a push, an export is what is asked for)."""
    monkeypatch.setattr(annotations, "OVERLAP", timedelta(0))
    at = office(MEDIA["text"].template)
    at.publish([f"sentence {n}" for n in range(10_000)])
    began = time.monotonic()
    assert at.push().tasks == 10_000
    pushed = time.monotonic() - began
    began = time.monotonic()
    assert at.collect().by == "export"
    exported = time.monotonic() - began
    for task in [id_ for id_, _ in at.studio.newest_tasks(at.project, 0)][:100]:
        say(team[0], task, choice(at.use_case.labels.template, "bad"))
    began = time.monotonic()
    result = at.collect()
    changed = time.monotonic() - began
    assert (result.by, result.annotations, result.labelled) == ("changes", 100, 100)
    log.info("10,000 tasks: pushed in %.1f s, first collected in %.1f s; then 100 answers in %.1f s.", pushed, exported, changed)
    assert changed < exported
