"""What differs between a laptop and a cluster, read from the environment once, in one place.

Every process of Gyre (a DAG's task, a job, the command line, the plugin) sees the same few variables. None is a secret:
secrets travel as connections (`gyre.connections`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from gyre import __version__
from gyre.errors import StackError

REPOSITORY = Path(__file__).resolve().parents[2]

PORT_OFFSETS = {
    "airflow": 80,
    "postgres": 432,
    "mlflow": 500,
    "s3": 333,
    "s3_master": 334,
    "s3_volume": 335,
    "s3_filer": 336,
    "s3_grpc": 343,  # SeaweedFS talks to itself by gRPC; its default, 10,000 above, could meet another stack's ports
    "s3_master_grpc": 344,
    "s3_volume_grpc": 345,
    "s3_filer_grpc": 346,
    "label_studio": 280,
    "kafka": 92,
    "kafka_controller": 93,
    "envoy": 800,
    "envoy_admin": 801,
    "serving": 900,  # the first of 100 ports, one for each served model version
}

# Envoy on a cluster: its Deployment, ConfigMap and Service; the Service by which each single pod is found; where they show what they count
ROUTER, ROUTER_VIEW, ROUTER_VIEW_PORT = "gyre-router", "gyre-router-view", 9902


@dataclass(frozen=True)
class Settings:
    """The environment of one Gyre installation."""

    environ: dict[str, str]

    @cached_property
    def home(self) -> Path:
        """Where the local stack keeps its state (`GYRE_HOME`, default `.gyre` in the repository)."""
        return Path(self.environ.get("GYRE_HOME") or REPOSITORY / ".gyre").absolute()

    @property
    def runtime(self) -> str:
        """How jobs run and versions are served: `local` (processes) or `kubernetes` (pods)."""
        return self.environ.get("GYRE_RUNTIME", "local")

    @property
    def lake_uri(self) -> str:
        """Root of the lake: `s3://bucket/prefix`, `gs://`, `az://` or `file:///path`."""
        return self.environ.get("GYRE_LAKE_URI", "s3://gyre/lake").rstrip("/")

    @property
    def use_cases(self) -> Path:
        """The folder whose sub-folders each describe one use case."""
        return Path(self.environ.get("GYRE_USE_CASES") or REPOSITORY / "include" / "use_cases").absolute()

    @property
    def environments(self) -> Path:
        """The folder whose sub-folders are environments (a Dockerfile and a lock each)."""
        return Path(self.environ.get("GYRE_ENVIRONMENTS") or REPOSITORY / "docker").absolute()

    @property
    def venvs(self) -> Path:
        """Where the local runtime keeps one virtual environment for each environment."""
        return Path(self.environ.get("GYRE_VENVS") or REPOSITORY / ".venvs").absolute()

    @property
    def prediction_logs(self) -> Path:
        """Where serving processes write what they predicted, one folder a use case and version."""
        return Path(self.environ.get("GYRE_PREDICTION_LOGS") or self.home / "predictions").absolute()

    def image(self, environment: str) -> str:
        """Image of an environment on a cluster.

        `GYRE_IMAGE_<ENVIRONMENT>` names it whole (a digest, `registry/gyre-tabular@sha256:...`); otherwise it is
        `GYRE_IMAGE_PREFIX` (default `gyre-`), the environment, and `GYRE_IMAGE_TAG` (default: this release).
        """
        whole = self.environ.get(f"GYRE_IMAGE_{environment.upper().replace('-', '_')}")
        prefix, tag = self.environ.get("GYRE_IMAGE_PREFIX", "gyre-"), self.environ.get("GYRE_IMAGE_TAG", __version__)
        return whole or f"{prefix}{environment}:{tag}"

    @property
    def namespace(self) -> str:
        """Kubernetes namespace of jobs and served versions."""
        return self.environ.get("GYRE_KUBERNETES_NAMESPACE", "gyre")

    @property
    def serving_ready_s(self) -> float:
        """How long a served version may take to come up on a cluster (`GYRE_SERVING_READY_S`)."""
        return self._number("GYRE_SERVING_READY_S", "300", "seconds", "300")

    @property
    def router_replicas(self) -> int:
        """How many Envoys there are on a cluster (`GYRE_ROUTER_REPLICAS`)."""
        return int(self._number("GYRE_ROUTER_REPLICAS", "2", "pods", "2"))

    @property
    def keep_pods(self) -> timedelta:
        """How long a job's pod stays after it has ended, for a person to look at (`GYRE_KEEP_PODS_HOURS`)."""
        return timedelta(hours=self._number("GYRE_KEEP_PODS_HOURS", "24", "hours", "24 or 0.5"))

    def _number(self, variable: str, default: str, of: str, example: str) -> float:
        given = self.environ.get(variable, default)
        try:
            return float(given)
        except ValueError as error:
            raise StackError(f"{variable} is '{given}', which is no number of {of}. Fix: give one, such as {example}.") from error

    @property
    def bind_address(self) -> str:
        """Address every local server listens on."""
        return self.environ.get("GYRE_BIND_ADDRESS", "127.0.0.1")

    @property
    def reachable_address(self) -> str:
        """Address at which this machine's own processes reach those servers."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind_address, self.bind_address)  # noqa: S104 - read, not bound

    def port(self, name: str) -> int:
        """Port of a local server: `GYRE_PORT_<NAME>`, else `GYRE_PORT_BASE` (28000) plus a fixed offset."""
        given = self.environ.get(f"GYRE_PORT_{name.upper()}")
        return int(given) if given else int(self.environ.get("GYRE_PORT_BASE", "28000")) + PORT_OFFSETS[name]

    def url(self, name: str) -> str:
        """Address of a local HTTP server."""
        return f"http://{self.reachable_address}:{self.port(name)}"


def settings() -> Settings:
    """Read the settings from this process's environment."""
    return Settings(dict(os.environ))
