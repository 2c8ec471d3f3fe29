"""What a Deployment's and its pods' statuses say: whether a version can come up still, and if not, why. Pure: manifests in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gyre.deploy.kubernetes_manifests import FETCH, MODEL, TEMPLATE
from gyre.serving.failure import LAST_WORDS
from gyre.serving.fetch import REFUSED

Manifest = dict[str, Any]

NO_IMAGE = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
NO_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
RESTARTS = 3  # of a container that keeps ending, whatever it says: from then on Kubernetes waits ever longer
ROOM = "exceeded quota"


def of_this_start(deployment: Manifest, pods: list[Manifest]) -> list[Manifest]:
    """Choose the pods that run what the Deployment says now: neither those of an earlier form of it nor those that are going."""
    wanted = _template(deployment["spec"]["template"])
    return [pod for pod in pods if _template(pod) == wanted and "deletionTimestamp" not in pod["metadata"]]


def lack(deployment: Manifest) -> str | None:
    """Say what a version still lacks to take all requests; None if all of its replicas run, and run what the Deployment says."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return "Kubernetes has not looked at it yet"
    updated, available, all_ = (status.get(field, 0) for field in ("updatedReplicas", "availableReplicas", "replicas"))
    if updated < wanted or available < wanted or all_ > updated:
        return f"{min(updated, available)} of {wanted} replicas are ready{', and earlier ones run still' if all_ > updated else ''}"
    return None


def why_dead(deployment: Manifest, pods: list[Manifest]) -> str | None:
    """Say why a version cannot come up; None while it may still. A pod that waits for room on a node or in a quota may still."""
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True" and ROOM not in condition.get("message", ""):
            return f"Kubernetes refuses its pods: {condition.get('message', '')}"
    return next((why for pod in of_this_start(deployment, pods) if (why := _why_dead(pod))), None)


def waits(deployment: Manifest, pods: list[Manifest]) -> list[str]:
    """Say what a version waits for, one sentence a pod."""
    found = [c["message"] for c in deployment.get("status", {}).get("conditions", []) if c["type"] == "ReplicaFailure" and ROOM in c.get("message", "")]
    for pod in of_this_start(deployment, pods):
        name = pod["metadata"]["name"]
        unplaced = [c for c in pod.get("status", {}).get("conditions", []) if c["type"] == "PodScheduled" and c["status"] != "True"]
        found += [f"pod {name} waits for a node: {condition.get('message', condition.get('reason', ''))}" for condition in unplaced]
        found += [f"container {status['name']} of pod {name}: {_state(status)}" for status in _containers(pod) if not status.get("ready")]
    return found


def _why_dead(pod: Manifest) -> str | None:
    name = pod["metadata"]["name"]
    for status in _containers(pod):
        waiting, ended = status["state"].get("waiting", {}), _ended(status)
        if waiting.get("reason") in NO_IMAGE:
            return f"its image {status['image']} cannot be pulled ({waiting['reason']}): {waiting.get('message', '')}"
        if waiting.get("reason") in NO_CONTAINER:
            return f"container {status['name']} of pod {name} cannot be started ({waiting['reason']}): {waiting.get('message', '')}"
        if not ended:
            continue
        said = ended.get("message", "").strip()
        if ended.get("reason") == "OOMKilled" and not status.get("ready"):
            return f"container {status['name']} of pod {name} used more than the memory it was given (OOMKilled). Fix: raise `serving.memory_mb`"
        if status["name"] == FETCH and ended["exitCode"] == REFUSED:
            return f"its Bento was refused: {said}"
        if status["name"] == MODEL and said.startswith(LAST_WORDS):
            return f"its model cannot be loaded:{said.removeprefix(LAST_WORDS)}"
        if status.get("restartCount", 0) >= RESTARTS and waiting.get("reason") == "CrashLoopBackOff":
            return (
                f"container {status['name']} of pod {name} ended {status['restartCount'] + 1} times, the last time with exit code {ended['exitCode']}: {said}"
            )
    return None


def _containers(pod: Manifest) -> Iterator[Manifest]:
    status = pod.get("status", {})
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind, [])


def _ended(status: Manifest) -> Manifest:
    """Give how a container ended last, if it did and was not done with its work."""
    ended: Manifest = status["state"].get("terminated") or status.get("lastState", {}).get("terminated") or {}
    return {} if status["name"] == FETCH and status.get("ready") else ended


def _state(status: Manifest) -> str:
    states: list[tuple[str, Manifest]] = [*status["state"].items(), ("unknown", {})]
    kind, state = states[0]
    return ", ".join(str(part) for part in (kind, state.get("reason"), state.get("message")) if part)


def _template(given: Manifest) -> str | None:
    annotation = given["metadata"].get("annotations", {}).get(TEMPLATE)
    return str(annotation) if annotation else None
