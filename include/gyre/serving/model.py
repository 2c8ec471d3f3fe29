"""Load the model that lies in a Bento natively, without MLflow: it costs the process seconds and 150 MB less."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gyre.torch_models import TorchModel, asked


def load_model(folder: Path) -> Any:
    """Load a model that MLflow's scikit-learn flavour saved (any estimator with its interface, xgboost's too), or its torch flavour as pt2.

    Args:
        folder: MLflow's model folder, with its `MLmodel` file.

    Raises:
        ValueError: If the folder holds no such model.
    """
    import yaml

    described = yaml.safe_load((folder / "MLmodel").read_text())
    flavours = described["flavors"]
    if "pytorch" in flavours:
        return _torch_model(folder / flavours["pytorch"]["model_data"] / "model.pt2", described["metadata"])
    if "sklearn" not in flavours:
        raise ValueError(f"A model of the flavours {sorted(flavours)} cannot be served yet: log it with mlflow.sklearn or mlflow.pytorch (pt2).")
    flavour = flavours["sklearn"]
    file = folder / flavour["pickled_model"]
    if flavour.get("serialization_format") == "skops":
        import skops.io

        return skops.io.load(file, trusted=flavour.get("skops_trusted_types"))
    import cloudpickle

    with file.open("rb") as opened:
        return cloudpickle.load(opened)  # reads plain pickles too


def _torch_model(file: Path, metadata: dict[str, Any]) -> TorchModel:
    import torch

    model = TorchModel.of(asked(torch.export.load(file).module()), metadata)
    model.load_inputs()
    return model


def compute_on_one_thread() -> None:
    """Let torch, where it is loaded, not start a thread a core for each request: requests run side by side as it is."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
