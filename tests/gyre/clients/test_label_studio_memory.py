"""The fake does what the real one was found to do."""

from datetime import UTC, datetime

import pytest

from gyre.clients.label_studio import LabelStudio, NewTask
from gyre.clients.label_studio_memory import Killed, MemoryLabelStudio


@pytest.fixture
def studio():
    return MemoryLabelStudio()


@pytest.fixture
def project(studio):
    return studio.project("digits", "<View/>", "", annotators=1).id


def test_it_has_every_method_of_the_real_one():
    of_real = {name for name in vars(LabelStudio) if not name.startswith("_")} - {"of", "server"}
    assert of_real <= set(dir(MemoryLabelStudio))


def test_answers_changed_and_deleted_are_among_what_changed_in_order(studio, project):
    first, second, _ = studio.create_tasks(project, [NewTask(f"k{i}", {}) for i in range(3)])
    began = datetime.now(UTC)
    mine = studio.annotate(second, "ann@example.com", [{"a": 1}])
    studio.annotate(first, "ann@example.com", [{"a": 2}])
    assert [task.key for task in studio.changed(project, began)] == ["k1", "k0"]
    studio.delete_annotation(mine)
    assert [(task.key, len(task.annotations)) for task in studio.changed(project, began)] == [("k0", 1), ("k1", 0)]


def test_tasks_of_a_creation_that_was_never_answered_are_there(studio, project):
    studio.dies_after = "create_tasks"
    with pytest.raises(Killed):
        studio.create_tasks(project, [NewTask("k", {})])
    assert [key for _, key in studio.newest_tasks(project, after=0)] == ["k"]
    assert studio.create_tasks(project, [NewTask("l", {})])
