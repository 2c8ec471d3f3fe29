"""Word of a model that cannot be loaded: a file beside it, or where Kubernetes looks, which then has to start it anew."""

import subprocess
import sys

import pytest

from gyre.serving.failure import LeavesWord
from gyre.settings import REPOSITORY


def fails(folder):
    with LeavesWord(folder):
        raise ValueError("no model here")


def test_the_error_lies_beside_the_model_until_the_next_start(tmp_path):
    with pytest.raises(ValueError, match="no model here"):
        fails(tmp_path)
    assert "ValueError: no model here" in (tmp_path / "failed.txt").read_text()
    with LeavesWord(tmp_path):
        pass
    assert not (tmp_path / "failed.txt").exists()


SERVER = """
import subprocess, sys
sys.exit(subprocess.run([sys.executable, "-c", sys.argv[1]]).returncode)
"""
WORKER = """
import time
from pathlib import Path
from gyre.serving.failure import LeavesWord
try:
    with LeavesWord(Path("/nowhere")):
        raise ValueError("no model here")
finally:
    time.sleep(5)
"""


def test_on_a_cluster_the_server_ends_and_its_termination_message_says_why(tmp_path):
    environment = {"PYTHONPATH": str(REPOSITORY / "include"), "GYRE_LAST_WORDS": str(tmp_path / "termination-log")}
    ended = subprocess.run([sys.executable, "-c", SERVER, WORKER], env=environment, check=False, timeout=30, capture_output=True)
    assert ended.returncode == -15  # the server, by its worker
    assert "ValueError: no model here" in (tmp_path / "termination-log").read_text()
