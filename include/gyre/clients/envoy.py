"""Envoy's clusters and routes: read, changed, and confirmed. What is routed is derived from what was written; a store keeps it.

Envoy follows files. On a laptop they are files of this machine (`EnvoyFiles`), on a cluster those of a ConfigMap (`EnvoyConfigMap`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx

from gyre.clients.envoy_config import TYPES, Resources, Route, cluster_table, clusters_of, route_table, routes_of

CONFIRM_S = 15

Kind = Literal["cds", "rds"]
Change = Callable[[Resources], Resources]


class Store(Protocol):
    """Where an Envoy's, or several Envoys', clusters (`cds`) and routes (`rds`) are written."""

    @property
    def poll_s(self) -> float:
        """How often to look whether a change was taken up."""

    def read(self, kind: Kind) -> dict[str, Any]:
        """Give what is written: `version_info` and `resources`."""

    def change(self, kind: Kind, change: Change) -> None:
        """Write what a change makes of the resources, as a new version, unless it is the same; no other writer's change is lost."""

    def taken_up(self, kind: Kind) -> bool:
        """Tell whether every Envoy works with what is written now."""

    def name_of(self, kind: Kind) -> str:
        """Name what is written, for a person."""

    def where_to_look(self) -> str:
        """Say what a person looks at when it is not taken up."""


@dataclass(frozen=True)
class Envoy:
    """The proxy in front of served versions, by what is written for it."""

    store: Store
    confirm_s: float = field(default=CONFIRM_S)

    def clusters(self) -> dict[str, tuple[str, int]]:
        """Give each cluster's host and port."""
        return clusters_of(self.store.read("cds")["resources"])

    def routes(self) -> dict[str, Route]:
        """Give each use case's route."""
        return routes_of(self.store.read("rds")["resources"])

    def set_cluster(self, name: str, host: str, port: int) -> None:
        """Have a cluster of that name and address, and wait until Envoy has it.

        Raises:
            TimeoutError: If Envoy does not take it up.
        """
        self._change("cds", lambda resources: cluster_table({**clusters_of(resources), name: (host, port)}))

    def remove_clusters(self, names: set[str]) -> None:
        """Have no clusters of these names; no route may name them any more, so nobody has to wait until Envoy has dropped them."""
        self.store.change("cds", lambda resources: cluster_table({n: address for n, address in clusters_of(resources).items() if n not in names}))

    def set_route(self, use_case: str, route: Route | None) -> None:
        """Send a use case's requests elsewhere (None: nowhere), and wait until Envoy does.

        Raises:
            TimeoutError: If Envoy does not take it up.
        """
        new = {use_case: route} if route else {}
        self._change("rds", lambda resources: route_table({name: kept for name, kept in routes_of(resources).items() if name != use_case} | new))

    def _change(self, kind: Kind, change: Change) -> None:
        self.store.change(kind, change)
        deadline = time.monotonic() + self.confirm_s
        while time.monotonic() < deadline:
            if self.store.taken_up(kind):
                return
            time.sleep(self.store.poll_s)
        raise TimeoutError(f"Envoy did not take up {self.store.name_of(kind)} within {self.confirm_s:g} s {self.store.where_to_look()}")


def version_at(admin: str, kind: Kind) -> str | None:
    """Ask an Envoy which version of its clusters or routes it works with; None if it does not answer or has none."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each look would hide what a promotion's log says
    try:
        dump = httpx.get(f"{admin}/config_dump", timeout=5, trust_env=False).json()
    except (httpx.TransportError, ValueError):
        return None
    section = f"{TYPES}.admin.v3.{'ClustersConfigDump' if kind == 'cds' else 'RoutesConfigDump'}"
    config: dict[str, Any] = next((c for c in dump["configs"] if c["@type"] == section), {})
    versions = [config, *config.get("dynamic_route_configs", [])]
    return next((str(v["version_info"]) for v in versions if "version_info" in v), None)
