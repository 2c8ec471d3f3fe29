"""What every replay needs: to drive Airflow as a person would, over its REST API, run by run, and to read in the journal what came of it.

Every run has a fixed id, so that a replay that was stopped goes on where it was.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from demo import summary
from gyre.errors import GyreError
from gyre.journal import Entry, Journal, Kind
from gyre.journal.questions import open_retrain_requests
from gyre.settings import settings
from gyre.stack.airflow_api import FINISHED, AirflowApi


class ReplayFailed(GyreError):
    """The replay met something that should not happen; the text says where to look."""


@dataclass
class Driver:
    """Drives one use case.

    Attributes:
        use_case: Which.
        airflow: Signed in; this driver's own.
        journal: Where decisions are read.
        endpoint: Address of the router in front of the served models.
        stopped: Set when another replay failed: nothing is waited for any more.
        began: When the demo began, by the monotonic clock.
    """

    use_case: str
    airflow: AirflowApi
    journal: Journal
    endpoint: str
    stopped: Event = field(default_factory=Event)
    began: float = field(default_factory=time.monotonic)

    def say(self, clock: datetime | None, line: str) -> None:
        """Print one line: seconds since the beginning, the use case, its date, what happened."""
        passed = timedelta(seconds=round(time.monotonic() - self.began))
        date = f"{clock:%Y-%m-%d}" if clock else " " * 10
        sys.stdout.write(f"[{str(passed)[2:]}] {self.use_case:<12} {date}  {line}\n")
        sys.stdout.flush()

    # --- driving Airflow -----------------------------------------------------------------------------------------------------------

    def run(self, phase: str, name: str, **params: Any) -> tuple[str, str]:
        """Trigger a DAG under a fixed run id and wait for its end; return the run id and its state."""
        dag_id, run_id = f"{self.use_case}__{phase}", f"demo__{name}"
        self.airflow.trigger(dag_id, params, run_id=run_id)

        def ended() -> str | None:
            state = self.airflow.run_state(dag_id, run_id)
            return state if state in FINISHED else None

        return run_id, str(self.wait(f"the end of {dag_id} run {run_id}", ended, timeout=900, interval=0.3))

    def must_succeed(self, phase: str, name: str, **params: Any) -> None:
        """Trigger a DAG and insist that it ends well."""
        run_id, state = self.run(phase, name, **params)
        if state != "success":
            tasks = self.airflow.task_states(f"{self.use_case}__{phase}", run_id)
            raise ReplayFailed(f"{self.use_case}__{phase} run {run_id} ended as {state}: {tasks}. Look at {self.page(phase, run_id)}")

    def page(self, phase: str, run_id: str) -> str:
        """Address of a run in Airflow."""
        return f"{settings().url('airflow')}/dags/{self.use_case}__{phase}/runs/{run_id}"

    def wait(self, what: str, found: Callable[[], Any], timeout: float, interval: float) -> Any:
        """Wait until something is found, or another replay failed."""
        deadline = time.monotonic() + timeout
        while not (answer := found()):
            if time.monotonic() > deadline:
                raise ReplayFailed(f"Waited {timeout:.0f} s for {what} in vain. Look at {settings().url('airflow')}/dags and `gyre journal`.")
            if self.stopped.wait(interval):
                raise ReplayFailed(f"Stopped while waiting for {what}: the other replay failed, or somebody stopped the demo.")
        return answer

    def until(self, what: str, found: Callable[[], Any], timeout: float = 600) -> Any:
        """Wait until something is in the journal."""

        def found_or_failed() -> Any:
            answer = found()
            if not answer:
                self._stop_at_a_failure()
            return answer

        return self.wait(what, found_or_failed, timeout, interval=0.5)

    def _stop_at_a_failure(self) -> None:
        """Do not wait for what cannot come: a run that Airflow started by itself has failed."""
        for phase in ("label", "train", "deploy"):
            runs = self.airflow.runs(f"{self.use_case}__{phase}")
            if runs and runs[-1]["state"] == "failed":
                raise ReplayFailed(f"{self.use_case}__{phase} failed. Look at {self.page(phase, runs[-1]['dag_run_id'])}, then `gyre demo` again.")

    def entries(self, *kinds: Kind) -> list[Entry]:
        """Read the use case's entries of these kinds."""
        return list(self.journal.entries(self.use_case, *kinds))

    # --- what every use case's story has ---------------------------------------------------------------------------------------------

    def published(self, start: datetime) -> dict[str, Any]:
        """Read what came of an interval's ingestion."""
        return next(e.body for e in reversed(self.entries(Kind.INTERVAL_PUBLISHED)) if datetime.fromisoformat(e.body["start"]) == start)

    def looked_at(self, end: datetime) -> bool:
        """Tell whether the night that ends there was looked at before: then the interval was played."""
        return any(datetime.fromisoformat(e.body["end"]) == end for e in self.entries(Kind.MONITORED))

    def monitor(self, night: datetime) -> Entry:
        """Run the nightly look as of a night and say what it saw."""
        self.must_succeed("monitor", f"monitor-{night:%Y-%m-%d}", as_of=night.isoformat())
        seen = self.entries(Kind.MONITORED)[-1]
        self.say(night, f"monitored  {seen.body['verdict']}: {summary.figures(seen.body)}")
        return seen

    def promoted(self, after: int) -> Entry:
        """Wait for a promotion that was finished after an entry of the journal."""
        found: Entry = self.until("a promotion", lambda: next((e for e in self.entries(Kind.PROMOTION_FINISHED) if e.id > after), None))
        return found

    def judged(self, version: int) -> Entry:
        """Wait until a version was evaluated."""
        found: Entry = self.until("an evaluation", lambda: next((e for e in self.entries(Kind.EVALUATED) if e.body["version"] == version), None))
        return found

    def say_judged(self, clock: datetime, version: int) -> None:
        """Wait until a version was evaluated and, if it won, promoted; say both."""
        judged = self.judged(version)
        self.say(clock, f"evaluated  v{version}: {summary.comparison_line(judged.body)}")
        if judged.body["passed"]:
            self.promoted(after=judged.id)
            self.say(clock, f"promoted   v{version}: {summary.training_line(self.journal, self.use_case, version)}")

    def asked_for(self, clock: datetime) -> Entry | None:
        """Say whether monitoring asked for a new model."""
        requests = open_retrain_requests(self.journal, self.use_case)
        if not requests:
            return None
        self.say(clock, f"requested  a new model: {summary.request_line(requests[-1].body)}")
        return requests[-1]

    def answered(self, clock: datetime, request: Entry) -> None:
        """Wait until the platform has trained and judged what a retrain request asked for."""

        def training() -> Entry | None:
            return next((e for e in self.entries(Kind.TRAINING_FINISHED) if request.key in e.body.get("requests", [])), None)

        self.say_judged(clock, self.until("the training it asked for", training).body["version"])
