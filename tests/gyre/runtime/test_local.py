"""A job outlives the worker that started it, runs once, and dies with all it started."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gyre.errors import EnvironmentNotBuilt
from gyre.runtime.local import LocalJob, command, job_environment
from gyre.settings import Settings


def start(job: LocalJob, code: str) -> bool:
    return job.start([sys.executable, "-u", "-c", code], {"PATH": os.environ["PATH"]})


def wait_for(condition, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_its_log_is_followed_line_by_line_to_the_end(tmp_path: Path):
    job = LocalJob(tmp_path / "job")
    assert start(job, "print('one'); print('two'); print('no newline', end='')")
    assert list(job.follow()) == ["one", "two", "no newline"]


def test_a_second_start_finds_it_running_and_starts_nothing(tmp_path: Path):
    job = LocalJob(tmp_path / "job")
    start(job, "import time; time.sleep(30)")
    try:
        assert not start(job, "print('twice')")
        assert LocalJob(tmp_path / "job").running()
    finally:
        job.kill()


def test_it_outlives_the_killed_worker_and_is_found_again(tmp_path: Path):
    worker = (
        "import os, sys; from pathlib import Path; from gyre.runtime.local import LocalJob\n"
        "code = \"import time; print('begun'); time.sleep(1); print('ended')\"\n"
        f"LocalJob(Path({str(tmp_path / 'job')!r})).start([sys.executable, '-u', '-c', code], dict(os.environ))\n"
        "os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", worker], check=False, env=os.environ | {"PYTHONPATH": "include"})
    assert died.returncode == -9
    job = LocalJob(tmp_path / "job")
    assert job.running()
    assert list(job.follow()) == ["begun", "ended"]


def test_killing_it_ends_the_whole_process_group(tmp_path: Path):
    child = tmp_path / "child"
    job = LocalJob(tmp_path / "job")
    start(job, f"import subprocess, time; p = subprocess.Popen(['sleep', '60']); open({str(child)!r}, 'w').write(str(p.pid)); time.sleep(60)")
    assert wait_for(lambda: child.exists() and child.read_text())
    job.kill()
    assert not job.running()
    assert wait_for(lambda: not Path(f"/proc/{child.read_text()}/cmdline").exists() or not Path(f"/proc/{child.read_text()}/cmdline").read_bytes())


def test_a_job_sees_neither_airflows_keys_nor_connections_it_was_not_given():
    worker = {"PATH": "/bin", "GYRE_LAKE_URI": "file:///lake", "AIRFLOW__API_AUTH__JWT_SECRET": "s", "GYRE_CONN_OTHER": "{}", "AWS_SECRET_ACCESS_KEY": "s"}
    given = job_environment(worker, {"GYRE_CONN_GYRE_LAKE": "{}"}, cpu=2)
    assert set(given) == {"PATH", "GYRE_LAKE_URI", "OMP_NUM_THREADS", "POLARS_MAX_THREADS", "PYTHONUNBUFFERED", "GYRE_CONN_GYRE_LAKE"}


def test_an_environment_that_is_not_installed_names_the_cure(tmp_path: Path):
    with pytest.raises(EnvironmentNotBuilt, match=r"'torch' is not installed.*gyre env torch"):
        command(Settings({"GYRE_VENVS": str(tmp_path)}), "torch", "train", "file:///request.json")
