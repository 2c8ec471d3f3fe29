"""Where versions are served, whatever the place: local processes behind Envoy, or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gyre.specs.deploy_messages import BentoFile
from gyre.specs.use_case import UseCase


@dataclass(frozen=True)
class Instance:
    """One version that is meant to run.

    Attributes:
        url: Its own address, not the public one.
        sha256: Hash of the Bento it runs.
        alive: Whether it runs (it may still be loading).
        intact: Whether the files it runs from are there.
    """

    version: int
    url: str
    sha256: str
    alive: bool
    intact: bool


class Place(Protocol):
    """What the deployment asks of the place. Every call may be repeated: it brings about a state, whatever was before."""

    @property
    def ready_s(self) -> float:
        """How long a version may take from its start until it answers."""

    @property
    def poll_s(self) -> float:
        """How often it may be asked meanwhile."""

    def start(self, use_case: UseCase, version: int, bento: BentoFile) -> Instance:
        """Have a version run from its Bento; does not wait until it is ready."""

    def stop(self, use_case: UseCase, version: int) -> None:
        """Have a version run no more, and nothing left of it."""

    def running(self, use_case: UseCase) -> dict[int, Instance]:
        """Tell which versions are meant to run."""

    def why_dead(self, use_case: UseCase, version: int) -> str | None:
        """Say why a version cannot come up, if it has given up; None while it may still."""

    def lack(self, use_case: UseCase, version: int) -> str | None:
        """Say what a version that answers still lacks to take all requests; None if nothing."""

    def last_words(self, use_case: UseCase, version: int) -> str:
        """Give the end of what its process printed."""

    def route(self, use_case: UseCase, version: int) -> str:
        """Send all requests to a version that is ready, without losing one; give the public address."""

    def unroute(self, use_case: UseCase) -> None:
        """Send requests nowhere: there is no model to answer them."""

    def routed(self, use_case: UseCase) -> int | None:
        """Tell which version gets the requests."""
