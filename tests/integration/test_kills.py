"""Whatever is killed, wherever: the retry or the reconcile ends with one partition, one model version, one consistent champion."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import psycopg
import pytest

from gyre.clients.object_store import Objects
from gyre.journal import Kind
from gyre.journal.questions import serving, trainings
from gyre.stack.airflow_api import AirflowApi
from tests.integration.small import ROWS_A_DAY, Small, slug, wait_for, write_with_gyre_new

pytestmark = pytest.mark.stack

DAYS = 21
SLOW_TRAINING = "import time; time.sleep(12)  # long enough to be killed\n\n\ndef train("


@pytest.fixture(scope="module")
def small(stack, airflow: AirflowApi) -> Small:
    """Write a use case whose DAGs run only when asked, so that each test kills what it means to."""
    small = write_with_gyre_new(stack, airflow, "killed", DAYS + 7)
    for phase in ("label", "train", "deploy", "monitor"):
        airflow.pause(small.dag(phase))
    return small


def kill_job(small: Small, run_id: str, task: str) -> int:
    """Kill the job of a task, and everything it started, as soon as it runs; return its pid."""
    folder: Path = wait_for(lambda: small.job_of(run_id, task), 90, f"the job of {task}")
    pid = int((folder / "pid").read_text())
    os.killpg(pid, signal.SIGKILL)
    return pid


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_an_audit_and_a_publication_that_are_killed_publish_once(stack, airflow: AirflowApi, small: Small):
    run_id = small.trigger("ingest", start="2026-01-01", end="2026-01-22")
    kill_job(small, run_id, "audit")
    kill_job(small, run_id, "publish")
    assert airflow.wait(small.dag("ingest"), run_id, timeout=240) == "success", small.explain("ingest", run_id)
    ids = small.rows("validated")["id"]
    assert (len(ids), ids.n_unique()) == (DAYS * ROWS_A_DAY - 1, DAYS * ROWS_A_DAY - 1)
    assert len(list(stack.journal.entries(small.name, Kind.INTERVAL_PUBLISHED))) == 1


@pytest.fixture(scope="module")
def labelled(airflow: AirflowApi, small: Small) -> Small:
    if not any(run["state"] == "success" for run in airflow.runs(small.dag("ingest"))):
        small.run("ingest", start="2026-01-01", end="2026-01-22")
    airflow.unpause(small.dag("label"))
    small.run("label")
    return small


def test_a_training_whose_job_and_whose_worker_are_killed_makes_one_version(stack, airflow: AirflowApi, labelled: Small):
    code = stack.use_cases / labelled.name / "training.py"
    code.write_text(code.read_text().replace("def train(", SLOW_TRAINING, 1))
    airflow.unpause(labelled.dag("train"))
    run_id = labelled.trigger("train", reason="a training to be killed")
    first = kill_job(labelled, run_id, "train")

    def second() -> int | None:
        folder = labelled.job_of(run_id, "train")
        pid = int((folder / "pid").read_text()) if folder else first
        return pid if pid != first and Path(f"/proc/{pid}").exists() else None

    pid = wait_for(second, 120, "the second try's job")
    os.kill(parent_of(pid), signal.SIGKILL)  # the Airflow task that follows it
    assert airflow.wait(labelled.dag("train"), run_id, timeout=400) == "success", labelled.explain("train", run_id)
    made = trainings(stack.journal, labelled.name)  # unpausing may have let the labels start another
    assert len([e for e in made if slug(run_id) in e.key]) == 1
    assert _versions(stack, labelled.name) == len(made)
    assert _runs(stack, labelled.name) == len(made)


def _mlflow(stack, path: str, **body: object) -> dict:
    answer = httpx.post(f"{stack.settings.url('mlflow')}/api/2.0/mlflow/{path}", json=body, trust_env=False, timeout=30)
    answer.raise_for_status()
    return answer.json()


def _versions(stack, name: str) -> int:
    url = f"{stack.settings.url('mlflow')}/api/2.0/mlflow/model-versions/search"
    return len(httpx.get(url, params={"filter": f"name='{name}'"}, trust_env=False, timeout=30).json().get("model_versions", []))


def _runs(stack, name: str) -> int:
    experiments = _mlflow(stack, "experiments/search", max_results=1000)["experiments"]
    ids = [e["experiment_id"] for e in experiments]
    runs = _mlflow(stack, "runs/search", experiment_ids=ids, filter=f"tags.`gyre.use_case` = '{name}'").get("runs", [])
    return len(runs)


def _alias(stack, name: str, alias: str) -> str | None:
    url = f"{stack.settings.url('mlflow')}/api/2.0/mlflow/registered-models/alias"
    answer = httpx.get(url, params={"name": name, "alias": alias}, trust_env=False, timeout=30)
    return answer.json()["model_version"]["version"] if answer.status_code == 200 else None


def test_a_deployment_killed_between_envoy_and_the_aliases_is_finished(stack, airflow: AirflowApi, labelled: Small):
    servers = stack.processes("/mlflow/bin/python")
    assert servers, "no MLflow server found"
    airflow.unpause(labelled.dag("deploy"))
    labelled.trigger("deploy", version=1, force=False)
    wait_for(lambda: stack.journal.last(labelled.name, Kind.PROMOTION_INTENDED), 180, "a promotion")
    for pid in servers:  # the aliases cannot be set while MLflow stands still
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: stack.journal.last(labelled.name, Kind.PROMOTION_ROUTED), 90, "the route")
        holder = wait_for(lambda: _holder_of(stack, f"{labelled.name}/deploy"), 10, "the promoting task")
        os.kill(holder, signal.SIGKILL)
        assert serving(stack.journal, labelled.name).champion is None
    finally:
        for pid in servers:
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: serving(stack.journal, labelled.name).champion == 1, 240, "the promotion's end")
    wait_for(lambda: _alias(stack, labelled.name, "champion") == "1", 30, "the alias")
    assert len(list(stack.journal.entries(labelled.name, Kind.PROMOTION_FINISHED))) == 1
    assert _predict(stack, labelled.name).status_code == 200


def _holder_of(stack, lock: str) -> int | None:
    """Find the process that holds one of the journal's locks: the Airflow task that promotes."""
    query = "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted AND application_name LIKE %s"
    with psycopg.connect(stack.journal.dsn) as connection:
        row = connection.execute(query, (f"gyre %@% {lock}",)).fetchone()
    return int(row[0].split()[1].partition("@")[0]) if row else None


