"""Test a connection as a job would use it: from an environment that has the vendor's SDK, which this one need not have."""

from __future__ import annotations

import os
import subprocess

from gyre.connections import Connection, variable_of
from gyre.errors import StackError
from gyre.settings import settings

LABEL_STUDIO = "labelstudio"


def check(conn: Connection) -> str:
    """Say who a connection signs in as.

    Raises:
        StackError: If it does not work, or is not to Label Studio.
    """
    if conn.conn_type != "http" or LABEL_STUDIO not in conn.conn_id:
        raise StackError(
            f"Connection '{conn.conn_id}' (type {conn.conn_type}) cannot be checked. "
            f"Only Label Studio's can: connections of type http with '{LABEL_STUDIO}' in their id."
        )
    with_sdk = sorted(settings().venvs.glob("*/lib/python*/site-packages/label_studio_sdk"))
    if not with_sdk:
        raise StackError("No environment here has label-studio-sdk. Fix: `make up`, or `gyre env tabular`.")
    python = with_sdk[0].parents[3] / "bin" / "python"
    environment = {**os.environ, variable_of(conn.conn_id): conn.to_json()}
    tested = subprocess.run(
        [python, "-m", "gyre.clients.label_studio_server", conn.conn_id], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if tested.returncode:
        raise StackError(tested.stderr.strip())
    return tested.stdout.strip()
