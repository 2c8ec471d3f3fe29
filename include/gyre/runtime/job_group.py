"""A training of several machines: an Indexed Job of pods that find each other as torchrun's processes do. Airflow follows the first of them.

The pods are of one Job, so that none is left when another fails; the one of rank 0 alone measures, registers and writes the result. An
Indexed Job is part of every Kubernetes, so that a cluster needs no operator for it.
"""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import Context
from kubernetes.client import models as k8s

from gyre.clients.kubernetes import Cluster, Manifest
from gyre.errors import ClusterRefused
from gyre.runtime.job_pod import JobPod
from gyre.runtime.pod_labels import JOB_LABEL

MASTER_PORT = 29500  # torch's own default
FIRST_POD_S = 120
INDEX = "batch.kubernetes.io/job-completion-index"


class JobGroup(JobPod):
    """Start a job's pods or take up the ones there are, and follow the first."""

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:  # noqa: ARG002 - the provider's
        """Take up the group that nobody has dealt with, or create one.

        Raises:
            ClusterRefused: If the group's first pod is not made.
        """
        cluster = Cluster(pod_request_obj.metadata.namespace)
        first = self._waiting(pod_request_obj.metadata.namespace, f",{INDEX}=0")
        if first is not None:
            self.log.info("Taking up the group of pod %s, which an earlier try started (%s).", first.metadata.name, first.status.phase)
            return first
        taken = {job["metadata"]["name"] for job in cluster.find("Job", {JOB_LABEL: self._label})}
        name = next(each for each in self._names if each not in taken)
        template = self.client.api_client.sanitize_for_serialization(pod_request_obj)
        job, service = group(name, template, self._plan.resources.nodes)
        cluster.create(job)
        made = cluster.get("Job", name) or job
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": made["metadata"]["uid"]}
        cluster.create({**service, "metadata": {**service["metadata"], "ownerReferences": [owner]}})  # it goes with its Job
        self._created = True
        self.log.info("Group %s of %d pods created, image %s.", name, self._plan.resources.nodes, self.image)
        deadline = time.monotonic() + FIRST_POD_S
        while (first := self._waiting(pod_request_obj.metadata.namespace, f",{INDEX}=0")) is None:
            if time.monotonic() > deadline:
                raise ClusterRefused(
                    f"Job '{name}' has no pod after {FIRST_POD_S} s. Fix: `kubectl describe job {name}` says why (a quota, an admission rule)."
                )
            time.sleep(1)
        return first


def group(name: str, pod: Manifest, nodes: int) -> tuple[Manifest, Manifest]:
    """Write a group's objects: the Job, and the Service by which its pods find the first.

    Args:
        name: Of both.
        pod: What each pod is to be.
        nodes: How many.
    """
    labels, namespace = pod["metadata"]["labels"], pod["metadata"]["namespace"]
    about = {"name": name, "namespace": namespace, "labels": {key: value for key, value in labels.items() if key.startswith("gyre.dev/")}}
    spec: dict[str, Any] = {**pod["spec"], "subdomain": name}
    spec["containers"] = [{**each, "env": [*each.get("env", []), *rendezvous(name, nodes)]} for each in spec["containers"]]
    template = {"metadata": {"labels": labels, "annotations": pod["metadata"].get("annotations", {})}, "spec": spec}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": about,
        # no second try by Kubernetes: Airflow's is told why the first one failed, and may give more memory
        "spec": {"completions": nodes, "parallelism": nodes, "completionMode": "Indexed", "backoffLimit": 0, "template": template},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"job-name": name}, "ports": [{"port": MASTER_PORT}]},
    }
    return job, service


def rendezvous(name: str, nodes: int) -> list[Manifest]:
    """Give the variables that `torch.distributed` (env://) and `torchrun` (PET_*) read: who is first, how many there are, which one this is."""
    index = {"valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}}
    first = {"MASTER_ADDR": f"{name}-0.{name}", "MASTER_PORT": str(MASTER_PORT), "WORLD_SIZE": str(nodes), "LOCAL_RANK": "0"}
    torchrun = {"PET_MASTER_ADDR": first["MASTER_ADDR"], "PET_MASTER_PORT": first["MASTER_PORT"], "PET_NNODES": str(nodes)}
    plain: list[Manifest] = [{"name": key, "value": value} for key, value in (first | torchrun).items()]
    return [*plain, {"name": "RANK", **index}, {"name": "PET_NODE_RANK", **index}]
