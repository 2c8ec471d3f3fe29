"""Watching a model on the real object store, journal and proxy."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import write_deltalake

from gyre.clients.envoy_stats import traffic_of
from gyre.errors import NothingToDo
from gyre.journal import Kind
from gyre.lake import Lake
from gyre.monitor.collect import collect
from gyre.monitor.decide import request_retraining
from gyre.run import Run
from gyre.specs import load_use_case

pytestmark = pytest.mark.stack

NOON = datetime(2013, 3, 1, 17, tzinfo=UTC)


@pytest.fixture
def use_case(stack):
    return load_use_case("flight_delay").model_copy(update={"name": "watched"})


def test_logged_predictions_land_in_the_bucket_once(stack, use_case, tmp_path):
    lake = Lake.of("watched")
    row = {"flight_id": "2013-03-01-AA-1-JFK", "scheduled_departure": NOON} | dict.fromkeys(use_case.features.numeric, 1.0)
    row |= dict.fromkeys(use_case.features.categorical, "AA")
    write_deltalake(
        lake.uri("validated"), pl.DataFrame([row]).with_columns(_interval=pl.lit("2013-03-01T05:00:00Z")),
        partition_by=["_interval"], storage_options=dict(lake.options),
    )  # fmt: skip
    (tmp_path / "1").mkdir()
    sent = {"prediction_id": "p", "version": 1, "at": NOON.isoformat(), "row": row | {"scheduled_departure": NOON.isoformat()}, "prediction": 0.5}
    (tmp_path / "1" / "a.jsonl").write_text(json.dumps(sent) + "\n")
    assert [collect(use_case, lake, tmp_path).rows for _ in range(3)] == [1, 0, 0]
    assert pl.scan_delta(lake.uri("predictions"), storage_options=dict(lake.options)).collect().height == 1


def test_twenty_workers_with_the_same_alarm_ask_for_one_training(stack, use_case):
    rule = next(rule for rule in use_case.monitoring.rules if rule.action == "alarm")
    proposal = {
        "rule": rule.name, "statistic": rule.statistic, "version": 1, "night": NOON.isoformat(), "value": 0.2, "threshold": 0.06, "rows": 6000,
        "window_start": (NOON - timedelta(days=7)).isoformat(), "window_end": NOON.isoformat(),
    }  # fmt: skip
    stack.journal.add("watched", Kind.PROMOTION_FINISHED, "p1", {"version": 1, "previous": None})
    stack.journal.add("watched", Kind.MONITORED, "1/night", {"proposal": proposal, "report": "s3://page.html"})

    def ask(number):
        try:
            return request_retraining(use_case, Run("watched__monitor", f"r{number}", "request_retraining"), stack.journal, None)
        except NothingToDo:
            return None

    with ThreadPoolExecutor(20) as pool:
        asked = [answer for answer in pool.map(ask, range(20)) if answer]
    assert len(asked) == 1
    assert len(list(stack.journal.entries("watched", Kind.RETRAIN_REQUESTED))) == 1


def test_the_proxy_can_be_asked_for_traffic(stack):
    assert traffic_of("watched-1", stack.settings.url("envoy_admin")).requests == 0
