"""What an installation in containers needs before its servers start: `python -m gyre.stack.prepare`. May be run any number of times.

Always the journal's tables. Where jobs and served versions are local processes, what the router and the supervisor begin with, too, and
Airflow's users, whose passwords come as `AIRFLOW_PASSWORD_<USER>`.
"""

from __future__ import annotations

import json
import os

from gyre.connections import connection
from gyre.errors import StackError
from gyre.journal import JOURNAL_CONNECTION, Journal
from gyre.layout import Layout, write_private
from gyre.settings import settings
from gyre.stack import envoy, supervisor

USERS = ("admin", "viewer")


def main() -> None:
    """Prepare what is missing."""
    here = settings()
    Journal(connection(JOURNAL_CONNECTION).postgres_uri).migrate()
    if here.runtime != "local":
        return
    layout = Layout(here.home)
    layout.create()
    envoy.write(here, layout)
    write_private(layout.supervisor / "supervisord.conf", supervisor.main_configuration(layout))
    folder = here.home / "airflow"
    folder.mkdir(exist_ok=True)
    write_private(folder / "passwords.json", json.dumps({user: _password(user) for user in USERS}))


def _password(user: str) -> str:
    given = os.environ.get(f"AIRFLOW_PASSWORD_{user.upper()}")
    if not given:
        raise StackError(f"Airflow's user '{user}' has no password. Fix: set AIRFLOW_PASSWORD_{user.upper()}.")
    return given


if __name__ == "__main__":
    main()
