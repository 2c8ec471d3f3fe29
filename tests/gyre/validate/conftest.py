"""A small use case: facts of a table, one feature."""

from datetime import UTC, datetime

import pytest

from gyre.specs import Facts, Features, Promotion, Schedule, Table, Training, UseCase


@pytest.fixture
def use_case() -> UseCase:
    return UseCase(
        name="small",
        task="binary",
        keys=["id"],
        event_time="at",
        sources={"facts": Table(connection="db", table="facts", watermark="at")},
        schedule=Schedule(start=datetime(2024, 1, 1, tzinfo=UTC)),
        features=Features(function="use_cases.small.code:features", numeric=["x"]),
        expectations="use_cases.small.code:suites",
        labels=Facts(source="facts", function="use_cases.small.code:labels"),
        training=Training(function="use_cases.small.code:train"),
        promotion=Promotion(metric="log_loss"),
    )
