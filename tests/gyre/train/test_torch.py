"""A torch module from training to answers: logged to MLflow, loaded natively, asked one row and many, killed and resumed."""

from __future__ import annotations

import base64
import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the environment 'torch'")
pytest.importorskip("deltalake")

from gyre.errors import GyreError, InvalidUseCase, SourceUnreadable, UnusableRow
from gyre.frames import answers, model_frame, signals
from gyre.jobs.contract import request_uri, result_uri
from gyre.lake import PARTITION, Lake
from gyre.specs import UseCase, load_use_case
from gyre.specs.train_messages import TrainingPlan, TrainingRequest, TrainingResult
from tests.gyre.shapes import DAYS, NAME, START, environment, shapes, write_use_case
from tests.gyre.train.conftest import forget_use_cases


@dataclass(frozen=True)
class Shapes:
    """The use case, its lake, and the model that one training made of it."""

    folder: Path
    use_case: UseCase
    lake: Lake

    def request(self, job_id: str, **parameters: Any) -> TrainingRequest:
        plan = TrainingPlan(
            reason="a test", parameters={"epochs": 6, **parameters}, table_version=0, start=START,
            train_end=START + timedelta(days=DAYS - 7), data_end=START + timedelta(days=DAYS),
        )  # fmt: skip
        return TrainingRequest(job="train", job_id=job_id, use_case=NAME, environment="torch", connections=["gyre_mlflow"], plan=plan)


def build(folder: Path, code: str = "", **training: Any) -> Shapes:
    from deltalake import write_deltalake
    from polars import from_pandas

    write_use_case(folder / "use_cases", code, **training)
    forget_use_cases()
    sys.path.insert(0, str(folder))
    lake = Lake.of(NAME)
    write_deltalake(lake.uri("labelled"), from_pandas(shapes()), partition_by=[PARTITION])
    return Shapes(folder, load_use_case(NAME), lake)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("shapes")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(made).items():
            patch.setenv(name, value)
        patch.chdir(made)
        patch.setattr(sys, "path", [*sys.path])
        yield made
    forget_use_cases()


@pytest.fixture(scope="module")
def shop(folder: Path) -> Shapes:
    return build(folder)


@pytest.fixture(scope="module")
def result(shop: Shapes) -> TrainingResult:
    from gyre.jobs.train import work

    return work(shop.request("first"))


