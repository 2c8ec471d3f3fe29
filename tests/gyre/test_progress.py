"""What training code may call, inside a training and outside one."""

import pytest

from gyre import progress
from gyre.lake import Lake

pytest.importorskip("obstore")


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}", {})


def test_outside_a_training_nothing_is_kept_and_nothing_is_found():
    progress.log(1, loss=0.5)
    progress.save(1, b"x")
    assert progress.restore() is None


def test_a_later_try_finds_the_newest_checkpoint_of_its_own_training(lake):
    with progress.kept(lake, "job", lambda *_: None):
        assert progress.restore() is None
        for step in range(12):
            progress.save(step, bytes([step]))
    with progress.kept(lake, "job", lambda *_: None):
        assert progress.restore() == progress.Checkpoint(11, b"\x0b")
    with progress.kept(lake, "another", lambda *_: None):
        assert progress.restore() is None
    assert progress.restore() is None


def test_the_last_two_checkpoints_are_kept_until_they_are_forgotten(lake):
    with progress.kept(lake, "job", lambda *_: None):
        for step in (8, 9, 10, 11):
            progress.save(step, b"x")
    folder = lake.uri("trainings", "job", "checkpoints")
    assert [info.uri for info in lake.objects.list(folder)] == [f"{folder}/000010", f"{folder}/000011"]
    progress.forget(lake, "job")
    assert list(lake.objects.list(folder)) == []


def test_figures_are_handed_on_and_those_that_are_no_numbers_left_out(lake):
    seen = []
    with progress.kept(lake, "job", lambda step, figures: seen.append((step, figures))):
        progress.log(3, loss=0.5, accuracy=float("nan"))
    assert seen == [(3, {"loss": 0.5})]
