"""A small use case written by `gyre new`, with data made here: what tests of the platform run on."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gyre.clients.object_store import Objects
from gyre.lake import Lake
from gyre.stack.airflow_api import AirflowApi

FIRST = datetime(2026, 1, 1)  # noqa: DTZ001 - the name of a day
ROWS_A_DAY = 60
PHASES = ("ingest", "label", "train", "deploy", "monitor")


def wait_for(condition: Callable[[], Any], seconds: float = 240, what: str = "it") -> Any:
    """Wait until a condition is true and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what} in vain"
        time.sleep(0.2)
    return found


@dataclass(frozen=True)
class Small:
    """One use case of the template, and its data in the bucket."""

    name: str
    airflow: AirflowApi

    def deliver(self, day: int, bias: float = 0.0) -> None:
        """Put one day of rows and of outcomes into the bucket; row 5 of day 3 has a negative amount."""
        rng = np.random.default_rng(day)
        date = FIRST + timedelta(days=day)
        hours = rng.integers(0, 24, ROWS_A_DAY)
        rows = pl.DataFrame(
            {
                "id": [f"{day}-{n}" for n in range(ROWS_A_DAY)],
                "happened_at": [date + timedelta(hours=int(h), minutes=n % 60) for n, h in enumerate(hours)],
                "amount": rng.gamma(2, 50, ROWS_A_DAY),
                "channel": rng.choice(["web", "shop", "phone"], ROWS_A_DAY),
            }
        )
        if day == 3:
            rows = rows.with_columns(pl.when(pl.col("id") == "3-5").then(-1.0).otherwise(pl.col("amount")).alias("amount"))
        chance = 1 / (1 + np.exp(-(rows["amount"].to_numpy() - 100) / 20 - (rows["channel"] == "phone").to_numpy() * 2 - bias))
        known = (rng.random(ROWS_A_DAY) < chance).astype(int)
        outcomes = pl.DataFrame({"id": rows["id"], "known_at": rows["happened_at"] + timedelta(minutes=30), "outcome": known})
        self._put("rows", date, rows)
        self._put("outcomes", date, outcomes)

    def _put(self, what: str, date: datetime, frame: pl.DataFrame) -> None:
        uri = f"s3://gyre/incoming/{self.name}/{what}/{date:%Y-%m-%d}.parquet"
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        Objects.of("gyre_lake", uri).write(uri, buffer.getvalue())

    def dag(self, phase: str) -> str:
        """Name a phase's DAG."""
        return f"{self.name}__{phase}"

    def wait_for_dags(self) -> None:
        """Wait until Airflow shows its five DAGs."""
        wanted = {self.dag(phase) for phase in PHASES}
        wait_for(lambda: wanted <= {d["dag_id"] for d in self.airflow.dags()}, 120, f"the DAGs of {self.name}")

    def trigger(self, phase: str, **params: Any) -> str:
        """Start a run and return its id."""
        return self.airflow.trigger(self.dag(phase), params)

    def run(self, phase: str, **params: Any) -> str:
        """Start a run, insist that it ends well, and return its id."""
        run_id = self.trigger(phase, **params)
        state = self.airflow.wait(self.dag(phase), run_id, timeout=300)
        assert state == "success", self.explain(phase, run_id)
        return run_id

    def explain(self, phase: str, run_id: str) -> str:
        """Give the states and the last log lines of a run's tasks, for the message of a failed assertion."""
        lines = [f"{self.dag(phase)} {run_id}"]
        for task in self.airflow.task_instances(self.dag(phase), run_id):
            lines.append(f"--- {task['task_id']}: {task['state']}")
            if task["state"] == "failed":
                lines.append(self.airflow.logs(self.dag(phase), run_id, task["task_id"], task["try_number"])[-2500:])
        return "\n".join(lines)

    def rows(self, table: str) -> pl.DataFrame:
        """Read a table of its lake."""
        lake = Lake.of(self.name)
        return pl.scan_delta(lake.uri(table), storage_options=dict(lake.options)).collect()

    def job_of(self, run_id: str, task: str) -> Path | None:
        """Find the folder of the job a run's task has started."""
        found = [p for p in (Path(os.environ["GYRE_HOME"]) / "jobs" / self.name).glob(f"*{task}-*") if slug(run_id) in p.name and (p / "pid").exists()]
        return found[0] if found else None


def slug(run_id: str) -> str:
    """Write a run's id as it is part of its jobs' names."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", run_id)


def write_with_gyre_new(stack: Any, airflow: AirflowApi, name: str, days: int) -> Small:
    """Write the folder with `gyre new`, deliver its data, and wait until Airflow shows its DAGs."""
    made = stack.gyre("new", name)
    assert made.returncode == 0, made.stderr
    small = Small(name, airflow)
    for day in range(days):
        small.deliver(day)
    small.wait_for_dags()
    return small
