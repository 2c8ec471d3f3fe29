"""$name: what it is for, in a sentence.

Rows and outcomes arrive as Parquet objects, one a day, in the lake's bucket:
    s3://gyre/incoming/$name/rows/2026-01-31.parquet       id, happened_at, amount, channel
    s3://gyre/incoming/$name/outcomes/2026-01-31.parquet   id, known_at, outcome (0 or 1)
Change the sources, the columns and the functions to yours; nothing else has to be touched.
"""

from datetime import datetime, timedelta

from gyre.specs import Features, Facts, Monitoring, Objects, Promotion, Rule, Schedule, Training, UseCase

$name = UseCase(
    name="$name",
    description="What is predicted, and for whom.",
    task="binary",
    keys=["id"],
    event_time="happened_at",
    sources={
        "rows": Objects(connection="gyre_lake", uri="s3://gyre/incoming/$name/rows/{start:%Y-%m-%d}.parquet", event_time="happened_at"),
        "outcomes": Objects(connection="gyre_lake", uri="s3://gyre/incoming/$name/outcomes/{start:%Y-%m-%d}.parquet", event_time="known_at"),
    },
    schedule=Schedule(cron="0 6 * * *", timezone="UTC", start=datetime(2026, 1, 1)),  # noqa: DTZ001 - in `timezone`
    features=Features(function="use_cases.$name.features:features", numeric=["amount", "hour"], categorical=["channel"]),
    expectations="use_cases.$name.expectations:suites",
    labels=Facts(source="outcomes", function="use_cases.$name.features:labels", horizon=timedelta(days=30)),
    training=Training(function="use_cases.$name.training:train", parameters={"max_iter": 200}, validation=timedelta(days=7), min_rows=500),
    promotion=Promotion(metric="log_loss", rule="better", min_rows=100),
    monitoring=Monitoring(rules=[Rule(name="calibration", statistic="calibration_gap", k=3, n=3, min_rows=300, action="alarm")]),
)
