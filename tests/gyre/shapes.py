"""A tiny torch use case with pictures of three shapes: what tests of torch models, binary columns and signals run on."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 20
NAME = "shapes"

USE_CASE = """
from datetime import datetime, timedelta, UTC
from gyre.specs import *
use_case = UseCase(
    name="shapes", environment="torch", task="multiclass", keys=["id"], event_time="at",
    sources=dict(pictures=Objects(uri="file:///nowhere/{{start:%Y-%m-%d}}/*.png", format="binary"), facts=Table(connection="db", table="facts")),
    schedule=Schedule(start=datetime(2024, 1, 1, tzinfo=UTC)),
    features=Features(function="use_cases.shapes.code:features", binary=["picture"], carried=["uri"]),
    expectations="use_cases.shapes.code:expectations",
    labels=Facts(source="facts", function="use_cases.shapes.code:labels"),
    training=Training(function="use_cases.shapes.code:train", inputs="use_cases.shapes.code:inputs", parameters=dict(epochs=6),
                      min_rows=10, seed=3, **{training}),
    promotion=Promotion(metric="accuracy"),
    monitoring=Monitoring(signals=["input_mean", "embedding_distance"], rules=[
        Rule(name="light", statistic="feature_psi", features=["input_mean"], min_rows=20, window=timedelta(days=2), action="alarm"),
        Rule(name="strange", statistic="feature_ks", features=["embedding_distance"], min_rows=20, window=timedelta(days=2)),
        Rule(name="confidence", statistic="prediction_psi", min_rows=20, window=timedelta(days=2)),
    ]),
)
"""

CODE = """
import io
import os
import time

import numpy as np
import torch
from PIL import Image

from gyre import progress

SEEN = []  # epochs this process trained
def features(sources, interval): ...
def expectations(): ...
def labels(events): ...

def inputs(frame):
    return np.stack([np.asarray(Image.open(io.BytesIO(p)), dtype=np.float32)[np.newaxis] / 255 for p in frame["picture"]])

class Net(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes_ = classes
        self.see, self.embed, self.tell = torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(64, 8), torch.nn.Linear(8, len(classes))
        self.drop = torch.nn.Dropout(0.1)
    def forward(self, pictures):
        embedding = torch.tanh(self.embed(torch.relu(self.see(pictures)).flatten(1)))
        return self.tell(self.drop(embedding)), embedding

def train(train, validation, parameters):
    net = Net(sorted(set(train["label"])))
    x, y = torch.from_numpy(inputs(train)), torch.tensor([net.classes_.index(label) for label in train["label"]])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    last = progress.restore()
    if last:
        state = torch.load(io.BytesIO(last.content), weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
    for epoch in range(last.step + 1 if last else 0, parameters["epochs"]):
        torch.manual_seed(epoch)
        net.train()
        for batch in torch.randperm(len(x)).split(16):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x[batch])[0], y[batch])
            loss.backward()
            optimizer.step()
        SEEN.append(epoch)
        print("epoch", epoch, flush=True)
        progress.log(epoch, loss=loss.item())
        buffer = io.BytesIO()
        torch.save(dict(net=net.state_dict(), optimizer=optimizer.state_dict()), buffer)
        progress.save(epoch, buffer.getvalue())
        if os.environ.get("HOLD_AFTER") == str(epoch):  # a test kills it here
            time.sleep(600)
    return net
"""


def picture(label: str, rng: np.random.Generator) -> np.ndarray:
    """Draw 6x6 grey values: a bar on top (0), on the left (1), or a spot (2)."""
    drawn = rng.integers(0, 60, (6, 6))
    where = {"0": np.s_[:2, :], "1": np.s_[:, :2], "2": np.s_[2:5, 2:5]}[label]
    drawn[where] = rng.integers(180, 255, drawn[where].shape)
    return drawn.astype(np.uint8)


def png(drawn: np.ndarray) -> bytes:
    """Write grey values as a PNG file."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(drawn).save(content, "PNG")
    return content.getvalue()


def shapes(rows: int = 300, days: int = DAYS, inverted_from: int | None = None) -> Any:
    """Make labelled rows, evenly spread over the days; from a day on, the camera gives negatives."""
    import pandas as pd

    rng = np.random.default_rng(0)
    labels = rng.choice(["0", "1", "2"], rows)
    hours = np.linspace(0, days * 24 - 1, rows)
    drawn = [picture(label, rng) for label in labels]
    if inverted_from is not None:
        drawn = [255 - d if hour >= inverted_from * 24 else d for d, hour in zip(drawn, hours, strict=True)]
    frame = pd.DataFrame({"id": [f"p{i}" for i in range(rows)], "at": pd.to_datetime(START) + pd.to_timedelta(hours, "h")})
    frame["at"] = frame["at"].astype("datetime64[us, UTC]")
    frame["picture"], frame["uri"] = pd.Series([png(d) for d in drawn], dtype="object"), [f"s3://bucket/p{i}.png" for i in range(rows)]
    frame["label"], frame["labelled_at"] = labels, frame["at"] + timedelta(hours=2)
    return frame.assign(_interval=frame["at"].dt.strftime("%Y-%m-%dT00:00:00Z"))


def write_use_case(folder: Path, code: str = "", **training: Any) -> None:
    """Write the use case into a folder of use cases."""
    (folder / NAME).mkdir(parents=True)
    (folder / NAME / "use_case.py").write_text(USE_CASE.format(training=training))
    (folder / NAME / "code.py").write_text(CODE + code)


def environment(folder: Path) -> dict[str, str]:
    """Give the variables of a process that works on this use case alone: a lake of files and an MLflow of one file."""
    extra = {"tracking_uri": f"sqlite:///{folder}/mlflow.db"}
    return {
        **os.environ,
        "GYRE_USE_CASES": str(folder / "use_cases"),
        "GYRE_LAKE_URI": f"file://{folder}/lake",
        "GYRE_HOME": str(folder / "home"),
        "GYRE_CONN_GYRE_MLFLOW": json.dumps({"conn_type": "http", "host": "127.0.0.1", "extra": extra}),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }
