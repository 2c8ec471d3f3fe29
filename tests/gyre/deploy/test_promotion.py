from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gyre.deploy import decide, promotion, reconcile
from gyre.deploy.memory import MemoryPlace, MemoryRegistry
from gyre.errors import NothingToDo, PromotionFailed
from gyre.journal import Kind
from gyre.journal.memory import MemoryJournal
from gyre.journal.questions import serving, unfinished_promotions
from gyre.run import Run
from gyre.specs.requests import Gate
from tests.gyre.deploy.spec import use_case

TOY = use_case()
BENTO = {"bento": {"uri": "file:///tmp/x.bento", "sha256": "abc", "size": 1}}


class Killed(BaseException):
    """Stands for SIGKILL."""


class World:
    def __init__(self):
        self.journal, self.place, self.registry = MemoryJournal(), MemoryPlace(), MemoryRegistry()
        self.gates = [Gate(name="service_schema", passed=True, evidence="")]

    def promote(self, version, run_id=None, **evaluation):
        given = {"version": version, "passed": True, "forced": False, "reason": None, "failed": [], "evaluation": "e", **evaluation}
        return decide.promote(TOY, Run("toy__deploy", run_id or f"run{version}", "promote"), self.journal, [given, BENTO])

    def reconcile(self, later=timedelta(0)):
        for index, entry in enumerate(self.journal._entries):
            self.journal._entries[index] = type(entry)(entry.id, entry.at - later, entry.use_case, entry.kind, entry.key, entry.body)
        run = Run("gyre__reconcile", datetime.now(UTC).isoformat(), "toy")
        return reconcile.reconcile(TOY, run, self.journal, None)

    @property
    def kinds(self):
        return [e.kind for e in self.journal.entries("toy")]

    def agrees_on(self, champion, previous):
        named = {alias: self.registry.names.get(alias) for alias in ("champion", "previous")}
        assert named == {"champion": champion, "previous": previous}
        assert self.place.to == champion
        assert set(self.place.instances) == {champion, previous} - {None}
        assert (serving(self.journal, "toy").champion, serving(self.journal, "toy").previous) == (champion, previous)
        assert not unfinished_promotions(self.journal, "toy")


@pytest.fixture
def world(monkeypatch, tmp_path):
    made = World()
    monkeypatch.setenv("GYRE_HOME", str(tmp_path))
    for module in (decide, reconcile):
        monkeypatch.setattr(module, "place", lambda: made.place)
        monkeypatch.setattr(module, "Registry", type("Of", (), {"of": staticmethod(lambda: made.registry)}))
    monkeypatch.setattr(promotion, "trial", lambda *_: made.gates)
    monkeypatch.setattr(promotion.Endpoint, "is_ready", lambda self: made.place.instances[int(self.url.rpartition("/")[2])].alive)
    return made


def test_the_first_version_serves_and_nothing_is_previous(world):
    world.promote(1)
    world.agrees_on(1, None)


def test_the_journal_says_each_step_before_or_after_it_is_done(world):
    world.promote(1)
    assert world.kinds == [Kind.PROMOTION_INTENDED, Kind.PROMOTION_ROUTED, Kind.PROMOTION_FINISHED]


def test_the_third_version_retires_the_first(world):
    for version in (1, 2, 3):
        world.promote(version)
    world.agrees_on(3, 2)


def test_rolling_back_takes_the_same_way(world):
    for version in (1, 2):
        world.promote(version)
    world.promote(1, "back", passed=False, forced=True, reason="2 is slow", failed=["comparison: worse"])
    world.agrees_on(1, 2)
    intended = world.journal.last("toy", Kind.PROMOTION_INTENDED).body
    assert (intended["reason"], intended["overridden"]) == ("2 is slow", ["comparison: worse"])


def test_the_alias_challenger_is_taken_from_the_new_champion(world):
    world.registry.names["challenger"] = 1
    world.promote(1)
    assert "challenger" not in world.registry.names


def test_a_version_that_cannot_start_leaves_the_champion_alone(world):
    world.promote(1)
    world.place.broken.add(2)
    with pytest.raises(PromotionFailed, match=r"Version 2 of 'toy' was not promoted, version 1 serves as before. version 2 is broken"):
        world.promote(2)
    world.agrees_on(1, None)
    assert world.journal.last("toy", Kind.PROMOTION_UNDONE).body["version"] == 2


def test_a_version_that_answers_with_some_of_its_replicas_gets_no_requests_yet(world):
    world.promote(1)
    world.place.lacking, world.place.ready_s = "1 of 2 replicas are ready", 0.05
    with pytest.raises(PromotionFailed, match=r"Version 2 was not ready at memory://2 within 0.05 s \(1 of 2 replicas are ready\)"):
        world.promote(2)
    world.agrees_on(1, None)


def test_a_booted_service_that_answers_otherwise_is_stopped_and_not_routed(world):
    world.promote(1)
    world.gates = [Gate(name="service_answers", passed=False, evidence="they differ by 0.3")]
    with pytest.raises(PromotionFailed, match=r"service_answers: they differ by 0.3"):
        world.promote(2, forced=True, reason="hurry")
    world.agrees_on(1, None)


def test_a_slow_service_can_be_forced(world):
    world.gates = [Gate(name="service_latency", passed=False, evidence="400 ms")]
    world.promote(1, forced=True, reason="hurry")
    world.agrees_on(1, None)


