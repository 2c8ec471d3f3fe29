"""Airflow's connections, for Gyre's own code inside an Airflow task and for the jobs it starts."""

from __future__ import annotations

from gyre.connections import Connection, ask_also, connection
from gyre.journal import JOURNAL_CONNECTION, Journal


def _from_airflow(conn_id: str) -> Connection | None:
    """Look a connection up where Airflow keeps it (its database, or a secrets backend)."""
    from airflow.sdk import Connection as AirflowConnection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = AirflowConnection.get(conn_id)
    except AirflowNotFoundException:
        return None
    return Connection(
        conn_id=conn_id,
        conn_type=found.conn_type,
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        schema=found.schema,
        extra=dict(found.extra_dejson),
    )


def use_airflow_connections() -> None:
    """Let `gyre.connections.connection` find Airflow's connections in this process."""
    ask_also(_from_airflow)


def journal() -> Journal:
    """Open the journal from inside an Airflow task."""
    use_airflow_connections()
    return Journal(connection(JOURNAL_CONNECTION).postgres_uri)
