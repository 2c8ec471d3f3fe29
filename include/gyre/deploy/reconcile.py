"""Does what serves equal what was decided? The journal is what was decided; registry, router and processes are made to agree with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gyre.clients.mlflow import Registry
from gyre.deploy.decide import LOCK, place
from gyre.deploy.promotion import Intent, Promotion, retire, set_aliases
from gyre.deploy.serving import Place
from gyre.errors import GyreError, NothingToDo
from gyre.journal import Entry, Journal, Kind
from gyre.journal.questions import serving, unfinished_promotions
from gyre.run import Run
from gyre.specs import UseCase

log = logging.getLogger("gyre.deploy")

GRACE = timedelta(minutes=3)  # a promotion that is younger may be between two tries of its task


@dataclass
class Findings:
    """What one reconciliation found and did, in sentences; `person` is what only a person can do."""

    done: list[str] = field(default_factory=list)
    person: list[str] = field(default_factory=list)


def reconcile(use_case: UseCase, run: Run, journal: Journal, given: Any) -> dict[str, Any]:  # noqa: ARG001 - every decision is called alike
    """Make one use case agree with itself.

    Raises:
        NothingToDo: If everything agrees, or a promotion is under way.
    """
    with journal.lock(use_case.name, LOCK, wait_s=0) as held:
        if not held:
            raise NothingToDo(f"a promotion of '{use_case.name}' is under way")
        found = Reconciliation(use_case, journal, place(), Registry.of()).carry_out()
    if not found.done and not found.person:
        raise NothingToDo("registry, router, processes and journal agree")
    body = {"done": found.done, "person": found.person}
    for sentence in found.done:
        log.info("Done: %s", sentence)
    for sentence in found.person:
        log.warning("For a person: %s", sentence)
    last = journal.last(use_case.name, Kind.RECONCILED)
    if found.done or last is None or last.body != body:  # what a person must do is said once, not every five minutes
        journal.add(use_case.name, Kind.RECONCILED, f"{run.job_id}-{run.try_number}", body)
    return body


@dataclass(frozen=True)
class Reconciliation:
    """One look at one use case."""

    use_case: UseCase
    journal: Journal
    place: Place
    registry: Registry

    def carry_out(self) -> Findings:
        """End what was left half done, then repair what serves."""
        found = Findings()
        young = {p.intent.version for entry in self._unfinished() if not self._settle(p := self._promotion(entry), entry, found)}
        serves = serving(self.journal, self.use_case.name)
        if serves.champion is not None:
            self._have_run(serves.champion, found)
            if serves.previous is not None:
                self._have_run(serves.previous, found)
            self._have_routed(serves.champion, found)
            found.done += set_aliases(self.registry, self.use_case.name, serves.champion, serves.previous)
        elif not young:
            self._leave_what_nobody_decided(found)
            return found
        gone = retire(self.use_case, self.place, {serves.champion, serves.previous, *young})
        found.done += [f"version {version} ran and was not needed: stopped" for version in gone]
        return found

    def _leave_what_nobody_decided(self, found: Findings) -> None:
        """Nothing was ever promoted by this journal: if something serves all the same, the journal is another, and stopping it would be rash."""
        running, routed = sorted(self.place.running(self.use_case)), self.place.routed(self.use_case)
        if routed is not None:
            found.person.append(
                f"requests go to version {routed}, but this journal knows of no promotion. Fix: promote a version with force, or restore the journal."
            )
        else:
            found.done += [f"version {version} ran and was not needed: stopped" for version in retire(self.use_case, self.place, set())]
        log.info("Nothing was promoted yet; running: %s.", running or "nothing")

    def _unfinished(self) -> list[Entry]:
        return unfinished_promotions(self.journal, self.use_case.name)

    def _promotion(self, entry: Entry) -> Promotion:
        return Promotion(entry.key, self.use_case, Intent.model_validate(entry.body), self.journal, self.place, self.registry)

    def _settle(self, promotion: Promotion, entry: Entry, found: Findings) -> bool:
        """End a promotion that was left half done; tells whether it was. One that is young and not routed is left to its task's next try."""
        if not promotion.is_routed() and datetime.now(UTC) - entry.at < GRACE:
            return False
        found.done.append(promotion.settle())
        return True

    def _have_run(self, version: int, found: Findings) -> None:
        """Have a version run that is needed: its program file, its files and its process may each be lost."""
        instance = self.place.running(self.use_case).get(version)
        if instance is not None and instance.alive and instance.intact:
            return
        lack = "was not known to run" if instance is None else "had lost its files" if not instance.intact else "had stopped"
        intent = next((e for e in self.journal.entries(self.use_case.name, Kind.PROMOTION_INTENDED, newest_first=True) if e.body["version"] == version), None)
        if intent is None:
            found.person.append(f"version {version} {lack}, and the journal does not know its Bento. Promote it again with force.")
            return
        promotion = self._promotion(intent)
        try:
            promotion.wait_until_ready(self.place.start(self.use_case, version, promotion.intent.bento))
        except (GyreError, FileNotFoundError) as error:
            found.person.append(f"version {version} {lack}, and does not come up again: {error}")
        else:
            # a process that lives goes on with what it has loaded; its next start finds the files
            found.done.append(f"version {version} {lack}: {'they were put back' if instance is not None and instance.alive else 'started again'}")

    def _have_routed(self, version: int, found: Findings) -> None:
        routed = self.place.routed(self.use_case)
        instance = self.place.running(self.use_case).get(version)
        if routed == version or instance is None or not instance.alive:
            return
        try:
            self.place.route(self.use_case, version)
        except TimeoutError as error:
            found.person.append(str(error))
        else:
            found.done.append(f"requests went to {f'version {routed}' if routed else 'nowhere'}: now to version {version}")
