"""Signals are watched as numeric features are, for a use case whose rows hold nothing but pictures."""

import io
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from gyre.frames import model_frame
from gyre.histograms import build_reference
from gyre.jobs import monitor as job
from gyre.specs import Facts, Features, Monitoring, Objects, Promotion, Rule, Schedule, Training, UseCase, cell_key
from gyre.specs.monitor_messages import MonitorRequest

pl = pytest.importorskip("polars")
deltalake = pytest.importorskip("deltalake")

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS, DAYS, WRONG_FROM = 100, 24, 20
RULES = [
    Rule(name="light", statistic="feature_psi", features=["light"], min_rows=50, window=2 * DAY, action="alarm"),
    Rule(name="confidence", statistic="prediction_psi", min_rows=50, window=2 * DAY),
]


@pytest.fixture
def use_case():
    return UseCase(
        name="shop",
        task="multiclass",
        keys=["id"],
        event_time="at",
        sources={"pictures": Objects(uri="file:///tmp/{start:%Y-%m-%d}/*", format="binary")},
        schedule=Schedule(start=START),
        features=Features(function="a:b", binary=["picture"], carried=["uri"]),
        expectations="a:b",
        labels=Facts(source="pictures", function="a:b"),
        training=Training(function="a:b", inputs="a:b"),
        promotion=Promotion(metric="accuracy"),
        monitoring=Monitoring(rules=RULES, signals=["light"], bins=50),
    )


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(DAYS), ROWS)
    frame = pd.DataFrame({"id": [f"p{i}" for i in range(day.size)], "at": pd.Series([START + DAY * int(d) for d in day]).astype("datetime64[us, UTC]")})
    frame["picture"] = pd.Series([bytes([i % 256, 1]) for i in range(day.size)], dtype="object")
    frame["uri"], frame["label"] = "s3://x", rng.choice(["0", "1"], day.size)
    frame["light"] = rng.normal(0.3, 0.05, day.size) + (day >= WRONG_FROM) * 0.4
    sure = np.where(day >= WRONG_FROM, 0.55, 0.95) + rng.uniform(-0.04, 0.04, day.size)
    frame["p1"] = np.where(frame["label"] == "1", sure, 1 - sure)
    frame["labelled_at"] = frame["at"] + DAY
    return frame.assign(_interval=[cell_key(START + DAY * int(d)) for d in day])


def log_lines(rows):
    for row in rows.itertuples():
        given = {"id": row.id, "at": row.at.isoformat(), "picture": "sha256:0123456789abcdef"}
        record = {"prediction_id": row.id, "version": 1, "at": "2024-03-01T00:00:00+00:00", "row": given, "signals": {"light": row.light}}
        yield json.dumps({**record, "prediction": [1 - row.p1, row.p1]}) + "\n"


@pytest.fixture
def world(lake, tmp_path, use_case, pictures, monkeypatch):
    monkeypatch.setattr(job, "load_use_case", lambda name: use_case)
    validated = pictures[["id", "at", "picture", "uri", "_interval"]]
    deltalake.write_deltalake(lake.uri("validated"), pl.from_pandas(validated), partition_by=["_interval"])
    deltalake.write_deltalake(lake.uri("labelled"), pl.from_pandas(pictures.drop(columns=["light", "p1"])), partition_by=["_interval"])
    early = pictures[pictures["at"] < START + 10 * DAY].reset_index(drop=True)
    answers = np.column_stack([1 - early["p1"], early["p1"]])
    reference = build_reference(model_frame(early, use_case.features), use_case.features, answers, bins=50, signals={"light": early["light"].to_numpy()})
    lake.objects.write(lake.uri("models", "reference.json"), reference.model_dump_json().encode())
    buffer = io.BytesIO()
    early[["id", "at", "label", "light"]].assign(prediction=answers.tolist()).to_parquet(buffer)
    lake.objects.write(lake.uri("models", "holdout.parquet"), buffer.getvalue())
    folder = tmp_path / "home" / "predictions" / "shop" / "1"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(log_lines(pictures[pictures["at"] >= START + 10 * DAY])))


def look(lake, day):
    request = MonitorRequest(
        job="monitor", job_id="j", use_case="shop", environment="torch", connections=[], version=1, ends=[START + DAY * day], classes=["0", "1"],
        reference_uri=lake.uri("models", "reference.json"), holdout_uri=lake.uri("models", "holdout.parquet"),
    )  # fmt: skip
    return job.monitor(request)


def test_a_camera_fault_is_seen_in_the_signal_and_in_the_confidence_with_derived_thresholds(world, lake):
    quiet = look(lake, 18)
    assert {v.rule: v.state for v in quiet.verdicts} == {"light": "ok", "confidence": "ok"}
    faulty = look(lake, 22)
    assert {v.rule: v.state for v in faulty.verdicts} == {"light": "alarm", "confidence": "advice"}
    light = faulty.nights[-1].statistics["light"]
    assert light.feature == "light"
    assert light.value > 10 * light.threshold > 0
    assert faulty.proposal.rule == "light"


def test_the_table_of_predictions_has_the_signal_and_no_bytes(world, lake):
    look(lake, 18)
    columns = pl.scan_delta(lake.uri("predictions")).collect_schema()
    assert columns["light"] == pl.Float64
    assert not {"picture", "uri"} & set(columns)


def test_the_report_shows_the_signal(world, lake):
    assert "<td>light</td>" in lake.objects.read(look(lake, 22).report).decode()


def test_a_signal_that_was_not_recorded_before_costs_no_night(world, lake, use_case, monkeypatch):
    look(lake, 18)
    more = use_case.model_copy(update={"monitoring": Monitoring(rules=RULES, signals=["light", "new"], bins=50)})
    monkeypatch.setattr(job, "load_use_case", lambda name: more)
    assert look(lake, 18).verdicts[0].state == "ok"
