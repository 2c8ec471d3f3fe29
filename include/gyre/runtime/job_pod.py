"""A job as a pod, by Airflow's KubernetesPodOperator: the one place that sets its defaults, each with its reason.

Imported only by a task that is about to start a pod: the provider's import costs seconds, and every task parses its DAG file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from gyre.runtime.pod_ending import CONTAINER
from gyre.runtime.pod_labels import JOB_LABEL, KILLED_LABEL
from gyre.runtime.pod_trigger import JobPodTrigger
from gyre.specs import Resources

POLL_S = 2
LOG_EVERY_S = 3  # how far a task's log lags behind its pod's
SCHEDULE_TIMEOUT_S = 365 * 86_400  # waiting for a node, a GPU or a queue's turn is no failure
STARTUP_TIMEOUT_S = 1800  # from a node on: an image of 10 GB has to come
GRACE_S = 30  # to end, when the pod is told to go: a job that is in the middle of a library's loop hears it when that returns
USER = 10001  # as in docker/*/Dockerfile
IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class PodPlan:
    """What one pod is to be.

    Attributes:
        environment: Plain variables; no secret.
        secret: Name of the Secret whose entries become the job's connections.
        memory_mb: Of this try.
        gpus: Of this try: none where the spec allows a CPU and the cluster has no GPU.
    """

    namespace: str
    image: str
    command: list[str]
    environment: Mapping[str, str]
    secret: str
    resources: Resources
    memory_mb: int
    gpus: int
    timeout: timedelta
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    service_account: str
    pull_secret: str | None


class JobPod(KubernetesPodOperator):
    """Start a job's pod or take up the one there is, wait for it in the triggerer, and leave it for the janitor.

    It says nothing of success: the result file does.
    """

    def __init__(self, *, plan: PodPlan, names: list[str], **kwargs: Any) -> None:
        super().__init__(
            kubernetes_conn_id=None,
            in_cluster=IN_CLUSTER.exists() or None,  # the trigger's own hook does not find out by itself
            namespace=plan.namespace,
            name=names[0],
            random_name_suffix=False,  # its name is the job's: two tries that meet mean one pod
            image=plan.image,
            image_pull_policy="IfNotPresent",
            image_pull_secrets=[k8s.V1LocalObjectReference(plan.pull_secret)] if plan.pull_secret else None,
            base_container_name=CONTAINER,
            cmds=plan.command,
            env_vars=dict(plan.environment),
            env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=plan.secret))],  # by reference: no secret stands in the pod's spec
            labels=dict(plan.labels),
            annotations=dict(plan.annotations),
            service_account_name=plan.service_account,
            automount_service_account_token=False,  # a job needs nothing of the cluster
            security_context=_pod_security(),
            container_security_context=_container_security(),
            volumes=_volumes(plan.memory_mb),
            volume_mounts=[k8s.V1VolumeMount(name="tmp", mount_path="/tmp"), k8s.V1VolumeMount(name="shm", mount_path="/dev/shm")],  # noqa: S108 - the pod's own
            container_resources=_resources(plan),
            node_selector=plan.resources.placement.node_selector,
            tolerations=[k8s.V1Toleration(**each.model_dump()) for each in plan.resources.placement.tolerations],
            runtime_class_name=plan.resources.placement.runtime_class,
            priority_class_name=plan.resources.placement.priority_class,
            active_deadline_seconds=int(plan.timeout.total_seconds()),  # ends it even if Airflow is gone; counts from when it has a node
            termination_grace_period=GRACE_S,
            schedule_timeout_seconds=SCHEDULE_TIMEOUT_S,
            startup_timeout_seconds=STARTUP_TIMEOUT_S,
            startup_check_interval_seconds=POLL_S,
            poll_interval=POLL_S,
            deferrable=True,  # no worker is held, and none can take the pod with it when it dies
            logging_interval=LOG_EVERY_S,  # or nothing is logged before the end
            get_logs=True,
            do_xcom_push=False,  # results are files in the object store; the sidecar would need an image and rights of its own
            durable=True,
            on_finish_action="keep_pod",  # its logs and its ending are read by a retry too; the janitor deletes it
            on_kill_action="delete_pod",  # a person who marks the task failed frees the GPU
            log_events_on_failure=True,
            log_pod_spec_on_failure=False,  # a spec is long, and says nothing a person on call wants
            **kwargs,
        )
        self._names = names
        self._plan, self._label = plan, plan.labels[JOB_LABEL]
        self._created = False

    def start(self, context: Context) -> None:
        """Have the pod run and wait for it elsewhere (raises TaskDeferred), or return if it has ended already.

        Raises:
            kubernetes.client.ApiException: If the cluster refuses the pod.
        """
        self.name = self._set_name(self.name)
        self._quietly(lambda: self.execute_async(context))

    def resume(self, context: Context, event: dict[str, Any]) -> str:
        """Read what is left of the log after the trigger's event; wait on if there is reason to. Returns what the event said."""
        self._quietly(lambda: self.trigger_reentry(context, event))
        return str(event.get("message") or event["status"])

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:  # noqa: ARG002 - the provider's
        """Take up the job's pod that nobody has dealt with, or create one.

        The provider looks for a pod of the task instance, and would take up one whose work was asked for anew (a cleared task), or start a
        second one beside a running one that it gave up watching. A job's own label tells exactly which pods are its.
        """
        namespace = pod_request_obj.metadata.namespace
        waiting = self._waiting(namespace)
        if waiting is not None:
            self.log.info("Taking up pod %s, which an earlier try started (%s).", waiting.metadata.name, waiting.status.phase)
            return waiting
        taken = {pod.metadata.name for pod in self._mine(namespace)}
        pod_request_obj.metadata.name = next(name for name in self._names if name not in taken)
        try:
            created = self.client.create_namespaced_pod(namespace, pod_request_obj)
        except ApiException as error:
            if error.status != 409:  # there is one of that name
                raise
            return self.client.read_namespaced_pod(pod_request_obj.metadata.name, namespace)
        self._created = True
        self.log.info("Pod %s created, image %s.", created.metadata.name, self.image)
        return created

    def on_kill(self) -> None:
        """End the pod, unless an earlier try started it: a worker that is told to go must not take hours of another's training with it."""
        if self._created:
            super().on_kill()

    def defer(self, *, trigger: Any, method_name: str, kwargs: dict[str, Any] | None = None, timeout: Any = None) -> NoReturn:
        """Wait with the trigger that says why a pod waits."""
        _, given = trigger.serialize()
        super().defer(trigger=JobPodTrigger(**given), method_name=method_name, kwargs=kwargs, timeout=timeout)

    def convert_config_file_to_dict(self) -> None:
        """Keep the kubeconfig out of the trigger's row in Airflow's database: the triggerer has its own."""
        self._config_dict = None

    def _mine(self, namespace: str, more: str = "") -> list[k8s.V1Pod]:
        return list(self.client.list_namespaced_pod(namespace, label_selector=f"{JOB_LABEL}={self._label}{more}").items)

    def _waiting(self, namespace: str, more: str = "") -> k8s.V1Pod | None:
        """Give the newest of the job's pods that nobody has dealt with."""
        waiting = [pod for pod in self._mine(namespace, f"{more},!{KILLED_LABEL}") if not pod.metadata.deletion_timestamp and not self._is_dealt_with(pod)]
        return max(waiting, key=lambda each: each.metadata.creation_timestamp, default=None)

    def _is_dealt_with(self, pod: k8s.V1Pod) -> bool:
        """Whether it has ended and a try has read how (the provider labels it then)."""
        return pod.status.phase in {"Succeeded", "Failed"} and (pod.metadata.labels or {}).get(self.POD_CHECKED_KEY) == "True"

    def _quietly(self, step: Any) -> None:
        """Go through the provider's step; that it calls a pod's failure an exception does not matter, for the result file and the pod's status decide."""
        try:
            step()
        except AirflowException as error:
            self.log.debug("The provider says: %s", error)


def _pod_security() -> k8s.V1PodSecurityContext:
    return k8s.V1PodSecurityContext(
        run_as_non_root=True, run_as_user=USER, run_as_group=USER, fs_group=USER, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault")
    )


def _container_security() -> k8s.V1SecurityContext:
    return k8s.V1SecurityContext(allow_privilege_escalation=False, read_only_root_filesystem=True, capabilities=k8s.V1Capabilities(drop=["ALL"]))


def _volumes(memory_mb: int) -> list[k8s.V1Volume]:
    shared = k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=f"{memory_mb // 2}Mi")  # torch's data loaders; the default holds 64 MB
    return [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource()), k8s.V1Volume(name="shm", empty_dir=shared)]


def _resources(plan: PodPlan) -> k8s.V1ResourceRequirements:
    """Memory may not exceed what was asked for, so that running out of it is told at once; CPUs may, when nobody else wants them."""
    memory = f"{plan.memory_mb}Mi"
    gpus = {plan.resources.gpu_resource: str(plan.gpus)} if plan.gpus else {}
    return k8s.V1ResourceRequirements(requests={"cpu": f"{int(plan.resources.cpu * 1000)}m", "memory": memory, **gpus}, limits={"memory": memory, **gpus})