def test_clearing_an_undone_promotion_tries_again_under_another_name(world):
    world.place.broken.add(1)
    with pytest.raises(PromotionFailed):
        world.promote(1)
    world.place.broken.clear()
    world.promote(1)
    world.agrees_on(1, None)


def test_repeating_a_finished_promotion_changes_nothing(world):
    first = world.promote(1)
    entries = len(world.kinds)
    assert world.promote(1) == first
    assert len(world.kinds) == entries


def kill_at(world, monkeypatch, step):
    """Let the process die right after its n-th outward effect."""
    effects = iter(range(100))

    def deadly(call):
        def wrapped(*args, **kwargs):
            done = call(*args, **kwargs)
            if next(effects) == step:
                raise Killed
            return done

        return wrapped

    monkeypatch.setattr(MemoryJournal, "add", deadly(MemoryJournal.add))
    for target, names in ((MemoryPlace, ("start", "stop", "route")), (MemoryRegistry, ("set_alias", "delete_alias"))):
        for name in names:
            monkeypatch.setattr(target, name, deadly(getattr(target, name)))


STEPS = range(9)  # intended, start, route, routed, champion, previous, challenger, finished, stop of the oldest


@pytest.fixture
def dead_at(world, monkeypatch):
    def until(step):
        for version in (1, 2):
            world.promote(version)
        world.registry.names["challenger"] = 3
        with monkeypatch.context() as patch:
            kill_at(world, patch, step)
            with pytest.raises(Killed):
                world.promote(3)

    return until


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_retry_ends_the_same(world, dead_at, step):
    dead_at(step)
    world.promote(3)
    world.agrees_on(3, 2)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_reconcile_finishes_or_undoes(world, dead_at, step):
    dead_at(step)
    if step == STEPS[-1]:
        with pytest.raises(NothingToDo):
            world.reconcile(later=timedelta(hours=1))
    else:
        world.reconcile(later=timedelta(hours=1))
    if step < 2:
        world.agrees_on(2, 1)
    else:
        world.agrees_on(3, 2)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_promotion_settles_it_first(world, dead_at, step):
    dead_at(step)
    world.promote(4)
    world.agrees_on(4, 2 if step < 2 else 3)


def test_reconcile_leaves_a_young_promotion_to_its_next_try(world, dead_at):
    dead_at(1)
    with pytest.raises(NothingToDo, match="agree"):
        world.reconcile()
    assert 3 in world.place.instances


def test_after_reconcile_undid_it_the_retry_promotes_after_all(world, dead_at):
    dead_at(1)
    world.reconcile(later=timedelta(hours=1))
    world.promote(3)
    world.agrees_on(3, 2)


def test_nothing_to_reconcile_writes_nothing(world):
    world.promote(1)
    with pytest.raises(NothingToDo):
        world.reconcile()
    assert Kind.RECONCILED not in world.kinds


@pytest.mark.parametrize(
    ("damage", "done"),
    [
        (lambda w: w.place.instances.pop(2), "version 2 was not known to run: started again"),
        (lambda w: w.place.instances.pop(1), "version 1 was not known to run: started again"),
        (lambda w: w.place.kill(2), "version 2 had stopped: started again"),
        (lambda w: w.place.unroute(TOY), "requests went to nowhere: now to version 2"),
        (lambda w: w.place.route(TOY, 1), "requests went to version 1: now to version 2"),
        (lambda w: w.registry.names.update(champion=1), "alias champion now names version 2"),
        (lambda w: w.registry.names.pop("previous"), "alias previous now names version 1"),
        (lambda w: w.place.start(TOY, 7, type("B", (), {"sha256": "x"})), "version 7 ran and was not needed: stopped"),
    ],
)
def test_reconcile_repairs(world, damage, done):
    world.promote(1)
    world.promote(2)
    damage(world)
    assert done in world.reconcile()["done"]
    world.agrees_on(2, 1)


def test_what_cannot_be_repaired_is_said_to_a_person_once(world):
    world.promote(1)
    world.place.instances.pop(1)
    world.place.broken.add(1)
    assert "does not come up again: version 1 is broken" in world.reconcile()["person"][0]
    world.reconcile()
    assert world.kinds.count(Kind.RECONCILED) == 1


def test_what_serves_without_any_decision_is_left_running(world):
    world.place.start(TOY, 1, type("B", (), {"sha256": "x"}))
    world.place.route(TOY, 1)
    assert "this journal knows of no promotion" in world.reconcile()["person"][0]
    assert world.place.to == 1


def test_the_challenger_that_did_not_win_is_not_built(world):
    given = {"version": 2, "passed": False, "forced": False, "failed": ["comparison: no better"], "evaluation": "e7"}
    with pytest.raises(NothingToDo, match=r"version 2 stays challenger: comparison: no better. The journal keeps it as evaluation e7"):
        decide.ask(TOY, Run("toy__deploy", "r", "build"), world.journal, given)


def test_lost_files_of_a_living_process_are_put_back_and_not_called_a_restart(world):
    world.promote(1)
    world.place.instances[1] = replace(world.place.instances[1], intact=False)
    assert world.reconcile()["done"] == ["version 1 had lost its files: they were put back"]
