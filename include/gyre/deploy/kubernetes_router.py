"""What sends requests to served versions on a cluster: a Gateway of the cluster's own, or Envoy as a Deployment of ours."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gyre.clients.envoy import Envoy
from gyre.clients.envoy_config import OLDEST_CONNECTION_S, Route, bootstrap, discovery, route_table
from gyre.clients.envoy_config_map import EnvoyConfigMap
from gyre.clients.kubernetes import Cluster
from gyre.deploy.kubernetes_gateway import GatewayRouter
from gyre.deploy.kubernetes_manifests import COMPONENT, Ground, container, pod_spec, probe
from gyre.errors import StackError
from gyre.settings import ROUTER, ROUTER_VIEW, ROUTER_VIEW_PORT, Settings

log = logging.getLogger("gyre.deploy")

Manifest = dict[str, Any]

CHOSEN = {COMPONENT: "router", "app.kubernetes.io/name": "gyre"}
LABELS = CHOSEN | {"app.kubernetes.io/managed-by": "gyre"}
FOLDER = Path("/etc/gyre")
PORT, ADMIN_PORT = 8080, 9901
DRAIN_S = OLDEST_CONNECTION_S + 10  # as for a version: by then no caller has a connection to a pod that goes
CPU, MEMORY_MB = 0.1, 256
BOOTSTRAP = "gyre.dev/bootstrap"


class Router(Protocol):
    """What a place that serves on a cluster asks of a router. A backend is named `<use case>-<version>`."""

    def prepare(self) -> None:
        """Have it run; does not wait until it does."""

    def point(self, use_case: str, backend: str, host: str, port: int) -> str:
        """Send all of a use case's requests to a backend, and wait until that is so; give the public address."""

    def clear(self, use_case: str) -> None:
        """Send them nowhere."""

    def pointed(self, use_case: str) -> tuple[str, tuple[str, int] | None] | None:
        """Tell which backend gets the larger share, and its address if the router knows one."""

    def forget(self, backend: str) -> None:
        """Know a backend no more; nothing is sent to it."""


def router_of(settings: Settings, cluster: Cluster) -> Router:
    """Choose by the settings: the Gateway they name, else Envoy.

    Raises:
        StackError: If they name a Gateway that the cluster cannot have.
    """
    gateway = settings.environ.get("GYRE_GATEWAY")
    if not gateway:
        return EnvoyRouter(settings, cluster)
    namespace, _, name = gateway.partition("/")
    if not namespace or not name or "/" in name:
        raise StackError(f"GYRE_GATEWAY is '{gateway}'. Fix: name a Gateway as namespace/name, or leave it out: then Gyre runs an Envoy.")
    if not cluster.serves("HTTPRoute"):
        raise StackError(
            f"GYRE_GATEWAY names '{gateway}', but the cluster knows no HTTPRoute. Fix: install the Gateway API and an implementation of it, "
            "or leave GYRE_GATEWAY out: then Gyre runs an Envoy."
        )
    return GatewayRouter(settings, cluster, namespace, name)


