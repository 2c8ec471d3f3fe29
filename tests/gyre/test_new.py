"""What `gyre new` writes works as it is."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from gyre.errors import InvalidUseCase
from gyre.new import write
from gyre.settings import Settings
from gyre.specs import Facts, Interval, People, load_use_case

NIGHT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def where(tmp_path: Path) -> Settings:
    return Settings({"GYRE_USE_CASES": str(tmp_path / "use_cases")})


def test_labels_are_facts_where_nothing_is_said(where: Settings):
    write("new_facts", where)
    assert isinstance(load_use_case("new_facts", where).labels, Facts)


def test_a_use_case_that_people_label_loads_and_makes_the_columns_it_names(where: Settings):
    write("new_people", where, "people")
    use_case = load_use_case("new_people", where)
    assert isinstance(use_case.labels, People)
    rows = pd.DataFrame({"id": ["a", "b"], "happened_at": [NIGHT, NIGHT + timedelta(days=1)], "amount": 1.0, "channel": "web", "note": "It is broken."})
    made = importlib.import_module("use_cases.new_people.features").features({"rows": rows}, Interval(NIGHT, NIGHT + timedelta(days=1)))
    assert set(made.columns) == {*use_case.keys, use_case.event_time, *use_case.features.columns, *use_case.features.carried}
    assert made["id"].to_list() == ["a"]


def test_a_name_that_is_taken_is_refused_and_nothing_is_changed(where: Settings):
    folder = write("new_taken", where)
    (folder / "use_case.py").write_text("mine")
    with pytest.raises(InvalidUseCase, match=r"exists already. Fix: choose another name"):
        write("new_taken", where, "people")
    assert (folder / "use_case.py").read_text() == "mine"


def test_a_name_that_cannot_be_one_is_refused_with_an_example(where: Settings):
    with pytest.raises(InvalidUseCase, match=r"begins with a letter, as in churn_weekly"):
        write("Churn", where)
