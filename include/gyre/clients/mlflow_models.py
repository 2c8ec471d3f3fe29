"""Log a fitted model to MLflow, and load it again: the one place that tells frameworks apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gyre.errors import InvalidUseCase
from gyre.torch_models import TorchModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    import pandas as pd

    from gyre.specs import UseCase

# Packages whose types a model file may hold without being named in training.trusted_types: they are the frameworks of the
# environment's own lock, and skops does not list every type of theirs.
FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "catboost", "numpy", "scipy", "pandas")
TORCH = ("mlflow", "numpy", "pandas", "torch", "torchvision", "torchaudio", "PIL")
MANY = 300  # rows at once that an exported module is tried with


def log_model(use_case: UseCase, model: Any, example: pd.DataFrame) -> str:
    """Log a model to the active run: its signature, an input example, and the packages it needs, named and not guessed.

    Args:
        use_case: Its task says whether the logged model answers with probabilities.
        model: Compatible with scikit-learn, or what `gyre.train.torch_module` made of a torch module.
        example: A few rows as the model sees them.

    Returns:
        URI of the logged model, `models:/m-<id>`.

    Raises:
        InvalidUseCase: If the model is of a kind that cannot be logged, or holds types that are not trusted.
    """
    if isinstance(model, TorchModel):
        return _log_torch(use_case, model, example)
    if not callable(getattr(model, "get_params", None)):
        raise InvalidUseCase(
            use_case.name,
            f"training.function '{use_case.training.function}' returned a {type(model).__module__}.{type(model).__name__}, which cannot be logged. "
            "Fix: return a model compatible with scikit-learn (a Pipeline, an XGBClassifier...), or a torch.nn.Module.",
        )
    return _log_sklearn(use_case, model, example)


def _log_torch(use_case: UseCase, model: TorchModel, example: pd.DataFrame) -> str:
    """Log a module as torch's exported program (pt2), for any number of rows at once."""
    import mlflow.pytorch
    import numpy as np
    from mlflow.models import infer_signature

    inputs = model.array(example)
    inputs = np.concatenate([inputs, inputs]) if len(inputs) < 2 else inputs  # of one row, torch.export would make a program for one row
    logged = mlflow.pytorch.log_model(
        model.module,
        name="model",
        signature=infer_signature(inputs, model.ask(inputs)),  # its first dimension, -1, is what MLflow hands torch.export as dynamic
        input_example=inputs,
        pip_requirements=requirements(TORCH),
        serialization_format="pt2",
        metadata={"use_case": use_case.name, **model.metadata},
    )
    uri = f"models:/{logged.model_id}"
    _check_any_number_of_rows(use_case, model, load_pyfunc(uri).predict, inputs)
    return uri


def _check_any_number_of_rows(use_case: UseCase, model: TorchModel, ask: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> None:
    """Insist that what was logged answers one row and many as the module itself does."""
    import numpy as np

    for rows in (inputs[:1], np.resize(inputs, (MANY, *inputs.shape[1:]))):
        try:
            answered = ask(rows)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise InvalidUseCase(
                use_case.name,
                f"the module that training.function '{use_case.training.function}' returned works for {len(inputs)} rows at once and, exported, "
                f"not for {len(rows)}: {str(error)[:300]}. Fix: let its forward not depend on the number of rows (reshape with -1, no loop over rows).",
            ) from error
        furthest = float(np.abs(answered - model.ask(rows)).max())
        if furthest > model.tolerance * max(1.0, float(np.abs(answered).max())):
            raise InvalidUseCase(use_case.name, f"the exported module differs by {furthest:.1e} from the trained one for {len(rows)} rows.")


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
    import numpy as np

    loaded = load_pyfunc(model_uri)
    about = loaded.metadata.metadata or {}
    if "inputs" not in about:
        return np.asarray(loaded.predict(frame), dtype=float)
    return TorchModel.of(loaded.predict, about).predict_with_signals(frame)[0]


def load_pyfunc(model_uri: str) -> Any:
    """Load a logged model as MLflow would for anyone, to compute on the CPU, where it is served."""
    os.environ["MLFLOW_DEFAULT_PREDICTION_DEVICE"] = "cpu"  # an exported program cannot be moved to a GPU that happens to be here
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(model_uri)
