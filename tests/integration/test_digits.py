"""The digits' first week end to end, over Airflow's REST API: people answer in the real Label Studio, a torch model is made and asked about pictures."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from demo.digits_replay import USE_CASE, DigitsReplay
from demo.pictures import FIRST, WEEK
from demo.scanner import Scanner
from gyre.clients.label_studio import LabelStudio
from gyre.journal import Kind
from gyre.journal.questions import serving, trainings
from gyre.lake import Lake
from gyre.layout import Layout
from gyre.stack import supervisor
from gyre.stack.airflow_api import AirflowApi

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def replay(stack, airflow: AirflowApi) -> DigitsReplay:
    scanner = Scanner(stack.settings.home / "demo" / "scanner", stack.connections["company_bucket"])
    return DigitsReplay(use_case=USE_CASE, airflow=airflow, journal=stack.journal, endpoint=stack.settings.url("envoy"), scanner=scanner)


@pytest.fixture(scope="module")
def first_model(replay: DigitsReplay) -> DigitsReplay:
    replay.scanner.seed()
    with replay.annotators_at_work():
        replay.first_week()
    return replay


def test_two_people_agree_on_most_and_what_they_dispute_stays_out(first_model: DigitsReplay):
    collected = first_model.entries(Kind.ANNOTATIONS_COLLECTED)[-1].body
    assert collected["waiting"] == 0
    assert collected["agreement"]["kappa"] > 0.75
    assert collected["disputed"] > 0
    lake = Lake.of(USE_CASE)
    labelled = pl.scan_delta(lake.uri("labelled"), storage_options=dict(lake.options)).collect()
    truth = labelled["scan_id"].replace_strict(first_model.scanner.truth)
    assert (labelled["label"] != truth).mean() < 0.02, "agreement must catch most of the mistakes"
    assert set(labelled["labelled_by"]) == {"annotator-1@simulated.example, annotator-2@simulated.example"}


def test_each_annotator_is_measured_on_gold_tasks(first_model: DigitsReplay):
    people = first_model.entries(Kind.ANNOTATIONS_COLLECTED)[-1].body["agreement"]["annotators"]
    assert [person["gold"] for person in people] == [10, 10]
    assert all(person["gold_correct"] >= 7 for person in people)


def test_a_torch_model_was_made_of_named_annotations_and_serves(stack, first_model: DigitsReplay):
    made = trainings(first_model.journal, USE_CASE)[0].body
    assert made["metrics"]["validation"]["accuracy"] > 0.85
    assert serving(first_model.journal, USE_CASE).champion == made["version"]
    url = f"{stack.settings.url('mlflow')}/api/2.0/mlflow/artifacts/list"
    files = httpx.get(url, params={"run_id": made["run_id"]}, trust_env=False).raise_for_status().json()["files"]
    assert "annotations.csv" in {file["path"] for file in files}
    history = f"{stack.settings.url('mlflow')}/api/2.0/mlflow/metrics/get-history"
    curve = httpx.get(history, params={"run_id": made["run_id"], "metric_key": "curve/validation_loss"}, trust_env=False).raise_for_status().json()["metrics"]
    assert len(curve) >= 5


def test_a_picture_goes_in_and_a_digit_with_probabilities_comes_out(stack, first_model: DigitsReplay):
    files = sorted((first_model.scanner.folder / "scans" / f"{FIRST + WEEK:%Y-%m-%d}").glob("*.png"))[:100]
    url = f"{stack.settings.url('envoy')}/{USE_CASE}/predict"
    sent = {"rows": [{"image": base64.b64encode(file.read_bytes()).decode()} for file in files]}
    answers = httpx.post(url, json=sent, trust_env=False, timeout=60).raise_for_status().json()["predictions"]
    right = sum(answer["label"] == first_model.scanner.truth[file.stem.rpartition("-")[2]] for answer, file in zip(answers, files, strict=True))
    assert right >= 85
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_bytes_that_are_no_picture_are_refused_with_row_and_field(stack, first_model: DigitsReplay):
    url = f"{stack.settings.url('envoy')}/{USE_CASE}/predict"
    refused = httpx.post(url, json={"rows": [{"image": base64.b64encode(b"no picture").decode()}]}, trust_env=False, timeout=60)
    assert refused.status_code == 422
    assert "no picture" in refused.json()["error"]


def test_label_studio_is_heard_and_a_minute_of_answers_makes_one_run(stack, first_model: DigitsReplay, airflow: AirflowApi):
    heard = [run["dag_run_id"] for run in airflow.runs(f"{USE_CASE}__label") if run["dag_run_id"].startswith("webhook__")]
    assert heard, "no answer of the annotators was told to Airflow"
    assert len(heard) == len(set(heard))
    answered = first_model.entries(Kind.ANNOTATIONS_COLLECTED)
    assert answered


def test_a_webhook_without_the_secret_is_refused_and_starts_nothing(stack, first_model: DigitsReplay):
    url = f"{stack.settings.url('airflow')}/gyre-webhooks/label_studio"
    assert httpx.post(f"{url}/{USE_CASE}", headers={"X-Gyre-Secret": "wrong"}, trust_env=False).status_code == 403
    assert httpx.post(f"{url}/{USE_CASE}", trust_env=False).status_code == 422
    secret = str(stack.connections["gyre_labelstudio"].extra["webhook_secret"])
    assert httpx.post(f"{url}/flight_delay", headers={"X-Gyre-Secret": secret}, trust_env=False).status_code == 403


def test_two_calls_with_the_secret_make_one_run_at_the_end_of_the_minute(stack, first_model: DigitsReplay, airflow: AirflowApi):
    url = f"{stack.settings.url('airflow')}/gyre-webhooks/label_studio/{USE_CASE}"
    secret = str(stack.connections["gyre_labelstudio"].extra["webhook_secret"])
    now = datetime.now(UTC)
    told = [httpx.post(url, headers={"X-Gyre-Secret": secret}, trust_env=False, timeout=30).raise_for_status().json()["run_id"] for _ in range(2)]
    minutes = {f"webhook__{now.replace(second=0, microsecond=0) + timedelta(minutes=m):%Y-%m-%dT%H:%M}" for m in (1, 2)}
    assert set(told) <= minutes
    runs = [run["dag_run_id"] for run in airflow.runs(f"{USE_CASE}__label")]
    assert all(runs.count(run_id) == 1 for run_id in told)


def test_while_label_studio_is_away_the_run_is_tried_again_with_a_clear_word_and_nothing_is_lost(stack, first_model: DigitsReplay, airflow: AirflowApi):
    layout, dag_id, run_id = Layout(stack.settings.home), f"{USE_CASE}__label", "label-studio-is-away"
    before = first_model.entries(Kind.TASKS_PUSHED)[-1].body["asked"]
    supervisor.stop(layout, ["label-studio"])
    try:
        airflow.trigger(dag_id, {}, run_id=run_id)
        first_model.wait("a second try", lambda: airflow.task_states(dag_id, run_id).get("push") == "up_for_retry", timeout=240, interval=0.5)
    finally:
        supervisor.call(layout, "startProcess", "label-studio")
    assert "Label Studio" in airflow.logs(dag_id, run_id, "push")
    assert airflow.wait(dag_id, run_id) == "success"
    studio = LabelStudio.of("gyre_labelstudio")
    project = studio.find(USE_CASE)
    assert project is not None
    assert studio.count_tasks(project.id) == before