def _predict(stack, name: str) -> httpx.Response:
    rows = [{"amount": 10.0, "hour": 3, "channel": "web"}]
    return httpx.post(f"{stack.settings.url('envoy')}/{name}/predict", json={"rows": rows}, trust_env=False, timeout=10)


def test_a_serving_process_that_is_killed_comes_back(stack, labelled: Small):
    wait_for(lambda: serving(stack.journal, labelled.name).champion, 300, "a champion")
    pids = stack.processes("bentoml")
    ours = [pid for pid in pids if f"{labelled.name}-1" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert ours
    os.kill(ours[0], signal.SIGKILL)
    wait_for(lambda: _predict(stack, labelled.name).status_code == 200, 60, "the endpoint")


def test_a_corrupt_message_store_is_told_from_missing_rows(stack, small: Small):
    """An object that is no Parquet names itself and its source."""
    uri = f"s3://gyre/incoming/{small.name}/rows/2026-01-25.parquet"
    Objects.of("gyre_lake", uri).write(uri, b"this is no parquet")
    run_id = small.trigger("ingest", start="2026-01-25", end="2026-01-26")
    assert small.airflow.wait(small.dag("ingest"), run_id, timeout=120) == "failed"
    log = small.airflow.logs(small.dag("ingest"), run_id, "extract")
    assert "2026-01-25.parquet" in log
    assert "rows" in log
