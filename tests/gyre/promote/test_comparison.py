import time

import numpy as np
import pytest

from gyre.metrics import metric
from gyre.promote import comparison
from gyre.promote.comparison import compare, wins

RNG = np.random.default_rng(1)
LABELS = (RNG.random(6000) < 0.3).astype(float)
BLOCKS = np.repeat(np.arange(20), 300)
GOOD = np.clip(0.3 + (LABELS - 0.3) * 0.3 + RNG.normal(0, 0.1, 6000), 0.01, 0.99)
NOISY = np.clip(GOOD + RNG.normal(0, 0.15, 6000), 0.01, 0.99)


def test_a_clearly_better_challenger_wins():
    assert wins(compare("log_loss", LABELS, GOOD, NOISY, BLOCKS), "better", 0)


def test_a_clearly_worse_challenger_does_not_win():
    assert not wins(compare("log_loss", LABELS, NOISY, GOOD, BLOCKS), "better", 0)


def test_equal_predictions_are_not_better():
    assert not wins(compare("log_loss", LABELS, GOOD, GOOD, BLOCKS), "better", 0)


def test_equal_predictions_are_not_worse():
    assert wins(compare("auc", LABELS, GOOD, GOOD, BLOCKS), "not_worse", 0)


def test_where_higher_is_better_the_interval_must_lie_above_0():
    assert wins(compare("auc", LABELS, GOOD, NOISY, BLOCKS), "better", 0)


def test_a_small_loss_is_not_worse_within_its_margin():
    found = compare("log_loss", LABELS, NOISY, GOOD, BLOCKS)
    assert wins(found, "not_worse", margin=found.high + 0.001)
    assert not wins(found, "not_worse", margin=found.high - 0.001)


def test_the_difference_is_the_challengers_metric_minus_the_champions():
    found = compare("brier", LABELS, GOOD, NOISY, BLOCKS)
    assert found.difference == pytest.approx(metric("brier", LABELS, GOOD) - metric("brier", LABELS, NOISY))
    assert found.low < found.difference < found.high


@pytest.mark.parametrize("name", ["log_loss", "brier", "accuracy", "auc", "pr_auc", "mae", "rmse"])
def test_a_resample_equals_the_metric_of_the_rows_it_drew(name):
    drawn = np.array([[2, 0, 1, 3]])
    labels, scores, blocks = LABELS[:400], GOOD[:400].round(2), np.repeat(np.arange(4), 100)
    rows = np.concatenate([np.tile(np.flatnonzero(blocks == b), n) for b, n in enumerate(drawn[0])]).astype(int)
    resampled = comparison._resampled(name, labels, scores, blocks)(drawn.astype(float))
    assert resampled[0] == pytest.approx(metric(name, labels[rows], scores[rows]))


def test_blocks_that_differ_widen_the_interval_more_than_rows_would():
    by_block = compare("log_loss", LABELS, GOOD + np.repeat(RNG.normal(0, 0.05, 20), 300), GOOD, BLOCKS)
    by_row = compare("log_loss", LABELS, GOOD + np.repeat(RNG.normal(0, 0.05, 20), 300), GOOD, np.arange(6000))
    assert by_block.high - by_block.low > by_row.high - by_row.low


def test_two_blocks_say_nothing_and_so_nobody_wins():
    found = compare("log_loss", LABELS, GOOD, NOISY, np.repeat([0, 1], 3000))
    assert found.low is None
    assert not wins(found, "better", 0)


def test_labels_of_one_class_have_no_auc_and_so_nobody_wins():
    found = compare("auc", np.zeros(6000), GOOD, NOISY, BLOCKS)
    assert found.difference is None
    assert not wins(found, "not_worse", 1)


def test_the_same_rows_give_the_same_interval():
    assert compare("auc", LABELS, GOOD, NOISY, BLOCKS) == compare("auc", LABELS, GOOD, NOISY, BLOCKS)


def test_2000_resamples_of_50000_rows_take_less_than_2_s():
    labels, good, noisy = (np.tile(x, 9)[:50_000] for x in (LABELS, GOOD, NOISY))
    began = time.process_time()
    compare("auc", labels, good, noisy, np.repeat(np.arange(50), 1000))
    assert time.process_time() - began < 2


def test_multiclass_log_loss_is_compared_too():
    labels = RNG.integers(0, 3, 6000)
    sure = np.where(np.arange(3) == labels[:, None], 0.8, 0.1)
    assert wins(compare("log_loss", labels, sure, np.full((6000, 3), 1 / 3), BLOCKS), "better", 0)
