"""Envoy's clusters and routes as files: read, changed, renamed over; Envoy sees the rename and takes the new ones up.

What is routed is derived from the files themselves. Writers take turns by a lock beside them.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

CONFIRM_S = 15
POLL_S = 0.05
TYPES = "type.googleapis.com/envoy"
# A server closes a connection that was idle for 5 s; Envoy must be the first to, or a request could meet a closing one.
IDLE = "2s"


@dataclass(frozen=True)
class Route:
    """Where the requests of one use case go.

    Attributes:
        weights: Cluster -> share; the shares need not add up to 100.
        mirror: A cluster that gets a copy of each request and whose answer nobody sees (shadow).
    """

    weights: Mapping[str, int]
    mirror: str | None = None


@dataclass(frozen=True)
class Envoy:
    """One Envoy.

    Attributes:
        folder: With `cds.json` and `rds.json`, which Envoy watches.
        admin: Address of its admin interface.
    """

    folder: Path
    admin: str
    confirm_s: float = field(default=CONFIRM_S)

    def clusters(self) -> dict[str, tuple[str, int]]:
        """Give each cluster's host and port."""
        return {c["name"]: _address_of(c) for c in self._read("cds")["resources"]}

    def routes(self) -> dict[str, Route]:
        """Give each use case's route."""
        hosts = [host for table in self._read("rds")["resources"] for host in table.get("virtual_hosts", [])]
        return dict(_route_of(each) for host in hosts for each in host["routes"])

    def set_cluster(self, name: str, host: str, port: int) -> None:
        """Have a cluster of that name and address, and wait until Envoy has it.

        Raises:
            TimeoutError: If Envoy does not take it up.
        """
        self._change_clusters({name: (host, port)}, set())

    def remove_clusters(self, names: set[str]) -> None:
        """Have no clusters of these names; no route may name them any more."""
        self._change_clusters({}, names)

    def set_route(self, use_case: str, route: Route | None) -> None:
        """Send a use case's requests elsewhere (None: nowhere), and wait until Envoy does.

        Raises:
            TimeoutError: If Envoy does not take it up.
        """
        with self._lock():
            others = {name: kept for name, kept in self.routes().items() if name != use_case}
            self._write("rds", route_table(others | ({use_case: route} if route else {})))
        self._wait_for("rds")

    def _change_clusters(self, added: Mapping[str, tuple[str, int]], removed: set[str]) -> None:
        with self._lock():
            kept = {name: address for name, address in self.clusters().items() if name not in removed}
            self._write("cds", cluster_table({**kept, **added}))
        self._wait_for("cds")

    def _wait_for(self, kind: str) -> None:
        """Wait until Envoy's admin interface shows what the file says."""
        wanted = self._read(kind)["version_info"]
        deadline = time.monotonic() + self.confirm_s
        while time.monotonic() < deadline:
            if self._taken_up(kind) == wanted:
                return
            time.sleep(POLL_S)
        raise TimeoutError(
            f"Envoy did not take up {self.folder / f'{kind}.json'} within {self.confirm_s:g} s (its admin interface: {self.admin}). "
            "Fix: `gyre status`, `gyre logs envoy`."
        )

    def _taken_up(self, kind: str) -> str | None:
        """Ask which version of a file Envoy works with."""
        try:
            dump = httpx.get(f"{self.admin}/config_dump", timeout=5, trust_env=False).json()
        except (httpx.TransportError, ValueError):
            return None
        section = f"{TYPES}.admin.v3.{'ClustersConfigDump' if kind == 'cds' else 'RoutesConfigDump'}"
        config: dict[str, Any] = next((c for c in dump["configs"] if c["@type"] == section), {})
        versions = [config, *config.get("dynamic_route_configs", [])]
        return next((str(v["version_info"]) for v in versions if "version_info" in v), None)

    def _read(self, kind: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / f"{kind}.json").read_text()))
        except FileNotFoundError:
            return {"version_info": "0", "resources": []}

    def _write(self, kind: str, resources: list[dict[str, Any]]) -> None:
        """Write a whole new file over the old one, unless they say the same."""
        before = self._read(kind)
        if before["resources"] == resources:
            return
        partial = self.folder / f".{kind}.json.{os.getpid()}.partial"
        version = f"{time.time_ns()}"  # only ever compared for equality
        partial.write_text(json.dumps({"version_info": version, "resources": resources}, indent=1))
        partial.replace(self.folder / f"{kind}.json")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / "envoy.lock").open("a") as lock:  # not in the folder: Envoy looks at each change there
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def cluster_table(clusters: Mapping[str, tuple[str, int]]) -> list[dict[str, Any]]:
    """Write clusters as Envoy's resources."""
    return [_cluster(name, *clusters[name]) for name in sorted(clusters)]


def route_table(routes: Mapping[str, Route]) -> list[dict[str, Any]]:
    """Write routes as Envoy's resources."""
    hosts = [{"name": "models", "domains": ["*"], "routes": [_route(name, routes[name]) for name in sorted(routes)]}]
    return [{"@type": f"{TYPES}.config.route.v3.RouteConfiguration", "name": "gyre", "virtual_hosts": hosts}]


def _cluster(name: str, host: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": host, "port_value": port}}
    return {
        "@type": f"{TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _route(use_case: str, route: Route) -> dict[str, Any]:
    action: dict[str, Any] = {
        "weighted_clusters": {"clusters": [_share(name, weight) for name, weight in sorted(route.weights.items())]},
        "prefix_rewrite": "/",
        "timeout": "60s",
        "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 3},
    }
    if route.mirror:
        action["request_mirror_policies"] = [{"cluster": route.mirror}]
    return {"name": use_case, "match": {"prefix": f"/{use_case}/"}, "route": action, "request_headers_to_remove": ["x-gyre-replay"]}


def _share(cluster: str, weight: int) -> dict[str, Any]:
    version = {"header": {"key": "x-gyre-version", "value": cluster.rpartition("-")[2]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"name": cluster, "weight": weight, "response_headers_to_add": [version]}


def _address_of(cluster: dict[str, Any]) -> tuple[str, int]:
    address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
    return address["address"], address["port_value"]


def _route_of(route: dict[str, Any]) -> tuple[str, Route]:
    action = route["route"]
    mirrors = action.get("request_mirror_policies") or [{"cluster": None}]
    return route["name"], Route({c["name"]: c["weight"] for c in action["weighted_clusters"]["clusters"]}, mirrors[0]["cluster"])
