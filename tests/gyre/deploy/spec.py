"""A small use case for the tests of promotion and deployment."""

from datetime import UTC, datetime

from gyre.specs import Facts, Features, Objects, Promotion, Schedule, Training, UseCase


def use_case(**promotion):
    return UseCase(
        name="toy",
        task="binary",
        keys=["id"],
        event_time="at",
        sources={"rows": Objects(uri="file:///tmp/{start:%Y-%m-%d}.parquet", event_time="at")},
        schedule=Schedule(start=datetime(2013, 1, 1, tzinfo=UTC)),
        features=Features(function="toy.code:features", numeric=["n0", "n1"], categorical=["c0"]),
        expectations="toy.code:suite",
        labels=Facts(source="rows", function="toy.code:labels"),
        training=Training(function="toy.code:train"),
        promotion=Promotion(**{"metric": "log_loss", **promotion}),
    )
