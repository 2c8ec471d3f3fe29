"""Replay ten weeks of flights of 2013 through the whole loop. Nothing in the platform knows about this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from demo import summary, traffic
from demo.company import Company
from demo.driver import Driver, ReplayFailed
from gyre.journal import Entry, Kind
from gyre.journal.questions import serving

USE_CASE = "flight_delay"
NEW_YORK = ZoneInfo("America/New_York")
HISTORY = (datetime(2013, 1, 1, tzinfo=NEW_YORK), datetime(2013, 3, 1, tzinfo=NEW_YORK))
WEEKS = 9
BROKEN_DELIVERY = datetime(2013, 3, 26, tzinfo=NEW_YORK)  # in the fourth week
CHECK_UP = datetime(2013, 4, 19, tzinfo=NEW_YORK)  # a retraining by hand at the end of this week, which does not win
CHECK_UP_PARAMS = {"reason": "a check-up, asked for by hand"}


@dataclass
class FlightsReplay(Driver):
    """The story of `flight_delay`.

    Attributes:
        company: Whose clock is moved.
    """

    company: Company = field(kw_only=True)

    def begin_ingest(self, start: datetime, end: datetime) -> None:
        """Let the company's clock move to the morning after, and start to ingest what happened."""
        self.company.advance(end + timedelta(hours=6))
        params = {"start": start.isoformat(), "end": end.isoformat()}
        self.airflow.trigger(f"{USE_CASE}__ingest", params, run_id=f"demo__ingest-{start:%Y-%m-%d}")

    def ingest(self, start: datetime, end: datetime) -> None:
        """Ingest an interval, and say what came of it."""
        self.begin_ingest(start, end)
        self.must_succeed("ingest", f"ingest-{start:%Y-%m-%d}", start=start.isoformat(), end=end.isoformat())
        published = self.published(start)
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
        if self.looked_at(end):
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
            raise ReplayFailed(f"A corrupted delivery of {BROKEN_DELIVERY:%Y-%m-%d} was published. Look at {self.page('ingest', f'demo__{name}')}")
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
        self.say(clock, f"evaluated  v{version} against v{before}: {summary.comparison_line(self.judged(version).body)}")

    def retraining(self, clock: datetime) -> None:
        """If monitoring asked for a new model, wait until the platform has trained and judged it."""
        if (request := self.asked_for(clock)) is not None:
            self.answered(clock, request)

    def play(self) -> None:
        """Play it all."""
        self.say(None, "seeding    a company's database, bucket and topic with the flights of 2013")
        self.company.seed()
        self.first_model()
        for number in range(WEEKS):
            self.week(HISTORY[1] + timedelta(days=7 * number))
