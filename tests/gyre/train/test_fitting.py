"""How good a model is, beside the dummy."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from gyre.train.dummy import dummy  # noqa: E402
from gyre.train.fitting import Scored, Scores, curves, gap  # noqa: E402


def scores(metric: str, train: float, validation: float) -> Scores:
    nothing = np.zeros(1)
    return Scores(Scored(nothing, nothing, nothing, {metric: train}), Scored(nothing, nothing, nothing, {metric: validation}))


def test_a_week_that_is_harder_for_every_model_is_no_gap():
    assert gap("log_loss", scores("log_loss", 0.44, 0.64), scores("log_loss", 0.55, 0.78)) == pytest.approx(-0.03)


def test_what_the_model_loses_beyond_the_dummy_is_the_gap():
    assert gap("log_loss", scores("log_loss", 0.30, 0.50), scores("log_loss", 0.55, 0.55)) == pytest.approx(0.2)


def test_a_metric_that_should_be_high_has_a_gap_when_it_falls():
    assert gap("auc", scores("auc", 0.91, 0.74), scores("auc", 0.5, 0.5)) == pytest.approx(0.17)


def test_the_dummy_gives_every_row_the_shares_of_training():
    assert dummy("binary", np.array([0, 0, 0, 1])).predict_proba([1, 2]).tolist() == [[0.75, 0.25], [0.75, 0.25]]
    assert dummy("multiclass", np.array(["b", "a", "b", "b"])).predict_proba([1]).tolist() == [[0.25, 0.75]]
    assert dummy("regression", np.array([1.0, 3.0])).predict([1]).tolist() == [2.0]


def test_learning_curves_are_found_where_a_framework_keeps_them():
    xgboost = pytest.importorskip("xgboost")
    x, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
    watched = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, eval_metric="logloss").fit(x, y, eval_set=[(x, y)], verbose=False)
    assert {name: len(values) for name, values in curves(watched).items()} == {"validation_0/logloss": 3}


def test_a_model_that_watched_nothing_has_no_learning_curve():
    xgboost = pytest.importorskip("xgboost")
    x, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
    assert curves(xgboost.XGBClassifier(n_estimators=3, n_jobs=1, eval_metric="logloss").fit(x, y)) == {}
    assert curves(object()) == {}
