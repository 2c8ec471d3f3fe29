"""The company's bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gyre.connections import Connection

if TYPE_CHECKING:
    from obstore.store import S3Store

BUCKET = "company"


def open_bucket(connection: Connection) -> S3Store:
    """Open it through the connection `company_bucket`."""
    from obstore.store import S3Store

    endpoint = str(connection.extra["endpoint_url"])
    options: Any = {"access_key_id": connection.login, "secret_access_key": connection.password, "endpoint": endpoint, "region": "us-east-1"}
    return S3Store(BUCKET, config=options, client_options={"allow_http": endpoint.startswith("http://")})
