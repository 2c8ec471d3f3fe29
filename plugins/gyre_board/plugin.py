"""Show the journal as a page of Airflow: what serves, what was decided and why. Reads the journal and writes nothing.

Airflow does not authenticate a plugin's routes: each one that shows data asks for a signed-in user who may read DAGs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.connection import Connection as AirflowConnection
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse

from gyre.connections import Connection
from gyre.journal import Journal
from gyre.journal.questions import summary
from gyre.runtime.connections import JOURNAL_CONNECTION
from gyre.specs import load_use_cases

STATIC = Path(__file__).parent / "static"
RECENT = 60

app = FastAPI(title="Gyre board", docs_url=None, redoc_url=None, openapi_url=None)
may_read = Depends(requires_access_dag(method="GET"))


def _journal() -> Journal:
    conn = AirflowConnection.get_connection_from_secrets(JOURNAL_CONNECTION)
    return Journal(
        Connection(
            conn_id=JOURNAL_CONNECTION, conn_type="postgres", host=conn.host, port=conn.port, login=conn.login, password=conn.password, schema=conn.schema
        ).postgres_uri
    )


@app.get("/")
def page() -> FileResponse:
    """Give the empty page; the data behind it are asked for separately, by a signed-in user."""
    return FileResponse(STATIC / "board.html")


@app.get("/use_cases", dependencies=[may_read])
def use_cases() -> list[dict[str, Any]]:
    """Sum up every use case, broken ones by their error."""
    journal = _journal()
    loaded, broken = load_use_cases()
    known = [{"title": u.name, "description": u.description, "owner": u.owner, "metric": u.promotion.metric, **summary(journal, u.name)} for u in loaded]
    return known + [{"title": e.use_case, "error": str(e)} for e in broken]


@app.get("/use_cases/{name}/journal", dependencies=[may_read])
def entries(name: str) -> list[dict[str, Any]]:
    """List a use case's newest journal entries, newest first."""
    loaded, _ = load_use_cases(only=name) if name.isidentifier() else ([], [])
    if not loaded:
        raise HTTPException(404, f"There is no use case '{name}'.")
    newest = _journal().entries(name, newest_first=True, limit=RECENT)
    return [{"at": e.at, "kind": e.kind, "key": e.key, "body": e.body} for e in newest]


class GyreBoard(AirflowPlugin):
    """Adds the board to Airflow's navigation."""

    name = "gyre_board"
    fastapi_apps = [{"app": app, "url_prefix": "/gyre", "name": "Gyre board"}]
    external_views = [{"name": "Models", "href": "/gyre/", "destination": "nav", "url_route": "gyre-board"}]
