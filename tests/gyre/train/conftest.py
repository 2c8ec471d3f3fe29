"""Use cases of each kind of task, with their rows in a lake of files and an MLflow of one SQLite file: no server is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gyre.lake import PARTITION, Lake
from gyre.specs import UseCase, load_use_case
from gyre.specs.train_messages import TrainingPlan, TrainingRequest

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 30

USE_CASE = """
from datetime import datetime, timedelta, UTC
from gyre.specs import *
use_case = UseCase(
    name="{name}", task="{task}", keys=["id"], event_time="at",
    sources=dict(facts=Table(connection="db", table="facts", watermark="at")),
    schedule=Schedule(start=datetime(2024, 1, 1, tzinfo=UTC)),
    features=Features(function="use_cases.{name}.code:features", numeric=["a", "b"], categorical=["c"]),
    expectations="use_cases.{name}.code:expectations",
    labels=Facts(source="facts", function="use_cases.{name}.code:labels"),
    training=Training(function="use_cases.{name}.code:train", parameters=dict(depth=3, rate=0.1), min_rows=50, **{training}),
    promotion=Promotion(metric="{metric}"),
)
"""

CODE = """
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.impute import SimpleImputer

CALLS = []
def features(sources, interval): ...
def expectations(): ...
def labels(events): ...
def train(train, validation, parameters):
    CALLS.append(parameters)
    final = GradientBoostingRegressor(max_depth=parameters["depth"]) if "{task}" == "regression" else LogisticRegression()
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"]), ("n", SimpleImputer(), ["a", "b"])])
    return Pipeline([("encode", encode), ("model", final)]).fit(train.drop(columns="label"), train["label"])
"""


@dataclass(frozen=True)
class Workshop:
    """A use case on disk, its labelled rows in a lake, and the folder of its use cases."""

    use_case: UseCase
    lake: Lake
    folder: Path

    def request(self, job_id: str, **changes: Any) -> TrainingRequest:
        """Ask for a training that holds out the last seven days."""
        plan = {"reason": "a test", "parameters": {"depth": 3, "rate": 0.1}, "table_version": 0, "start": START}
        plan |= {"train_end": START + timedelta(days=DAYS - 7), "data_end": START + timedelta(days=DAYS), **changes}
        about = {"job": "train", "use_case": self.use_case.name, "environment": "tabular", "connections": ["gyre_mlflow"], "dag_id": "d", "run_id": "r"}
        return TrainingRequest(job_id=job_id, plan=TrainingPlan(**plan), **about)


def labelled_frame(task: str, rows: int = 600) -> Any:
    """Make rows whose label depends on `a` and `c`; some numbers and texts are missing."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"id": np.arange(rows), "at": pd.to_datetime(START) + pd.to_timedelta(np.linspace(0, DAYS * 24 - 1, rows), "h")})
    frame["a"], frame["b"] = rng.normal(size=rows), rng.normal(size=rows)
    frame["c"] = pd.Series(rng.choice(["x", "y", "z"], rows), dtype="object")
    signal = frame["a"] + (frame["c"] == "x") + rng.normal(scale=0.5, size=rows)
    names = np.array(["high", "low", "mid"])
    frame["label"] = {"binary": (signal > 0).astype(int), "regression": signal, "multiclass": names[np.digitize(signal, [-0.3, 0.8])]}[task]
    frame.loc[3, "a"], frame.loc[4, "c"] = np.nan, None
    frame["labelled_at"] = frame["at"] + pd.Timedelta(days=1)
    frame["_interval"] = frame["at"].dt.strftime("%Y-%m-%dT00:00:00Z")
    return frame


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workshop]]:
    """Build a use case: `workshop("binary")`."""

    def build(task: str, frame: Any = None, code: str = "", **training: Any) -> Workshop:
        pytest.importorskip("polars", reason="needs the environment 'tabular'")
        from deltalake import write_deltalake
        from polars import from_pandas

        name = f"{task}_case"
        folder = tmp_path / "use_cases" / name
        folder.mkdir(parents=True)
        metric = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae"}[task]
        (folder / "use_case.py").write_text(USE_CASE.format(name=name, task=task, metric=metric, training=training))
        (folder / "code.py").write_text(CODE.replace("{task}", task) + code)
        (tmp_path / "use_cases" / "__init__.py").touch()
        forget_use_cases()
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("GYRE_USE_CASES", str(tmp_path / "use_cases"))
        monkeypatch.setenv("GYRE_LAKE_URI", f"file://{tmp_path}/lake")
        lake = Lake.of(name)
        rows = labelled_frame(task) if frame is None else frame
        write_deltalake(lake.uri("labelled"), from_pandas(rows), partition_by=[PARTITION])
        return Workshop(load_use_case(name), lake, folder.parent)

    yield build
    forget_use_cases()


def forget_use_cases() -> None:
    """Let the next import of a use case look at the folder that then is in front."""
    for module in [name for name in sys.modules if name == "use_cases" or name.startswith("use_cases.")]:
        del sys.modules[module]


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow of one file, for the whole session: making its tables takes seconds."""
    return tmp_path_factory.mktemp("mlflow") / "mlflow.db"


@pytest.fixture
def mlflow_connection(mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the connection `gyre_mlflow`."""
    pytest.importorskip("sklearn", reason="needs the environment 'tabular'")
    monkeypatch.chdir(mlflow_database.parent)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    extra = {"tracking_uri": f"sqlite:///{mlflow_database}"}
    monkeypatch.setenv("GYRE_CONN_GYRE_MLFLOW", json.dumps({"conn_type": "http", "host": "127.0.0.1", "extra": extra}))
