"""What a pod's status says about how its job ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gyre.jobs.failure import FailureClass
from gyre.runtime.pod_ending import ending, ran, why_it_waits


def pod(phase: str = "Failed", state: dict[str, Any] | None = None, conditions: list[dict[str, Any]] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "job", "state": state}] if state else None
    return {
        "metadata": {"name": "churn-train-1"},
        "spec": {"activeDeadlineSeconds": 60, "containers": [{"name": "job", "image": "reg/gyre-tabular:1", "resources": {"limits": {"memory": "2Gi"}}}]},
        "status": {"phase": phase, "conditions": conditions, "containerStatuses": containers, **status},
    }


def terminated(exit_code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": exit_code, "reason": reason, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:01:30Z"}}


DISRUPTED = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempting for a higher priority"}]


@pytest.mark.parametrize(
    ("seen", "failure", "words"),
    [
        (None, FailureClass.EVICTED, "its pod was deleted"),
        (pod(state=terminated(137, "OOMKilled")), FailureClass.MEMORY, "more than the 2Gi of memory"),
        (pod(reason="DeadlineExceeded", state=terminated(137)), FailureClass.DEADLINE, "ran longer than 60 s"),
        (pod(reason="Evicted", message="The node was low on disk"), FailureClass.EVICTED, "Evicted: The node was low on disk"),
        (pod(state=terminated(143), conditions=DISRUPTED), FailureClass.EVICTED, "PreemptionByScheduler"),
        (
            pod("Pending", {"waiting": {"reason": "ErrImagePull", "message": "not found"}}),
            FailureClass.IMAGE,
            r"no image reg/gyre-tabular:1 \(ErrImagePull\): not found",
        ),
        (pod("Succeeded", terminated(0, "Completed")), FailureClass.NO_RESULT, "wrote no result"),
        (pod(state=terminated(139)), FailureClass.INFRASTRUCTURE, "signal 11"),
        (pod(state=terminated(1)), FailureClass.INFRASTRUCTURE, "exit code 1"),
        (pod("Pending"), FailureClass.INFRASTRUCTURE, "did not come to run: took too long"),
    ],
    ids=lambda value: value.value if isinstance(value, FailureClass) else "",
)
def test_each_way_to_end_has_its_class_and_says_what_was_seen(seen, failure, words):
    ended = ending(seen, "took too long")
    assert ended.failure is failure
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(ended.why)


def test_an_out_of_memory_pod_that_was_also_evicted_is_about_memory():
    assert ending(pod(state=terminated(137, "OOMKilled"), conditions=DISRUPTED)).failure is FailureClass.MEMORY


def test_how_long_a_pod_held_its_gpus_is_its_containers_time():
    started, ended = ran(pod(state=terminated(0)), datetime.now(UTC)) or (None, None)
    assert (ended - started).total_seconds() == 90
    assert ran(pod("Pending"), datetime.now(UTC)) is None


def test_a_pod_waits_for_the_reason_the_scheduler_gives():
    waiting = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu."}]
    gated = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    assert why_it_waits(pod("Pending", conditions=waiting)) == "0/3 nodes: 3 Insufficient nvidia.com/gpu."
    assert why_it_waits(pod("Pending", conditions=gated)) == "its queue has not admitted it yet"
    assert why_it_waits(pod("Running", conditions=[{"type": "PodScheduled", "status": "True"}])) is None
