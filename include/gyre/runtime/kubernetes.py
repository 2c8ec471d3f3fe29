"""Jobs as pods: what a pod is told and given, when it may be tried again, and what its ending means.

A job's pod is found again by a label made of the job's id, whichever worker, try or triggerer looks for it. Its success is its result file and
nothing else. A pod that has ended stays until the janitor removes it, so that whoever comes later can read how.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gyre import code_bundle
from gyre.clients.kubernetes import Cluster, Manifest
from gyre.errors import ClusterRefused
from gyre.jobs.failure import Ending, FailureClass
from gyre.journal import Kind
from gyre.runtime import pod_ending
from gyre.runtime.local import job_environment
from gyre.runtime.pod_labels import GPU_LABEL, GPU_RESOURCE, JOB_LABEL, USE_CASE_LABEL, digest, origin, pod_name
from gyre.runtime.runner import Runner
from gyre.specs.requests import Request

if TYPE_CHECKING:
    from airflow.sdk import Context

    from gyre.runtime.job_pod import JobPod, PodPlan

log = logging.getLogger("gyre.runtime")

TRIES = 6  # of a task on a cluster, where a node may be taken away at any time; a failure that is a person's to mend ends it at once
MOST_PODS = 50
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
OF_THIS_MACHINE = frozenset(
    {"GYRE_HOME", "GYRE_VENVS", "GYRE_USE_CASES", "GYRE_ENVIRONMENTS", "GYRE_PREDICTION_LOGS", "GYRE_STACK_OF", "GYRE_BIND_ADDRESS", "PYTHONPATH"}
)
FROM_THE_IMAGE = frozenset({"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LANG", "LC_ALL"})


class QuotaFull(Exception):  # not an error: a reason to wait
    """The namespace's quota has no room for another pod now."""


