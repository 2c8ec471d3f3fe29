"""Which digit did somebody write? Scanned pictures arrive week by week, people label some of them, and a small network answers for all."""

from datetime import datetime, timedelta

from gyre.specs import Features, ImageClassification, Monitoring, Objects, People, Promotion, Rule, Schedule, Training, UseCase

digits = UseCase(
    name="digits",
    description="The digit on a scanned picture of 8x8 pixels.",
    owner="scanning",
    environment="torch",
    task="multiclass",
    keys=["scan_id"],
    event_time="taken_at",
    sources={"scans": Objects(connection="company_bucket", uri="s3://company/scans/{start:%Y-%m-%d}/*.png", format="binary")},
    schedule=Schedule(
        cron="0 6 * * 1",
        start=datetime(2026, 3, 2),  # noqa: DTZ001 - in the schedule's time zone, UTC
        end=datetime(2026, 3, 23),  # noqa: DTZ001
        interval=timedelta(days=7),
    ),
    features=Features(function="use_cases.digits.features:features", binary=["image"], carried=["image_uri"]),
    expectations="use_cases.digits.expectations:suites",
    labels=People(
        template=ImageClassification(image="image_uri", choices=[str(digit) for digit in range(10)]),
        question="Which digit is this?",
        instructions="<p>Choose the digit that was written. If two are possible, choose the likelier one. A picture may be dark on light or light on dark.</p>",
        annotators=2,
        agreement=0.75,
        budget=200,
        sampling={"uncertain": 0.5, "random": 0.5},
        answer_drift=100,
        prelabels=True,
        gold="s3://company/gold/digits.parquet",
        files="company_bucket",
    ),
    training=Training(
        function="use_cases.digits.training:train",
        inputs="use_cases.digits.training:inputs",
        parameters={"epochs": 80, "patience": 10, "batch": 32, "learning_rate": 2e-3, "weight_decay": 1e-3, "seed": 0},
        validation=timedelta(days=2),
        min_rows=150,
        timeout=timedelta(minutes=30),
    ),
    promotion=Promotion(
        metric="log_loss",
        rule="better",
        min_rows=30,
        block=timedelta(minutes=1),  # pictures share nothing with their neighbours: each is a block of its own
    ),
    monitoring=Monitoring(
        signals=["input_mean", "embedding_distance"],
        rules=[
            Rule(name="confidence", statistic="prediction_psi", threshold=0.7, min_rows=50, action="alarm"),
            Rule(name="brightness", statistic="feature_ks", features=["input_mean"], threshold=0.4, min_rows=50, action="alarm"),
            Rule(name="embedding", statistic="feature_ks", features=["embedding_distance"], threshold=0.5, min_rows=50),
        ],
    ),
)
