from datetime import UTC, datetime

import numpy as np

from gyre.promote import gates
from gyre.specs.deploy_messages import Contender
from tests.gyre.deploy.spec import use_case

LABELS = np.tile([0.0, 0.0, 1.0, 1.0], 100)
SURE = np.where(LABELS == 1, 0.9, 0.1)
TRAINED = Contender(version=3, train_end=datetime(2013, 2, 1, tzinfo=UTC), gap=0.05)


def test_too_few_fresh_rows_fail_with_both_numbers():
    gate = gates.enough_rows(use_case(min_rows=100).promotion, 99)
    assert not gate.passed
    assert gate.evidence == "99 fresh labelled rows; 100 are needed"


def test_a_model_that_knows_something_beats_the_best_constant():
    assert gates.better_than_dummy(use_case(), LABELS, SURE).passed


def test_a_constant_does_not_beat_the_best_constant():
    assert not gates.better_than_dummy(use_case(), LABELS, np.full(400, 0.5)).passed


def test_a_gap_beyond_the_allowed_one_fails():
    assert not gates.small_gap(use_case(max_gap=0.04).promotion, TRAINED).passed


def test_a_model_better_on_held_out_rows_has_no_gap():
    assert gates.small_gap(use_case(max_gap=0.0).promotion, TRAINED.model_copy(update={"gap": -0.1})).passed


def test_a_gate_the_spec_does_not_ask_for_is_left_out():
    assert gates.small_gap(use_case().promotion, TRAINED) is None
    assert gates.calibrated(use_case(), LABELS, SURE) is None


def test_probabilities_far_from_what_happens_fail_the_calibration():
    assert not gates.calibrated(use_case(max_calibration_error=0.05), LABELS, SURE * 0.5).passed


def test_the_comparison_says_the_figures_and_what_was_wanted():
    blocks = np.repeat(np.arange(10), 40)
    gate, found = gates.beats_champion(use_case(), LABELS, SURE, np.full(400, 0.5), blocks, opponent=2)
    assert gate.passed
    assert "log_loss 0.1054 against 0.6931 of version 2 on the same 400 rows: difference -0.5878" in gate.evidence
    assert gate.evidence.endswith("over 10 blocks of 1 day; it must lie below 0")
    assert found.rows == 400


def test_one_day_cannot_tell_and_the_gate_says_so():
    gate, _ = gates.beats_champion(use_case(), LABELS, SURE, np.full(400, 0.5), np.zeros(400), opponent=2)
    assert not gate.passed
    assert "they lie in 1 blocks of 1 day: at least 3 are needed" in gate.evidence
