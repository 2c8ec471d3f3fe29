"""A use case nobody has seen: `gyre new`, data in the bucket, nothing else touched, and it goes through all phases."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import numpy as np
import polars as pl
import pytest

from gyre.clients.object_store import Objects
from gyre.journal import Kind
from gyre.journal.questions import serving
from gyre.stack.airflow_api import AirflowApi

pytestmark = pytest.mark.stack

NAME = "churn"
FIRST = datetime(2026, 1, 1)  # noqa: DTZ001 - the name of a day
DAYS, ROWS_A_DAY = 28, 60


def deliver(day: int, bias: float = 0.0) -> None:
    """Put one day of rows and of outcomes into the bucket."""
    rng = np.random.default_rng(day)
    date = FIRST + timedelta(days=day)
    hours = rng.integers(0, 24, ROWS_A_DAY)
    rows = pl.DataFrame(
        {
            "id": [f"{day}-{n}" for n in range(ROWS_A_DAY)],
            "happened_at": [date + timedelta(hours=int(h), minutes=n % 60) for n, h in enumerate(hours)],
            "amount": rng.gamma(2, 50, ROWS_A_DAY),
            "channel": rng.choice(["web", "shop", "phone"], ROWS_A_DAY),
        }
    )
    if day == 3:
        rows = rows.with_columns(pl.when(pl.col("id") == "3-5").then(-1.0).otherwise(pl.col("amount")).alias("amount"))
    chance = 1 / (1 + np.exp(-(rows["amount"].to_numpy() - 100) / 20 - (rows["channel"] == "phone").to_numpy() * 2 - bias))
    outcomes = pl.DataFrame(
        {"id": rows["id"], "known_at": rows["happened_at"] + timedelta(minutes=30), "outcome": (rng.random(ROWS_A_DAY) < chance).astype(int)}
    )
    for what, frame in {"rows": rows, "outcomes": outcomes}.items():
        uri = f"s3://gyre/incoming/{NAME}/{what}/{date:%Y-%m-%d}.parquet"
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        Objects.of("gyre_lake", uri).write(uri, buffer.getvalue())


def wait_for(condition: Callable[[], object], seconds: float = 240) -> object:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def written(stack, airflow: AirflowApi) -> None:
    """Write the folder with `gyre new`, deliver its data, and wait until Airflow shows its DAGs."""
    made = stack.gyre("new", NAME)
    assert made.returncode == 0, made.stderr
    for day in range(DAYS + 3):
        deliver(day)
    wait_for(lambda: {f"{NAME}__{p}" for p in ("ingest", "label", "train", "deploy", "monitor")} <= {d["dag_id"] for d in airflow.dags()}, 90)


@pytest.fixture(scope="module")
def ran(stack, airflow: AirflowApi, written: None) -> str:
    """Ingest four weeks; labels, the first model and its promotion follow by themselves."""
    run_id = airflow.trigger(f"{NAME}__ingest", {"start": "2026-01-01", "end": "2026-01-29"})
    state = airflow.wait(f"{NAME}__ingest", run_id, timeout=180)
    assert state == "success", airflow.task_states(f"{NAME}__ingest", run_id)
    wait_for(lambda: serving(stack.journal, NAME).champion)
    return run_id


def test_rows_are_published_and_the_bad_one_is_quarantined(stack, ran: str):
    published = stack.journal.last(NAME, Kind.INTERVAL_PUBLISHED)
    assert (published.body["rows"], published.body["quarantined"]) == (DAYS * ROWS_A_DAY - 1, 1)


def test_the_first_version_passed_its_gates_and_serves(stack, ran: str):
    evaluated = stack.journal.last(NAME, Kind.EVALUATED)
    assert evaluated.body["passed"], evaluated.body
    assert serving(stack.journal, NAME).champion == 1


def test_it_answers_with_sensible_probabilities(stack, ran: str):
    rows = [
        {"id": "x", "happened_at": "2026-01-29T10:00:00+00:00", "amount": amount, "hour": 10, "channel": channel}
        for amount, channel in [(250, "phone"), (10, "web")]
    ]
    answer = httpx.post(f"{stack.settings.url('envoy')}/{NAME}/predict", json={"rows": rows}, trust_env=False)
    assert answer.status_code == 200, answer.text
    high, low = (p["probability"] for p in answer.json()["predictions"])
    assert high > 0.8 > 0.3 > low
    assert answer.json()["version"] == 1


def test_a_row_with_a_wrong_type_is_refused_with_the_fields_name(stack, ran: str):
    row = {"amount": "much", "hour": 10, "channel": "web"}
    answer = httpx.post(f"{stack.settings.url('envoy')}/{NAME}/predict", json={"rows": [row]}, trust_env=False)
    assert answer.status_code in (400, 422)
    assert "amount" in answer.text


def test_the_nightly_look_finds_the_predictions(stack, airflow: AirflowApi, ran: str, explain):
    run_id = airflow.trigger(f"{NAME}__monitor")
    assert airflow.wait(f"{NAME}__monitor", run_id, timeout=120) == "success", explain(f"{NAME}__monitor", run_id)
    assert stack.journal.last(NAME, Kind.MONITORED).body["verdict"] in ("ok", "advice")


def test_an_empty_interval_is_refused_before_anything_runs(airflow: AirflowApi, ran: str):
    run_id = airflow.trigger(f"{NAME}__ingest", {"start": "2026-01-05", "end": "2026-01-05"})
    assert airflow.wait(f"{NAME}__ingest", run_id, timeout=60) == "failed"
    assert "its end is not after its start" in airflow.logs(f"{NAME}__ingest", run_id, "extract")


def test_publishing_an_interval_again_replaces_it(stack, airflow: AirflowApi, ran: str, explain):
    run_id = airflow.trigger(f"{NAME}__ingest", {"start": "2026-01-05", "end": "2026-01-07"})
    assert airflow.wait(f"{NAME}__ingest", run_id, timeout=120) == "success", explain(f"{NAME}__ingest", run_id)
    from gyre.lake import Lake

    lake = Lake.of(NAME)
    validated = pl.scan_delta(lake.uri("validated"), storage_options=dict(lake.options)).select("id").collect()["id"]
    assert (len(validated), validated.n_unique()) == (DAYS * ROWS_A_DAY - 1, DAYS * ROWS_A_DAY - 1)


def test_a_broken_spec_is_shown_and_the_other_dags_stay(stack, airflow: AirflowApi, written: None):
    folder = stack.use_cases / "broken_one"
    folder.mkdir()
    (folder / "use_case.py").write_text("from gyre.specs import UseCase\nbroken = UseCase(nmae='broken_one')\n")
    try:
        errors = wait_for(lambda: "\n".join(airflow.import_errors().values()), 90)
        assert "nmae: there is no such field. Did you mean 'name'" in str(errors)
        assert f"{NAME}__train" in {d["dag_id"] for d in airflow.dags()}
    finally:
        (folder / "use_case.py").unlink()
