"""Hyperparameters of a manual run."""

from __future__ import annotations

import pytest

from gyre.errors import BadParameters
from gyre.train.parameters import merged

DEFAULTS = {"max_depth": 5, "learning_rate": 0.1, "objective": "logistic", "fast": True, "extra": None}


def test_given_values_replace_defaults_and_the_rest_stays():
    assert merged(DEFAULTS, {"max_depth": 3}) == {**DEFAULTS, "max_depth": 3}


def test_an_unknown_name_is_refused_with_the_nearest_known():
    with pytest.raises(BadParameters, match=r"no hyperparameter 'max_dept'. Did you mean 'max_depth'\?"):
        merged(DEFAULTS, {"max_dept": 3})


def test_a_whole_number_can_stand_for_a_number():
    assert merged(DEFAULTS, {"learning_rate": 1})["learning_rate"] == 1


@pytest.mark.parametrize(("name", "value"), [("max_depth", "3"), ("max_depth", 3.5), ("max_depth", True), ("learning_rate", "x"), ("fast", 1)])
def test_a_value_of_another_kind_is_refused(name: str, value: object):
    with pytest.raises(BadParameters, match=f"'{name}' must be"):
        merged(DEFAULTS, {name: value})


def test_anything_can_stand_for_nothing():
    assert merged(DEFAULTS, {"extra": [1]})["extra"] == [1]
