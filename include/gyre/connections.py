"""A connection as Gyre hands it to a job: the fields of an Airflow connection, without Airflow.

The runtime looks connections up where Airflow keeps them and gives a job those its request names, as environment variables
`GYRE_CONN_<ID>` holding JSON. Nothing here prints a password.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gyre.errors import MissingConnection


@dataclass(frozen=True)
class Connection:
    """Where a system is and how to sign in to it."""

    conn_id: str
    conn_type: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    schema: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, conn_id: str, text: str) -> Connection:
        """Read the JSON form that Airflow itself uses (`extra` may be a map or JSON text)."""
        given = json.loads(text)
        extra = given.get("extra") or {}
        return cls(
            conn_id=conn_id,
            conn_type=given["conn_type"],
            host=given.get("host"),
            port=int(given["port"]) if given.get("port") else None,
            login=given.get("login"),
            password=given.get("password"),
            schema=given.get("schema"),
            extra=json.loads(extra) if isinstance(extra, str) else extra,
        )

    def to_json(self) -> str:
        """Write the JSON form that `from_json` reads."""
        fields = ("conn_type", "host", "port", "login", "password", "schema", "extra")
        return json.dumps({name: getattr(self, name) for name in fields})

    @property
    def postgres_uri(self) -> str:
        """`postgresql://` address, for psycopg and ADBC."""
        user = f"{quote(self.login or '', safe='')}:{quote(self.password or '', safe='')}@" if self.login else ""
        return f"postgresql://{user}{self.host}:{self.port or 5432}/{self.schema or ''}"

    @property
    def http_url(self) -> str:
        """Address of an HTTP service (`schema` is the protocol, as in Airflow's HTTP connections)."""
        return f"{self.schema or 'http'}://{self.host}" + (f":{self.port}" if self.port else "")


def variable_of(conn_id: str) -> str:
    """Name of the environment variable that carries a connection into a job."""
    return f"GYRE_CONN_{conn_id.upper()}"


Lookup = Callable[[str], "Connection | None"]
_lookups: list[Lookup] = []


def ask_also(lookup: Lookup) -> None:
    """Let `connection` ask another place where the environment has nothing (the runtime adds Airflow's own)."""
    if lookup not in _lookups:
        _lookups.append(lookup)


def connection(conn_id: str) -> Connection:
    """Find a connection among those this process was given.

    Raises:
        MissingConnection: If the process was started without it.
    """
    text = os.environ.get(variable_of(conn_id))
    if text is not None:
        return Connection.from_json(conn_id, text)
    found = next((conn for lookup in _lookups if (conn := lookup(conn_id)) is not None), None)
    if found is None:
        raise MissingConnection(conn_id, variable_of(conn_id))
    return found
