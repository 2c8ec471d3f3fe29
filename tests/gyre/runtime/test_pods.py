"""What a pod is told, how several find each other, and who is ahead of one that waits."""

from __future__ import annotations

from typing import Any

from gyre.runtime.job_group import group
from gyre.runtime.kubernetes import pod_environment
from gyre.runtime.pod_labels import pod_name
from gyre.runtime.pod_trigger import ahead

WORKER = {
    "PATH": "/home/me/bin",
    "HOME": "/home/me",
    "GYRE_HOME": "/home/me/.gyre",
    "GYRE_USE_CASES": "/home/me/use_cases",
    "GYRE_LAKE_URI": "s3://lake/prod",
    "GYRE_CONN_GYRE_LAKE": '{"password": "hidden"}',
    "AIRFLOW__CORE__FERNET_KEY": "hidden",
}


def test_a_pod_gets_settings_but_no_secret_and_no_path_of_the_machine_that_asked():
    told = pod_environment(WORKER, cpu=2.5)
    assert told == {"GYRE_LAKE_URI": "s3://lake/prod", "OMP_NUM_THREADS": "2", "POLARS_MAX_THREADS": "2", "PYTHONUNBUFFERED": "1"}


def test_a_pods_name_is_the_jobs_and_a_name_that_kubernetes_takes():
    first = pod_name("flight_delay", "train", "train-manual__2026-01-01T00:00:00+00:00-1", 1)
    assert first == pod_name("flight_delay", "train", "train-manual__2026-01-01T00:00:00+00:00-1", 1)
    assert first.startswith("flight-delay-train-")
    assert first.replace("-", "").isalnum()
    assert len(pod_name("x" * 200, "train", "id", 49)) < 63


def template() -> dict[str, Any]:
    return {
        "metadata": {"namespace": "gyre", "labels": {"gyre.dev/job": "abc", "dag_id": "churn__train"}},
        "spec": {"containers": [{"name": "job", "env": [{"name": "GYRE_LAKE_URI", "value": "s3://lake"}]}]},
    }


def test_several_machines_are_one_job_whose_pods_know_the_first_and_their_own_rank():
    job, service = group("churn-train-1", template(), 2)
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"], spec["backoffLimit"]) == (2, 2, "Indexed", 0)
    told = {each["name"]: each.get("value") or each["valueFrom"]["fieldRef"]["fieldPath"] for each in spec["template"]["spec"]["containers"][0]["env"]}
    assert told["MASTER_ADDR"] == "churn-train-1-0.churn-train-1"
    assert (told["WORLD_SIZE"], told["PET_NNODES"], told["GYRE_LAKE_URI"]) == ("2", "2", "s3://lake")
    assert told["RANK"] == told["PET_NODE_RANK"] == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"


def gpu_pod(name: str, created: int, node: str | None = None, resource: str = "nvidia.com/gpu", phase: str = "Running") -> dict[str, Any]:
    about = {"labels": {"gyre.dev/use-case": name}, "annotations": {"gyre.dev/gpu-resource": resource, "gyre.dev/run-id": f"run-{name}"}}
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{created}Z", **about},
        "spec": {"nodeName": node},
        "status": {"phase": phase},
    }


def test_a_waiting_pod_is_told_who_holds_its_kind_of_gpu_and_who_waits_longer():
    me = gpu_pod("me", 5)
    others = [
        me,
        gpu_pod("holder", 1, node="n1"),
        gpu_pod("earlier", 2),
        gpu_pod("later", 7),
        gpu_pod("done", 0, node="n1", phase="Succeeded"),
        gpu_pod("slice", 1, node="n1", resource="nvidia.com/mig-1g.10gb"),
    ]
    assert ahead(me, others) == "nvidia.com/gpu is held by holder (run-holder); 1 wait longer: earlier (run-earlier)"


def test_where_nobody_holds_one_that_is_said():
    assert ahead(gpu_pod("me", 1), []) == "no job of this namespace holds nvidia.com/gpu"