@dataclass(frozen=True)
class EnvoyRouter:
    """Envoy as a Deployment; its clusters and routes are a ConfigMap."""

    settings: Settings
    cluster: Cluster
    sleep: Callable[[float], None] = time.sleep

    @property
    def envoy(self) -> Envoy:
        """What is written for it."""
        return Envoy(EnvoyConfigMap(self.cluster, ROUTER, CHOSEN, ROUTER_VIEW_PORT))

    def prepare(self) -> None:
        """Apply all of it; where nothing has changed, nothing happens."""
        self.cluster.create(config_map(self.cluster.namespace, {"cds": [], "rds": route_table({})}))
        self.cluster.apply(config_map(self.cluster.namespace, {}))
        for manifest in manifests(self.settings):
            self.cluster.apply(manifest)

    def point(self, use_case: str, backend: str, host: str, port: int) -> str:
        """Let every Envoy know the backend first, and only then send requests to it.

        Raises:
            TimeoutError: If an Envoy does not take it up, or none comes up.
        """
        self.prepare()
        self._wait_until_it_runs()
        began = time.monotonic()
        self.envoy.set_cluster(backend, host, port)
        self.envoy.set_route(use_case, Route({backend: 100}))
        log.info("Every router has the new route after %.1f s.", time.monotonic() - began)
        return f"{self.address()}/{use_case}/predict"

    def clear(self, use_case: str) -> None:
        """Take the route away."""
        self.envoy.set_route(use_case, None)

    def pointed(self, use_case: str) -> tuple[str, tuple[str, int] | None] | None:
        """Read the route."""
        route = self.envoy.routes().get(use_case)
        if route is None:
            return None
        backend = max(route.weights, key=lambda name: route.weights[name])
        return backend, self.envoy.clusters().get(backend, ("", 0))

    def forget(self, backend: str) -> None:
        """Take the cluster away."""
        if backend in self.envoy.clusters():
            self.envoy.remove_clusters({backend})

    def address(self) -> str:
        """Where callers send requests."""
        given = self.settings.environ.get("GYRE_ROUTER_URL")
        if given:
            return given.rstrip("/")
        found = self.cluster.get("Service", ROUTER) or {}
        return f"http://{found.get('spec', {}).get('clusterIP', ROUTER)}"

    def _wait_until_it_runs(self) -> None:
        deadline = time.monotonic() + self.settings.serving_ready_s
        while not (self.cluster.get("Deployment", ROUTER) or {}).get("status", {}).get("availableReplicas"):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"No router came up within {self.settings.serving_ready_s:g} s. "
                    f"Fix: `kubectl describe pods -n {self.cluster.namespace} -l {COMPONENT}=router` says what they wait for."
                )
            self.sleep(0.5)


def config_map(namespace: str, tables: dict[str, list[dict[str, Any]]]) -> Manifest:
    """Hold Envoy's static configuration, and these tables; who applies it without tables leaves those alone that are there."""
    written = {f"{kind}.json": json.dumps(discovery("0", resources)) for kind, resources in tables.items()}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ROUTER, "namespace": namespace, "labels": LABELS},
        "data": {"bootstrap.json": static()} | written,
    }


def static() -> str:
    """Write Envoy's static configuration: the admin interface within the pod alone, its harmless pages for the cluster."""
    everywhere = "0.0.0.0"  # noqa: S104 - the pod's own address
    written = bootstrap(everywhere, PORT, ("127.0.0.1", ADMIN_PORT), FOLDER, (everywhere, ROUTER_VIEW_PORT), OLDEST_CONNECTION_S)
    return json.dumps(written, indent=1)


def manifests(settings: Settings) -> list[Manifest]:
    """Run Envoy: a Deployment, its Service, one more by whose name every single pod is found, and a disruption budget."""
    meta = {"namespace": settings.namespace, "labels": LABELS}
    command = ["envoy", "-c", str(FOLDER / "bootstrap.json"), "--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"]
    envoy = container("envoy", settings.image("router"), command, CPU, MEMORY_MB) | {
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}, {"name": "view", "containerPort": ROUTER_VIEW_PORT, "protocol": "TCP"}],
        "volumeMounts": [{"name": "routes", "mountPath": str(FOLDER), "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
        "readinessProbe": probe("/ready", "view", 2, 2),
        "livenessProbe": probe("/healthz", "http", 10, 6),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}},
    }
    volumes = [{"name": "routes", "configMap": {"name": ROUTER}}, {"name": "tmp", "emptyDir": {}}]
    spec = pod_spec(Ground.of(settings), CHOSEN, DRAIN_S + 20) | {"containers": [envoy], "volumes": volumes}
    changed = hashlib.sha256(static().encode()).hexdigest()[:16]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": ROUTER, **meta},
        "spec": {
            "replicas": settings.router_replicas,
            "selector": {"matchLabels": CHOSEN},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": LABELS, "annotations": {BOOTSTRAP: changed}}, "spec": spec},
        },
    }
    public = {"type": "ClusterIP", "selector": CHOSEN, "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]}
    each = {"clusterIP": "None", "selector": CHOSEN, "ports": [{"name": "view", "port": ROUTER_VIEW_PORT, "targetPort": "view", "protocol": "TCP"}]}
    budget = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {"matchLabels": CHOSEN}}
    return [
        deployment,
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": ROUTER, **meta}, "spec": public},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": ROUTER_VIEW, **meta}, "spec": each},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": ROUTER, **meta}, "spec": budget},
    ]
