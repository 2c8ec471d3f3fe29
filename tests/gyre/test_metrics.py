"""The platform's own metrics, held against scikit-learn's."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
sklearn_metrics = pytest.importorskip("sklearn.metrics")

from gyre.metrics import calibration_error, evaluate, metric, row_losses  # noqa: E402

RNG = np.random.default_rng(3)
LABELS = (RNG.random(500) < 0.3).astype(int)
SCORES = np.round(np.clip(0.3 + 0.2 * LABELS + RNG.normal(scale=0.2, size=500), 0.01, 0.99), 2)  # rounded: there are ties


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("auc", sklearn_metrics.roc_auc_score),
        ("pr_auc", sklearn_metrics.average_precision_score),
        ("log_loss", sklearn_metrics.log_loss),
        ("brier", sklearn_metrics.brier_score_loss),
        ("accuracy", lambda labels, scores: sklearn_metrics.accuracy_score(labels, scores >= 0.5)),
    ],
)
def test_binary_metrics_equal_those_of_scikit_learn(name, theirs):
    assert metric(name, LABELS, SCORES) == pytest.approx(theirs(LABELS, SCORES))


def test_multiclass_metrics_equal_those_of_scikit_learn():
    labels, raw = RNG.integers(0, 3, 200), RNG.random((200, 3))
    predictions = raw / raw.sum(axis=1, keepdims=True)
    found = evaluate("multiclass", labels, predictions)
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, predictions))
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions.argmax(axis=1)))


def test_regression_metrics_equal_those_of_scikit_learn():
    labels, predictions = RNG.normal(size=100), RNG.normal(size=100)
    found = evaluate("regression", labels, predictions)
    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(labels, predictions))
    assert found["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(labels, predictions))


@pytest.mark.parametrize("name", ["auc", "pr_auc"])
@pytest.mark.parametrize("label", [0, 1])
def test_a_ranking_metric_of_one_class_is_nothing(name, label):
    assert np.isnan(metric(name, np.full(5, label), SCORES[:5]))


def test_row_losses_average_to_the_metric():
    assert row_losses("log_loss", LABELS, SCORES).mean() == pytest.approx(metric("log_loss", LABELS, SCORES))


def test_a_certain_and_wrong_answer_costs_much_and_not_infinitely():
    assert 15 < metric("log_loss", np.array([1]), np.array([0.0])) < 17


def test_probabilities_that_mean_what_they_say_have_no_calibration_error():
    predictions = np.repeat([0.2, 0.8], 500)
    labels = np.concatenate([np.arange(500) % 5 == 0, np.arange(500) % 5 != 0]).astype(int)
    assert calibration_error(labels, predictions) == pytest.approx(0, abs=1e-12)


def test_probabilities_that_are_all_too_low_are_off_by_that_much():
    assert calibration_error(np.ones(100), np.full(100, 0.9)) == pytest.approx(0.1)


def test_labels_and_predictions_of_different_length_are_refused():
    with pytest.raises(ValueError, match="got 2 and 3"):
        evaluate("binary", np.zeros(2), np.zeros(3))


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="No rows"):
        evaluate("binary", np.zeros(0), np.zeros(0))