@dataclass
class PodRunner(Runner):
    """Runs one job of a task as a pod."""

    _started: JobPod | None = field(default=None, init=False)

    def prepare(self, request: Request) -> Request:
        """Put the use case's code where the pod can read it, and name it in the request."""
        packed = code_bundle.pack(self.settings.use_cases, request.use_case)
        uri = f"{self.settings.lake_uri}/{request.use_case}/code/{code_bundle.digest(packed)}.tar.gz"
        if not self.objects.exists(uri):
            self.objects.write(uri, packed)
        return request.model_copy(update={"code": uri})

    def start(self, request: Request, uri: str, connections: Mapping[str, str], context: Context) -> Ending:
        """Have the pod run and wait for it elsewhere (raises TaskDeferred); how it ended, if it has.

        Raises:
            QuotaFull: If there is no room in the namespace's quota now.
            ClusterRefused: If the cluster refuses the pod for another reason.
        """
        from kubernetes.client import ApiException

        self._hand_over(request, connections)
        pod = self._started = self._pod(request, uri)
        self._say_what_it_gets(request)
        try:
            pod.start(context)
        except ApiException as error:
            said = f"{error.status} {error.reason}: {error.body}"
            if error.status == 403 and "exceeded quota" in str(error.body):
                raise QuotaFull(said) from error
            raise ClusterRefused(
                f"Kubernetes refuses the pod of job {request.job_id} in namespace '{self.settings.namespace}': {said}", status=error.status or 0
            ) from error
        return self._ended(request, pod, "")

    def resume(self, request: Request, uri: str, context: Context, event: dict[str, Any]) -> Ending:
        """Go on after the trigger's event: how the pod ended (or raises TaskDeferred, to wait on)."""
        pod = self._pod(request, uri)
        return self._ended(request, pod, pod.resume(context, event))

    def kill(self) -> None:
        """End the pod that this process has just started."""
        if self._started:
            self._started.on_kill()

    def _ended(self, request: Request, watched: JobPod, event: str) -> Ending:
        name = watched.pod.metadata.name if watched.pod else None
        pod = self._cluster.get("Pod", name) if name else None
        broken = [each for each in self._pods(request) if each.get("status", {}).get("phase") == "Failed"] if self.resources.nodes > 1 else []
        # of several pods the first that failed tells why: the others were ended because of it
        ended = pod_ending.ending(min(broken, key=pod_ending.ended_at) if broken else pod, event)
        if ended.failure is FailureClass.MEMORY and self._memory_mb(request) >= self.resources.most_memory_mb:
            most = self.resources.most_memory_mb
            ended = Ending(ended.failure, f"{ended.why}, which is the most it may have ({most} MB, `resources.max_memory_mb`)", final=True)
        self._clean_up(request, pod)
        return ended

    def account(self, request: Request, ended: Ending | None) -> None:
        """Note in the journal how a job ended that left no result, and the GPU-seconds of every job that held some."""
        pods = sorted(self._pods(request), key=lambda each: str(each["metadata"]["creationTimestamp"]))[-self.resources.nodes :]
        used = [pod_ending.usage(pod, datetime.now(UTC)) for pod in pods]
        if ended is None and not any(each["gpu"] for each in used):
            return
        about = self.about(request, ended) | {"memory_mb": self._memory_mb(request)}
        if not pods:
            self.journal.add(request.use_case, Kind.JOB_ENDED, f"{request.job_id}/{self.run.try_number}", about | {"gpu_seconds": 0.0})
        for pod, each in zip(pods, used, strict=True):
            self.journal.add(request.use_case, Kind.JOB_ENDED, pod["metadata"]["uid"], about | each)

    def _clean_up(self, request: Request, pod: Manifest | None) -> None:
        """Leave no credentials behind, and no pod that will never start."""
        self._cluster.delete("Secret", _secret_name(request))
        if pod and pod.get("status", {}).get("phase") == "Pending" and not pod_ending.is_going(pod):
            self._cluster.delete("Pod", pod["metadata"]["name"])

    def _pod(self, request: Request, uri: str) -> JobPod:
        from gyre.runtime.job_group import JobGroup
        from gyre.runtime.job_pod import JobPod

        kind = JobPod if self.resources.nodes == 1 else JobGroup
        names = [pod_name(request.use_case, request.job, request.job_id, number) for number in range(1, MOST_PODS)]
        return kind(task_id=self.run.task_id, plan=self._plan(request, uri), names=names)

    def _plan(self, request: Request, uri: str) -> PodPlan:
        from gyre.runtime.job_pod import PodPlan

        queue = self.resources.placement.queue or self.settings.environ.get("GYRE_KUEUE_QUEUE")
        labels = {JOB_LABEL: digest(request.job_id), USE_CASE_LABEL: request.use_case, "app.kubernetes.io/managed-by": "gyre"}
        notes = origin(self.use_case, self.run, request.job_id)
        if self._gpus:
            labels[GPU_LABEL], notes[GPU_RESOURCE] = str(self._gpus), self.resources.gpu_resource
        return PodPlan(
            namespace=self.settings.namespace,
            image=self.settings.image(request.environment),
            command=["python", "-u", "-m", f"gyre.jobs.{request.job}", "--request", uri],
            environment=pod_environment(self.settings.environ, self.resources.cpu),
            secret=_secret_name(request),
            resources=self.resources,
            memory_mb=self._memory_mb(request),
            gpus=self._gpus,
            timeout=self.timeout,
            labels={**labels, QUEUE_LABEL: queue} if queue else labels,
            annotations=notes,
            service_account=self.settings.environ.get("GYRE_KUBERNETES_JOB_ACCOUNT", "gyre-job"),
            pull_secret=self.settings.environ.get("GYRE_IMAGE_PULL_SECRET"),
        )

    def _say_what_it_gets(self, request: Request) -> None:
        gpus = f", {self._gpus} {self.resources.gpu_resource}" if self._gpus else ""
        log.info("Job %s asks for %g CPUs, %d MB%s.", request.job, self.resources.cpu, self._memory_mb(request), gpus)

    def _hand_over(self, request: Request, connections: Mapping[str, str]) -> None:
        """Put the connections that the request names into a Secret that lives as long as the job."""
        labels = {JOB_LABEL: digest(request.job_id), USE_CASE_LABEL: request.use_case}
        self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": _secret_name(request), "namespace": self.settings.namespace, "labels": labels},
                "type": "Opaque",
                "stringData": dict(connections),
            }
        )

    def _memory_mb(self, request: Request) -> int:
        """Give the memory of this try: more than the spec's, if earlier ones ran out of it."""
        ended = self.journal.entries(request.use_case, Kind.JOB_ENDED)
        out = sum(1 for e in ended if e.body["job_id"] == request.job_id and e.body["failure"] == FailureClass.MEMORY)
        return self.resources.memory_after(out)

    @cached_property
    def _gpus(self) -> int:
        """Give how many GPUs to ask for: none where the cluster has none and the spec lets the job do without."""
        if not (self.resources.gpu and self.resources.cpu_fallback):
            return self.resources.gpu
        try:
            nodes = self._cluster.find("Node")
        except ClusterRefused as error:
            log.warning("Whether the cluster has GPUs cannot be seen (%s); asking for them.", error)
            return self.resources.gpu
        kind = self.resources.gpu_resource
        if any(int(node["status"].get("allocatable", {}).get(kind, 0)) >= self.resources.gpu for node in nodes):
            return self.resources.gpu
        log.info("No node of the cluster has %d %s; the job runs on a CPU, as its spec allows.", self.resources.gpu, kind)
        return 0

    def _pods(self, request: Request) -> list[Manifest]:
        return self._cluster.find("Pod", {JOB_LABEL: digest(request.job_id)})

    @property
    def _cluster(self) -> Cluster:
        return Cluster.of(self.settings)


def pod_environment(worker: Mapping[str, str], cpu: float) -> dict[str, str]:
    """Give a pod's plain variables: those a local job gets too, without this machine's paths and without secrets."""
    return {key: value for key, value in job_environment(worker, {}, cpu).items() if key not in OF_THIS_MACHINE | FROM_THE_IMAGE}


def _secret_name(request: Request) -> str:
    return f"gyre-job-{digest(request.job_id)}"
