"""The whole job on a small lake: thirty days of orders, of which the last ten go wrong."""

import io
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from gyre.histograms import build_reference
from gyre.jobs import monitor as job
from gyre.specs import Rule, cell_key
from gyre.specs.monitor_messages import MonitorRequest

pl = pytest.importorskip("polars")
deltalake = pytest.importorskip("deltalake")

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS = 200
GAP = Rule(name="gap", statistic="calibration_gap", threshold=0.15, min_rows=500, k=2, n=2, action="alarm")
DERIVED = Rule(name="derived", statistic="calibration_gap", min_rows=500, k=2, n=2)
DRIFT = Rule(name="drift", statistic="feature_psi", threshold=0.2, min_rows=500)


def orders(wrong_from=20, days=30):
    generator = np.random.default_rng(0)
    day = np.repeat(np.arange(days), ROWS)
    at = [START + DAY * int(d) + timedelta(minutes=int(m)) for d, m in zip(day, generator.integers(0, 1440, day.size), strict=True)]
    frame = pd.DataFrame({"order_id": [f"o{i}" for i in range(day.size)], "ordered_at": pd.Series(at).astype("datetime64[us, UTC]")})
    frame["amount"], frame["country"] = generator.normal(size=day.size) + (day >= wrong_from) * 3, "de"
    frame["label"] = (generator.random(day.size) < np.where(day >= wrong_from, 0.7, 0.3)).astype("int64")
    frame["labelled_at"] = frame["ordered_at"] + timedelta(hours=2)
    return frame.assign(_interval=[cell_key(START + DAY * int(d)) for d in day])


def log_of(rows, version=1, prediction=0.3, at="2024-03-01T00:00:00+00:00", first=0):
    for i, row in enumerate(rows.itertuples(), start=first):
        given = {"order_id": row.order_id, "ordered_at": row.ordered_at.isoformat(), "amount": row.amount, "country": row.country}
        record = {"prediction_id": f"p{i}", "request_id": "r", "version": version, "at": at, "row": given, "prediction": prediction}
        yield json.dumps(record) + "\n"


@pytest.fixture
def world(lake, tmp_path, make_use_case, monkeypatch):
    rows = orders()
    use_case = make_use_case(GAP, DERIVED, DRIFT)
    monkeypatch.setattr(job, "load_use_case", lambda name: use_case)
    deltalake.write_deltalake(lake.uri("validated"), pl.from_pandas(rows.drop(columns=["label", "labelled_at"])), partition_by=["_interval"])
    deltalake.write_deltalake(lake.uri("labelled"), pl.from_pandas(rows), partition_by=["_interval"])
    early = rows[rows["ordered_at"] < START + 10 * DAY]
    reference = build_reference(early, use_case.features, np.full(len(early), 0.3), bins=50)
    lake.objects.write(lake.uri("models", "reference.json"), reference.model_dump_json().encode())
    buffer = io.BytesIO()
    early[["order_id", "ordered_at", "label"]].assign(prediction=0.3).to_parquet(buffer)
    lake.objects.write(lake.uri("models", "holdout.parquet"), buffer.getvalue())
    folder = tmp_path / "home" / "predictions" / "shop" / "1"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(log_of(rows[rows["ordered_at"] >= START + 10 * DAY])))
    return rows, folder


def look(lake, first, last, version=1):
    ends = [START + DAY * day for day in range(first, last + 1)]
    request = MonitorRequest(
        job="monitor", job_id="j", use_case="shop", environment="tabular", connections=[], version=version, ends=ends,
        reference_uri=lake.uri("models", "reference.json"), holdout_uri=lake.uri("models", "holdout.parquet"),
    )  # fmt: skip
    return job.monitor(request)


def test_quiet_nights_are_quiet_and_bad_ones_raise_the_alarm_that_says_when(world, lake):
    assert look(lake, 11, 20).proposal is None
    found = look(lake, 21, 25)
    assert found.proposal.rule == "gap"
    assert found.proposal.night == START + 24 * DAY  # the second night on which more than 15 points are missing of a week
    assert {v.rule: v.state for v in found.verdicts} == {"gap": "alarm", "derived": "advice", "drift": "advice"}
    assert found.features[1].feature == "amount"


def test_the_same_nights_give_the_same_figures_in_one_look_or_in_many(world, lake):
    week = look(lake, 18, 25).nights
    assert week == [night for day in range(18, 26) for night in look(lake, day, day).nights]


def test_a_label_counts_from_the_night_on_by_which_it_had_come(world, lake):
    rows, _ = world
    night = look(lake, 15, 15).nights[0]
    window = rows[(rows["ordered_at"] >= START + 10 * DAY) & (rows["ordered_at"] < START + 15 * DAY)]
    assert night.rows == len(window) == 5 * ROWS
    assert night.labelled == (window["labelled_at"] <= START + 15 * DAY).sum() < night.rows


def test_of_several_predictions_for_a_key_the_last_one_counts(world, lake):
    rows, folder = world
    again = rows[(rows["ordered_at"] >= START + 14 * DAY) & (rows["ordered_at"] < START + 15 * DAY)]
    (folder / "b.jsonl").write_text("".join(log_of(again, prediction=0.9, at="2024-03-02T00:00:00+00:00", first=100_000)))
    (folder / "c.jsonl").write_text("".join(log_of(again, prediction=0.1, at="2024-02-01T00:00:00+00:00", first=200_000)))
    night = look(lake, 15, 15).nights[0]
    assert night.rows == 5 * ROWS
    assert night.calibration_gap > 0.1


def test_what_another_version_answered_does_not_count(world, lake):
    rows, folder = world
    (folder.parent / "2").mkdir()
    fresh = rows[rows["ordered_at"] >= START + 24 * DAY]
    (folder.parent / "2" / "a.jsonl").write_text("".join(log_of(fresh, version=2, prediction=0.7, first=50_000)))
    night = look(lake, 25, 25, version=2).nights[0]
    assert (night.rows, night.published) == (ROWS, 7 * ROWS)
    assert look(lake, 25, 25, version=2).verdicts[0].state == "not enough rows"
    assert look(lake, 30, 30, version=2).verdicts[0].state == "ok"


def test_doing_it_again_changes_nothing(world, lake):
    first, second = look(lake, 21, 25), look(lake, 21, 25)
    assert first.collected.rows == 20 * ROWS
    assert second == first.model_copy(update={"collected": second.collected})
    assert second.collected.rows == 0


def test_a_champion_that_answered_nothing_has_one_empty_night(world, lake):
    found = look(lake, 5, 6, version=7)
    assert [night.rows for night in found.nights] == [0]
    assert found.proposal is None


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.pictures = [], 0

    def handle_starttag(self, tag, attrs):
        self.pictures += tag == "svg"
        self.links += [value for name, value in attrs if name in ("src", "href")]


def test_the_page_stands_alone_and_shows_every_rule(world, lake):
    page = lake.objects.read(look(lake, 21, 25).report).decode()
    tags = _Tags()
    tags.feed(page)
    assert tags.links == []
    assert tags.pictures == 6
    assert all(name in page for name in ("gap", "derived", "drift", "The rules ask for a new model"))
