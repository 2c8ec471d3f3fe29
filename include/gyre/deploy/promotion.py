"""Bring one version to serve, step by step; each step is repeatable, so that whoever comes after a crash starts again at the top.

intended (journal) -> runs -> ready -> tried out -> routed (Envoy) -> routed (journal) -> aliases -> finished (journal) -> older ones retired

Until the route is changed, what served before serves on, and a failure undoes what was begun. After it there is no way back but another promotion.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyre.clients.endpoint import Endpoint
from gyre.clients.mlflow import Registry
from gyre.clients.object_store import lake_objects
from gyre.deploy.serving import Instance, Place
from gyre.deploy.trial import trial
from gyre.errors import GyreError, PromotionFailed
from gyre.journal import Journal, Kind
from gyre.journal.questions import serving, training_of
from gyre.specs.deploy_messages import BentoFile
from gyre.specs.requests import Gate, Message
from gyre.specs.train_messages import Sample
from gyre.specs.use_case import UseCase

log = logging.getLogger("gyre.deploy")

WAIVABLE = {"service_latency"}  # a person may force a slow version; never one that answers wrongly


class Intent(Message):
    """What a promotion is going to do: body of PROMOTION_INTENDED.

    Attributes:
        version: What shall serve.
        previous: What serves until then, and may be rolled back to.
        bento: The file it runs from.
        forced, reason: Whether a person overrode gates, and why.
        overridden: The gates that were not passed.
        evaluation: Key of the EVALUATED entry behind it.
    """

    version: int
    previous: int | None
    bento: BentoFile
    forced: bool = False
    reason: str | None = None
    overridden: list[str] = []
    evaluation: str | None = None
    dag_id: str = ""
    run_id: str = ""


@dataclass(frozen=True)
class Promotion:
    """One promotion.

    Attributes:
        id: Key of its journal entries.
        sleep: For tests.
    """

    id: str
    use_case: UseCase
    intent: Intent
    journal: Journal
    place: Place
    registry: Registry
    sleep: Callable[[float], None] = time.sleep

    def carry_out(self) -> dict[str, Any]:
        """Go through all steps; those that are done already change nothing.

        Raises:
            PromotionFailed: If it could not be routed; it is undone then.
        """
        name = self.use_case.name
        self.journal.add(name, Kind.PROMOTION_INTENDED, self.id, self.intent.model_dump(mode="json"))
        if self.journal.get(name, Kind.PROMOTION_ROUTED, self.id) is None:
            try:
                self._bring_up_and_route()
            except GyreError as error:
                self.undo(str(error))
                raise PromotionFailed(f"Version {self.intent.version} of '{name}' was not promoted, {self._still()}. {error}") from error
        return self.finish()

    def _bring_up_and_route(self) -> None:
        instance = self.place.start(self.use_case, self.intent.version, self.intent.bento)
        self.wait_until_ready(instance)
        sample = self._sample()
        gates = trial(self.use_case, self.intent.version, Endpoint(instance.url), sample)
        self._require(gates)
        try:
            endpoint = self.place.route(self.use_case, self.intent.version)
        except TimeoutError as error:
            raise PromotionFailed(str(error)) from error
        log.info("All requests go to version %d: %s", self.intent.version, endpoint)
        self.journal.add(
            self.use_case.name,
            Kind.PROMOTION_ROUTED,
            self.id,
            {"version": self.intent.version, "endpoint": endpoint, "gates": [gate.model_dump(mode="json") for gate in gates]},
        )

    def wait_until_ready(self, instance: Instance) -> None:
        """Wait until the version answers.

        Raises:
            PromotionFailed: If its process gives up, or takes too long.
        """
        began = time.monotonic()
        endpoint, version = Endpoint(instance.url), instance.version
        while not endpoint.is_ready() or self.place.lack(self.use_case, version):
            dead = self.place.why_dead(self.use_case, version)
            if dead is not None:
                raise PromotionFailed(f"Version {version} does not come up: {dead}. {self.place.last_words(self.use_case, version)}")
            if time.monotonic() - began > self.place.ready_s:
                lack = f" ({lack})" if (lack := self.place.lack(self.use_case, version)) else ""
                words = self.place.last_words(self.use_case, version)
                raise PromotionFailed(f"Version {version} was not ready at {instance.url} within {self.place.ready_s:g} s{lack}. {words}")
            self.sleep(self.place.poll_s)
        log.info("Version %d is ready at %s after %.1f s.", version, instance.url, time.monotonic() - began)

    def finish(self) -> dict[str, Any]:
        """Do what is left after the route: aliases, the last entry, and retiring what nobody needs any more."""
        name, intent = self.use_case.name, self.intent
        set_aliases(self.registry, name, intent.version, intent.previous)
        routed = self.journal.get(name, Kind.PROMOTION_ROUTED, self.id)
        body = {
            "version": intent.version,
            "previous": intent.previous,
            "endpoint": routed.body["endpoint"] if routed else None,
            "version_url": self.registry.version_url(name, intent.version),
            "run_url": self._training().get("run_url"),
            "forced": intent.forced,
            "reason": intent.reason,
        }
        self.journal.add(name, Kind.PROMOTION_FINISHED, self.id, body)
        retire(self.use_case, self.place, {intent.version, intent.previous})
        return body

    def settle(self) -> str:
        """End a promotion that nobody works on any more: finish it if it was routed, else undo it. Says what was done."""
        name, version = self.use_case.name, self.intent.version
        noted = self.journal.get(name, Kind.PROMOTION_ROUTED, self.id)
        if noted is None and self.place.routed(self.use_case) != version:
            self.undo("it was left half done before its route was set")
            return f"promotion of version {version} was begun and not routed: undone. To try again, trigger '{name}__deploy' with version {version}"
        if noted is None:
            endpoint = self.place.route(self.use_case, version)
            self.journal.add(name, Kind.PROMOTION_ROUTED, self.id, {"version": version, "endpoint": endpoint, "gates": []})
        self.finish()
        return f"promotion of version {version} was routed and not finished: finished"

    def is_routed(self) -> bool:
        """Tell whether it came as far as the route."""
        noted = self.journal.get(self.use_case.name, Kind.PROMOTION_ROUTED, self.id)
        return noted is not None or self.place.routed(self.use_case) == self.intent.version

    def undo(self, reason: str) -> None:
        """Take back what was begun; what served before is routed to still, or again."""
        serves = serving(self.journal, self.use_case.name)
        if self.place.routed(self.use_case) == self.intent.version != serves.champion:
            self._route_back(serves.champion)
        if self.intent.version not in {serves.champion, serves.previous}:
            self.place.stop(self.use_case, self.intent.version)
        self.journal.add(self.use_case.name, Kind.PROMOTION_UNDONE, self.id, {"version": self.intent.version, "reason": reason})

    def _route_back(self, champion: int | None) -> None:
        """Write the route as it was; whether Envoy takes it up, or works at all, is not for an undo to wait for."""
        try:
            if champion is None:
                self.place.unroute(self.use_case)
            else:
                self.place.route(self.use_case, champion)
        except TimeoutError as error:
            log.warning("%s", error)

    def _require(self, gates: list[Gate]) -> None:
        for gate in gates:
            log.info("%s %s: %s", "passed" if gate.passed else "FAILED", gate.name, gate.evidence)
        failed = [g for g in gates if not g.passed and not (self.intent.forced and g.name in WAIVABLE)]
        if failed:
            raise PromotionFailed("The booted service failed: " + "; ".join(f"{gate.name}: {gate.evidence}" for gate in failed) + ".")

    def _training(self) -> dict[str, Any]:
        training = training_of(self.journal, self.use_case.name, self.intent.version)
        return training.body if training else {}

    def _sample(self) -> Sample | None:
        uri = self._training().get("sample_uri")
        return Sample.model_validate_json(lake_objects(uri).read(uri)) if uri else None

    def _still(self) -> str:
        return "nothing served before and nothing does" if self.intent.previous is None else f"version {self.intent.previous} serves as before"


def set_aliases(registry: Registry, name: str, champion: int, previous: int | None) -> list[str]:
    """Let the registry say what serves; give what had to be changed."""
    found, changed = registry.aliases(name), []
    for alias, version in (("champion", champion), ("previous", previous)):
        if version is not None and found.get(alias) != version:
            registry.set_alias(name, alias, version)
            changed.append(f"alias {alias} now names version {version}")
    if found.get("challenger") == champion:
        registry.delete_alias(name, "challenger")
        changed.append(f"alias challenger was taken from version {champion}")
    return changed


def retire(use_case: UseCase, place: Place, needed: set[int | None]) -> list[int]:
    """Stop every version that neither serves nor may be rolled back to."""
    gone = sorted(set(place.running(use_case)) - needed)
    for version in gone:
        place.stop(use_case, version)
        log.info("Version %d was retired.", version)
    return gone
