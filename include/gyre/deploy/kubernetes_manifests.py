"""A served version on a cluster, as manifests: a Deployment with its Service, autoscaler and disruption budget. Pure: nothing is asked here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gyre.clients.envoy_config import OLDEST_CONNECTION_S
from gyre.clients.object_store import LAKE_CONNECTION
from gyre.connections import variable_of
from gyre.settings import Settings
from gyre.specs.deploy_messages import BentoFile
from gyre.specs.use_case import UseCase

Manifest = dict[str, Any]

USE_CASE, VERSION, BENTO, TEMPLATE = "gyre.dev/use-case", "gyre.dev/version", "gyre.dev/bento", "gyre.dev/template"
COMPONENT = "app.kubernetes.io/component"
PORT = 3000
MODEL, FETCH, SHIP = "model", "fetch", "ship"  # containers
USER = 10001  # as in docker/*/Dockerfile
BENTO_FOLDER, LOGS, TMP = "/bento", "/predictions", "/tmp"  # noqa: S108 - the pod's own
BUSY = 70  # percent of the CPUs asked for, above which there are more replicas
# Before a pod is told to end, it goes on answering so long: until every node has heard that it goes, and no router has a connection to it any more.
DRAIN_S = OLDEST_CONNECTION_S + 10
GRACE_S = DRAIN_S + 80  # the longest request may take 60 s; then what was recorded is uploaded


@dataclass(frozen=True)
class Ground:
    """What the pods of one installation share.

    Attributes:
        lake_secret: Name of the Secret with the lake's connection.
        account: Their service account; it has no right, and its token is not mounted.
        pull_secret: For images of a private registry.
    """

    namespace: str
    lake_uri: str
    lake_secret: str
    account: str
    pull_secret: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Ground:
        """Read it from the settings."""
        given = settings.environ
        return cls(
            settings.namespace,
            settings.lake_uri,
            given.get("GYRE_KUBERNETES_LAKE_SECRET") or "gyre-connections-serving",
            given.get("GYRE_KUBERNETES_SERVING_ACCOUNT", "gyre-serving"),
            given.get("GYRE_IMAGE_PULL_SECRET"),
        )


def object_name(use_case: str, version: int) -> str:
    """Name a version's objects: a DNS name, in which `_` has no place."""
    return f"{use_case.replace('_', '-')}-{version}"


def chosen_by(use_case: str, version: int | None = None) -> dict[str, str]:
    """Give the labels that a use case's served versions, or one of them, have and nothing else has."""
    return {COMPONENT: "serving", USE_CASE: use_case} | ({VERSION: str(version)} if version is not None else {})


def deployment(use_case: UseCase, version: int, bento: BentoFile, image: str, ground: Ground, replicas: int) -> Manifest:
    """Run a version: its Bento is fetched and checked first, its log is shipped beside it."""
    volumes = [(BENTO_FOLDER, "bento"), (LOGS, "predictions"), (TMP, "tmp")]
    labels = _labels(use_case, version)
    containers = {
        "initContainers": [_fetch(bento, image, ground), _ship(use_case, version, image, ground)],
        "containers": [_model(use_case, image)],
        "volumes": [{"name": name, "emptyDir": {}} for _, name in volumes],
    }
    spec = pod_spec(ground, labels, GRACE_S) | containers
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(use_case, version) | {"annotations": {BENTO: bento.sha256, "gyre.dev/bento-uri": bento.uri}},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": chosen_by(use_case.name, version)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels, "annotations": {TEMPLATE: digest}}, "spec": spec},
        },
    }


def service(use_case: UseCase, version: int) -> Manifest:
    """Give a version one address."""
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(use_case, version),
        "spec": {"type": "ClusterIP", "selector": chosen_by(use_case.name, version), "ports": ports},
    }


def autoscaler(use_case: UseCase, version: int) -> Manifest | None:
    """Add replicas while the model's CPUs are busy, up to the spec's most; None if it names none."""
    serving = use_case.serving
    if serving.max_replicas is None:
        return None
    busy = {"name": "cpu", "container": MODEL, "target": {"type": "Utilization", "averageUtilization": BUSY}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(use_case, version),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name(use_case.name, version)},
            "minReplicas": serving.replicas,
            "maxReplicas": serving.max_replicas,
            "metrics": [{"type": "ContainerResource", "containerResource": busy}],
        },
    }


