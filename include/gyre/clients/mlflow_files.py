"""The files of a registered model version, fetched without loading the model.

By MLflow's REST interface: importing MLflow costs a job two to four seconds, and this is all that some jobs want of it. Where the
server does not hand files on itself (`--no-serve-artifacts`), MLflow's own client fetches them.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from gyre.clients.mlflow import Registry
from gyre.errors import GyreError

PROXIED = "mlflow-artifacts:"
FILES = "api/2.0/mlflow-artifacts/artifacts"


def download(registry: Registry, name: str, version: int, folder: Path) -> None:
    """Fetch MLflow's folder of a version (`MLmodel` and what it names) into a new folder.

    Raises:
        GyreError: If the registry has no such version, or does not answer.
    """
    conn = registry.conn
    login = (conn.login, conn.password or "") if conn.login else None
    folder.mkdir(parents=True)
    try:
        with httpx.Client(base_url=conn.http_url, auth=login, timeout=60, trust_env=False) as server:
            place = _place_of(server, name, version)
            if place.startswith(PROXIED):
                _fetch(server, place.removeprefix(PROXIED).lstrip("/"), "", folder)
                return
    except httpx.HTTPStatusError as error:
        raise GyreError(f"Version {version} of '{name}' cannot be fetched from {conn.http_url}: {error.response.text[:300]}") from error
    _fetch_with_mlflow(registry, place, folder)


def _place_of(server: httpx.Client, name: str, version: int) -> str:
    """Find where the files of a version are."""
    found = _json(server.get("/api/2.0/mlflow/model-versions/get", params={"name": name, "version": str(version)}))
    source = str(found["model_version"]["source"])
    if not source.startswith("models:/"):
        return source
    logged = _json(server.get(f"/api/2.0/mlflow/logged-models/{source.removeprefix('models:/')}"))
    return str(logged["model"]["info"]["artifact_uri"])


def _fetch(server: httpx.Client, root: str, below: str, folder: Path) -> None:
    """Fetch a folder and those in it."""
    path = f"{root}/{below}".rstrip("/")
    for file in _json(server.get(f"/{FILES}", params={"path": path})).get("files", []):
        relative = str(PurePosixPath(below) / PurePosixPath(file["path"]).name)
        if file.get("is_dir"):
            (folder / relative).mkdir()
            _fetch(server, root, relative, folder)
        else:
            answer = server.get(f"/{FILES}/{root}/{relative}")
            answer.raise_for_status()
            (folder / relative).write_bytes(answer.content)


def _fetch_with_mlflow(registry: Registry, place: str, folder: Path) -> None:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    _ = registry.client  # opening it tells MLflow where its server is and how to sign in
    import mlflow.artifacts

    mlflow.artifacts.download_artifacts(artifact_uri=place, dst_path=str(folder))


def _json(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    return dict(answer.json())
