"""The training job as its own process, against the real MLflow and S3: killed anywhere and run again, it leaves one run and one version."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gyre.clients.mlflow import Registry
from gyre.clients.object_store import lake_objects
from gyre.jobs.contract import request_uri, result_uri
from gyre.lake import PARTITION, Lake
from gyre.settings import Settings
from gyre.specs import load_use_case
from gyre.specs.train_messages import TrainingRequest, TrainingResult
from tests.gyre.train.conftest import CODE, USE_CASE, Workshop, forget_use_cases, labelled_frame

pytestmark = pytest.mark.stack

# Where a try is killed: just after the call of that name has come back.
STOPS = {
    "model logged": "gyre.jobs.train.log_model",
    "registered": "gyre.jobs.train.register",
}
KILLED_AT = """
import os, signal, sys
from unittest.mock import patch
from gyre.jobs import train
from gyre.jobs.contract import main
from gyre.specs.train_messages import TrainingRequest
from pkgutil import resolve_name
real = resolve_name("{stop}")
def and_die(*given, **named):
    real(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
with patch("{stop}", and_die):
    main(TrainingRequest, train.work)
"""


@pytest.fixture(scope="module")
def shop(stack, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A use case with labelled rows in the stack's own lake."""
    from deltalake import write_deltalake
    from polars import from_pandas

    name = "killed_case"
    folder = tmp_path_factory.mktemp("shop") / "use_cases" / name
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "use_case.py").write_text(USE_CASE.format(name=name, task="binary", metric="log_loss", training={}))
    (folder / "code.py").write_text(CODE.replace("{task}", "binary"))
    lake = Lake.of(name)
    rows = from_pandas(labelled_frame("binary"))
    write_deltalake(lake.uri("labelled"), rows, partition_by=[PARTITION], storage_options=dict(lake.options), mode="overwrite")
    forget_use_cases()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder.parent.parent))
        use_case = load_use_case(name, Settings({**stack.environment, "GYRE_USE_CASES": str(folder.parent)}))
    forget_use_cases()
    return Workshop(use_case, lake, folder.parent)


def job(stack, shop: Workshop, request: TrainingRequest, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the job in its own environment; with `code`, in place of the entry point."""
    python = stack.settings.venvs / "tabular" / "bin" / "python"
    environment = {**stack.environment, "GYRE_USE_CASES": str(shop.folder), "OMP_NUM_THREADS": "1"}
    program = ["-c", code] if code else ["-m", "gyre.jobs.train"]
    command = [str(python), *program, "--request", request_uri(request)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("stop", STOPS)
def test_a_training_that_is_killed_and_tried_again_leaves_one_run_and_one_version(stack, shop: Workshop, stop: str):
    registry, objects = Registry.of(), lake_objects(shop.lake.root)
    request = shop.request(f"killed-{os.getpid()}-{int(time.time())}-{stop.replace(' ', '-')}")
    objects.write(request_uri(request), request.model_dump_json().encode())

    killed = job(stack, shop, request, KILLED_AT.format(stop=STOPS[stop]))
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert not objects.exists(result_uri(request_uri(request)))

    again = job(stack, shop, request)
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-2000:]
    result = TrainingResult.model_validate_json(objects.read(result_uri(request_uri(request))))
    name = shop.use_case.name
    made = [v.version for v in registry.versions(name) if v.tags["gyre.training_id"] == request.job_id]
    runs = registry.client.search_runs([registry.experiment(name)], f"tags.`gyre.training_id` = '{request.job_id}'")
    assert made == [result.version] == [registry.alias(name, "challenger")]
    assert [(run.info.run_id, run.info.status) for run in runs] == [(result.run_id, "FINISHED")]
    assert result.dataset.rows == 600


def test_a_run_leads_back_to_who_asked_and_to_the_rows_it_read(stack, shop: Workshop):
    registry, objects = Registry.of(), lake_objects(shop.lake.root)
    request = shop.request(f"told-{os.getpid()}-{int(time.time())}")
    objects.write(request_uri(request), request.model_dump_json().encode())
    done = job(stack, shop, request)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    result = TrainingResult.model_validate_json(objects.read(result_uri(request_uri(request))))
    run = registry.client.get_run(result.run_id)
    assert {k: run.data.tags[k] for k in ("gyre.dag_id", "gyre.run_id", "gyre.try_number")} == {"gyre.dag_id": "d", "gyre.run_id": "r", "gyre.try_number": "1"}
    assert run.data.params["depth"] == "3"
    assert run.data.metrics["validation/log_loss"] == pytest.approx(result.metrics["validation"]["log_loss"])
    assert run.inputs.dataset_inputs[0].dataset.digest == result.dataset.content_hash
    assert {f.path for f in registry.client.list_artifacts(result.run_id)} >= {"validation.png"}
    assert Path(result.run_url).name == result.run_id
