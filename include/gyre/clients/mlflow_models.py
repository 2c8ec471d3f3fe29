"""Log a fitted model to MLflow, and load it again: the one place that tells frameworks apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gyre.errors import InvalidUseCase

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd

    from gyre.specs import UseCase

# Packages whose types a model file may hold without being named in training.trusted_types: they are the frameworks of the
# environment's own lock, and skops does not list every type of theirs.
FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "catboost", "numpy", "scipy", "pandas")


def log_model(use_case: UseCase, model: Any, example: pd.DataFrame) -> str:
    """Log a model to the active run: its signature, an input example, and the packages it needs, named and not guessed.

    Args:
        use_case: Its task says whether the logged model answers with probabilities.
        model: Compatible with scikit-learn.
        example: A few rows as the model sees them.

    Returns:
        URI of the logged model, `models:/m-<id>`.

    Raises:
        InvalidUseCase: If the model is of a kind that cannot be logged, or holds types that are not trusted.
    """
    if not callable(getattr(model, "get_params", None)):
        raise InvalidUseCase(
            use_case.name,
            f"training.function '{use_case.training.function}' returned a {type(model).__module__}.{type(model).__name__}, which cannot be logged. "
            "Fix: return a model compatible with scikit-learn (a Pipeline, an XGBClassifier...).",
        )
    return _log_sklearn(use_case, model, example)


def _log_sklearn(use_case: UseCase, model: Any, example: pd.DataFrame) -> str:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    answer = "predict" if use_case.task == "regression" else "predict_proba"
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(example, getattr(model, answer)(example)),
        input_example=example,
        pip_requirements=requirements(),
        pyfunc_predict_fn=answer,
        serialization_format="skops",
        skops_trusted_types=trusted(use_case, model),
        metadata={"use_case": use_case.name, "task": use_case.task},
    )
    return f"models:/{logged.model_id}"


def trusted(use_case: UseCase, model: Any) -> list[str]:
    """Name the types that loading the model's file must trust: those of the frameworks, and those the use case names.

    Raises:
        InvalidUseCase: If the model holds others.
    """
    import skops.io

    held = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    unknown = [name for name in held if name.partition(".")[0] not in FRAMEWORKS and name not in use_case.training.trusted_types]
    if unknown:
        raise InvalidUseCase(
            use_case.name,
            f"the model holds types that loading it would have to trust: {unknown}. Fix: after reading their code, add them to training.trusted_types.",
        )
    return [*held]


def requirements(packages: Iterable[str] = ("mlflow", "numpy", "pandas", "skops", *FRAMEWORKS)) -> list[str]:
    """Pin the packages that are in use in this process, by the names of their distributions."""
    import sys
    from importlib.metadata import packages_distributions, version

    distributions = packages_distributions()
    used = {name for package in packages if package in sys.modules for name in distributions.get(package, [])[:1]}
    return [f"{name}=={version(name)}" for name in sorted(used)]


def predict_as_logged(model_uri: str, frame: pd.DataFrame) -> np.ndarray:
    """Load a logged model as MLflow would for anyone, and ask it.

    Returns:
        binary, multiclass: probabilities, shape (n, classes); regression: values, shape (n,).
    """
    import mlflow.pyfunc
    import numpy as np

    return np.asarray(mlflow.pyfunc.load_model(model_uri).predict(frame), dtype=float)
