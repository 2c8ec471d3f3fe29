"""$name: what it is for, in a sentence.

Rows arrive as Parquet objects, one a day, in the lake's bucket:
    s3://gyre/incoming/$name/rows/2026-01-31.parquet       id, happened_at, amount, channel, note
People read the note in Label Studio and answer the question; what they agree on is the label.
Change the source, the columns and the question to yours; nothing else has to be touched.
"""

from datetime import datetime, timedelta

from gyre.specs import Features, Monitoring, Objects, People, Promotion, Rule, Schedule, TextClassification, Training, UseCase

$name = UseCase(
    name="$name",
    description="What is predicted, and for whom.",
    task="binary",
    keys=["id"],
    event_time="happened_at",
    private=[],  # columns that must never leave for Label Studio
    sources={"rows": Objects(connection="gyre_lake", uri="s3://gyre/incoming/$name/rows/{start:%Y-%m-%d}.parquet", event_time="happened_at")},
    schedule=Schedule(cron="0 6 * * *", timezone="UTC", start=datetime(2026, 1, 1)),  # noqa: DTZ001 - in `timezone`
    features=Features(function="use_cases.$name.features:features", numeric=["amount", "hour"], categorical=["channel"], carried=["note"]),
    expectations="use_cases.$name.expectations:suites",
    labels=People(
        template=TextClassification(text="note", choices=["no", "yes"]),  # or ImageClassification, BoundingBoxes, NamedEntities, AudioClassification, ...
        question="Does the writer complain?",
        instructions="<p>Answer yes if the writer is unhappy with us, whatever the reason.</p>",
        values={"no": 0, "yes": 1},
        annotators=2,
        agreement=0.6,
        budget=100,  # tasks of one interval
        sampling={"random": 0.5, "uncertain": 0.5},
    ),
    training=Training(function="use_cases.$name.training:train", parameters={"max_iter": 200}, validation=timedelta(days=2), min_rows=200),
    promotion=Promotion(metric="log_loss", rule="better", min_rows=100),
    monitoring=Monitoring(rules=[Rule(name="answers", statistic="prediction_psi", threshold=0.5, min_rows=300, action="alarm")]),
)
