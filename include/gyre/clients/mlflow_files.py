"""The files of a registered model version, fetched without loading the model."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from gyre.clients.mlflow import Registry
from gyre.errors import GyreError


def download(registry: Registry, name: str, version: int, folder: Path) -> None:
    """Fetch MLflow's folder of a version (`MLmodel` and what it names) into a new folder.

    Raises:
        GyreError: If the registry has no such version.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    client = registry.client
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        source = client.get_model_version(name, str(version)).source
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise GyreError(f"The registry has no version {version} of '{name}'. Fix: see {registry.conn.http_url}/#/models/{name} for those there are.") from error
    folder.mkdir(parents=True)
    mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder))
