"""MLflow's tracking server and registry: its records in PostgreSQL, its artifacts in S3, proxied so that clients need no keys."""

from __future__ import annotations

from pathlib import Path

from gyre.layout import write_private
from gyre.stack import environments, s3, steps
from gyre.stack.component import Component, Program, http_problem
from gyre.stack.context import Stack

UPGRADE = """
import os, sqlalchemy
from mlflow.store.db.utils import _upgrade_db
_upgrade_db(sqlalchemy.create_engine(os.environ["MLFLOW_BACKEND_STORE_URI"]))
"""


def _environment(stack: Stack) -> dict[str, str]:
    settings, secrets = stack.settings, stack.secrets
    hosts = {"127.0.0.1", "localhost", settings.reachable_address, settings.bind_address}
    database = f"mlflow:{secrets.postgres_mlflow}@{settings.reachable_address}:{settings.port('postgres')}/mlflow"
    return {
        # by environment, not by argument: anyone on the machine can read another process's arguments
        "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{database}",
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{s3.BUCKET}/mlflow",
        "MLFLOW_SERVE_ARTIFACTS": "true",
        "MLFLOW_S3_ENDPOINT_URL": s3.endpoint(stack),
        "AWS_ACCESS_KEY_ID": secrets.s3_key,
        "AWS_SECRET_ACCESS_KEY": secrets.s3_secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(sorted(f"{host}{port}" for host in hosts for port in ("", ":*"))),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # it would start eight more processes
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def _upgrade(stack: Stack, python: Path) -> None:
    """Bring an older MLflow's tables up to date; the server itself makes them the first time."""
    stamp = stack.layout.home / "postgres" / "mlflow-version"
    wanted = environments.fingerprint(stack.settings, "mlflow")
    if stamp.exists() and stamp.read_text() != wanted:
        steps.run(stack, "mlflow-upgrade", [python, "-c", UPGRADE], _environment(stack))
        write_private(stamp, wanted)


def component(stack: Stack) -> Component:
    """The server."""
    settings = stack.settings
    python = environments.python(settings, "mlflow")
    folder = stack.layout.home / "mlflow"

    def prepare() -> None:
        folder.mkdir(exist_ok=True)
        _upgrade(stack, python)

    def remember_version() -> None:
        write_private(stack.layout.home / "postgres" / "mlflow-version", environments.fingerprint(settings, "mlflow"))

    def program() -> Program:
        listening = ("--host", settings.bind_address, "--port", str(settings.port("mlflow")), "--workers", "1")
        return Program((str(python), "-m", "mlflow", "server", *listening), folder, _environment(stack))

    return Component(
        name="mlflow",
        title="MLflow",
        address=lambda: settings.url("mlflow"),
        program=program,
        problem=lambda _: http_problem(f"{settings.url('mlflow')}/health"),
        ports=("mlflow",),
        needs=("postgres",),  # S3 it needs only when an artifact comes
        prepare=prepare,
        afterwards=remember_version,
    )
