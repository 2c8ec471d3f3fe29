"""Fit a use case's model and its baselines, and say how good each is."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.data import with_class_indices
from gyre.errors import InvalidUseCase
from gyre.frames import predict, signals
from gyre.metrics import evaluate
from gyre.specs import UseCase
from gyre.specs.use_case import HIGHER_IS_BETTER
from gyre.train.dummy import dummy
from gyre.train.rows import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Figures = dict[str, float]


@dataclass(frozen=True)
class Scored:
    """What a model answers for the rows of a part, and how good that is.

    Attributes:
        answers: As `gyre.frames.predict` gives them.
        labels: binary 0 or 1; multiclass: class index; regression: value. Shape (n,).
        predictions: The answers, as metrics want them: a class the model never saw (multiclass) has a column more.
    """

    answers: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    figures: Figures


@dataclass(frozen=True)
class Scores:
    """One model on the rows it was trained on, and on those held out."""

    train: Scored
    validation: Scored


def fit(use_case: UseCase, function: Callable[..., Any], train: Part, validation: Part, parameters: Mapping[str, Any]) -> Any:
    """Run the use case's training function, with the random numbers of `training.seed`.

    Raises:
        InvalidUseCase: If what it returns cannot predict, or its classes do not fit the task.
        GyreError: If it does not give the signals that `monitoring.signals` names.
    """
    random.seed(use_case.training.seed)
    np.random.seed(use_case.training.seed)  # the generator that scikit-learn falls back to
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(use_case.training.seed)
    model = adapted(use_case, function(train.given, validation.given, dict(parameters)), train)
    wanted = "predict" if use_case.task == "regression" else "predict_proba"
    if not callable(getattr(model, wanted, None)):
        raise InvalidUseCase(
            use_case.name, f"training.function '{use_case.training.function}' returned a {type(model).__name__}; a {use_case.task} model needs {wanted}()."
        )
    if use_case.task == "binary" and [int(c) for c in getattr(model, "classes_", (0, 1))] != [0, 1]:
        raise InvalidUseCase(use_case.name, f"the rows trained on hold labels of one kind only ({list(model.classes_)}). Fix: train on more event time.")
    signals(model, use_case.monitoring.signals, train.frame.head(2))  # one that it does not give is told before anything is logged
    return model


def adapted(use_case: UseCase, model: Any, train: Part) -> Any:
    """Make of a torch module a model as all others are; any other model is one already."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        return model
    from gyre.train.torch_module import answering

    return answering(use_case, model, train.frame, train.labels)


def score(use_case: UseCase, model: Any, part: Part) -> Scored:
    """Ask a model for each row of a part, and measure its answers."""
    answers = predict(model, use_case.task, part.frame)
    labels, predictions = part.labels, answers
    if use_case.task == "multiclass":
        labels, predictions = with_class_indices(labels, answers, classes(model, use_case.task))
    return Scored(answers, labels, predictions, evaluate(use_case.task, labels, predictions))


def classes(model: Any, task: str) -> list[Any]:
    """Give the labels in the order of a multiclass model's columns; none for another task."""
    return np.asarray(model.classes_).tolist() if task == "multiclass" else []


def baselines(use_case: UseCase, function: Callable[..., Mapping[str, Any]] | None, train: Part, validation: Part) -> dict[str, Scores]:
    """Fit the dummy and the use case's own baselines, and measure them as the model is measured."""
    made = {name: adapted(use_case, model, train) for name, model in (function(train.given) if function else {}).items()}
    models = {"dummy": dummy(use_case.task, train.labels), **made}
    return {name: Scores(score(use_case, model, train), score(use_case, model, validation)) for name, model in models.items()}


def gap(metric: str, model: Scores, dummy: Scores) -> float:
    """Say how much more a model's metric worsens from the rows it was trained on to those held out than the dummy's does.

    A week may be harder than the ones before it for any model; what is left when the dummy's loss is taken off is what the model
    learned by heart. Negative: it loses less than the dummy.
    """
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    return sign * (_drop(metric, model) - _drop(metric, dummy))


def _drop(metric: str, scores: Scores) -> float:
    return scores.train.figures[metric] - scores.validation.figures[metric]


def curves(model: Any) -> dict[str, list[float]]:
    """Find a model's own learning curves, whatever its framework calls them; none if it kept none.

    Returns:
        `<part>/<metric>` -> one value a round.
    """
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    found = getattr(last, "evals_result_", None) or {}
    for name in ("loss_curve_", "train_score_", "validation_scores_"):
        values = getattr(last, name, None)
        if values is not None and len(values):
            found = {**found, name.strip("_"): {"score": [float(v) for v in values]}}
    return {f"{part}/{metric}": [float(v) for v in values] for part, of in found.items() for metric, values in of.items()}