def disruption_budget(use_case: UseCase, version: int) -> Manifest:
    """Let nodes be drained one replica at a time; one that does not work anyway holds nobody up."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(use_case, version),
        "spec": {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {"matchLabels": chosen_by(use_case.name, version)}},
    }


def lake_secret(ground: Ground, connection: str) -> Manifest:
    """Hold the lake's connection, for fetching and shipping alone."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ground.lake_secret, "namespace": ground.namespace, "labels": {"app.kubernetes.io/managed-by": "gyre", COMPONENT: "serving"}},
        "type": "Opaque",
        "stringData": {variable_of(LAKE_CONNECTION): connection},
    }


def pod_spec(ground: Ground, labels: dict[str, str], grace_s: int) -> Manifest:
    """Confine a pod: no root, no token, no variables of the namespace's Services; and spread its like over nodes where that can be."""
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels}}
    spec: Manifest = {
        "serviceAccountName": ground.account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread],
    }
    return spec | ({"imagePullSecrets": [{"name": ground.pull_secret}]} if ground.pull_secret else {})


def container(name: str, image: str, command: list[str], cpu: float, memory_mb: int, most_memory_mb: int | None = None) -> Manifest:
    """Confine a container, with what it is given of the machine: memory has a limit, CPUs are shared when nobody wants them."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": {
            "requests": {"cpu": f"{round(cpu * 1000)}m", "memory": f"{memory_mb}Mi"},
            "limits": {"memory": f"{most_memory_mb or memory_mb}Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",  # so that a pod's status says why it ended
    }


def probe(path: str, port: str, period_s: int, failures: int) -> Manifest:
    """Ask a page now and then; a busy machine may take its time to answer."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": period_s, "failureThreshold": failures, "timeoutSeconds": 5}


def _fetch(bento: BentoFile, image: str, ground: Ground) -> Manifest:
    command = ["python", "-m", "gyre.serving.fetch", "--uri", bento.uri, "--sha256", bento.sha256, "--to", BENTO_FOLDER]
    return container(FETCH, image, command, 0.1, 128, 512) | {"env": _lake(ground), "volumeMounts": _mounts(bento=BENTO_FOLDER, tmp=TMP)}


def _ship(use_case: UseCase, version: int, image: str, ground: Ground) -> Manifest:
    """Run beside the model from before its first to after its last answer: Kubernetes ends such a container after the others."""
    folder = f"{LOGS}/{use_case.name}/{version}"
    command = ["python", "-m", "gyre.serving.ship", "--use-case", use_case.name, "--version", str(version), "--pod", "$(POD)", "--logs", folder]
    pod = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    beside = {"restartPolicy": "Always", "env": [pod, *_lake(ground)], "volumeMounts": _mounts(predictions=LOGS, tmp=TMP)}
    return container(SHIP, image, command, 0.02, 128, 256) | beside


def _model(use_case: UseCase, image: str) -> Manifest:
    command = ["python", "-m", "bentoml", "serve", BENTO_FOLDER, "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - the pod's own address
    environment = {
        "BENTOML_HOME": f"{TMP}/bentoml",
        "BENTOML_DO_NOT_TRACK": "True",
        "GYRE_HOME": f"{TMP}/gyre",
        "GYRE_LAST_WORDS": "/dev/termination-log",
        "GYRE_PREDICTION_LOGS": LOGS,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": "",  # the Bento's own code, not the image's
    }
    return container(MODEL, image, command, use_case.serving.cpu, use_case.serving.memory_mb) | {
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "volumeMounts": _mounts(bento=BENTO_FOLDER, predictions=LOGS, tmp=TMP),
        "startupProbe": probe("/readyz", "http", 2, 150),
        "readinessProbe": probe("/readyz", "http", 3, 3),
        "livenessProbe": probe("/livez", "http", 10, 6),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}},
    }


def _lake(ground: Ground) -> list[Manifest]:
    name = variable_of(LAKE_CONNECTION)
    secret = {"name": name, "valueFrom": {"secretKeyRef": {"name": ground.lake_secret, "key": name}}}
    return [{"name": "GYRE_LAKE_URI", "value": ground.lake_uri}, secret]


def _mounts(**folders: str) -> list[Manifest]:
    return [{"name": name, "mountPath": path} for name, path in folders.items()]


def _labels(use_case: UseCase, version: int) -> dict[str, str]:
    return {"app.kubernetes.io/name": "gyre", "app.kubernetes.io/managed-by": "gyre", **chosen_by(use_case.name, version)}


def _metadata(use_case: UseCase, version: int) -> Manifest:
    return {"name": object_name(use_case.name, version), "labels": _labels(use_case, version), "annotations": {}}
