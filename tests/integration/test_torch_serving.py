"""A torch model's real Bento: trained and logged by the job, built, booted as its own process, tried as a deployment tries it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from gyre.clients.endpoint import Endpoint
from gyre.deploy.trial import trial
from gyre.settings import REPOSITORY, Settings
from gyre.specs import load_use_case
from gyre.specs.train_messages import Sample
from tests.gyre.shapes import environment, picture, png
from tests.gyre.train.conftest import forget_use_cases

PYTHON = REPOSITORY / ".venvs" / "torch" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="environment 'torch' is not installed")

BUILD = """
import shutil, sys
from pathlib import Path
import mlflow
from deltalake import write_deltalake
from polars import from_pandas
from tests.gyre.shapes import NAME, START, DAYS, shapes, write_use_case
from datetime import timedelta
from gyre.clients import bentoml
from gyre.deploy import context
from gyre.jobs.train import work
from gyre.lake import Lake
from gyre.specs import load_use_case
from gyre.specs.train_messages import TrainingPlan, TrainingRequest

folder = Path(sys.argv[1])
write_use_case(folder / "use_cases")
lake = Lake.of(NAME)
write_deltalake(lake.uri("labelled"), from_pandas(shapes()), partition_by=["_interval"])
plan = TrainingPlan(reason="a test", parameters={"epochs": 6}, table_version=0, start=START,
                    train_end=START + timedelta(days=DAYS - 7), data_end=START + timedelta(days=DAYS))
made = work(TrainingRequest(job="train", job_id="j", use_case=NAME, environment="torch", connections=[], plan=plan))
context.lay_out(load_use_case(NAME), 3, folder / "context")
mlflow.artifacts.download_artifacts(made.model_uri, dst_path=str(folder / "downloaded"))
shutil.copytree(folder / "downloaded", folder / "context" / "model")
bentoml.build(folder / "context", context.SERVICE, "gyre_shapes", "3", folder / "store", folder / "shapes.bento")
shutil.copy(made.sample_uri.removeprefix("file://"), folder / "sample.json")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Bento and the sample that its training left."""
    folder = tmp_path_factory.mktemp("shapes")
    variables = {**environment(folder), "PYTHONPATH": f"{REPOSITORY / 'include'}:{REPOSITORY}"}
    done = subprocess.run([str(PYTHON), "-c", BUILD, str(folder)], capture_output=True, text=True, check=False, env=variables, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def url(built: Path) -> Iterator[str]:
    """Where the booted Bento answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tarfile.open(built / "shapes.bento") as archive:
        archive.extractall(built / "served", filter="data")
    variables = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}}
    variables |= {"BENTOML_HOME": str(built / "home"), "BENTOML_DO_NOT_TRACK": "True", "GYRE_PREDICTION_LOGS": str(built / "logs"), "OMP_NUM_THREADS": "1"}
    command = [str(PYTHON), "-m", "bentoml", "serve", str(built / "served"), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=variables, start_new_session=True, cwd=built) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while not Endpoint(address).is_ready():
                assert time.monotonic() < deadline, "waited 120 s in vain"
                assert process.poll() is None, "the Bento's process ended"
                time.sleep(0.2)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def test_the_deployments_trial_finds_mlflows_answers_the_specs_fields_and_a_quick_service(built, url):
    forget_use_cases()
    use_case = load_use_case("shapes", Settings({**os.environ, "GYRE_USE_CASES": str(built / "use_cases")}))
    forget_use_cases()
    gates = trial(use_case, 3, Endpoint(url), Sample.model_validate_json((built / "sample.json").read_bytes()))
    assert {gate.name: gate.passed for gate in gates} == {"service_schema": True, "service_answers": True, "service_latency": True}, gates
    assert next(g for g in gates if g.name == "service_answers").values["rows"] == 20


def test_a_picture_goes_in_and_its_label_comes_out_and_what_is_recorded_are_signals_and_no_bytes(built, url):
    sent = base64.b64encode(png(picture("2", np.random.default_rng(5)))).decode()
    row = {"picture": sent, "id": "new", "at": "2024-02-01T00:00:00Z"}
    (answered,) = httpx.post(f"{url}/predict", json={"rows": [row]}, trust_env=False).json()["predictions"]
    assert answered["label"] == "2"
    assert sum(answered["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    (log,) = (built / "logs" / "shapes" / "3").glob("*.jsonl")
    (recorded,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert set(recorded["signals"]) == {"input_mean", "embedding_distance"}
    assert recorded["row"]["picture"].startswith("sha256:")
    assert sent not in log.read_text()


def test_bytes_that_are_no_picture_are_refused_with_the_row(url):
    good = base64.b64encode(png(picture("0", np.random.default_rng(5)))).decode()
    answered = httpx.post(f"{url}/predict", json={"rows": [{"picture": good}, {"picture": base64.b64encode(b"no picture").decode()}]}, trust_env=False)
    assert answered.status_code == 422
    assert answered.json()["error"].startswith("Row 1: UnidentifiedImageError: cannot identify image file")
