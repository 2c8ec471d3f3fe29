"""A real Bento: built from a model's files, booted as its own process, asked, killed."""

import json
import os
import signal
import subprocess
import tarfile
import time

import httpx
import pytest

from gyre.settings import REPOSITORY

PYTHON = REPOSITORY / ".venvs" / "tabular" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="environment 'tabular' is not installed")

BUILD = """
import sys
from pathlib import Path
import mlflow.sklearn, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from gyre.clients import bentoml
from gyre.deploy import context
from gyre.frames import model_frame
from tests.gyre.deploy.spec import use_case

toy, folder = use_case(), Path(sys.argv[1])
rows = pd.DataFrame({"n0": [0.0, 1, 2, 3] * 9, "n1": [1.0, 0, 1, 0] * 9, "c0": list("abca") * 9})
frame = model_frame(rows, toy.features)
model = make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["c0"]), remainder="passthrough"), LogisticRegression())
model.fit(frame, [0, 0, 1, 1] * 9)
context.lay_out(toy, 3, folder / "context")
mlflow.sklearn.save_model(model, folder / "context" / "model", serialization_format="skops", pip_requirements=[])
bentoml.build(folder / "context", context.SERVICE, "gyre_toy", "3", folder / "store", folder / "toy.bento")
print(model.predict_proba(frame.head(1))[0, 1])
"""
ROW = {"n0": 0.0, "n1": 1.0, "c0": "a"}


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    """The Bento's file, and what the model says about ROW."""
    folder = tmp_path_factory.mktemp("bento")
    (folder / "use_cases" / "toy").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'include'}:{REPOSITORY}", "GYRE_USE_CASES": str(folder / "use_cases")}
    built = subprocess.run([str(PYTHON), "-c", BUILD, str(folder)], capture_output=True, text=True, check=False, env=environment)
    assert built.returncode == 0, built.stderr
    return folder / "toy.bento", float(built.stdout.split()[-1])


@pytest.fixture
def boot(bento, tmp_path, unused_port):
    """Boot the Bento; what it runs from may be changed before."""
    processes = []

    def start(change=lambda _: None):
        folder = tmp_path / "served"
        with tarfile.open(bento[0]) as archive:
            archive.extractall(folder, filter="data")
        change(folder / "src")
        command = [str(PYTHON), "-m", "bentoml", "serve", str(folder), "--host", "127.0.0.1", "--port", str(unused_port)]
        environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}}
        environment |= {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True", "GYRE_PREDICTION_LOGS": str(tmp_path / "logs")}
        processes.append(subprocess.Popen(command, env=environment, start_new_session=True, cwd=tmp_path))
        return folder, processes[-1], f"http://127.0.0.1:{unused_port}"

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    pytest.fail(f"waited {seconds} s in vain")


def answers(url):
    try:
        return httpx.get(f"{url}/readyz", timeout=1, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_it_answers_as_the_model_does_and_records_it_and_its_worker_ends_with_it(boot, bento, tmp_path):
    _, process, url = boot()
    wait_for(lambda: answers(url))
    answer = httpx.post(f"{url}/predict", json={"rows": [ROW]}, trust_env=False).json()
    assert answer["predictions"][0]["probability"] == pytest.approx(bento[1], abs=1e-9)
    (log,) = (tmp_path / "logs" / "toy" / "3").glob("*.jsonl")
    assert json.loads(log.read_text())["row"] == ROW
    assert "bentoml_service_request_total" in httpx.get(f"{url}/metrics", trust_env=False).text

    process.kill()  # not politely: the supervisor must be able to start another on the same port
    wait_for(lambda: not answers(url), 10)


def test_a_model_that_cannot_be_loaded_leaves_word(boot):
    folder, _, _ = boot(lambda source: (source / "model" / "model.skops").write_text("broken"))
    wait_for(lambda: (folder / "src" / "failed.txt").exists())
    assert "File is not a zip file" in (folder / "src" / "failed.txt").read_text()
