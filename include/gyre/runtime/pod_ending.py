"""What a pod's status says about how its job ended: the class of failure, in words, and how long it held its GPUs. Pure: a manifest in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gyre.jobs.failure import Ending, FailureClass
from gyre.runtime.pod_labels import GPU_LABEL, GPU_RESOURCE

Manifest = dict[str, Any]

CONTAINER = "job"
IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
FINISHED = frozenset({"Succeeded", "Failed"})


def ending(pod: Manifest | None, event: str = "") -> Ending:
    """Say how a job ended that left no result.

    Args:
        pod: As the cluster has it; None if it is gone.
        event: What the one who watched it was told.
    """
    if pod is None:
        return Ending(FailureClass.EVICTED, "its pod was deleted, or its node went away, before it had ended")
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("reason") == "DeadlineExceeded":
        return Ending(FailureClass.DEADLINE, f"pod {name} ran longer than {pod['spec'].get('activeDeadlineSeconds')} s")
    for state in _terminated(pod):
        if state.get("reason") == "OOMKilled":
            return Ending(FailureClass.MEMORY, f"pod {name} used more than the {_memory(pod)} of memory it was given")
    pushed_out = _pushed_out(pod)
    if pushed_out:
        return Ending(FailureClass.EVICTED, f"pod {name} was pushed out: {pushed_out}")
    waiting = next(_waiting(pod), None)
    if waiting and waiting.get("reason") in IMAGE_REASONS:
        return Ending(FailureClass.IMAGE, f"pod {name} has no image {_image(pod)} ({waiting['reason']}): {waiting.get('message', '')}".rstrip(": "))
    if waiting and waiting.get("reason") in {"CreateContainerConfigError", "CreateContainerError"}:
        return Ending(FailureClass.INFRASTRUCTURE, f"pod {name} cannot be started ({waiting['reason']}): {waiting.get('message', '')}")
    exits = [state["exitCode"] for state in _terminated(pod)]
    if status.get("phase") == "Succeeded" or exits == [0]:
        return Ending(FailureClass.NO_RESULT, f"pod {name} ended well, but its job wrote no result")
    if exits and exits[0] > 128:
        return Ending(FailureClass.INFRASTRUCTURE, f"pod {name} was ended by signal {exits[0] - 128}")
    if exits:
        return Ending(FailureClass.INFRASTRUCTURE, f"pod {name} ended with exit code {exits[0]} before its job could say why; its log is above")
    said = status.get("message") or status.get("reason") or event or f"its phase is {status.get('phase')}"
    return Ending(FailureClass.INFRASTRUCTURE, f"pod {name} did not come to run: {said}")


def is_finished(pod: Manifest) -> bool:
    """Tell whether nothing of it runs any more."""
    return pod.get("status", {}).get("phase") in FINISHED


def is_going(pod: Manifest) -> bool:
    """Tell whether somebody deleted it, and it is about to end."""
    return "deletionTimestamp" in pod["metadata"]


def ran(pod: Manifest, now: datetime) -> tuple[datetime, datetime] | None:
    """Give from when to when its container held what it was given; None if it never started."""
    for state in _terminated(pod):
        if state.get("startedAt"):
            return _instant(state["startedAt"]), _instant(state["finishedAt"])
    running = next((s["state"]["running"] for s in _statuses(pod) if "running" in s.get("state", {})), None)
    return (_instant(running["startedAt"]), now) if running else None


def usage(pod: Manifest, now: datetime) -> dict[str, Any]:
    """Give what a pod held, and for how long: what the journal keeps of it."""
    held = ran(pod, now)
    seconds = (held[1] - held[0]).total_seconds() if held else 0.0
    gpus = int(pod["metadata"]["labels"].get(GPU_LABEL, 0))
    return {
        "pod": pod["metadata"]["name"],
        "node": pod["spec"].get("nodeName"),
        "seconds": round(seconds, 1),
        "gpu": gpus,
        "gpu_resource": pod["metadata"].get("annotations", {}).get(GPU_RESOURCE),
        "gpu_seconds": round(gpus * seconds, 1),
    }


def ended_at(pod: Manifest) -> str:
    """Give when its container ended, as text that sorts by time; after all others if that is not known."""
    return next((str(state["finishedAt"]) for state in _terminated(pod) if state.get("finishedAt")), "9")


def why_it_waits(pod: Manifest) -> str | None:
    """Give the scheduler's (or the queue's) reason why a pod has no node yet; None if it has one."""
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            if condition.get("reason") == "SchedulingGated":
                return "its queue has not admitted it yet"
            return str(condition.get("message") or condition.get("reason"))
    return None


def _pushed_out(pod: Manifest) -> str | None:
    status = pod.get("status", {})
    for condition in status.get("conditions") or []:
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return f"{condition.get('reason')}: {condition.get('message', '')}".rstrip(": ")
    if status.get("reason") in {"Evicted", "Preempting", "NodeLost", "Shutdown", "NodeShutdown", "Terminated", "UnexpectedAdmissionError"}:
        return f"{status['reason']}: {status.get('message', '')}".rstrip(": ")
    return "it was deleted" if is_going(pod) else None


def _statuses(pod: Manifest) -> list[Manifest]:
    return [s for s in pod.get("status", {}).get("containerStatuses") or [] if s["name"] == CONTAINER]


def _terminated(pod: Manifest) -> Iterator[Manifest]:
    for status in _statuses(pod):
        if "terminated" in status.get("state", {}):
            yield status["state"]["terminated"]


def _waiting(pod: Manifest) -> Iterator[Manifest]:
    for status in _statuses(pod):
        if "waiting" in status.get("state", {}):
            yield status["state"]["waiting"]


def _container(pod: Manifest) -> Manifest:
    return next(each for each in pod["spec"]["containers"] if each["name"] == CONTAINER)


def _memory(pod: Manifest) -> str:
    return str(_container(pod).get("resources", {}).get("limits", {}).get("memory", "?"))


def _image(pod: Manifest) -> str:
    return str(_container(pod)["image"])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
