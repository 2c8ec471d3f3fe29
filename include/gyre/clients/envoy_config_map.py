"""Clusters and routes of several Envoys as one ConfigMap, which each pod has mounted.

A kubelet looks at a ConfigMap about once a minute, but at once when its pod changes: so an annotation of each pod is touched, and an Envoy has new
routes within seconds. It sees the kubelet swap the link `..data` in the folder it watches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gyre.clients.envoy import Change, Kind, version_at
from gyre.clients.envoy_config import discovery
from gyre.clients.kubernetes import Cluster, Manifest
from gyre.errors import ClusterRefused

TOUCHED = "gyre.dev/routes-touched"
TRIES = 20
CONFLICT = 409


@dataclass(frozen=True)
class EnvoyConfigMap:
    """The Envoys of one Deployment.

    Attributes:
        name: Of the ConfigMap.
        pods: Labels of the pods that have it mounted.
        view_port: Where each pod shows what may be read of its admin interface.
    """

    cluster: Cluster
    name: str
    pods: Mapping[str, str]
    view_port: int
    poll_s: float = 0.3

    def read(self, kind: Kind) -> dict[str, Any]:
        """Read the ConfigMap."""
        return self._written(self.cluster.get("ConfigMap", self.name) or {}, kind)

    def change(self, kind: Kind, change: Change) -> None:
        """Change it where it is as it was read; read it again where another writer was quicker."""
        for _ in range(TRIES):
            found = self.cluster.get("ConfigMap", self.name)
            if found is None:
                break
            before = self._written(found, kind)["resources"]
            resources = change(before)
            if resources == before:
                return
            text = json.dumps(discovery(f"{time.time_ns()}", resources), separators=(",", ":"))
            as_read = {"resourceVersion": found["metadata"]["resourceVersion"]}
            try:
                self.cluster.patch("ConfigMap", self.name, {"metadata": as_read, "data": {f"{kind}.json": text}})
            except ClusterRefused as error:
                if error.status != CONFLICT:
                    raise
            else:
                return
        raise ClusterRefused(
            f"The {self.name_of(kind)} could not be changed: the ConfigMap is gone, or {TRIES} others changed it meanwhile. Fix: try again; see who writes it."
        )

    def taken_up(self, kind: Kind) -> bool:
        """Ask each pod; one that works with something older is touched, so that its kubelet looks."""
        wanted = self.read(kind)["version_info"]
        pods = [pod for pod in self.cluster.find("Pod", self.pods) if "deletionTimestamp" not in pod["metadata"]]
        late = [pod for pod in pods if self._version(pod, kind) != wanted]
        for pod in late:
            self.cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"annotations": {TOUCHED: f"{time.time_ns()}"}}})
        return any(_is_ready(pod) for pod in pods) and not any(_runs(pod) for pod in late)

    def name_of(self, kind: Kind) -> str:
        """Name the ConfigMap's entry."""
        return f"{kind}.json of ConfigMap {self.cluster.namespace}/{self.name}"

    def where_to_look(self) -> str:
        """Name the pods."""
        chosen = ",".join(f"{key}={value}" for key, value in self.pods.items())
        return f"in all its pods. Fix: `kubectl get pods -n {self.cluster.namespace} -l {chosen}`, and the log of one that is not ready."

    def _written(self, found: Manifest, kind: Kind) -> dict[str, Any]:
        text = found.get("data", {}).get(f"{kind}.json")
        return dict(json.loads(text)) if text else discovery("0", [])

    def _version(self, pod: Manifest, kind: Kind) -> str | None:
        return version_at(f"http://{_address(pod)}:{self.view_port}", kind) if _runs(pod) else None


def _runs(pod: Manifest) -> bool:
    status = pod.get("status", {})
    return bool(status.get("podIP")) and any("running" in each["state"] for each in status.get("containerStatuses", []))


def _is_ready(pod: Manifest) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", []))


def _address(pod: Manifest) -> str:
    ip = str(pod["status"]["podIP"])
    return f"[{ip}]" if ":" in ip else ip
