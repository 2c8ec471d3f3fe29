"""Pictures through the endpoint: base64 in, label and probabilities out, and no bytes in the log."""

import base64
import json

import numpy as np
import pytest

from gyre.deploy.context import describe
from gyre.errors import UnusableRow
from gyre.serving.log import PredictionLog
from gyre.specs import Features, Monitoring
from tests.gyre.deploy.spec import use_case

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from gyre.serving.app import Endpoint, application

PICTURES = use_case().model_copy(
    update={
        "task": "multiclass",
        "features": Features(function="toy.code:features", numeric=["n0"], binary=["picture"], carried=["uri"]),
        "monitoring": Monitoring(signals=["light"]),
    }
)
SERVED = describe(PICTURES, 3)
CONTENT = b"\x89PNG and so on" * 20
TEXT = base64.b64encode(CONTENT).decode()
ROW = {"n0": 1.5, "picture": TEXT, "id": 7}


def answer(rows):
    """Answer by the bytes' length, as they arrive here."""
    return np.array([[0.1, 0.9] if len(row["picture"]) == len(CONTENT) else [0.9, 0.1] for row in rows]), {"light": np.array([0.5, np.nan][: len(rows)])}


@pytest.fixture
def client(tmp_path):
    endpoint = Endpoint(SERVED, answer, PredictionLog(tmp_path), ["0", "1"])
    return TestClient(application(SERVED, lambda: endpoint))


@pytest.mark.parametrize("sent", [TEXT, f"data:image/png;base64,{TEXT}"])
def test_a_picture_is_sent_as_base64_with_or_without_the_prefix_of_a_browser(client, sent):
    (given,) = client.post("/predict", json={"rows": [{**ROW, "picture": sent}]}).json()["predictions"]
    assert given["label"] == "1"
    assert given["probabilities"] == {"0": 0.1, "1": 0.9}


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("not base64!", 'a text: "not base64!"'),
        ("data:image/png,plain", 'a text: "data:image/png,plain"'),
        ("", 'a text: ""'),
        ("größe", 'a text: "größe"'),
        (None, "null: null"),
        (5, "a number: 5"),
        (["x"], 'a list: ["x"]'),
    ],
)
def test_what_is_no_base64_is_refused_with_row_and_field(client, sent, got):
    answered = client.post("/predict", json={"rows": [ROW, {**ROW, "picture": sent}]})
    assert answered.status_code == 422
    assert answered.json()["error"] == f"Row 1, field 'picture': expected bytes as a base64 text; got {got}."


def test_a_field_that_is_missing_beside_a_picture_is_told(client):
    answered = client.post("/predict", json={"rows": [{"picture": TEXT}, {"n0": 1}]}).json()
    assert [p["field"] for p in answered["problems"]] == ["n0", "picture"]


def test_bytes_the_model_cannot_read_are_refused_with_the_row(client, tmp_path):
    def broken(rows):
        raise UnusableRow(1, "toy.code:inputs", "UnidentifiedImageError: cannot identify image file")

    endpoint = Endpoint(SERVED, broken, PredictionLog(tmp_path), ["0", "1"])
    answered = TestClient(application(SERVED, lambda: endpoint)).post("/predict", json={"rows": [ROW, ROW]})
    assert answered.status_code == 422
    assert answered.json()["error"] == "Row 1: UnidentifiedImageError: cannot identify image file"
    assert answered.json()["problems"][0]["row"] == 1


def test_the_log_holds_signals_and_never_the_bytes(client, tmp_path):
    client.post("/predict", json={"rows": [ROW, ROW]})
    (log,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["signals"] for line in lines] == [{"light": 0.5}, {"light": None}]
    assert lines[0]["row"]["n0"] == 1.5
    assert lines[0]["row"]["picture"].startswith("sha256:")
    assert len(lines[0]["row"]["picture"]) == len("sha256:") + 16
    assert TEXT[:20] not in log.read_text()


def test_the_schema_says_how_bytes_are_sent(client):
    assert client.get("/schema").json()["fields"] == {"n0": "number or null", "picture": "base64 of bytes"}
