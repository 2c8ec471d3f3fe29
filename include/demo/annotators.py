"""Simulated annotators: two programs that label in Label Studio as people would, through its API, each with an account of their own.

    python -m demo.annotators TRUTH.json

They go through the list of tasks that lack their answer, look at which scan each shows, look the digit up in the truth (a person would look at the
picture), and answer; one answer in twenty is wrong. Which ones is a matter of the person and the scan alone, so a replay is repeatable, and after a restart
they go on with what is left. They end at SIGTERM, or with the process that started them.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from gyre.settings import settings
from gyre.stack.annotators import Annotator, add_annotator

PEOPLE = ("annotator-1@simulated.example", "annotator-2@simulated.example")
PROJECT = "gyre: digits"
MISTAKES = 0.05
PAGE = 50
PATIENCE = 1.5  # seconds until somebody without a task looks again


def answer(person: str, scan_id: str, truth: str) -> str:
    """Give the digit that a person says a scan shows: the true one, but for one scan in twenty."""
    drawn = random.Random(f"{person}/{scan_id}")
    if drawn.random() >= MISTAKES:
        return truth
    return drawn.choice([digit for digit in "0123456789" if digit != truth])


def scan_shown(address: str) -> str:
    """Read which scan a task shows from its picture's address: `s3://...`, or the link that Label Studio made of it."""
    linked = parse_qs(urlsplit(address).query).get("fileuri")
    key = base64.urlsafe_b64decode(linked[0]).decode() if linked else address
    return Path(key).stem.rpartition("-")[2]


@dataclass(frozen=True)
class Person:
    """One simulated annotator at work.

    Attributes:
        account: Theirs in Label Studio.
        truth: Scan id -> digit.
        stop: Set when work is over.
    """

    account: Annotator
    truth: Mapping[str, str]
    stop: Event

    def work(self) -> None:
        """Label until told to stop."""
        headers = {"Authorization": f"Token {self.account.token}"}
        with httpx.Client(base_url=settings().url("label_studio"), headers=headers, timeout=60, trust_env=False) as http:
            while not self.stop.is_set():
                try:
                    while self._label_a_page(http):
                        pass
                except httpx.TransportError as error:
                    say(f"{self.account.email}: Label Studio does not answer ({type(error).__name__}); waiting")
                self.stop.wait(PATIENCE)

    def _label_a_page(self, http: httpx.Client) -> bool:
        """Label a page of the tasks that lack this person's answer; tell whether to go on."""
        project = project_of(http)
        tasks = self._tasks(http, project) if project else []
        for task in tasks:
            if self.stop.is_set():
                return False
            self._answer(http, task)
        return bool(tasks)

    def _tasks(self, http: httpx.Client, project: int) -> list[dict[str, Any]]:
        """List tasks, as the data manager shows them: not done, and without an answer of this person."""
        me = http.get("/api/current-user/whoami").raise_for_status().json()["id"]
        lacking = [
            {"filter": "filter:tasks:completed_at", "operator": "empty", "type": "Datetime", "value": True},
            {"filter": "filter:tasks:annotators", "operator": "not_contains", "type": "List", "value": me},
        ]
        query = json.dumps({"filters": {"conjunction": "and", "items": lacking}, "ordering": ["tasks:id"]})
        page = http.get("/api/tasks/", params={"project": project, "page_size": PAGE, "fields": "task_only", "query": query})
        found: list[dict[str, Any]] = page.raise_for_status().json()["tasks"]
        return found

    def _answer(self, http: httpx.Client, task: dict[str, Any]) -> None:
        """Answer one task; it may have been taken back meanwhile."""
        began = time.monotonic()
        scan = scan_shown(task["data"]["image"])
        said = answer(self.account.email, scan, self.truth[scan])
        result = [{"from_name": "answer", "to_name": "image", "type": "choices", "value": {"choices": [said]}}]
        body = {"result": result, "lead_time": round(time.monotonic() - began, 3)}
        answered = http.post(f"/api/tasks/{task['id']}/annotations/", json=body)
        if answered.status_code != httpx.codes.NOT_FOUND:
            answered.raise_for_status()


def project_of(http: httpx.Client) -> int | None:
    """Find the project they label, once it exists."""
    found: list[dict[str, Any]] = http.get("/api/projects/", params={"page_size": 100, "include": "id,title"}).raise_for_status().json()["results"]
    return min((int(each["id"]) for each in found if each["title"] == PROJECT), default=None)


def say(line: str) -> None:
    """Write one line to the log."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


def main() -> None:
    """Let both work until this process is told to stop."""
    truth, stop, parent = json.loads(Path(sys.argv[1]).read_text()), Event(), os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    people = [Thread(target=Person(add_annotator(email), truth, stop).work, name=email) for email in PEOPLE]
    for person in people:
        person.start()
        say(f"{person.name} is at work")
    while all(person.is_alive() for person in people) and not stop.wait(1) and os.getppid() == parent:
        pass
    healthy = all(person.is_alive() for person in people)
    stop.set()
    for person in people:
        person.join()
    if not healthy:
        raise SystemExit("An annotator ended in the middle of the work; the log above says why.")


if __name__ == "__main__":
    main()
