"""Serving on a cluster: a Deployment for each version, behind a router. Which versions are meant to run is read from the cluster itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gyre.clients.kubernetes import Cluster
from gyre.clients.object_store import LAKE_CONNECTION
from gyre.connections import connection
from gyre.deploy import kubernetes_manifests as manifests
from gyre.deploy import kubernetes_status as status
from gyre.deploy.kubernetes_manifests import BENTO, FETCH, MODEL, PORT, VERSION, Ground, chosen_by, object_name
from gyre.deploy.kubernetes_router import Router, router_of
from gyre.deploy.serving import Instance
from gyre.errors import PromotionFailed, StackError
from gyre.settings import Settings
from gyre.specs.deploy_messages import BentoFile
from gyre.specs.use_case import UseCase

Manifest = dict[str, Any]

LAST_LINES = 15
OF_A_VERSION = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Deployment")  # in the order they are deleted


@dataclass(frozen=True)
class KubernetesServing:
    """Serves in one namespace."""

    settings: Settings
    poll_s: float = 1

    @property
    def ready_s(self) -> float:
        """How long a version may take to come up: its node and its image may have to come first."""
        return self.settings.serving_ready_s

    @cached_property
    def cluster(self) -> Cluster:
        """Where versions run."""
        return Cluster.of(self.settings)

    @cached_property
    def router(self) -> Router:
        """What sends them requests."""
        return router_of(self.settings, self.cluster)

    @cached_property
    def ground(self) -> Ground:
        """What its pods share."""
        return Ground.of(self.settings)

    def start(self, use_case: UseCase, version: int, bento: BentoFile) -> Instance:
        """Apply the version's objects; where they are as they should be, nothing happens.

        Raises:
            StackError: If the lake is a folder of this machine.
            ClusterRefused: If the cluster refuses one of them.
        """
        if self.settings.lake_uri.startswith("file://"):
            raise StackError(f"No pod can read the lake {self.settings.lake_uri}, a folder of this machine. Fix: GYRE_LAKE_URI=s3://bucket/prefix.")
        self.router.prepare()  # it comes up while the model does
        if not self.settings.environ.get("GYRE_KUBERNETES_LAKE_SECRET"):
            self.cluster.apply(manifests.lake_secret(self.ground, connection(LAKE_CONNECTION).to_json()))
        image = self.settings.image(use_case.environment)
        self.cluster.apply(manifests.deployment(use_case, version, bento, image, self.ground, self._replicas(use_case, version)))
        self.cluster.apply(manifests.service(use_case, version))
        self.cluster.apply(manifests.disruption_budget(use_case, version))
        autoscaler = manifests.autoscaler(use_case, version)
        if autoscaler is not None:
            self.cluster.apply(autoscaler)
        else:
            self.cluster.delete("HorizontalPodAutoscaler", object_name(use_case.name, version))
        return self.running(use_case)[version]

    def stop(self, use_case: UseCase, version: int) -> None:
        """Take the version from the router, and delete its objects."""
        self.router.forget(f"{use_case.name}-{version}")
        for kind in OF_A_VERSION:
            self.cluster.delete(kind, object_name(use_case.name, version))

    def running(self, use_case: UseCase) -> dict[int, Instance]:
        """Read the Deployments; the address is that of the version's Service."""
        chosen = chosen_by(use_case.name)
        addresses = {each["metadata"]["name"]: each["spec"]["clusterIP"] for each in self.cluster.find("Service", chosen)}
        found = {}
        for deployment in self.cluster.find("Deployment", chosen):
            meta = deployment["metadata"]
            if "deletionTimestamp" in meta:
                continue
            version, address = int(meta["labels"][VERSION]), addresses.get(meta["name"])
            available = deployment.get("status", {}).get("availableReplicas", 0) > 0
            found[version] = Instance(
                version=version,
                url=_url(address) if address else "",
                sha256=meta["annotations"].get(BENTO, ""),
                alive=available or (deployment["spec"]["replicas"] > 0 and self.why_dead(use_case, version) is None),
                intact=address is not None,
            )
        return found

    def why_dead(self, use_case: UseCase, version: int) -> str | None:
        """Read the pods' statuses."""
        deployment = self.cluster.get("Deployment", object_name(use_case.name, version))
        if deployment is None:
            return f"its Deployment {object_name(use_case.name, version)} is gone"
        return status.why_dead(deployment, self._pods(use_case, version))

    def lack(self, use_case: UseCase, version: int) -> str | None:
        """Wait for every replica: one alone may not bear what all of those before it bore."""
        deployment = self.cluster.get("Deployment", object_name(use_case.name, version))
        return status.lack(deployment) if deployment else "its Deployment is gone"

    def last_words(self, use_case: UseCase, version: int) -> str:
        """Say what its pods wait for, and give the end of the newest one's log."""
        deployment = self.cluster.get("Deployment", object_name(use_case.name, version))
        pods = status.of_this_start(deployment, self._pods(use_case, version)) if deployment else []
        said = [f"{each}." for each in status.waits(deployment, pods)] if deployment else []
        for pod in sorted(pods, key=lambda each: str(each["metadata"]["creationTimestamp"]))[-1:]:
            name = pod["metadata"]["name"]
            text = self.cluster.log(name, MODEL, LAST_LINES) or self.cluster.log(name, FETCH, LAST_LINES)
            said.append(f"The end of the log of pod {name}:\n{text}")
        look = f"`kubectl describe pods -n {self.cluster.namespace} -l {','.join(f'{k}={v}' for k, v in chosen_by(use_case.name, version).items())}`"
        return " ".join(said) if said else f"It has no pod; {look} and the events of its Deployment may say why."

    def route(self, use_case: UseCase, version: int) -> str:
        """Send all requests to the version's Service.

        Raises:
            PromotionFailed: If it has none.
            TimeoutError: If a router does not take it up.
        """
        address = self._address(use_case, version)
        if address is None:
            raise PromotionFailed(f"Version {version} of '{use_case.name}' has no Service {object_name(use_case.name, version)}. Fix: deploy it again.")
        return self.router.point(use_case.name, f"{use_case.name}-{version}", address, PORT)

    def unroute(self, use_case: UseCase) -> None:
        """Take the route away."""
        self.router.clear(use_case.name)

    def routed(self, use_case: UseCase) -> int | None:
        """Read the route: the version with the largest share, if it leads to where that runs."""
        pointed = self.router.pointed(use_case.name)
        if pointed is None:
            return None
        backend, at = pointed
        version = int(backend.rpartition("-")[2])
        address = self._address(use_case, version)
        return version if at is None or address is None or at == (address, PORT) else None

    def _address(self, use_case: UseCase, version: int) -> str | None:
        found = self.cluster.get("Service", object_name(use_case.name, version))
        return str(found["spec"]["clusterIP"]) if found else None

    def _pods(self, use_case: UseCase, version: int) -> list[Manifest]:
        return self.cluster.find("Pod", chosen_by(use_case.name, version))

    def _replicas(self, use_case: UseCase, version: int) -> int:
        """Give how many there shall be: as many as the autoscaler has made, within the spec's bounds."""
        serving = use_case.serving
        if serving.max_replicas is None:
            return serving.replicas
        found = self.cluster.get("Deployment", object_name(use_case.name, version))
        now = int(found["spec"]["replicas"]) if found else serving.replicas
        return min(max(now, serving.replicas), serving.max_replicas)


def _url(address: str) -> str:
    return f"http://{f'[{address}]' if ':' in address else address}:{PORT}"
