"""A use case nobody has seen: `gyre new`, data in the bucket, nothing else touched, and it goes through all phases."""

from __future__ import annotations

import httpx
import pytest

from gyre.journal import Kind
from gyre.journal.questions import serving
from gyre.stack.airflow_api import AirflowApi
from tests.integration.small import ROWS_A_DAY, Small, wait_for, write_with_gyre_new

pytestmark = pytest.mark.stack

DAYS = 28


@pytest.fixture(scope="module")
def written(stack, airflow: AirflowApi) -> Small:
    return write_with_gyre_new(stack, airflow, "churn", DAYS + 3)


@pytest.fixture(scope="module")
def churn(stack, written: Small) -> Small:
    """Ingest four weeks; labels, the first model and its promotion follow by themselves."""
    written.run("ingest", start="2026-01-01", end="2026-01-29")
    wait_for(lambda: serving(stack.journal, written.name).champion, 300, "a champion")
    return written


def predict(stack, small: Small, rows: list[dict]) -> httpx.Response:
    return httpx.post(f"{stack.settings.url('envoy')}/{small.name}/predict", json={"rows": rows}, trust_env=False, timeout=30)


def test_rows_are_published_and_the_bad_one_is_quarantined(stack, churn: Small):
    published = next(stack.journal.entries(churn.name, Kind.INTERVAL_PUBLISHED))
    assert (published.body["rows"], published.body["quarantined"]) == (DAYS * ROWS_A_DAY - 1, 1)


def test_the_first_version_passed_its_gates_and_serves(stack, churn: Small):
    evaluated = stack.journal.last(churn.name, Kind.EVALUATED)
    assert evaluated.body["passed"], evaluated.body
    assert serving(stack.journal, churn.name).champion == 1


def test_it_answers_with_sensible_probabilities(stack, churn: Small):
    given = [(250, "phone"), (10, "web")]
    rows = [{"id": "x", "happened_at": "2026-01-29T10:00:00+00:00", "amount": a, "hour": 10, "channel": c} for a, c in given]
    answer = predict(stack, churn, rows)
    assert answer.status_code == 200, answer.text
    high, low = (p["probability"] for p in answer.json()["predictions"])
    assert high > 0.8 > 0.3 > low
    assert answer.json()["version"] == 1


def test_a_row_with_a_wrong_type_is_refused_with_the_fields_name(stack, churn: Small):
    answer = predict(stack, churn, [{"amount": "much", "hour": 10, "channel": "web"}])
    assert answer.status_code in (400, 422)
    assert "amount" in answer.text


def test_the_nightly_look_finds_the_predictions(stack, churn: Small):
    churn.run("monitor")
    seen = stack.journal.last(churn.name, Kind.MONITORED)
    assert seen is not None
    assert seen.body["verdict"] in ("ok", "advice")


def test_an_empty_interval_is_refused_before_anything_runs(airflow: AirflowApi, churn: Small):
    run_id = churn.trigger("ingest", start="2026-01-05", end="2026-01-05")
    assert airflow.wait(churn.dag("ingest"), run_id, timeout=60) == "failed"
    assert "its end is not after its start" in airflow.logs(churn.dag("ingest"), run_id, "extract")


def test_publishing_an_interval_again_replaces_it(churn: Small):
    churn.run("ingest", start="2026-01-05", end="2026-01-07")
    ids = churn.rows("validated")["id"]
    assert (len(ids), ids.n_unique()) == (DAYS * ROWS_A_DAY - 1, DAYS * ROWS_A_DAY - 1)


def test_a_broken_spec_is_shown_and_the_other_dags_stay(stack, airflow: AirflowApi, written: Small):
    folder = stack.use_cases / "broken_one"
    folder.mkdir()
    (folder / "use_case.py").write_text("from gyre.specs import UseCase\nbroken = UseCase(nmae='broken_one')\n")
    try:
        errors = wait_for(lambda: "\n".join(airflow.import_errors().values()), 120, "an import error")
        assert "nmae: there is no such field. Did you mean 'name'" in errors
        assert written.dag("train") in {d["dag_id"] for d in airflow.dags()}
    finally:
        (folder / "use_case.py").unlink()
