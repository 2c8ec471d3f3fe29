"""Replay three weeks of scanned digits through the whole loop. Nothing in the platform knows about this file.

What people do in Label Studio, two simulated annotators do (`demo.annotators`), in a process of their own that runs as long as this replay.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from demo import summary, traffic
from demo.annotators import PEOPLE, project_of
from demo.driver import Driver, ReplayFailed
from demo.pictures import FIRST, WEEK
from demo.scanner import Scanner
from gyre.journal import Entry, Kind
from gyre.journal.questions import serving
from gyre.settings import REPOSITORY, settings
from gyre.stack.annotators import add_annotator
from gyre.stack.context import Stack, base_environment

USE_CASE = "digits"
ANNOTATORS_LOG = "simulated-annotators"
SECOND_WEEK = {"reason": "labels of the second week, asked for by hand"}


@dataclass
class DigitsReplay(Driver):
    """The story of `digits`.

    Attributes:
        scanner: Whose pictures arrive.
        annotators: The process of the simulated annotators, while the story is played.
    """

    scanner: Scanner = field(kw_only=True)
    annotators: subprocess.Popen[bytes] = field(init=False, repr=False)

    # --- the company and its people ------------------------------------------------------------------------------------------------

    @contextmanager
    def annotators_at_work(self) -> Iterator[None]:
        """Let the simulated annotators work in a process of their own."""
        stack = Stack.open()
        environment = {**base_environment(stack), **stack.given_variables(), "PYTHONPATH": str(REPOSITORY / "include")}
        command = [sys.executable, "-m", "demo.annotators", str(self.scanner.truth_file)]
        with stack.layout.log(ANNOTATORS_LOG).open("a") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            self.annotators = process
            try:
                yield
            finally:
                process.terminate()

    def ingest(self, start: datetime) -> int:
        """Let a week's pictures arrive and be ingested; give the journal's entry it was published by."""
        end = start + WEEK
        self.scanner.deliver(start)
        self.must_succeed("ingest", f"ingest-{start:%Y-%m-%d}", start=start.isoformat(), end=end.isoformat())
        published = self.published(start)
        self.say(end, f"ingested   {published['rows']:,} pictures")
        return next(e.id for e in self.entries(Kind.INTERVAL_PUBLISHED) if e.body["start"] == published["start"])

    def predict(self, start: datetime) -> None:
        """Ask the endpoint about every picture of a week, and say how many answers were right: that is the demo's own knowledge."""
        sent = traffic.send(self.endpoint, USE_CASE, start, start + WEEK)
        right = sum(self.scanner.truth[row["scan_id"]] == answer["label"] for row, answer in zip(sent.asked, sent.answers, strict=True) if answer)
        self.say(
            start + WEEK,
            f"predicted  {sent.rows:,} pictures in {sent.requests} requests, {sent.failed} failed; {right / sent.rows:.1%} right by the truth",
        )

    # --- labels --------------------------------------------------------------------------------------------------------------------

    def pushed(self, clock: datetime, after: int, request: str | None = None) -> None:
        """Wait until people were asked: after an entry of the journal, or for a retrain request."""

        def asked() -> Entry | None:
            later = [e for e in self.entries(Kind.TASKS_PUSHED) if e.id > after]
            return next((e for e in later if request is None or e.body["requests"].get(request)), None)

        entry = self.until("tasks", asked)
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(entry.body["reasons"].items()))
        self.say(clock, f"asked      {entry.body['tasks']} tasks in Label Studio: {reasons}")

    def labelled(self, start: datetime) -> Entry:
        """Wait until people have answered everything, collect it, and say how far they agree."""
        clock = start + WEEK
        token = add_annotator(PEOPLE[0]).token
        with httpx.Client(base_url=settings().url("label_studio"), headers={"Authorization": f"Token {token}"}, timeout=60, trust_env=False) as http:
            self.wait("the simulated annotators", lambda: self._nothing_waits(http), timeout=1200, interval=2)
        self.must_succeed("label", f"collect-{start:%Y-%m-%d}")
        collected = self.entries(Kind.ANNOTATIONS_COLLECTED)[-1]
        self.say(clock, f"labelled   {summary.labels_line(collected.body)}")
        return collected

    def _nothing_waits(self, http: httpx.Client) -> bool:
        """Tell whether every task of the project has all its answers."""
        if self.annotators.poll() is not None:
            raise ReplayFailed(f"The simulated annotators ended in the middle of the work. Look at `gyre logs {ANNOTATORS_LOG}`, then `gyre demo` again.")
        try:
            project = project_of(http)
            answer = http.get(f"/api/projects/{project}/", params={"include": "task_number,finished_task_number"}) if project else None
        except httpx.TransportError:  # a busy server, or one that starts again: the next look may find it
            return False
        if answer is None or answer.is_server_error:
            return False
        seen: dict[str, Any] = answer.raise_for_status().json()
        return bool(seen["task_number"]) and (seen["task_number"] == seen["finished_task_number"] or self._all_collected(seen["task_number"]))

    def _all_collected(self, tasks: int) -> bool:
        """Tell whether the platform has every answer: of two that come at the same moment, Label Studio may forget to count one."""
        collected = self.entries(Kind.ANNOTATIONS_COLLECTED)
        return bool(collected) and (collected[-1].body["tasks"], collected[-1].body["waiting"]) == (tasks, 0)

    # --- the parts of the story ----------------------------------------------------------------------------------------------------

    def first_week(self) -> None:
        """Pictures nobody knows, labels by people, first model."""
        end = FIRST + WEEK
        self.pushed(end, self.ingest(FIRST))
        self.labelled(FIRST)
        self.say(end, "training   the first model, started by the labels")
        done = self.promoted(after=0)
        self.say(end, f"promoted   v{done.body['version']}: {summary.training_line(self.journal, USE_CASE, done.body['version'])}")

    def second_week(self) -> None:
        """The model answers; people are asked where it is least sure; a second model."""
        start, end = FIRST + WEEK, FIRST + 2 * WEEK
        published = self.ingest(start)
        if not self.looked_at(end):
            self.predict(start)
            self.monitor(end)
        self.pushed(end, published)
        self.labelled(start)
        self.must_succeed("train", "train-second-week", **SECOND_WEEK)
        made = next(e for e in reversed(self.entries(Kind.TRAINING_FINISHED)) if e.body["reason"] == SECOND_WEEK["reason"])
        self.say_judged(end, made.body["version"])

    def third_week(self) -> None:
        """On its Wednesday the camera begins to invert its pictures: alarm, labels for what drifted, a third model."""
        start, end = FIRST + 2 * WEEK, FIRST + 3 * WEEK
        published = self.ingest(start)
        if not self.looked_at(end):
            self.predict(start)
            self.monitor(end)
        request = next((e for e in self.entries(Kind.RETRAIN_REQUESTED)), None)
        if request is None:
            raise ReplayFailed(f"The camera's fault raised no alarm. Look at the report behind {self.page('monitor', f'demo__monitor-{end:%Y-%m-%d}')}")
        self.say(end, f"requested  a new model: {summary.request_line(request.body)}")
        self.pushed(end, published, request.key)
        self.labelled(start)
        self.answered(end, request)
        self.predict(start)

    def over(self) -> bool:
        """Tell whether the last part of the story was played: what the alarm asked for serves."""
        answering = [e.body["version"] for e in self.entries(Kind.TRAINING_FINISHED) if e.body.get("requests")]
        return serving(self.journal, USE_CASE).champion in answering

    def play(self) -> None:
        """Play it all."""
        if self.over():
            self.say(None, "played before")
            return
        self.say(None, "seeding    a scanner's pictures; two simulated annotators sign up in Label Studio")
        self.scanner.seed()
        with self.annotators_at_work():
            self.first_week()
            self.second_week()
            self.third_week()
