"""Which rows are chosen, given what the champion says of them."""

from __future__ import annotations

import numpy as np
import pytest

from gyre.histograms import build_reference
from gyre.label.champion import _range
from gyre.label.sampling import choose, generator, margins, parts
from tests.gyre.label.conftest import use_case_with

ROWS = np.arange(10)


def test_the_margin_is_the_distance_of_the_two_likeliest_answers():
    assert margins("multiclass", np.array([[0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])) == pytest.approx([0.1, 0.7])
    assert margins("binary", np.array([0.5, 0.9])) == pytest.approx([0.0, 0.8])
    assert margins("regression", np.array([3.0])) is None


def test_shares_are_whole_numbers_that_sum_to_the_count():
    assert parts(10, {"uncertain": 0.5, "random": 0.5}) == {"random": 5, "uncertain": 5, "drifted": 0}
    assert sum(parts(7, {"uncertain": 1 / 3, "random": 1 / 3, "drifted": 1 / 3}).values()) == 7


def test_the_least_certain_and_the_furthest_out_are_chosen():
    margin, outside = np.linspace(0, 1, 10), np.linspace(0, 1, 10)
    chosen = choose(4, ROWS, {"uncertain": 0.5, "drifted": 0.5}, generator("a"), margin, outside)
    assert chosen == {0: "uncertain", 1: "uncertain", 9: "drifted", 8: "drifted"}


def test_rows_that_nobody_asked_the_champion_about_are_chosen_at_random_only():
    margin = np.full(10, np.nan)
    margin[7] = 0.9
    chosen = choose(3, ROWS, {"uncertain": 1.0}, generator("a"), margin, None)
    assert chosen[7] == "uncertain"
    assert sorted(chosen.values()) == ["random", "random", "uncertain"]


def test_the_random_share_is_chosen_among_all_rows_and_not_among_those_the_others_left():
    """Each row is equally likely to be among the random ones, the least certain ones too."""
    margin = np.linspace(0, 1, 10)
    drawn = [choose(4, ROWS, {"uncertain": 0.5, "random": 0.5}, generator(str(n)), margin, None) for n in range(2000)]
    counts = np.array([sum(chosen.get(row) == "random" for chosen in drawn) for row in ROWS])
    assert abs(counts - 400).max() < 90  # 5 standard deviations


def test_more_than_there_are_takes_all_and_the_same_job_chooses_the_same():
    assert set(choose(99, ROWS, {"random": 1.0}, generator("a"), None, None)) == set(range(10))
    assert choose(3, ROWS, {"random": 1.0}, generator("a"), None, None) == choose(3, ROWS, {"random": 1.0}, generator("a"), None, None)
    assert choose(3, ROWS, {"random": 1.0}, generator("a"), None, None) != choose(3, ROWS, {"random": 1.0}, generator("b"), None, None)


def test_the_range_of_what_was_trained_on_leaves_out_a_per_cent_at_each_end():
    import pandas as pd

    numbers = build_reference(pd.DataFrame({"x": np.arange(1000.0)}), use_case_with().features, np.full(1000, 0.5), bins=256).numeric["x"]
    assert _range(numbers) == (pytest.approx(10, abs=5), pytest.approx(990, abs=5))
