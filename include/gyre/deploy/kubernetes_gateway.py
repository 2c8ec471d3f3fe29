"""A Gateway of the cluster's own as the router: one HTTPRoute a use case (Gateway API v1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyre.clients.envoy_config import Route
from gyre.clients.kubernetes import Cluster
from gyre.deploy.kubernetes_manifests import COMPONENT, PORT, USE_CASE
from gyre.errors import StackError
from gyre.settings import Settings

Manifest = dict[str, Any]

CONFIRM_S = 30
POLL_S = 0.3


def http_route(namespace: str, gateway: tuple[str, str], use_case: str, route: Route) -> Manifest:
    """Send what comes in below `/<use case>/` to versions by weight, and a copy of each request to the mirror.

    Args:
        namespace: Of the route and the versions' Services.
        gateway: Namespace and name.
        use_case: Its name.
        route: Backends `<use case>-<version>` and their shares.
    """
    filters: list[Manifest] = [
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}},
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-gyre-replay"]}},
    ]
    if route.mirror:
        filters.append({"type": "RequestMirror", "requestMirror": {"backendRef": _backend(route.mirror)}})
    if len(route.weights) == 1:  # on a backend of several it would be a filter that few implementations have
        version = next(iter(route.weights)).rpartition("-")[2]
        filters.append({"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-gyre-version", "value": version}]}})
    backends = [_backend(name) | {"weight": weight} for name, weight in sorted(route.weights.items())]
    prefix = {"path": {"type": "PathPrefix", "value": f"/{use_case}/"}}
    labels = {"app.kubernetes.io/name": "gyre", "app.kubernetes.io/managed-by": "gyre", COMPONENT: "serving", USE_CASE: use_case}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": _dns(use_case), "namespace": namespace, "labels": labels},
        "spec": {
            "parentRefs": [{"namespace": gateway[0], "name": gateway[1]}],
            "rules": [{"matches": [prefix], "filters": filters, "backendRefs": backends, "timeouts": {"request": "60s"}}],
        },
    }


def backends_of(route: Manifest) -> dict[str, int]:
    """Read the shares of a route's backends, by their Services' names."""
    return {each["name"]: int(each.get("weight", 1)) for rule in route["spec"].get("rules", []) for each in rule.get("backendRefs", [])}


def lack(route: Manifest) -> str | None:
    """Say what an HTTPRoute lacks to be in force; None if every Gateway it names has taken it as it is now."""
    parents = route.get("status", {}).get("parents", [])
    if not parents:
        return "no Gateway has looked at it"
    for parent in parents:
        conditions = {each["type"]: each for each in parent.get("conditions", [])}
        for wanted in ("Accepted", "ResolvedRefs"):
            found = conditions.get(wanted, {"status": "Unknown"})
            if found["status"] != "True":
                return f"{wanted} is {found['status']}: {found.get('message', 'nothing is said')}"
            if found.get("observedGeneration", 0) < route["metadata"]["generation"]:
                return f"its Gateway has not looked at generation {route['metadata']['generation']} of it"
    return None


@dataclass(frozen=True)
class GatewayRouter:
    """Routes through one Gateway."""

    settings: Settings
    cluster: Cluster
    namespace: str
    name: str
    confirm_s: float = CONFIRM_S
    sleep: Callable[[float], None] = time.sleep

    def prepare(self) -> None:
        """Nothing: the Gateway is the cluster's."""

    def point(self, use_case: str, backend: str, host: str, port: int) -> str:  # noqa: ARG002 - a Gateway finds a Service by its name
        """Write the route, and wait until the Gateway has it.

        Raises:
            TimeoutError: If it does not take it.
        """
        route = http_route(self.cluster.namespace, (self.namespace, self.name), use_case, Route({backend: 100}))
        applied = self.cluster.apply(route)
        deadline = time.monotonic() + self.confirm_s
        while why := lack(applied):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"Gateway {self.namespace}/{self.name} did not take up HTTPRoute {self.cluster.namespace}/{route['metadata']['name']} "
                    f"within {self.confirm_s:g} s: {why}. Fix: see that it admits routes of this namespace."
                )
            self.sleep(POLL_S)
            applied = self.cluster.get("HTTPRoute", route["metadata"]["name"]) or applied
        return f"{self.address()}/{use_case}/predict"

    def clear(self, use_case: str) -> None:
        """Take the route away."""
        self.cluster.delete("HTTPRoute", _dns(use_case))

    def pointed(self, use_case: str) -> tuple[str, tuple[str, int] | None] | None:
        """Read the route; its backend is a Service, which has whatever address it has."""
        route = self.cluster.get("HTTPRoute", _dns(use_case))
        weights = backends_of(route) if route else {}
        if not weights:
            return None
        return f"{use_case}-{max(weights, key=lambda name: weights[name]).rpartition('-')[2]}", None

    def forget(self, backend: str) -> None:
        """Nothing: a route that named it was replaced."""

    def address(self) -> str:
        """Where callers send requests.

        Raises:
            StackError: If neither the settings nor the Gateway say.
        """
        given = self.settings.environ.get("GYRE_ROUTER_URL")
        if given:
            return given.rstrip("/")
        gateway = Cluster(self.namespace).get("Gateway", self.name) or {}
        addresses = gateway.get("status", {}).get("addresses", [])
        if not addresses:
            raise StackError(f"Gateway {self.namespace}/{self.name} has no address. Fix: GYRE_ROUTER_URL=the address at which callers reach it.")
        return f"http://{addresses[0]['value']}"


def _backend(name: str) -> Manifest:
    return {"name": _dns(name), "port": PORT}


def _dns(name: str) -> str:
    return name.replace("_", "-")
