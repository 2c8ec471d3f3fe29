import json
import threading

import numpy as np
import pytest

from gyre.deploy.context import describe
from gyre.serving.log import PredictionLog
from tests.gyre.deploy.spec import use_case

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from gyre.serving.app import Endpoint, application

SERVED = describe(use_case(), 3)
ROW = {"n0": 1.5, "n1": None, "c0": "a", "id": 7}


def client(folder, served=SERVED, predict=lambda rows: np.full(len(rows), 0.25), classes=()):
    endpoint = Endpoint(served, lambda rows: (predict(rows), {}), PredictionLog(folder), list(classes))
    return TestClient(application(served, lambda: endpoint))


def recorded(folder):
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_each_row_gets_a_probability_and_an_id_of_its_own(tmp_path):
    answer = client(tmp_path).post("/predict", json={"rows": [ROW, ROW]}).json()
    assert (answer["model"], answer["version"]) == ("toy", 3)
    assert [p["probability"] for p in answer["predictions"]] == [0.25, 0.25]
    assert len({p["prediction_id"] for p in answer["predictions"]}) == 2


def test_a_prediction_is_recorded_with_the_row_as_it_was_sent(tmp_path):
    answer = client(tmp_path).post("/predict", json={"rows": [ROW]}, headers={"x-request-id": "r1"}).json()
    (entry,) = recorded(tmp_path)
    assert entry.pop("at").endswith("+00:00")
    assert entry == {"prediction_id": answer["predictions"][0]["prediction_id"], "request_id": "r1", "version": 3, "row": ROW, "prediction": 0.25}


def test_a_refused_request_is_not_recorded(tmp_path):
    assert client(tmp_path).post("/predict", json={"rows": [{}]}).status_code == 422
    assert recorded(tmp_path) == []


def test_a_trial_of_the_deployment_is_not_recorded(tmp_path):
    client(tmp_path).post("/predict", json={"rows": [ROW]}, headers={"x-gyre-replay": "1"})
    assert recorded(tmp_path) == []


def test_several_classes_are_answered_with_the_likeliest_and_all_probabilities(tmp_path):
    served = SERVED.model_copy(update={"task": "multiclass"})
    answer = client(tmp_path, served, lambda rows: np.array([[0.1, 0.7, 0.2]] * len(rows)), ["a", "b", "c"]).post("/predict", json={"rows": [ROW]}).json()
    assert answer["predictions"][0]["label"] == "b"
    assert answer["predictions"][0]["probabilities"] == {"a": 0.1, "b": 0.7, "c": 0.2}


def test_a_regression_is_answered_with_a_value(tmp_path):
    served = SERVED.model_copy(update={"task": "regression"})
    assert client(tmp_path, served).post("/predict", json={"rows": [ROW]}).json()["predictions"][0]["value"] == 0.25


def test_the_schema_names_every_field(tmp_path):
    schema = client(tmp_path).get("/schema").json()
    assert schema["fields"] == {"n0": "number or null", "n1": "number or null", "c0": "text or null"}
    assert schema["max_rows"] == 1000


def test_a_log_that_cannot_be_written_costs_the_record_and_not_the_answer(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    assert client(tmp_path / "file").post("/predict", json={"rows": [ROW]}).status_code == 200
    assert "1 predictions were not recorded" in caplog.text


def test_requests_at_once_do_not_tear_each_others_lines(tmp_path):
    log = PredictionLog(tmp_path)
    threads = [threading.Thread(target=lambda: [log.append([{"row": "x" * 500}] * 10) for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded(tmp_path)) == 1000
