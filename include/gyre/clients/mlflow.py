"""The model registry: model versions and their aliases, in MLflow.

Works with `mlflow-skinny` (in Airflow's process) and with the whole of MLflow (in jobs). What a training logs is in `mlflow_runs.py`;
logging and loading a model needs its framework and is in `mlflow_models.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gyre.connections import Connection, connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

MLFLOW_CONNECTION = "gyre_mlflow"
TRAINING_TAG = "gyre.training_id"


@dataclass(frozen=True)
class ModelVersion:
    """A registered result.

    Attributes:
        source: URI of the logged model, `models:/m-<id>`.
        tags: As the training set them, `gyre.training_id` among them.
    """

    name: str
    version: int
    run_id: str
    source: str
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        """Address of this version: `models:/flight_delay/3`."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Registry:
    """One MLflow server.

    Attributes:
        conn: Where it is and how to sign in: an HTTP connection, or any other of MLflow's addresses as `tracking_uri` in its extra.
    """

    conn: Connection

    @classmethod
    def of(cls, conn_id: str = MLFLOW_CONNECTION) -> Registry:
        """Open the server of a connection this process was given."""
        return cls(connection(conn_id))

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client; the fluent functions of this process speak to the same server."""
        for quiet in ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "MLFLOW_DISABLE_TELEMETRY"):
            os.environ.setdefault(quiet, "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        if self.conn.login:  # MLflow takes credentials from the environment alone
            os.environ["MLFLOW_TRACKING_USERNAME"] = self.conn.login
            os.environ["MLFLOW_TRACKING_PASSWORD"] = self.conn.password or ""
        import mlflow
        from mlflow import MlflowClient

        uri = self.conn.extra.get("tracking_uri") or self.conn.http_url
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return MlflowClient(uri, uri)

    # runs

    def experiment(self, name: str) -> str:
        """Find the experiment of that name, or create it; give its id."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.experiment(name)  # another training was quicker

    def run_url(self, run_id: str) -> str:
        """Page of a run."""
        experiment_id = self.client.get_run(run_id).info.experiment_id
        return f"{self.conn.http_url}/#/experiments/{experiment_id}/runs/{run_id}"

    # versions

    def versions(self, name: str) -> list[ModelVersion]:
        """List every version of a model, oldest first."""
        found = self.client.search_model_versions(f"name = '{name}'", max_results=10_000)
        return sorted((_version(v) for v in found), key=lambda v: v.version)

    def version(self, name: str, number: int) -> ModelVersion | None:
        """Find one version."""
        return next((v for v in self.versions(name) if v.version == number), None)

    def version_by_training(self, name: str, training_id: str) -> ModelVersion | None:
        """Find the version that a training made, if it came so far."""
        return next((v for v in self.versions(name) if v.tags.get(TRAINING_TAG) == training_id), None)

    def register(self, name: str, source: str, run_id: str, training_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register a logged model, once for a training: asked again, it gives the version that is there."""
        from mlflow.exceptions import MlflowException

        made = self.version_by_training(name, training_id)
        if made is not None:
            return made
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        model_id = source.removeprefix("models:/")
        created = self.client.create_model_version(name, source, run_id, tags={**tags, TRAINING_TAG: training_id}, model_id=model_id)
        return _version(created)

    def version_url(self, name: str, number: int) -> str:
        """Page of a version."""
        return f"{self.conn.http_url}/#/models/{name}/versions/{number}"

    # aliases

    def aliases(self, name: str) -> dict[str, int]:
        """Say which version each alias names; empty if the model is not registered yet."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: int(number) for alias, number in found.aliases.items()}

    def alias(self, name: str, alias: str) -> int | None:
        """Say which version an alias names."""
        return self.aliases(name).get(alias)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version."""
        self.client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away, if it is there."""
        if alias in self.aliases(name):
            self.client.delete_registered_model_alias(name, alias)


def _version(found: Any) -> ModelVersion:
    return ModelVersion(str(found.name), int(found.version), str(found.run_id), str(found.source), dict(found.tags))
