"""Load the model that lies in a Bento natively, without MLflow: it costs the process seconds and 150 MB less."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_model(folder: Path) -> Any:
    """Load a model that MLflow's scikit-learn flavour saved (any estimator with its interface, xgboost's too).

    Args:
        folder: MLflow's model folder, with its `MLmodel` file.

    Raises:
        ValueError: If the folder holds no such model.
    """
    import yaml

    flavours = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]
    if "sklearn" not in flavours:
        raise ValueError(f"A model of the flavours {sorted(flavours)} cannot be served yet: log it with mlflow.sklearn.log_model.")
    flavour = flavours["sklearn"]
    file = folder / flavour["pickled_model"]
    if flavour.get("serialization_format") == "skops":
        import skops.io

        return skops.io.load(file, trusted=flavour.get("skops_trusted_types"))
    import cloudpickle

    with file.open("rb") as opened:
        return cloudpickle.load(opened)  # reads plain pickles too
