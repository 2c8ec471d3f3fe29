"""The janitor on a real cluster, with Airflow's rights: what ended goes, what somebody waits for stays, what nobody waits for is told of."""

from __future__ import annotations

import pytest

from gyre.clients.kubernetes import Cluster
from gyre.journal import Kind
from gyre.stack.airflow_api import AirflowApi
from tests.integration.small import wait_for
from tests.kubernetes.pods import pod

pytestmark = pytest.mark.stack

DAG = "gyre__janitor"
RUN = "a-sweep"
LASTS = "import time; time.sleep(600)"


def of_task(run_id: str, job: str) -> dict:
    """Labels and annotations of the pod of a job that a run of the janitor itself asked for: a task whose state Airflow knows."""
    labels = {"gyre.dev/job": job, "gyre.dev/use-case": "churn"}
    return {"labels": labels, "annotations": {"gyre.dev/dag-id": DAG, "gyre.dev/run-id": run_id, "gyre.dev/task-id": "report_orphans"}}


@pytest.fixture(scope="module")
def swept(cluster: Cluster, airflow: AirflowApi) -> Cluster:
    """A sweep over a pod that ended, one whose task runs, and one whose task there never was."""
    for name in ("gyre-job-ended", "gyre-job-waited-for"):
        cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"GYRE_CONN_A": "{}"}})
    cluster.create(pod("ended", secret="gyre-job-ended", **of_task("another", "ended")))
    cluster.create(pod("waited-for", LASTS, secret="gyre-job-waited-for", **of_task(RUN, "waited-for")))
    cluster.create(pod("nobodys", LASTS, **of_task("never-was", "nobodys")))
    phases = {"ended": "Succeeded", "waited-for": "Running", "nobodys": "Running"}
    for name, phase in phases.items():
        wait_for(lambda n=name, p=phase: cluster.get("Pod", n)["status"]["phase"] == p, 60, f"{name} to be {phase}")
    airflow.trigger(DAG, {"keep_hours": 0}, RUN)
    state = airflow.wait(DAG, RUN, timeout=240)
    assert state == "success", "\n".join(airflow.logs(DAG, RUN, task) for task in ("remove", "report_orphans"))
    yield cluster
    for name in ("waited-for", "nobodys"):
        cluster.delete("Pod", name)


def test_what_ended_is_gone_and_its_secret_too(swept: Cluster, airflow: AirflowApi):
    assert swept.get("Pod", "ended") is None
    assert swept.get("Secret", "gyre-job-ended") is None
    assert "ended" in airflow.xcom(DAG, RUN, "remove")["pods"]


def test_what_runs_stays_with_its_secret(swept: Cluster):
    assert swept.get("Pod", "waited-for")["status"]["phase"] == "Running"
    assert swept.get("Secret", "gyre-job-waited-for")
    assert swept.get("Pod", "nobodys")["status"]["phase"] == "Running"


def test_only_the_pod_that_no_task_waits_for_is_reported(swept: Cluster, airflow: AirflowApi, stack):
    assert airflow.xcom(DAG, RUN, "report_orphans") == ["nobodys"]
    log = airflow.logs(DAG, RUN, "report_orphans")
    assert "Pod nobodys (Running) is nobody's: its task gyre__janitor.report_orphans of run never-was is unknown to Airflow." in log
    (entry,) = stack.journal.entries("churn", Kind.POD_ORPHANED)
    assert (entry.body["pod"], entry.body["run_id"], entry.body["state"]) == ("nobodys", "never-was", None)
