from datetime import UTC, datetime

import pytest

from gyre.errors import BadParameters, NothingToDo
from gyre.journal import Kind
from gyre.journal.memory import MemoryJournal
from gyre.promote import decide
from gyre.run import Run
from gyre.specs.deploy_messages import EvaluateResult
from gyre.specs.requests import Gate
from tests.gyre.deploy.spec import use_case

TOY = use_case()


@pytest.fixture(autouse=True)
def table_version(monkeypatch):
    monkeypatch.setattr(decide, "labelled_version", lambda _: 7)


@pytest.fixture
def journal():
    return MemoryJournal()


def trained(journal, version):
    journal.add("toy", Kind.TRAINING_FINISHED, str(version), {"version": version, "train_end": f"2013-0{version}-01T00:00:00+00:00", "gap": 0.01})


def served(journal, version, previous=None):
    journal.add("toy", Kind.PROMOTION_FINISHED, str(version), {"version": version, "previous": previous})


def run(run_id="r", **params):
    return Run("toy__deploy", run_id, "evaluate", params=params)


def lost(version=2, champion=1, labelled=7):
    gate = {"name": "comparison", "passed": False, "evidence": "no better"}
    return {"version": version, "champion": champion, "labelled_version": labelled, "passed": False, "gates": [gate]}


def test_nothing_to_do_without_a_challenger(journal):
    with pytest.raises(NothingToDo, match="no challenger"):
        decide.ask(TOY, run(), journal, None)


def test_the_first_model_has_no_champion_to_meet(journal):
    trained(journal, 1)
    request = decide.ask(TOY, run(), journal, None)
    assert (request.challenger.version, request.champion, request.labelled_version) == (1, None, 7)


def test_the_newest_version_meets_the_champion(journal):
    trained(journal, 1)
    served(journal, 1)
    trained(journal, 2)
    request = decide.ask(TOY, run(), journal, None)
    assert (request.challenger.version, request.champion.version) == (2, 1)
    assert request.challenger.train_end == datetime(2013, 2, 1, tzinfo=UTC)


def test_what_lost_on_these_labels_is_not_evaluated_again(journal):
    trained(journal, 1)
    served(journal, 1)
    trained(journal, 2)
    journal.add("toy", Kind.EVALUATED, "earlier", lost())
    with pytest.raises(NothingToDo, match=r"version 2 was evaluated on .* and did not win \(comparison: no better\); newer labels"):
        decide.ask(TOY, run(), journal, None)


@pytest.mark.parametrize("changed", [{"labelled": 6}, {"champion": None}])
def test_newer_labels_or_another_champion_start_another_evaluation(journal, changed):
    trained(journal, 1)
    served(journal, 1)
    trained(journal, 2)
    journal.add("toy", Kind.EVALUATED, "earlier", lost(**changed))
    assert decide.ask(TOY, run(), journal, None).challenger.version == 2


def test_a_retry_after_the_journal_entry_is_not_nothing_to_do(journal):
    trained(journal, 1)
    trained(journal, 2)
    journal.add("toy", Kind.EVALUATED, run().job_id, lost(champion=None))
    assert decide.ask(TOY, run(), journal, None).job_id == run().job_id


def test_force_evaluates_what_lost_before(journal):
    trained(journal, 1)
    served(journal, 1)
    trained(journal, 2)
    journal.add("toy", Kind.EVALUATED, "earlier", lost())
    assert decide.ask(TOY, run(version=2, force=True, reason="we know better"), journal, None).challenger.version == 2


def test_force_needs_a_reason(journal):
    with pytest.raises(BadParameters, match="needs a reason"):
        decide.ask(TOY, run(force=True, reason=" "), journal, None)


def test_an_unknown_version_is_refused_with_those_there_are(journal):
    trained(journal, 1)
    trained(journal, 2)
    with pytest.raises(BadParameters, match=r"no version 9. Known: 1, 2"):
        decide.ask(TOY, run(version=9), journal, None)


def test_the_champion_is_not_promoted_again(journal):
    trained(journal, 1)
    served(journal, 1)
    with pytest.raises(NothingToDo, match="version 1 is the champion already"):
        decide.ask(TOY, run(version=1), journal, None)


def test_noting_twice_leaves_one_entry(journal):
    trained(journal, 1)
    request = decide.ask(TOY, run(), journal, None)
    result = EvaluateResult(
        passed=False,
        gates=[Gate(name="enough_rows", passed=False, evidence="3 fresh labelled rows; 100 are needed")],
        comparison=None,
        metrics={},
        start=None,
        end=None,
        rows=3,
    )
    handed_on = [decide.note(TOY, run(), journal, request, result) for _ in range(2)][1]
    assert len(list(journal.entries("toy", Kind.EVALUATED))) == 1
    assert handed_on["failed"] == ["enough_rows: 3 fresh labelled rows; 100 are needed"]
