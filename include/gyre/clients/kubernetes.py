"""Kubernetes objects as plain manifests: applied, read, listed, deleted, in one namespace. Knows nothing of what they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gyre.errors import ClusterRefused
from gyre.settings import Settings

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Manifest = dict[str, Any]

OWNER = "gyre"  # field manager of what Gyre applies

# kind -> (API, plural); those of a whole cluster have no namespace
KINDS = {
    "Pod": ("api/v1", "pods"),
    "Event": ("api/v1", "events"),
    "Secret": ("api/v1", "secrets"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "ResourceQuota": ("api/v1", "resourcequotas"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Job": ("apis/batch/v1", "jobs"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "HTTPRoute": ("apis/gateway.networking.k8s.io/v1", "httproutes"),
    "Gateway": ("apis/gateway.networking.k8s.io/v1", "gateways"),
    "TrainJob": ("apis/trainer.kubeflow.org/v1alpha1", "trainjobs"),
}
OF_THE_CLUSTER = {"Node": ("api/v1", "nodes"), "Namespace": ("api/v1", "namespaces")}


@lru_cache(maxsize=1)
def _api() -> ApiClient:
    """Sign in as the pod this process runs in, or with the kubeconfig that `KUBECONFIG` names."""
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        try:
            config.load_kube_config(client_configuration=configuration)
        except config.ConfigException as error:
            raise ClusterRefused(f"No Kubernetes to work with: {error}. Fix: run inside a cluster, or let KUBECONFIG name a kubeconfig.") from error
    return client.ApiClient(configuration)


@dataclass(frozen=True)
class Cluster:
    """One namespace of a cluster, as the signed-in account may see it."""

    namespace: str

    @classmethod
    def of(cls, settings: Settings) -> Cluster:
        """The namespace of jobs and served versions."""
        return cls(settings.namespace)

    def apply(self, manifest: Manifest) -> Manifest:
        """Have an object be as written, whether it was there or not (server-side apply); give it as the cluster has it."""
        path = f"{self._path(manifest['kind'])}/{manifest['metadata']['name']}"
        query = [("fieldManager", OWNER), ("force", "true")]
        return dict(self._ask("PATCH", path, manifest, query, "application/apply-patch+yaml") or {})

    def create(self, manifest: Manifest) -> bool:
        """Make an object, unless one of its kind and name is there; tell whether it was made."""
        return self._ask("POST", self._path(manifest["kind"]), manifest, but=409) is not None

    def get(self, kind: str, name: str) -> Manifest | None:
        """Read an object; None if there is none of that name."""
        return self._ask("GET", f"{self._path(kind)}/{name}", but=404)

    def find(self, kind: str, labels: Mapping[str, str | None] | None = None, fields: Mapping[str, str] | None = None) -> list[Manifest]:
        """Read every object of a kind that bears these labels (and fields); one whose value is None may have any."""
        chosen = {"labelSelector": labels, "fieldSelector": fields}
        query = [(name, ",".join(key if value is None else f"{key}={value}" for key, value in given.items())) for name, given in chosen.items() if given]
        return list((self._ask("GET", self._path(kind), query=query) or {"items": []})["items"])

    def patch(self, kind: str, name: str, change: Manifest) -> Manifest | None:
        """Change some fields of an object (a JSON merge patch); None if there is none of that name."""
        return self._ask("PATCH", f"{self._path(kind)}/{name}", change, content="application/merge-patch+json", but=404)

    def delete(self, kind: str, name: str, grace_s: int | None = None) -> bool:
        """Delete an object and what it owns; tell whether it was there."""
        query = [("propagationPolicy", "Background"), *([] if grace_s is None else [("gracePeriodSeconds", str(grace_s))])]
        return self._ask("DELETE", f"{self._path(kind)}/{name}", query=query, but=404) is not None

    def log(self, pod: str, container: str, lines: int) -> str:
        """Give the end of what a container printed; nothing if it has not started."""
        query = [("container", container), ("tailLines", str(lines))]
        return self._text("GET", f"{self._path('Pod')}/{pod}/log", query) or ""

    def serves(self, kind: str) -> bool:
        """Tell whether the cluster knows a kind at all: whether its definition is installed."""
        api, plural = (KINDS | OF_THE_CLUSTER)[kind]
        known = self._ask("GET", f"/{api}", but=404) or {}
        return any(each["name"] == plural for each in known.get("resources", []))

    def _path(self, kind: str) -> str:
        if kind in OF_THE_CLUSTER:
            return "/{}/{}".format(*OF_THE_CLUSTER[kind])
        api, plural = KINDS[kind]
        return f"/{api}/namespaces/{self.namespace}/{plural}"

    def _text(self, method: str, path: str, query: list[tuple[str, str]]) -> str | None:
        from kubernetes.client import ApiException

        try:
            answer = _api().call_api(path, method, query_params=query, auth_settings=["BearerToken"], _preload_content=False)
        except ApiException as error:
            if error.status in (400, 404):  # no such pod, or its container has not started
                return None
            raise self._refusal(method, path, error) from error
        return bytes(answer.data).decode(errors="replace")

    def _ask(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        query: list[tuple[str, str]] | None = None,
        content: str = "application/json",
        but: int | None = None,
    ) -> Manifest | None:
        """Ask the API server; an answer of the status `but` is none.

        Raises:
            ClusterRefused: If it said no.
        """
        from kubernetes.client import ApiException

        headers = {"Accept": "application/json", "Content-Type": content}
        try:
            answer = _api().call_api(
                path, method, query_params=query or [], header_params=headers, body=body, auth_settings=["BearerToken"], _preload_content=False
            )
        except ApiException as error:
            if error.status == but:
                return None
            raise self._refusal(method, path, error) from error
        return dict(json.loads(answer.data))

    def _refusal(self, method: str, path: str, error: Any) -> ClusterRefused:
        try:
            said = json.loads(error.body)["message"]
        except (TypeError, ValueError, KeyError):
            said = error.reason
        return ClusterRefused(f"Kubernetes refuses {method} {path} ({error.status}): {said}", status=error.status)
