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
from fastapi.responses import FileResponse, HTMLResponse

from gyre.clients.object_store import lake_objects
from gyre.connections import Connection, ask_also, connection
from gyre.journal import JOURNAL_CONNECTION, Journal
from gyre.journal.questions import summary
from gyre.settings import settings
from gyre.specs import load_use_cases

STATIC = Path(__file__).parent / "static"
RECENT = 60

app = FastAPI(title="Gyre board", docs_url=None, redoc_url=None, openapi_url=None)
may_read = Depends(requires_access_dag(method="GET"))


def _from_airflow(conn_id: str) -> Connection | None:
    found = AirflowConnection.get_connection_from_secrets(conn_id)
    return Connection(conn_id, found.conn_type, found.host, found.port, found.login, found.password, found.schema, dict(found.extra_dejson))


def _journal() -> Journal:
    ask_also(_from_airflow)
    return Journal(connection(JOURNAL_CONNECTION).postgres_uri)


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


@app.get("/use_cases/{name}/page", dependencies=[may_read], response_class=HTMLResponse)
def report(name: str, uri: str) -> HTMLResponse:
    """Show a report or a validation page of a use case, as it lies in the lake. It comes without scripts, and none would run."""
    if not name.isidentifier() or not uri.startswith(f"{settings().lake_uri}/{name}/") or not uri.endswith(".html") or ".." in uri:
        raise HTTPException(404, f"'{uri}' is no page of the use case '{name}'.")
    ask_also(_from_airflow)
    try:
        content = lake_objects(uri).read(uri)
    except FileNotFoundError as error:
        raise HTTPException(404, f"There is no page {uri} any more.") from error
    return HTMLResponse(content, headers={"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"})


class GyreBoard(AirflowPlugin):
    """Adds the board to Airflow's navigation."""

    name = "gyre_board"
    fastapi_apps = [{"app": app, "url_prefix": "/gyre", "name": "Gyre board"}]
    external_views = [{"name": "Models", "href": "/gyre/", "destination": "nav", "url_route": "gyre-board"}]
