"""Replay ten weeks of 2013 through the whole loop, driving Airflow as a person would: over its REST API, run by run.

Nothing in the platform knows about this file. Every run has a fixed id, so that a replay that was stopped goes on where it was, and one that
was finished only prints its table again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from demo import summary, traffic
from demo.company import Company
from gyre.connections import ask_also
from gyre.errors import GyreError
from gyre.journal import Entry, Journal, Kind
from gyre.journal.questions import open_retrain_requests, serving
from gyre.settings import settings
from gyre.stack.airflow_api import AirflowApi

USE_CASE = "flight_delay"
NEW_YORK = ZoneInfo("America/New_York")
HISTORY = (datetime(2013, 1, 1, tzinfo=NEW_YORK), datetime(2013, 3, 1, tzinfo=NEW_YORK))
WEEKS = 9
BROKEN_DELIVERY = datetime(2013, 3, 26, tzinfo=NEW_YORK)  # in the fourth week
CHECK_UP = datetime(2013, 4, 19, tzinfo=NEW_YORK)  # a retraining by hand at the end of this week, which does not win
CHECK_UP_PARAMS = {"reason": "a check-up, asked for by hand"}


class ReplayFailed(GyreError):
    """The replay met something that should not happen; the text says where to look."""


@dataclass
class Replay:
    """One replay: who is driven, what is read, and when it began."""

    airflow: AirflowApi
    journal: Journal
    company: Company
    endpoint: str
    began: float = field(default_factory=time.monotonic)

    def say(self, clock: datetime | None, line: str) -> None:
        """Print one line: seconds since the beginning, the replay's date, what happened."""
        passed = timedelta(seconds=round(time.monotonic() - self.began))
        date = f"{clock:%Y-%m-%d}" if clock else " " * 10
        sys.stdout.write(f"[{str(passed)[2:]}] {date}  {line}\n")
        sys.stdout.flush()

    # --- driving Airflow -----------------------------------------------------------------------------------------------------------

    def run(self, phase: str, name: str, **params: Any) -> tuple[str, str]:
        """Trigger a DAG under a fixed run id and wait for its end; return the run id and its state."""
        dag_id, run_id = f"{USE_CASE}__{phase}", f"demo__{name}"
        self.airflow.trigger(dag_id, params, run_id=run_id)
        return run_id, self.airflow.wait(dag_id, run_id, timeout=900, interval=0.3)

    def must_succeed(self, phase: str, name: str, **params: Any) -> None:
        """Trigger a DAG and insist that it ends well."""
        run_id, state = self.run(phase, name, **params)
        if state != "success":
            tasks = self.airflow.task_states(f"{USE_CASE}__{phase}", run_id)
            raise ReplayFailed(f"{USE_CASE}__{phase} run {run_id} ended as {state}: {tasks}. Look at {self._page(phase, run_id)}")

    def _page(self, phase: str, run_id: str) -> str:
        return f"{settings().url('airflow')}/dags/{USE_CASE}__{phase}/runs/{run_id}"

    def until(self, what: str, found: Callable[[], Any], timeout: float = 420) -> Any:
        """Wait until something is in the journal."""
        deadline = time.monotonic() + timeout
        while not (answer := found()):
            self._stop_at_a_failure()
            if time.monotonic() > deadline:
                raise ReplayFailed(f"Waited {timeout:.0f} s for {what} in vain. Look at {settings().url('airflow')}/dags and `gyre journal`.")
            time.sleep(0.5)
        return answer

    def _stop_at_a_failure(self) -> None:
        """Do not wait for what cannot come: a run that Airflow started by itself has failed."""
        for phase in ("label", "train", "deploy"):
            runs = self.airflow.runs(f"{USE_CASE}__{phase}")
            if runs and runs[-1]["state"] == "failed":
                raise ReplayFailed(f"{USE_CASE}__{phase} failed. Look at {self._page(phase, runs[-1]['dag_run_id'])}, then `gyre demo` again.")

    def entries(self, *kinds: Kind) -> list[Entry]:
        """Read the use case's entries of these kinds."""
        return list(self.journal.entries(USE_CASE, *kinds))

    # --- the parts of the story ----------------------------------------------------------------------------------------------------

    def begin_ingest(self, start: datetime, end: datetime) -> None:
        """Let the company's clock move to the morning after, and start to ingest what happened."""
        self.company.advance(end + timedelta(hours=6))
        params = {"start": start.isoformat(), "end": end.isoformat()}
        self.airflow.trigger(f"{USE_CASE}__ingest", params, run_id=f"demo__ingest-{start:%Y-%m-%d}")

    def ingest(self, start: datetime, end: datetime) -> None:
        """Ingest an interval, and say what came of it."""
        self.begin_ingest(start, end)
        self.must_succeed("ingest", f"ingest-{start:%Y-%m-%d}", start=start.isoformat(), end=end.isoformat())
        published = next(e.body for e in reversed(self.entries(Kind.INTERVAL_PUBLISHED)) if datetime.fromisoformat(e.body["start"]) == start)
        held = f", {published['quarantined']} quarantined" if published["quarantined"] else ""
        self.say(end, f"ingested   {published['rows']:,} flights{held}")

    def labels(self, start: datetime, end: datetime) -> None:
        """Wait for the label run that the publication starts; after a while start it by hand, for an event can be lost."""

        def joined() -> Entry | None:
            return next((e for e in self.entries(Kind.LABELS_JOINED) if datetime.fromisoformat(e.body["end"]) >= end), None)

        try:
            entry = self.until("labels", joined, timeout=45)
        except ReplayFailed:
            self.must_succeed("label", f"label-{start:%Y-%m-%d}")
            entry = self.until("labels", joined)
        self.say(end, f"labelled   {entry.body['labelled']:,} of {entry.body['rows']:,} rows in the window")

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

    def first_model(self) -> None:
        """History in, first model out: ingest, and the rest follows by itself."""
        start, end = HISTORY
        self.ingest(start, end)
        self.labels(start, end)
        self.say(end, "training   the first model, started by the labels")
        done = self.promoted(after=0)
        self.say(end, f"promoted   v{done.body['version']}: {summary.training_line(self.journal, USE_CASE, done.body['version'])}")

    def week(self, start: datetime) -> None:
        """One week: deliveries, traffic, labels, and the nightly look."""
        end = start + timedelta(days=7)
        if any(datetime.fromisoformat(e.body["end"]) == end for e in self.entries(Kind.MONITORED)):
            self.say(end, "played before")
            self.retraining(end)
            return
        if start <= BROKEN_DELIVERY < end:
            self.broken_delivery(start, end)
        self.ingest(start, end)
        if end < CHECK_UP and not end <= BROKEN_DELIVERY < end + timedelta(days=7):
            self.begin_ingest(end, end + timedelta(days=7))  # quiet weeks: the next delivery is read while this week is looked at
        sent = traffic.send(self.endpoint, USE_CASE, start, end)
        self.say(end, f"predicted  {sent.rows:,} flights in {sent.requests} requests, {sent.failed} failed, median {sent.median_ms:.0f} ms")
        self.labels(start, end)
        if end == CHECK_UP:
            self.airflow.trigger(f"{USE_CASE}__train", CHECK_UP_PARAMS, run_id="demo__train-check-up")
        self.monitor(end)
        if end == CHECK_UP:
            self.check_up(end)
        self.retraining(end)

    def broken_delivery(self, start: datetime, end: datetime) -> None:
        """A delivery arrives corrupted; validation stops the whole interval, and the source is mended."""
        name = f"ingest-{start:%Y-%m-%d}-broken"
        known = {e.id for e in self.entries(Kind.INTERVAL_BLOCKED)}
        if not known:
            self.company.advance(end + timedelta(hours=6))
            self.company.corrupt_delivery(BROKEN_DELIVERY)
        _, state = self.run("ingest", name, start=start.isoformat(), end=end.isoformat())
        if state != "failed":
            raise ReplayFailed(f"A corrupted delivery of {BROKEN_DELIVERY:%Y-%m-%d} was published. Look at {self._page('ingest', f'demo__{name}')}")
        blocked = self.entries(Kind.INTERVAL_BLOCKED)[-1]
        self.say(end, f"blocked    {summary.blocked_line(blocked.body)}")
        self.company.fix_delivery(BROKEN_DELIVERY)
        self.say(end, "           nothing of the week was published; the source was mended")

    def check_up(self, clock: datetime) -> None:
        """A person asks for a retraining; the challenger has to win on its own."""
        before = serving(self.journal, USE_CASE).champion
        self.must_succeed("train", "train-check-up", **CHECK_UP_PARAMS)
        made = next(e for e in reversed(self.entries(Kind.TRAINING_FINISHED)) if "check-up" in str(e.body["reason"]))
        version = made.body["version"]
        judged = self.until("an evaluation", lambda: next((e for e in self.entries(Kind.EVALUATED) if e.body["version"] == version), None))
        self.say(clock, f"evaluated  v{version} against v{before}: {summary.comparison_line(judged.body)}")

    def retraining(self, clock: datetime) -> None:
        """If monitoring asked for a new model, wait until the platform has trained and judged it."""
        requests = open_retrain_requests(self.journal, USE_CASE)
        if not requests:
            return
        request = requests[-1]
        self.say(clock, f"requested  a new model: {summary.request_line(request.body)}")

        def answered() -> Entry | None:
            return next((e for e in self.entries(Kind.TRAINING_FINISHED) if request.key in e.body.get("requests", [])), None)

        version = self.until("the training it asked for", answered).body["version"]
        judged = self.until("an evaluation", lambda: next((e for e in self.entries(Kind.EVALUATED) if e.body["version"] == version), None))
        self.say(clock, f"evaluated  v{version}: {summary.comparison_line(judged.body)}")
        if judged.body["passed"]:
            self.promoted(after=judged.id)
            self.say(clock, f"promoted   v{version}: {summary.training_line(self.journal, USE_CASE, version)}")

    def play(self) -> None:
        """Play it all."""
        self.say(None, "seeding    a company's database, bucket and topic with the flights of 2013")
        self.company.seed()
        self.first_model()
        for number in range(WEEKS):
            self.week(HISTORY[1] + timedelta(days=7 * number))


def main() -> None:
    """Play the replay on the local stack and print what happened."""
    from gyre.stack.airflow_settings import local_connections
    from gyre.stack.postgres import superuser_connection

    connections = local_connections()
    ask_also(connections.get)  # the traffic reads the lake
    with AirflowApi.local() as airflow:
        replay = Replay(
            airflow=airflow,
            journal=Journal(connections["gyre_journal"].postgres_uri),
            company=Company(connections, superuser_connection()),
            endpoint=settings().url("envoy"),
        )
        replay.play()
    summary.show(replay.journal, USE_CASE, time.monotonic() - replay.began)