@pytest.fixture(scope="module")
def served(shop: Shapes, result: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The model as a Bento loads it."""
    import mlflow

    from gyre.serving.model import load_model

    target = tmp_path_factory.mktemp("served") / "model"
    return load_model(Path(mlflow.artifacts.download_artifacts(result.model_uri, dst_path=str(target))))


def frame(shop: Shapes, rows: int) -> Any:
    return model_frame(shapes(rows), shop.use_case.features)


def test_a_torch_module_is_trained_logged_and_registered(shop, result):
    assert result.metrics["validation"]["accuracy"] > 0.9 > result.baselines["dummy"]["accuracy"]
    assert result.classes == ["0", "1", "2"]
    assert not list(shop.lake.objects.list(shop.lake.uri("trainings")))  # nobody goes on from the checkpoints of a registered version


def test_what_is_logged_says_how_to_ask_it(result):
    import mlflow

    about = mlflow.models.get_model_info(result.model_uri)
    assert "pytorch" in about.flavors
    assert {k: about.metadata[k] for k in ("classes", "task", "inputs")} == {
        "classes": ["0", "1", "2"],
        "task": "multiclass",
        "inputs": "use_cases.shapes.code:inputs",
    }
    assert about.signature.inputs.inputs[0].shape == (-1, 1, 6, 6)
    pinned = mlflow.pyfunc.get_model_dependencies(result.model_uri)
    assert any(line.startswith("torch==") for line in Path(pinned).read_text().splitlines())


@pytest.mark.parametrize("rows", [1, 300])
def test_loaded_natively_it_answers_as_mlflow_does_for_one_row_and_for_many(shop, result, served, rows):
    from gyre.clients.mlflow_models import predict_as_logged

    asked = frame(shop, rows)
    native, found = answers(served, "multiclass", ["input_mean", "embedding_distance"], asked)
    assert native.shape == (rows, 3)
    assert np.abs(native - predict_as_logged(result.model_uri, asked)).max() < served.tolerance
    assert native.sum(axis=1) == pytest.approx(np.ones(rows), abs=1e-5)
    assert found["input_mean"].shape == found["embedding_distance"].shape == (rows,)


def test_signals_tell_a_negative_from_what_was_trained_on(shop, served):
    usual, negative = (
        signals(served, ["input_mean", "embedding_distance"], model_frame(shapes(200, inverted_from=day), shop.use_case.features)) for day in (99, 0)
    )
    assert usual["input_mean"].max() < negative["input_mean"].min()
    assert np.median(negative["embedding_distance"]) > np.quantile(usual["embedding_distance"], 0.95)


def test_a_signal_that_the_model_does_not_give_is_named(shop, served):
    with pytest.raises(GyreError, match=r"names 'input_meen', which the model does not give. Did you mean 'input_mean'"):
        signals(served, ["input_meen"], frame(shop, 2))
    with pytest.raises(GyreError, match=r"names 'x', which the model does not give. Known: none"):
        signals(object(), ["x"], frame(shop, 2))


def test_what_later_phases_need_holds_the_signals_and_no_bytes(shop, result):
    import pandas as pd

    reference = json.loads(shop.lake.objects.read(result.reference_uri))
    assert set(reference["numeric"]) == {"input_mean", "embedding_distance"}
    holdout = pd.read_parquet(result.holdout_uri.removeprefix("file://"))
    assert list(holdout.columns) == ["id", "at", "label", "prediction", "input_mean", "embedding_distance"]
    sample = json.loads(shop.lake.objects.read(result.sample_uri))
    assert base64.b64decode(sample["rows"][0]["picture"]).startswith(b"\x89PNG")
    assert sample["tolerance"] == 1e-4


def test_bytes_that_are_no_picture_are_told_by_row(shop, served):
    broken = frame(shop, 3)
    broken.loc[2, "picture"] = b"no picture"
    with pytest.raises(UnusableRow, match=r"Row 2 cannot be turned into the model's input by 'use_cases.shapes.code:inputs': UnidentifiedImageError"):
        served.predict_proba(broken)


def test_a_picture_of_another_size_is_told_by_row(shop, served):
    from tests.gyre.shapes import png

    other = frame(shop, 3)
    other.loc[1, "picture"] = png(np.zeros((9, 9), dtype=np.uint8))
    with pytest.raises(UnusableRow, match=r"Row 1 .* its input has shape \(1, 9, 9\), the model takes \(1, 6, 6\)"):
        served.predict_proba(other)


@pytest.mark.parametrize(("value", "held"), [(None, "nothing"), (b"", "nothing"), ("text", "a str")])
def test_missing_bytes_are_an_error_that_names_the_column(shop, value, held):
    rows = shapes(5)
    rows.loc[3, "picture"] = value
    with pytest.raises(SourceUnreadable, match=rf"'picture' is binary in the spec; 1 of 5 rows hold no bytes, row 3 holds {held}"):
        model_frame(rows, shop.use_case.features)


def test_a_signal_that_is_missing_is_told_before_anything_is_logged(shop):
    from gyre.specs import Monitoring
    from gyre.train import fitting, rows

    _, training, validation = rows.read(shop.use_case, shop.lake, shop.request("unwatched").plan)
    own = importlib.import_module("use_cases.shapes.code")
    other = shop.use_case.model_copy(update={"monitoring": Monitoring(signals=["blur"])})
    with pytest.raises(GyreError, match=r"names 'blur', which the model does not give. Known: embedding_distance, input_mean"):
        fitting.fit(other, own.train, training, validation, {"epochs": 1})


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("net.classes_ = net.classes_[:2]", r"with 3 logits and 2 `classes_`"),
        ("del net.classes_", r"returned a torch.nn.Module \(Net\) without `classes_`. Fix: set `module.classes_`"),
        ("net.classes_ = [0, 1, 2]", r"whose `classes_` \[0, 1, 2\] lack labels of the rows trained on: \['0', '1', '2'\]"),
    ],
)
def test_a_module_whose_classes_do_not_fit_is_refused(shop, code, text):
    from gyre.train import fitting, rows

    request = shop.request("unfit", epochs=1)
    _, training, validation = rows.read(shop.use_case, shop.lake, request.plan)
    own = importlib.import_module("use_cases.shapes.code")

    def train(train: Any, validation: Any, parameters: Any) -> Any:
        net = own.train(train, validation, parameters)
        exec(code, {"net": net})  # noqa: S102
        return net

    with pytest.raises(InvalidUseCase, match=text):
        fitting.fit(shop.use_case, train, training, validation, {"epochs": 1})


def test_a_module_that_depends_on_the_number_of_rows_is_refused(shop, folder):
    import mlflow
    import torch

    from gyre.clients.mlflow import Registry
    from gyre.clients.mlflow_models import log_model
    from gyre.train import fitting, rows

    class Fixed(torch.nn.Module):
        classes_ = ["0", "1", "2"]

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return sum(pictures[row].mean() for row in range(len(pictures))) + pictures.flatten(1)[:, :3]

    _, training, _ = rows.read(shop.use_case, shop.lake, shop.request("fixed").plan)
    model = fitting.adapted(shop.use_case, Fixed(), training)
    with (
        mlflow.start_run(experiment_id=Registry.of().experiment(NAME)),
        pytest.raises(InvalidUseCase, match=r"works for 5 rows at once and, exported, not for 1"),
    ):
        log_model(shop.use_case, model, training.frame.head(5))


@pytest.mark.parametrize(("task", "outputs"), [("binary", 1), ("binary", 2), ("regression", 1)])
def test_binary_and_regression_modules_answer_as_their_task_does(shop, task, outputs):
    import torch

    from gyre.train.torch_module import answering

    use_case = shop.use_case.model_copy(update={"task": task})
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, outputs))
    pictures = frame(shop, 10)
    model = answering(use_case, net, pictures, np.arange(10) % 2)
    own = net(torch.from_numpy(model.array(pictures))).detach().numpy()
    given, found = answers(model, task, ["input_mean"], pictures)
    if task == "regression":
        assert given == pytest.approx(own[:, 0], abs=1e-5)
    else:
        logit = own[:, 0] if outputs == 1 else own[:, 1] - own[:, 0]
        assert given == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)
        assert model.predict_proba(pictures).shape == (10, 2)
    assert list(found) == ["input_mean"]


def test_distances_are_those_of_mahalanobis(shop):
    from gyre.train.torch_module import embedding_space

    rng = np.random.default_rng(1)
    groups = np.arange(20_000) % 2
    rows = rng.multivariate_normal([0, 0], [[4, 1], [1, 1]], 20_000) + groups[:, np.newaxis] * 10
    space = embedding_space(rows, groups)
    point = np.array([1.0, 2.0])
    expected = np.sqrt(point @ np.linalg.inv([[4, 1], [1, 1]]) @ point)
    assert np.linalg.norm(point @ space.whitening - space.centres, axis=1).min() == pytest.approx(expected, rel=0.05)


def test_a_training_that_is_killed_goes_on_after_its_last_checkpoint_and_ends_as_one_that_was_not(shop, result):
    from gyre.clients.mlflow import Registry
    from gyre.clients.mlflow_models import predict_as_logged

    request = shop.request("killed")
    uri = request_uri(request)
    shop.lake.objects.write(uri, request.model_dump_json().encode())
    job = [sys.executable, "-m", "gyre.jobs.train", "--request", uri]
    variables = {**environment(shop.folder), "PYTHONPATH": str(Path(importlib.import_module("gyre").__file__).parents[1])}
    kept: list[str] = []
    with subprocess.Popen(job, env={**variables, "HOLD_AFTER": "3"}, cwd=shop.folder, stdout=subprocess.DEVNULL) as first:
        while "000003" not in kept:
            assert first.poll() is None
            time.sleep(0.1)
            kept = [info.uri.rpartition("/")[2] for info in shop.lake.objects.list(shop.lake.uri("trainings", "killed", "checkpoints"))]
        first.send_signal(signal.SIGKILL)
    assert first.returncode == -signal.SIGKILL
    kept = [info.uri.rpartition("/")[2] for info in shop.lake.objects.list(shop.lake.uri("trainings", "killed", "checkpoints"))]
    assert kept == ["000002", "000003"]

    again = subprocess.run(job, env=variables, cwd=shop.folder, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-2000:]
    assert [line for line in again.stdout.splitlines() if line.startswith("epoch")] == ["epoch 4", "epoch 5"]
    resumed = TrainingResult.model_validate_json(shop.lake.objects.read(result_uri(uri)))
    assert resumed.metrics["validation"] == pytest.approx(result.metrics["validation"], abs=1e-5)
    pictures = frame(shop, 50)
    assert np.abs(predict_as_logged(resumed.model_uri, pictures) - predict_as_logged(result.model_uri, pictures)).max() < 1e-4
    points = Registry.of().client.get_metric_history(resumed.run_id, "curve/loss")
    assert [point.step for point in points] == [0, 1, 2, 3, 4, 5]


def test_a_step_that_was_logged_before_the_kill_is_logged_once(shop):
    from gyre.clients.mlflow import Registry
    from gyre.clients.mlflow_runs import training_run

    for tried in (1, 2):
        with training_run(Registry.of(), NAME, "twice", {}) as run:
            run.log_step(0, {"loss": 0.5 / tried})
            run.log_step(tried, {"loss": 0.25})
            run.log({}, {}, {"curve/loss": [9.0, 9.0, 9.0, 0.125]})
            assert run.curves()["loss"][0] == 0.5
    points = run.registry.client.get_metric_history(run.run_id, "curve/loss")
    assert sorted((p.step, p.value) for p in points) == [(0, 0.5), (1, 0.25), (2, 9.0), (3, 0.125)]


def test_the_bento_holds_all_that_serving_a_torch_model_imports(shop, served, tmp_path):
    from gyre.deploy import context

    context.lay_out(shop.use_case, 1, tmp_path / "context")
    shutil.rmtree(tmp_path / "context" / "gyre" / "specs" / "__pycache__", ignore_errors=True)
    program = "import gyre.serving.model, gyre.serving.app, gyre.frames, use_cases.shapes.code; assert gyre.__file__.startswith('%s')" % (tmp_path / "context")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path / "context", env={"PYTHONPATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
