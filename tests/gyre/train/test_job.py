"""The training job, whole, for each kind of task."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from gyre.errors import BadParameters, InvalidUseCase

pytestmark = pytest.mark.usefixtures("mlflow_connection")


def work(request: Any) -> Any:
    """Run the job in this process."""
    from gyre.jobs.train import work as job

    return job(request)


def registry() -> Any:
    from gyre.clients.mlflow import Registry

    return Registry.of()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_training_registers_a_challenger_that_beats_the_dummy_and_leaves_what_later_phases_need(workshop, task):
    import numpy as np
    import pandas as pd

    from gyre.clients.mlflow_models import predict_as_logged

    shop = workshop(task)
    result = work(shop.request(f"{task}-1"))
    metric = shop.use_case.promotion.metric
    assert registry().alias(shop.use_case.name, "challenger") == result.version
    assert result.metrics["validation"][metric] < result.baselines["dummy"][metric]
    assert result.rows_train + result.rows_validation == result.dataset.rows == 600
    assert result.classes == (["high", "low", "mid"] if task == "multiclass" else [])
    sample = json.loads(shop.lake.objects.read(result.sample_uri))
    again = predict_as_logged(result.model_uri, pd.DataFrame(sample["rows"]))
    assert np.allclose(again, sample["predictions"])
    holdout = pd.read_parquet(result.holdout_uri.removeprefix("file://"))
    assert list(holdout.columns) == ["id", "at", "label", "prediction"]
    assert len(holdout) == result.rows_validation
    assert shop.lake.objects.exists(result.reference_uri)


def test_a_retry_after_registration_trains_and_registers_nothing_again(workshop):
    shop = workshop("binary")
    first = work(shop.request("retried"))
    calls = importlib.import_module("use_cases.binary_case.code").CALLS
    trained = len(calls)
    assert work(shop.request("retried")) == first
    assert len(calls) == trained
    assert [v.version for v in registry().versions("binary_case") if v.tags["gyre.training_id"] == "retried"] == [first.version]


def test_a_retry_after_a_failure_continues_the_same_run(workshop, monkeypatch):
    from gyre.jobs import train as job

    shop = workshop("binary")
    with monkeypatch.context() as broken:
        broken.setattr(job, "register", lambda *_: (_ for _ in ()).throw(ConnectionError("the registry is away")))
        with pytest.raises(ConnectionError):
            work(shop.request("continued"))
    result = work(shop.request("continued"))
    client = registry().client
    runs = client.search_runs([registry().experiment("binary_case")], "tags.`gyre.training_id` = 'continued'")
    assert [(r.info.run_id, r.info.status) for r in runs] == [(result.run_id, "FINISHED")]


def test_labels_that_are_neither_0_nor_1_name_the_function_that_makes_them(workshop):
    from tests.gyre.train.conftest import labelled_frame

    shop = workshop("binary", frame=labelled_frame("binary").assign(label=2))
    with pytest.raises(BadParameters, match=r"must be 0 or 1; found \[2.0\].*use_cases.binary_case.code:labels"):
        work(shop.request("bad-labels"))


def test_a_window_without_rows_says_where_none_lie(workshop):
    shop = workshop("binary")
    request = shop.request("no-rows")
    late = request.plan.model_copy(update={"train_end": request.plan.data_end, "data_end": request.plan.data_end.replace(year=2025)})
    with pytest.raises(BadParameters, match="no labelled rows to hold out"):
        work(request.model_copy(update={"plan": late}))


def test_a_type_of_ones_own_in_the_model_must_be_trusted_by_name(workshop):
    code = """
from sklearn.base import BaseEstimator
class Own(BaseEstimator):
    classes_ = (0, 1)
    def predict_proba(self, frame):
        import numpy as np
        return np.full((len(frame), 2), 0.5)
def train(train, validation, parameters):
    return Own()
"""
    with pytest.raises(InvalidUseCase, match=r"use_cases.binary_case.code.Own.*training.trusted_types"):
        work(workshop("binary", code=code).request("untrusted"))


def test_something_that_is_no_model_names_what_came_back(workshop):
    with pytest.raises(InvalidUseCase, match=r"returned a dict; a binary model needs predict_proba"):
        work(workshop("binary", code="\ndef train(train, validation, parameters):\n    return {}\n").request("no-model"))


def test_a_training_names_the_annotations_that_its_labels_come_from(workshop):
    import pandas as pd

    from tests.gyre.train.conftest import labelled_frame

    by_people = labelled_frame("binary").assign(labelled_by="ann@x.org, ben@x.org", annotations="7,8", label_project=3)
    result = work(workshop("binary", frame=by_people).request("annotated"))
    logged = pd.read_csv(registry().client.download_artifacts(result.run_id, "annotations.csv"))
    assert (len(logged), list(logged.columns[:4])) == (600, ["id", "label", "annotations", "labelled_by"])
    assert set(logged["annotations"]) == {"7,8"}
    plain = work(workshop("regression").request("facts"))
    assert "annotations.csv" not in [file.path for file in registry().client.list_artifacts(plain.run_id)]


def test_what_a_training_leaves_is_what_chooses_rows_for_people(workshop, monkeypatch):
    """The push job asks the version that serves, and knows what it was trained on."""
    import numpy as np

    from gyre.clients import mlflow_files
    from gyre.frames import model_frame
    from gyre.jobs.push import champion_of

    def fetch(registry: Any, name: str, version: int, folder: Any) -> None:
        import mlflow.artifacts

        mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=str(folder))

    monkeypatch.setattr(mlflow_files, "download", fetch)  # it speaks to a server; here MLflow is a file
    shop = workshop("multiclass")
    made = work(shop.request("asked-by-push"))
    champion = champion_of(shop.use_case, shop.lake, made.version)
    rows = shop.lake.table("labelled").to_pyarrow_table().to_pandas().head(20)
    answers, signals = champion.answer(model_frame(rows, shop.use_case.features))
    assert (champion.version, champion.classes, signals) == (made.version, ["high", "low", "mid"], {})
    assert answers.shape == (20, 3)
    assert np.allclose(answers.sum(axis=1), 1)
    assert champion.reference is not None
    assert set(champion.reference.numeric) == {"a", "b"}
