"""Trainings as pods: each way to end that a cluster knows, and what becomes of it. The same use case, trained again with another behaviour."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from gyre.clients.kubernetes import Cluster, Manifest
from gyre.journal import Kind
from gyre.journal.questions import trainings
from gyre.runtime import janitor
from gyre.runtime.pod_labels import GPU_LABEL, GPU_RESOURCE, JOB_ID, USE_CASE_LABEL
from gyre.stack.airflow_api import AirflowApi
from tests.integration.small import Small, slug, wait_for, write_with_gyre_new
from tests.kubernetes.pods import pod

pytestmark = pytest.mark.stack

BEHAVIOURS = '''
import os
import time

from gyre import progress


def behave(kind: str) -> None:
    """Do what a training may do that is not to train."""
    last = progress.restore()
    if kind == "raise":
        raise KeyError("amount_eur")
    if kind == "leave":
        os._exit(0)
    if kind == "eat" and "held" not in globals():
        globals()["held"] = bytearray(b"1") * 1_300_000_000
        time.sleep(2)
    if kind == "sleep":
        time.sleep(600)
    if kind == "steps":
        for step in range(0 if last is None else last.step + 1, 8):
            print(f"step {step}", flush=True)
            progress.save(step, b"x")
            time.sleep(2)


def train('''


@pytest.fixture(scope="module")
def small(stack, airflow: AirflowApi) -> Small:
    """A use case with labelled rows whose training does what its parameter `behave` says."""
    small = write_with_gyre_new(stack, airflow, "pods", 28)
    for phase in ("label", "train", "deploy", "monitor"):
        airflow.pause(small.dag(phase))
    small.run("ingest", start="2026-01-01", end="2026-01-29")
    airflow.unpause(small.dag("label"))
    small.run("label")
    airflow.pause(small.dag("label"))
    code = stack.use_cases / small.name / "training.py"
    text = code.read_text().replace("def train(", BEHAVIOURS, 1)
    code.write_text(text.replace("    columns = make_column_transformer(", '    behave(parameters.pop("behave"))\n    columns = make_column_transformer(', 1))
    spec = stack.use_cases / small.name / "use_case.py"
    spec.write_text(spec.read_text().replace('parameters={"max_iter": 200}', 'parameters={"max_iter": 200, "behave": ""}'))
    airflow.unpause(small.dag("train"))
    for run in airflow.runs(small.dag("train")):
        airflow.wait(small.dag("train"), run["dag_run_id"], timeout=300)
    return small


@pytest.fixture
def asks(stack, small: Small):
    """Let the training ask for something else, for one test."""
    spec = stack.use_cases / small.name / "use_case.py"
    before = spec.read_text()

    def ask(resources: str, more: str = "") -> None:
        text = before.replace("from gyre.specs import", "from gyre.specs import Placement, Resources,", 1)
        spec.write_text(text.replace("training=Training(", f"training=Training(resources=Resources({resources}), {more}", 1))

    yield ask
    spec.write_text(before)


def train(small: Small, behave: str = "") -> str:
    return small.trigger("train", reason=f"to see it {behave or 'work'}", parameters={"behave": behave})


def state_of(small: Small, run_id: str) -> dict[str, Any]:
    return next(task for task in small.airflow.task_instances(small.dag("train"), run_id) if task["task_id"] == "train")


def log_of(small: Small, run_id: str, attempt: int = 1) -> str:
    return small.airflow.logs(small.dag("train"), run_id, "train", attempt)


def pods_of(cluster: Cluster, small: Small, run_id: str) -> list[Manifest]:
    found = [p for p in cluster.find("Pod", {USE_CASE_LABEL: small.name}) if slug(run_id) in p["metadata"].get("annotations", {}).get(JOB_ID, "")]
    return sorted((p for p in found if "-train-" in p["metadata"]["name"]), key=lambda each: each["metadata"]["name"])


def running_pod(cluster: Cluster, small: Small, run_id: str) -> str:
    def running() -> str | None:
        return next((p["metadata"]["name"] for p in pods_of(cluster, small, run_id) if p["status"]["phase"] == "Running"), None)

    return str(wait_for(running, 120, "the training's pod"))


def ended(stack, small: Small, run_id: str) -> list[dict[str, Any]]:
    return [e.body for e in stack.journal.entries(small.name, Kind.JOB_ENDED) if slug(run_id) in e.body["job_id"] and e.body["job"] == "train"]


def ended_as(stack, small: Small, pod_name: str) -> list[dict[str, Any]]:
    return [e.body for e in stack.journal.entries(small.name, Kind.JOB_ENDED) if e.body.get("pod") == pod_name]


def wait(small: Small, run_id: str, state: str) -> None:
    assert small.airflow.wait(small.dag("train"), run_id, timeout=360) == state, small.explain("train", run_id)


def made(stack, small: Small, run_id: str) -> int:
    return len([e for e in trainings(stack.journal, small.name) if slug(run_id) in e.key])


def eventually(told: Callable[[], str], words: str, seconds: float = 90) -> None:
    wait_for(lambda: words in told(), seconds, f"'{words}'")


def test_a_training_runs_in_a_pod_and_its_log_is_the_tasks_log(stack, cluster: Cluster, small: Small):
    run_id = train(small)
    wait(small, run_id, "success")
    assert made(stack, small, run_id) == 1
    log = log_of(small, run_id)
    assert "rows to train on" in log
    assert "is the challenger" in log
    (one,) = pods_of(cluster, small, run_id)
    assert one["status"]["phase"] == "Succeeded"
    assert not cluster.find("Secret", {USE_CASE_LABEL: small.name}), "credentials go with the job"


def test_no_secret_stands_in_a_pods_spec_or_its_tasks_log(stack, cluster: Cluster, small: Small):
    run_id = train(small)
    wait(small, run_id, "success")
    (one,) = pods_of(cluster, small, run_id)
    secrets = [value for value in json.loads((stack.settings.home / "secrets.json").read_text()).values() if len(value) > 8]
    told = json.dumps(one) + log_of(small, run_id)
    assert not [value for value in secrets if value in told]


def test_a_users_error_is_not_tried_again_and_its_traceback_is_the_tasks_error(stack, small: Small):
    run_id = train(small, "raise")
    wait(small, run_id, "failed")
    assert state_of(small, run_id)["try_number"] == 1
    log = log_of(small, run_id)
    assert "KeyError: 'amount_eur'" in log
    assert "Failure class 'user'. It is not tried again" in log
    (told,) = ended(stack, small, run_id)
    assert told["failure"] == "user"
    assert told["advice"].startswith("It is not tried again")


def test_a_training_that_runs_out_of_memory_is_tried_with_more(stack, small: Small, asks):
    asks("memory_mb=1200, max_memory_mb=2400")
    run_id = train(small, "eat")
    wait(small, run_id, "success")
    first, *_ = ended(stack, small, run_id)
    assert (first["failure"], first["memory_mb"]) == ("memory", 1200)
    assert "asks for 1 CPUs, 2400 MB" in log_of(small, run_id, 2)


def test_a_training_that_runs_out_of_the_most_memory_fails_at_once(stack, small: Small, asks):
    asks("memory_mb=1200, max_memory_mb=1200")
    run_id = train(small, "eat")
    wait(small, run_id, "failed")
    assert state_of(small, run_id)["try_number"] == 1
    assert "which is the most it may have (1200 MB, `resources.max_memory_mb`)" in log_of(small, run_id)


def delete(cluster: Cluster, name: str) -> None:
    cluster.delete("Pod", name, grace_s=1)


def evict(cluster: Cluster, name: str) -> None:
    """As a drained node does."""
    from kubernetes import client, config

    config.load_kube_config()
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": cluster.namespace}}
    client.CoreV1Api().create_namespaced_pod_eviction(name, cluster.namespace, body)


@pytest.mark.parametrize("push_out", [delete, evict], ids=["deleted", "evicted"])
def test_a_pod_pushed_out_in_the_middle_is_followed_by_one_that_goes_on_where_it_was(stack, cluster: Cluster, small: Small, push_out):
    run_id = train(small, "steps")
    name = running_pod(cluster, small, run_id)
    eventually(lambda: cluster.log(name, "job", 20), "step 2")
    push_out(cluster, name)
    wait(small, run_id, "success")
    assert made(stack, small, run_id) == 1
    assert ended(stack, small, run_id)[0]["failure"] == "evicted"
    assert "step 0" in log_of(small, run_id, 1), "the first pod's log is kept"
    second = log_of(small, run_id, 2)
    assert "going on from there" in second
    assert "step 0" not in second


def test_a_training_past_its_deadline_is_ended_and_not_tried_again(stack, small: Small, asks):
    asks("", "timeout=timedelta(seconds=25), ")
    run_id = train(small, "sleep")
    wait(small, run_id, "failed")
    assert state_of(small, run_id)["try_number"] == 1
    assert ended(stack, small, run_id)[0]["failure"] == "deadline"
    assert "ran longer than 25 s" in log_of(small, run_id)


def test_a_pod_that_ends_well_without_its_result_is_red(stack, small: Small):
    run_id = train(small, "leave")
    eventually(lambda: json.dumps(ended(stack, small, run_id)), "no_result", 150)
    small.airflow.request("PATCH", f"/dags/{small.dag('train')}/dagRuns/{quote(run_id, safe='')}", json={"state": "failed"})
    assert made(stack, small, run_id) == 0
    assert "ended well, but its job wrote no result" in log_of(small, run_id)


def test_a_task_marked_failed_frees_its_gpu_within_a_minute_and_its_time_is_noted(stack, cluster: Cluster, small: Small, asks):
    asks("gpu=1")
    run_id = train(small, "sleep")
    name = running_pod(cluster, small, run_id)
    wait_for(lambda: state_of(small, run_id)["state"] == "deferred", 60, "the task to be deferred")
    began = time.monotonic()
    path = f"/dags/{small.dag('train')}/dagRuns/{quote(run_id, safe='')}/taskInstances/train"
    small.airflow.request("PATCH", path, json={"new_state": "failed"})
    wait_for(lambda: (cluster.get("Pod", name) or {})["status"]["phase"] == "Failed", 60, "the pod's end")
    assert time.monotonic() - began < 60
    noted = janitor.note_gpu_time(cluster, stack.journal, settled=timedelta(0))
    assert noted == [name]
    (told,) = ended_as(stack, small, name)
    assert told["gpu_seconds"] > 1


def test_a_full_quota_is_waited_for_and_costs_no_try(cluster: Cluster, small: Small):
    cluster.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"requests.memory": "1Mi"}}})
    try:
        run_id = train(small)
        wait_for(lambda: state_of(small, run_id)["state"] == "up_for_reschedule", 120, "the task to wait")
        assert "the namespace's quota has no room" in log_of(small, run_id)
    finally:
        cluster.delete("ResourceQuota", "full")
    wait(small, run_id, "success")
    assert state_of(small, run_id)["try_number"] == 1


def holder(name: str) -> Manifest:
    """Somebody else's job that holds a GPU."""
    labels, notes = {GPU_LABEL: "1", USE_CASE_LABEL: "others"}, {GPU_RESOURCE: "nvidia.com/gpu"}
    manifest = pod(name, "import time; time.sleep(600)", labels=labels, annotations=notes)
    manifest["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    return manifest


def test_a_third_job_waits_for_a_gpu_says_why_and_then_runs(stack, cluster: Cluster, small: Small, asks):
    asks("gpu=1")
    for name in ("first-gpu", "second-gpu"):
        cluster.create(holder(name))
        wait_for(lambda name=name: (cluster.get("Pod", name) or {})["status"]["phase"] == "Running", 60, "the others' pod")
    try:
        run_id = train(small)
        eventually(lambda: log_of(small, run_id), "Insufficient nvidia.com/gpu")
        log = log_of(small, run_id)
        assert "Waiting, which costs no try and has no time limit" in log
        assert "nvidia.com/gpu is held by others (first-gpu), others (second-gpu)" in log
    finally:
        for name in ("first-gpu", "second-gpu"):
            cluster.delete("Pod", name, grace_s=0)
    wait(small, run_id, "success")
    (one,) = pods_of(cluster, small, run_id)
    assert one["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    (told,) = ended(stack, small, run_id)
    assert told["gpu"] == 1
    assert told["gpu_seconds"] == pytest.approx(told["seconds"])
    assert told["gpu_seconds"] > 1


def test_where_no_node_has_such_a_gpu_the_spec_may_let_it_run_on_a_cpu(stack, cluster: Cluster, small: Small, asks):
    asks("gpu=1, gpu_profile='mig-1g.10gb', cpu_fallback=True, placement=Placement(queue='team-a')")
    run_id = train(small)
    wait(small, run_id, "success")
    assert "No node of the cluster has 1 nvidia.com/mig-1g.10gb; the job runs on a CPU, as its spec allows." in log_of(small, run_id)
    (one,) = pods_of(cluster, small, run_id)
    assert set(one["spec"]["containers"][0]["resources"]["limits"]) == {"memory"}
    assert one["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"


def test_a_missing_image_is_named_and_not_tried_again(stack, cluster: Cluster, small: Small):
    spec = stack.use_cases / small.name / "use_case.py"
    before = spec.read_text()
    spec.write_text(before.replace('    task="binary",', '    environment="labelstudio",\n    task="binary",'))
    try:
        run_id = train(small)
        wait(small, run_id, "failed")
    finally:
        spec.write_text(before)
    assert state_of(small, run_id)["try_number"] == 1
    log = log_of(small, run_id)
    assert f"has no image {stack.settings.image('labelstudio')}" in log
    assert "build or push the image" in log
    wait_for(lambda: not pods_of(cluster, small, run_id), 60, "the pod that cannot start to go")


def test_worker_scheduler_and_triggerer_killed_while_it_trains_make_one_pod_and_one_version(stack, cluster: Cluster, small: Small):
    run_id = train(small, "steps")
    name = running_pod(cluster, small, run_id)
    for role in ("worker", "scheduler", "triggerer"):
        for pid in stack.processes(f"airflow {role}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    wait(small, run_id, "success")
    assert [each["metadata"]["name"] for each in pods_of(cluster, small, run_id)] == [name]
    assert made(stack, small, run_id) == 1


TOGETHER = '''
import torch
import torch.distributed as dist


def together() -> None:
    """Add up the ranks of all machines over gloo."""
    dist.init_process_group("gloo")
    total = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(total)
    print(f"rank {dist.get_rank()} of {dist.get_world_size()}: the sum is {total.item():.0f}", flush=True)
    dist.destroy_process_group()


def train('''


@pytest.mark.image("torch")
def test_two_machines_train_one_model_together(stack, cluster: Cluster, small: Small, asks):
    asks("nodes=2, memory_mb=1500")
    code, spec = stack.use_cases / small.name / "training.py", stack.use_cases / small.name / "use_case.py"
    before = code.read_text()
    code.write_text(before.replace("def train(", TOGETHER, 1).replace("    behave(", "    together()\n    behave(", 1))
    spec.write_text(spec.read_text().replace('    task="binary",', '    environment="torch",\n    task="binary",'))
    try:
        run_id = train(small)
        wait(small, run_id, "success")
    finally:
        code.write_text(before)
    assert made(stack, small, run_id) == 1
    pods = pods_of(cluster, small, run_id)
    assert [p["status"]["phase"] for p in pods] == ["Succeeded", "Succeeded"]
    said = [cluster.log(p["metadata"]["name"], "job", 200) for p in pods]
    assert sorted(line for log in said for line in log.splitlines() if line.startswith("rank")) == [
        "rank 0 of 2: the sum is 3",
        "rank 1 of 2: the sum is 3",
    ]
