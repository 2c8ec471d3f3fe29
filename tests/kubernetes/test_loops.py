"""The built-in use cases on a cluster, with the DAG files of a laptop: from Airflow through pods to a Deployment behind the router."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo import traffic
from demo.company import Company
from demo.digits_replay import USE_CASE as DIGITS
from demo.digits_replay import DigitsReplay
from demo.flights_replay import HISTORY, FlightsReplay
from demo.flights_replay import USE_CASE as FLIGHTS
from demo.pictures import FIRST, WEEK
from demo.scanner import Scanner
from gyre.clients.kubernetes import Cluster
from gyre.journal import Kind
from gyre.journal.questions import serving, trainings
from gyre.runtime.pod_labels import USE_CASE_LABEL
from gyre.stack.airflow_api import AirflowApi
from gyre.stack.postgres import superuser_connection

pytestmark = pytest.mark.stack


def endpoint_of(stack, use_case: str) -> str:
    """The public address of what serves, without the use case's own part."""
    finished = next(stack.journal.entries(use_case, Kind.PROMOTION_FINISHED, newest_first=True))
    return str(finished.body["endpoint"]).removesuffix(f"/{use_case}/predict")


def ran_as_pods(cluster: Cluster, use_case: str) -> set[str]:
    """The jobs of a use case that ran as pods."""
    pods = cluster.find("Pod", {USE_CASE_LABEL: use_case})
    return {p["spec"]["containers"][0]["command"][3].rpartition(".")[2] for p in pods if "gyre.dev/job" in p["metadata"]["labels"]}


def test_flight_delay_goes_from_airflow_through_pods_to_a_deployment(stack, cluster: Cluster, airflow: AirflowApi):
    company = Company(stack.connections, superuser_connection())
    company.seed()
    replay = FlightsReplay(use_case=FLIGHTS, airflow=airflow, journal=stack.journal, company=company, endpoint="")
    replay.first_model()
    assert serving(stack.journal, FLIGHTS).champion == 1
    assert trainings(stack.journal, FLIGHTS)[0].body["metrics"]["validation"]["auc"] > 0.72
    assert {"extract", "audit", "publish", "label", "train", "evaluate", "bento"} <= ran_as_pods(cluster, FLIGHTS)
    (deployment,) = cluster.find("Deployment", {USE_CASE_LABEL: FLIGHTS})
    assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"]
    _, end = HISTORY
    sent = traffic.send(endpoint_of(stack, FLIGHTS), FLIGHTS, end - timedelta(days=1), end)
    assert (sent.failed, sent.rows > 500) == (0, True)


@pytest.fixture
def on_a_gpu(stack) -> None:
    """Let the training of digits ask for a GPU, as its one line in the spec says."""
    spec = stack.use_cases / DIGITS / "use_case.py"
    text = spec.read_text().replace("from gyre.specs import", "from gyre.specs import Resources,", 1)
    spec.write_text(text.replace("training=Training(", "training=Training(resources=Resources(gpu=1, memory_mb=3000), ", 1))


@pytest.mark.image("torch")
@pytest.mark.usefixtures("on_a_gpu")
def test_digits_are_labelled_trained_in_a_pod_with_a_gpu_and_served(stack, cluster: Cluster, airflow: AirflowApi):
    scanner = Scanner(stack.settings.home / "demo" / "scanner", stack.connections["company_bucket"])
    replay = DigitsReplay(use_case=DIGITS, airflow=airflow, journal=stack.journal, endpoint="", scanner=scanner)
    scanner.seed()
    with replay.annotators_at_work():
        replay.first_week()
    pods: list[dict[str, Any]] = cluster.find("Pod", {USE_CASE_LABEL: DIGITS, "gyre.dev/gpu": "1"})
    assert [p["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] for p in pods if p["status"]["phase"] == "Succeeded"] == ["1"]
    used = [e.body for e in stack.journal.entries(DIGITS, Kind.JOB_ENDED) if e.body["gpu"]]
    assert [u["gpu_seconds"] > 0 for u in used] == [True]
    sent = traffic.send(endpoint_of(stack, DIGITS), DIGITS, FIRST, FIRST + WEEK)
    right = sum(scanner.truth[row["scan_id"]] == answer["label"] for row, answer in zip(sent.asked, sent.answers, strict=True) if answer)
    assert sent.failed == 0
    assert right / sent.rows > 0.85
