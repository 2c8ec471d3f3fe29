"""What is left over is found by its mark, and nothing else is touched."""

import os
import subprocess
import sys

import pytest

from gyre.errors import StackError
from gyre.layout import Layout
from gyre.settings import REPOSITORY
from gyre.stack import processes
from gyre.stack.context import MARKER

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def start(command: list[str], **options: object) -> subprocess.Popen:
    """Start a process and wait until it is itself: just after the fork, /proc shows neither its command line nor its environment."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    assert process.stdout.readline() == b"up\n"
    return process


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path / "home")
    made.create()
    return made


def test_only_processes_with_this_stacks_mark_are_ended(layout):
    ours = start(SLEEP, env=os.environ | {MARKER: str(layout.home)})
    others = start(SLEEP, env=os.environ | {MARKER: f"{layout.home}-2"})
    try:
        assert processes.left_over(layout) == [ours.pid]
        assert processes.end_left_over(layout) == 1
        assert ours.wait(5) != 0
        assert others.poll() is None
    finally:
        ours.kill()
        others.kill()


def test_a_jobs_number_that_is_now_another_programs_is_left_alone(layout):
    other = start(SLEEP)
    job = start([*SLEEP, "gyre.jobs.train"], start_new_session=True)
    try:
        for name, process in (("a", other), ("b", job)):
            (layout.jobs / name).mkdir()
            (layout.jobs / name / "pid").write_text(str(process.pid))
        assert processes.running_jobs(layout) == [job.pid]
        processes.end([job.pid], groups=True)
        assert job.wait(5) != 0
    finally:
        other.kill()
        job.kill()


def test_two_at_once_are_refused(layout):
    holding = "import sys; from pathlib import Path; from gyre.stack import processes; from gyre.layout import Layout\n"
    holding += "with processes.exclusive(Layout(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read()"
    env = os.environ | {"PYTHONPATH": str(REPOSITORY / "include")}
    first = subprocess.Popen([sys.executable, "-c", holding, str(layout.home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StackError, match=f"process {first.pid}"), processes.exclusive(layout):
            pass
    finally:
        first.communicate("")
    with processes.exclusive(layout):  # it is free again
        pass
