"""Hear from Label Studio that people answered, and look for it sooner. A hint and nothing more: the label DAG's own schedule finds what a lost one told of.

Label Studio cannot sign what it sends, and waits for the answer inside a person's click: the caller shows the secret of the connection
`gyre_labelstudio`, the payload is not believed, and a minute of clicks makes one run.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Annotated

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagNotFound, DagRunAlreadyExists
from airflow.models.connection import Connection as AirflowConnection
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import timezone
from airflow.utils.types import DagRunTriggeredByType
from fastapi import FastAPI, Header, HTTPException

from gyre.specs import People, load_use_cases

app = FastAPI(title="Gyre webhooks", docs_url=None, redoc_url=None, openapi_url=None)


@app.post("/label_studio/{use_case}", status_code=202)
def annotated(use_case: str, x_gyre_secret: Annotated[str, Header()]) -> dict[str, str]:
    """Start the use case's label DAG at the end of this minute, once."""
    loaded, _ = load_use_cases(only=use_case) if use_case.isidentifier() else ([], [])
    labels = loaded[0].labels if loaded else None
    if not isinstance(labels, People) or not _knows(labels.connection, x_gyre_secret):
        raise HTTPException(403, "Refused: no use case of this name asks people, or the secret is not its connection's.")
    at = minute_after(timezone.utcnow())
    run_id = f"webhook__{at:%Y-%m-%dT%H:%M}"
    try:
        trigger_dag(f"{use_case}__label", run_id=run_id, run_after=at, triggered_by=DagRunTriggeredByType.REST_API, triggering_user_name="label-studio")
    except DagRunAlreadyExists:
        pass  # this minute has its run
    except DagNotFound as error:
        raise HTTPException(503, f"Airflow does not know '{use_case}__label' yet.") from error
    return {"run_id": run_id}


def minute_after(now: datetime) -> datetime:
    """Give the end of the running minute."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _knows(conn_id: str, secret: str) -> bool:
    wanted = AirflowConnection.get_connection_from_secrets(conn_id).extra_dejson.get("webhook_secret")
    return bool(wanted) and secrets.compare_digest(str(wanted), secret)


class GyreWebhooks(AirflowPlugin):
    """Adds the receiver to Airflow's API server."""

    name = "gyre_webhooks"
    fastapi_apps = [{"app": app, "url_prefix": "/gyre-webhooks", "name": "Gyre webhooks"}]
