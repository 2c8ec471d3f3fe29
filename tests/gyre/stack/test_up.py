"""The order in which the stack starts."""

import threading
import time

import pytest

from gyre import cli
from gyre.errors import StackError
from gyre.layout import Layout
from gyre.settings import Settings
from gyre.specs import load_use_cases
from gyre.stack.context import Stack
from gyre.stack.secrets import Secrets
from gyre.stack.up import Step, run_steps


def test_a_step_runs_after_those_it_needs():
    order = []
    steps = [
        Step("second", ("first",), lambda: order.append("second") or ""),
        Step("first", (), lambda: time.sleep(0.05) or order.append("first") or ""),
    ]
    run_steps(steps, lambda _: None)
    assert order == ["first", "second"]


def test_steps_that_do_not_need_one_another_run_at_the_same_time():
    both_are_here = threading.Barrier(2, timeout=5)
    run_steps([Step(name, (), lambda: both_are_here.wait() and "") for name in ("a", "b")], lambda _: None)


def test_after_a_failure_nothing_that_needs_it_runs_and_its_error_is_told():
    said, ran = [], []

    def fail() -> str:
        raise StackError("mlflow does not stay up")

    with pytest.raises(StackError, match="mlflow does not stay up"):
        run_steps([Step("mlflow", (), fail), Step("later", ("mlflow",), lambda: ran.append(1) or "")], said.append)
    assert "failed" in said[0]
    assert ran == []


def test_steps_that_need_one_another_are_refused():
    with pytest.raises(StackError, match="a, b"):
        run_steps([Step("a", ("b",), str), Step("b", ("a",), str)], lambda _: None)


def test_up_installs_the_environment_of_every_use_case(monkeypatch, tmp_path):
    asked = []

    def start(say, more_environments):
        asked.extend(more_environments)
        return Stack(Settings({"GYRE_HOME": str(tmp_path)}), Secrets(), Layout(tmp_path))

    monkeypatch.setattr("gyre.stack.up.up", start)
    cli.up()
    use_cases, _ = load_use_cases()
    assert set(asked) == {each.environment for each in use_cases} != set()
