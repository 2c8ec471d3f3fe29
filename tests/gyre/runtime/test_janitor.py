"""What ended long ago goes, what may still be needed stays, and a pod that no task waits for is told of once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from gyre.errors import StackError
from gyre.runtime.janitor import WAITED_FOR, Origin, due, ended_at, note_gpu_time, orphans, report_orphans
from gyre.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRAIN = Origin("churn__train", "manual__1", "train")


def pod(name: str, phase: str = "Running", job: str = "0123456789abcdef", ended: datetime | None = None, **metadata: object) -> dict:
    """A job's pod as the cluster has it."""
    notes = {"gyre.dev/dag-id": TRAIN.dag_id, "gyre.dev/run-id": TRAIN.run_id, "gyre.dev/task-id": TRAIN.task_id, "gyre.dev/owner": "risk"}
    labels = {"gyre.dev/job": job, "gyre.dev/use-case": "churn"}
    given = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-02-20T00:00:00Z", "labels": labels, "annotations": notes}
    container = {"name": "job", "envFrom": [{"secretRef": {"name": f"gyre-job-{job}"}}, {"secretRef": {"name": "of-the-company"}}]}
    status: dict = {"phase": phase}
    if ended:
        status["containerStatuses"] = [{"name": "job", "state": {"terminated": {"exitCode": 0, "finishedAt": f"{ended:%Y-%m-%dT%H:%M:%SZ}"}}}]
    return {"metadata": given | metadata, "spec": {"containers": [container]}, "status": status}


def test_a_pod_goes_when_it_ended_before_the_given_instant_not_when_it_was_made_before():
    pods = [
        pod("old", "Succeeded", ended=NOON - timedelta(hours=1)),
        pod("young", "Failed", "f" * 16, NOON + timedelta(seconds=1)),
        pod("running", job="e" * 16),
    ]
    assert due(pods, [], NOON).pods == ["old"]


def test_its_secret_goes_with_it_and_no_other_does():
    assert due([pod("old", "Failed", ended=NOON - timedelta(hours=1))], [], NOON).secrets == ["gyre-job-0123456789abcdef"]


def test_a_secret_stays_while_a_retry_of_the_same_job_uses_it():
    first, second = pod("first", "Failed", ended=NOON - timedelta(hours=1)), pod("second", "Pending")
    going = due([first, second], [], NOON)
    assert (going.pods, going.secrets) == (["first"], [])


def test_an_evicted_pod_without_a_container_ended_when_its_last_condition_changed():
    evicted = pod("evicted", "Failed")
    changed = ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z")
    evicted["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": each} for each in changed]
    assert ended_at(evicted) == datetime(2026, 3, 1, 11, tzinfo=UTC)


def test_a_pod_of_which_nothing_is_known_but_its_phase_ended_at_the_earliest_when_it_was_made():
    assert ended_at(pod("lost", "Failed")) == datetime(2026, 2, 20, tzinfo=UTC)


def job(name: str, condition: str | None) -> dict:
    over = {"type": condition, "status": "True", "lastTransitionTime": "2026-03-01T11:00:00Z"}
    return {"metadata": {"name": name}, "status": {"conditions": [over] if condition else []}}


def test_a_job_of_several_pods_goes_whole():
    of_job = pod("worker-0", "Succeeded", ended=NOON - timedelta(hours=1), ownerReferences=[{"kind": "Job", "name": "done"}])
    going = due([of_job], [job("done", "Complete"), job("broken", "Failed"), job("waiting", None), job("stopped", "Suspended")], NOON)
    assert (going.pods, going.jobs) == ([], ["broken", "done"])


@pytest.mark.parametrize("state", sorted(WAITED_FOR))
def test_a_pod_whose_task_waits_for_it_is_no_orphan(state: str):
    assert orphans([pod("a"), pod("b", "Pending")], {TRAIN: state}) == []


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "removed", None])
def test_a_pod_whose_task_is_over_is_an_orphan_unless_it_ended_or_is_going(state: str | None):
    pods = [pod("running"), pod("pending", "Pending"), pod("ended", "Succeeded"), pod("going", deletionTimestamp="2026-03-01T11:00:00Z")]
    assert [each["metadata"]["name"] for each in orphans(pods, {TRAIN: state})] == ["running", "pending"]


