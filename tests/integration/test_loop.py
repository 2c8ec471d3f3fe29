"""The loop end to end on real flights, driven over Airflow's REST API: a shortened replay of 2013."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import polars as pl
import pytest

from demo import traffic
from demo.company import Company
from demo.flights_replay import NEW_YORK, USE_CASE, FlightsReplay
from gyre.journal import Kind
from gyre.journal.questions import open_retrain_requests, serving, trainings
from gyre.lake import Lake
from gyre.stack.airflow_api import AirflowApi
from gyre.stack.postgres import superuser_connection

pytestmark = pytest.mark.stack


def day(month: int, number: int) -> datetime:
    return datetime(2013, month, number, tzinfo=NEW_YORK)


@pytest.fixture(scope="module")
def replay(stack, airflow: AirflowApi) -> FlightsReplay:
    company = Company(stack.connections, superuser_connection())
    company.seed()
    return FlightsReplay(use_case=USE_CASE, airflow=airflow, journal=stack.journal, company=company, endpoint=stack.settings.url("envoy"))


@pytest.fixture(scope="module")
def first_model(replay: FlightsReplay) -> FlightsReplay:
    """History in, first model out, by itself."""
    replay.first_model()
    return replay


def test_history_is_published_and_the_1048_mph_row_is_held_back(first_model: FlightsReplay):
    published = first_model.entries(Kind.INTERVAL_PUBLISHED)[0].body
    assert (published["rows"], published["quarantined"]) == (51_955, 1)
    lake = Lake.of(USE_CASE)
    held = pl.scan_delta(lake.uri("quarantined"), storage_options=dict(lake.options)).collect()
    assert "1048" in str(held.to_dicts())


def test_labels_are_the_facts_that_had_arrived(first_model: FlightsReplay):
    assert first_model.entries(Kind.LABELS_JOINED)[0].body["labelled"] == 50_009


def test_the_first_version_beats_its_baselines_and_serves(first_model: FlightsReplay):
    made = trainings(first_model.journal, USE_CASE)[0].body
    losses = {name: metrics["log_loss"] for name, metrics in made["baselines"].items()}
    assert made["metrics"]["validation"]["log_loss"] < min(losses.values())
    assert made["metrics"]["validation"]["auc"] > 0.72
    assert serving(first_model.journal, USE_CASE).champion == 1


def test_the_run_in_mlflow_leads_back_to_airflow(stack, first_model: FlightsReplay):
    made = trainings(first_model.journal, USE_CASE)[0].body
    url = f"{stack.settings.url('mlflow')}/api/2.0/mlflow/runs/get"
    run = httpx.get(url, params={"run_id": made["run_id"]}, trust_env=False).json()["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags["gyre.dag_id"] == f"{USE_CASE}__train"
    assert tags["gyre.run_id"]
    assert run["inputs"]["dataset_inputs"], "the dataset is not among the run's inputs"


@pytest.fixture(scope="module")
def mended(first_model: FlightsReplay) -> FlightsReplay:
    """A corrupted delivery is stopped, and published once its source is mended."""
    start, broken, end = day(3, 1), day(3, 2), day(3, 4)
    first_model.company.advance(end + timedelta(hours=6))
    first_model.company.corrupt_delivery(broken)
    _, state = first_model.run("ingest", "corrupted", start=start.isoformat(), end=end.isoformat())
    assert state == "failed"
    first_model.company.fix_delivery(broken)
    first_model.ingest(start, end)
    return first_model


def test_a_corrupted_delivery_is_blocked_whole_with_its_reason(mended: FlightsReplay):
    blocked = mended.entries(Kind.INTERVAL_BLOCKED)
    assert len(blocked) == 1
    check = next(c for c in blocked[0].body["checks"] if c["action"] == "block")
    assert (check["source"], check["columns"]) == ("weather", ["temp"])
    assert len(check["examples"]) == 5


def test_the_blocked_runs_log_says_what_and_how_to_go_on(mended: FlightsReplay, airflow: AirflowApi):
    log = airflow.logs(f"{USE_CASE}__ingest", "demo__corrupted", "audit")
    assert "weather" in log
    assert "temp" in log
    assert "Fix" in log


def test_once_the_source_is_mended_the_interval_is_published(mended: FlightsReplay):
    last = mended.entries(Kind.INTERVAL_PUBLISHED)[-1].body
    assert last["rows"] > 2_000


@dataclass
class Load:
    """A steady load on the endpoint, and what it was answered."""

    answers: list[int] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)


@contextmanager
def steady_load(endpoint: str, row: dict) -> Iterator[Load]:
    load, stop = Load(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=endpoint, trust_env=False, timeout=30) as client:
            while not stop.wait(0.05):
                answer = client.post(f"/{USE_CASE}/predict", json={"rows": [row]})
                load.answers.append(answer.status_code)
                if answer.status_code == 200:
                    load.versions.add(answer.json()["version"])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def drifted(mended: FlightsReplay) -> tuple[FlightsReplay, Load, int]:
    """Spring: the world changes, the nightly look sees it, and the platform makes and promotes a better model, under load."""
    mended.ingest(day(3, 4), day(4, 19))
    mended.ingest(day(4, 19), day(4, 26))
    sent = traffic.send(mended.endpoint, USE_CASE, day(4, 12), day(4, 26))
    assert sent.failed == 0
    mended.labels(day(4, 19), day(4, 26))
    row = traffic.rows_of(USE_CASE, day(4, 25), day(4, 26))[0] | {"flight_id": "LOAD-1"}
    with steady_load(mended.endpoint, row) as load:
        mended.monitor(day(4, 26))
        mended.retraining(day(4, 26))
    return mended, load, sent.rows


def test_drift_that_harms_raises_one_alarm_with_its_evidence(drifted: tuple[FlightsReplay, Load, int]):
    replay, _, _ = drifted
    requests = replay.entries(Kind.RETRAIN_REQUESTED)
    assert len(requests) == 1
    assert "calibration" in requests[0].body["reason"]


def test_the_better_challenger_serves_and_the_old_one_is_kept(drifted: tuple[FlightsReplay, Load, int]):
    replay, _, _ = drifted
    serves = serving(replay.journal, USE_CASE)
    assert (serves.champion, serves.previous) == (2, 1)
    assert open_retrain_requests(replay.journal, USE_CASE) == []


def test_no_request_is_lost_by_the_shift(drifted: tuple[FlightsReplay, Load, int]):
    _, load, _ = drifted
    assert len(load.answers) > 100
    assert set(load.answers) == {200}
    assert load.versions == {1, 2}


def test_predictions_are_in_the_lake_once(drifted: tuple[FlightsReplay, Load, int]):
    _, _, sent = drifted
    lake = Lake.of(USE_CASE)
    predictions = pl.scan_delta(lake.uri("predictions"), storage_options=dict(lake.options)).select("prediction_id", "flight_id").collect()
    flights = predictions.filter(pl.col("flight_id") != "LOAD-1")
    assert len(flights) == flights["prediction_id"].n_unique() == sent


def test_the_same_night_asked_again_asks_for_no_second_model(drifted: tuple[FlightsReplay, Load, int]):
    replay, _, _ = drifted
    for attempt in range(2):
        replay.must_succeed("monitor", f"again-{attempt}", as_of=day(4, 26).isoformat())
    assert len(replay.entries(Kind.RETRAIN_REQUESTED)) == 1


def test_a_challenger_that_does_not_win_stays_challenger_and_the_run_is_green(drifted: tuple[FlightsReplay, Load, int], airflow: AirflowApi):
    replay, _, _ = drifted
    replay.must_succeed("train", "weak", reason="a weak model", parameters={"n_estimators": 2})
    version = replay.entries(Kind.TRAINING_FINISHED)[-1].body["version"]
    judged = replay.until("its evaluation", lambda: next((e for e in replay.entries(Kind.EVALUATED) if e.body["version"] == version), None))
    assert not judged.body["passed"]
    assert serving(replay.journal, USE_CASE).champion == 2
    run = airflow.runs(f"{USE_CASE}__deploy")[-1]
    assert airflow.wait(f"{USE_CASE}__deploy", run["dag_run_id"], timeout=60) == "success"


def test_an_unknown_hyperparameter_is_refused_before_anything_runs(drifted: tuple[FlightsReplay, Load, int], airflow: AirflowApi):
    run_id = airflow.trigger(f"{USE_CASE}__train", {"parameters": {"n_estimatorz": 2}})
    assert airflow.wait(f"{USE_CASE}__train", run_id, timeout=60) == "failed"
    assert "Did you mean 'n_estimators'" in airflow.logs(f"{USE_CASE}__train", run_id, "decide")


def test_a_viewer_sees_the_board_and_an_anonymous_one_does_not(stack, drifted: tuple[FlightsReplay, Load, int]):
    url = stack.settings.url("airflow")
    assert httpx.get(f"{url}/gyre/use_cases", trust_env=False).status_code in (401, 403)
    with AirflowApi.local(user="viewer") as viewer:
        token = viewer._http.headers["Authorization"]
    seen = httpx.get(f"{url}/gyre/use_cases", headers={"Authorization": token}, trust_env=False, timeout=30)
    assert seen.status_code == 200, seen.text
    board = {each["title"]: each for each in seen.json()}[USE_CASE]
    assert board["champion"] == 2
    report = httpx.get(f"{url}/gyre/use_cases/{USE_CASE}/page", params={"uri": board["drift"]["report"]}, headers={"Authorization": token}, trust_env=False)
    assert report.status_code == 200
    assert "<html" in report.text
    outside = httpx.get(f"{url}/gyre/use_cases/{USE_CASE}/page", params={"uri": "file:///etc/passwd"}, headers={"Authorization": token}, trust_env=False)
    assert outside.status_code == 404


def test_the_status_tells_all_this_as_json(stack, drifted: tuple[FlightsReplay, Load, int]):
    import json

    told = stack.gyre("status", "--json")
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr
    status = json.loads(told.stdout)
    assert {c["name"] for c in status["components"]} >= {"postgres", "s3", "kafka", "envoy", "mlflow", "airflow-scheduler"}
    summary = next(u for u in status["use_cases"] if u["use_case"] == USE_CASE)
    assert (summary["champion"], summary["previous"]) == (2, 1)
    assert summary["drift"]["verdict"] in ("ok", "advice", "alarm")
