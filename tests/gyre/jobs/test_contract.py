"""What a job that gives up leaves for the one who asked, and what code it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gyre import code_bundle
from gyre.errors import LabelStudioRefused, LabelStudioUnreachable
from gyre.jobs.contract import load, main
from gyre.specs.label_messages import CollectRequest, CollectResult

ABOUT = {"job": "collect", "job_id": "c", "use_case": "letters", "environment": "tabular", "connections": []}


def run(folder: Path, monkeypatch, work: Callable[[CollectRequest], CollectResult], **more: Any) -> dict[str, Any]:
    request = CollectRequest(**ABOUT, start="2024-01-01T00:00:00Z", end="2024-01-02T00:00:00Z", **more)
    (folder / "request.json").write_text(request.model_dump_json())
    monkeypatch.setattr(sys, "argv", ["job", "--request", f"file://{folder}/request.json"])
    with pytest.raises(SystemExit):
        main(CollectRequest, work)
    assert not (folder / "result.json").exists()
    return dict(json.loads((folder / "error.json").read_text()))


def raising(error: Exception) -> Callable[[CollectRequest], CollectResult]:
    def work(asked: CollectRequest) -> CollectResult:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "failure"),
    [(LabelStudioUnreachable("Label Studio at http://x cannot be asked"), "infrastructure"), (LabelStudioRefused("no such token"), "user")],
    ids=["time may mend it", "a person must mend it"],
)
def test_an_error_that_was_foreseen_says_its_own_words(tmp_path, monkeypatch, error, failure):
    told = run(tmp_path, monkeypatch, raising(error))
    assert told == {"kind": type(error).__name__, "message": str(error), "failure": failure}


def test_an_error_that_was_not_foreseen_says_where_it_happened(tmp_path, monkeypatch):
    told = run(tmp_path, monkeypatch, lambda asked: CollectResult(tasks={}["letters"]))
    assert told["failure"] == "user"
    assert told["message"].endswith("KeyError: 'letters'")
    assert "test_contract.py" in told["message"]


def test_a_job_elsewhere_runs_the_code_of_the_one_who_asked(tmp_path, monkeypatch):
    folder = tmp_path / "asker" / "letters"
    folder.mkdir(parents=True)
    (folder / "use_case.py").write_text("")
    (folder / "told.py").write_text("def word(): raise ValueError('from the bundle')")
    (tmp_path / "code.tar.gz").write_bytes(code_bundle.pack(tmp_path / "asker", "letters"))
    monkeypatch.setenv("GYRE_USE_CASES", str(tmp_path / "nowhere"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    told = run(tmp_path, monkeypatch, lambda asked: load("use_cases.letters.told:word")(), code=f"file://{tmp_path}/code.tar.gz")
    assert told["message"].endswith("ValueError: from the bundle")


def test_a_job_that_is_told_to_end_ends_at_once_and_leaves_no_word(tmp_path):
    code = f"""
import sys, time
sys.argv = ["job", "--request", "file://{tmp_path}/request.json"]
from gyre.jobs.contract import main
from gyre.specs.label_messages import CollectRequest
def work(asked):
    print("working", flush=True)
    time.sleep(60)
main(CollectRequest, work)
"""
    (tmp_path / "request.json").write_text(CollectRequest(**ABOUT, start="2024-01-01T00:00:00Z", end="2024-01-02T00:00:00Z").model_dump_json())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "include"}) as job:
        assert job.stdout
        assert job.stdout.readline() == "working\n"
        job.terminate()
        assert job.wait(timeout=10) == 143
    assert not (tmp_path / "error.json").exists()
