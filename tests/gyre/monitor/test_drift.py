import numpy as np
import pandas as pd
import pytest

from gyre.histograms import Counts, build_reference
from gyre.monitor.drift import features_drift, predictions_drift
from gyre.specs import Features

FEATURES = Features(function="a:b", numeric=["amount"], categorical=["country"])


def rows(amount, country="de"):
    return pd.DataFrame({"amount": amount, "country": [country] * len(amount)})


@pytest.fixture
def normal():
    return np.random.default_rng(0).normal(size=20_000)


@pytest.fixture
def reference(normal):
    return build_reference(rows(normal), FEATURES, np.random.default_rng(1).random(20_000), bins=256)


def measure(reference, frame, predictions):
    counts = Counts(reference)
    counts.add(frame, predictions)
    return {d.feature: d for d in [*predictions_drift(reference, counts), *features_drift(reference, counts)]}


def test_the_same_distribution_lies_near_0(reference):
    fresh = np.random.default_rng(2)
    found = measure(reference, rows(fresh.normal(size=5000)), fresh.random(5000))
    assert found["amount"].psi < 0.01
    assert found["amount"].ks < 0.03
    assert found["amount"].wasserstein < 0.05
    assert found["prediction"].psi < 0.01


def test_a_shift_by_one_interquartile_range_is_a_wasserstein_of_1(reference, normal):
    width = np.subtract(*np.quantile(normal, [0.75, 0.25]))
    assert measure(reference, rows(normal + width), None)["amount"].wasserstein == pytest.approx(1, rel=0.02)


def test_a_constant_column_that_changes_is_seen():
    reference = build_reference(rows(np.full(1000, 5.0)), FEATURES, np.zeros(1000), bins=256)
    assert measure(reference, rows(np.full(500, 6.0)), None)["amount"].psi > 5


def test_values_that_went_missing_move_psi_and_not_ks(reference):
    gone = np.random.default_rng(3).normal(size=5000)
    gone[:2500] = np.nan
    found = measure(reference, rows(gone), None)["amount"]
    assert (found.missing, found.missing_before) == (0.5, 0)
    assert found.psi > 1
    assert found.ks < 0.05


def test_a_new_category_is_seen_and_the_furthest_feature_comes_first(reference):
    counts = Counts(reference)
    counts.add(rows(np.random.default_rng(4).normal(size=1000), "us"))
    first = features_drift(reference, counts)[0]
    assert (first.feature, first.total_variation) == ("country", 1)


def test_one_wrong_value_does_not_hide_what_follows():
    clean = np.random.default_rng(0).normal(10, 3, size=10_000)
    dirty = np.r_[clean, 1048.0]
    moved = [measure(build_reference(rows(v), FEATURES, np.zeros(1), bins=256), rows(clean + 4), None)["amount"].wasserstein for v in (clean, dirty)]
    assert moved[1] == pytest.approx(moved[0], rel=0.1)


def test_a_column_without_values_has_neither_ks_nor_wasserstein(reference):
    found = measure(reference, rows(np.full(10, np.nan)), None)["amount"]
    assert found.ks is None
    assert found.wasserstein is None