def test_a_pod_of_a_task_that_airflow_does_not_know_is_an_orphan():
    assert orphans([pod("running")], {}) != []


class Pods:
    """A cluster whose pods are as given, look after look."""

    def __init__(self, *looks: list[dict]) -> None:
        self.looks = list(looks)

    def find(self, kind: str, labels: dict) -> list[dict]:
        return self.looks.pop(0)


class Told:
    """A journal that keeps what it is told once."""

    def __init__(self) -> None:
        self.entries: dict = {}

    def add(self, use_case: str, kind: str, key: str, body: dict) -> bool:
        return self.entries.setdefault((use_case, kind, key), body) is body


def test_an_orphan_is_told_of_each_time_in_the_log_and_once_in_the_journal(caplog: pytest.LogCaptureFixture):
    told, lone = Told(), pod("lone")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert report_orphans(Pods([lone], [lone]), told, lambda _: {TRAIN: "failed"}, settled_s=0) == ["lone"]
    assert [each.getMessage() for each in caplog.records] == 2 * [
        "Pod lone (Running) is nobody's: its task churn__train.train of run manual__1 is failed. Its deadline ends it; sooner: kubectl delete pod lone"
    ]
    ((key, body),) = told.entries.items()
    assert key == ("churn", "pod_orphaned", "uid-lone")
    assert (body["state"], body["owner"], body["run_id"]) == ("failed", "risk", "manual__1")


def test_a_pod_that_ends_with_its_task_is_no_orphan(caplog: pytest.LogCaptureFixture):
    looks = Pods([pod("ending")], [pod("ending", deletionTimestamp="2026-03-01T11:00:00Z")])
    assert report_orphans(looks, Told(), lambda _: {TRAIN: "failed"}, settled_s=0) == []
    assert not caplog.records


def test_without_a_suspect_nobody_waits():
    assert report_orphans(Pods([pod("fine")]), Told(), lambda _: {TRAIN: "deferred"}, settled_s=3600) == []


def test_a_time_to_keep_pods_that_is_no_number_is_refused_with_its_cure():
    assert Settings({"GYRE_KEEP_PODS_HOURS": "0.5"}).keep_pods == timedelta(minutes=30)
    with pytest.raises(StackError, match=r"GYRE_KEEP_PODS_HOURS is 'a day', which is no number of hours\. Fix: give one, such as 24"):
        _ = Settings({"GYRE_KEEP_PODS_HOURS": "a day"}).keep_pods


def with_gpus(given: dict, started: datetime, ended: datetime) -> dict:
    given["metadata"]["labels"] = given["metadata"]["labels"] | {"gyre.dev/gpu": "2"}
    given["metadata"]["annotations"] = given["metadata"]["annotations"] | {"gyre.dev/gpu-resource": "nvidia.com/gpu", "gyre.dev/job-id": "train-1"}
    times = {"exitCode": 137, "startedAt": f"{started:%Y-%m-%dT%H:%M:%SZ}", "finishedAt": f"{ended:%Y-%m-%dT%H:%M:%SZ}"}
    given["status"]["containerStatuses"] = [{"name": "job", "state": {"terminated": times}}]
    return given


def test_gpu_time_of_a_pod_whose_task_was_ended_is_noted_once_and_not_before_its_task_could():
    now, told = datetime.now(UTC), Told()
    killed = with_gpus(pod("killed", "Failed"), now - timedelta(hours=2), now - timedelta(hours=1))
    fresh = with_gpus(pod("fresh", "Failed"), now - timedelta(hours=2), now - timedelta(minutes=1))
    plain = pod("plain", "Failed", ended=now - timedelta(hours=1))
    looks = [killed, fresh, plain]
    assert note_gpu_time(Pods(looks, looks), told) == ["killed"]
    assert note_gpu_time(Pods(looks, looks), told) == []
    ((key, body),) = told.entries.items()
    assert key == ("churn", "job_ended", "uid-killed")
    assert (body["gpu"], body["gpu_seconds"], body["owner"], body["failure"]) == (2, 7200.0, "risk", None)
