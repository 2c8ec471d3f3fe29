"""A small use case and a lake in a folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gyre.lake import Lake
from gyre.specs import Facts, Features, Monitoring, Promotion, Rule, Schedule, Table, Training, UseCase
from gyre.specs.monitor_messages import Measured, Night

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def make_use_case() -> Callable[..., UseCase]:
    def make(*rules: Rule, task: str = "binary", metric: str = "log_loss", timezone: str = "UTC", night: timedelta = timedelta(0), **schedule: Any) -> UseCase:
        return UseCase(
            name="shop",
            task=task,
            keys=["order_id"],
            event_time="ordered_at",
            sources={"orders": Table(connection="db", table="orders", watermark="ordered_at")},
            schedule=Schedule(start=datetime(2024, 1, 1), timezone=timezone, **schedule),  # noqa: DTZ001 - local
            features=Features(function="a:b", numeric=["amount"], categorical=["country"]),
            expectations="a:b",
            labels=Facts(source="orders", function="a:b"),
            training=Training(function="a:b"),
            promotion=Promotion(metric=metric),
            monitoring=Monitoring(rules=list(rules), night=night, bins=10),
        )

    return make


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setenv("GYRE_LAKE_URI", f"file://{tmp_path}/lake")
    monkeypatch.setenv("GYRE_HOME", str(tmp_path / "home"))
    return Lake.of("shop")


@pytest.fixture
def nights_of() -> Callable[..., list[Night]]:
    """Nights with one rule's statistic each: `nights_of("gap", [0.01, 0.2], threshold=0.06)`."""

    def make(rule: str, values: list[float | None], threshold: float | None = 0.06, rows: int = 5000, version: int = 1) -> list[Night]:
        return [
            Night(
                night=START + DAY * (i + 1),
                end=START + DAY * (i + 1),
                version=version,
                rows=rows,
                labelled=rows,
                published=rows,
                metrics={},
                calibration_gap=value,
                statistics={
                    rule: Measured(
                        value=value,
                        threshold=threshold,
                        rows=rows if value is not None else 0,
                        exceeded=value is not None and threshold is not None and value > threshold,
                    )
                },
            )
            for i, value in enumerate(values)
        ]

    return make
