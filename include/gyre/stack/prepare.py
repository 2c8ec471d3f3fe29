"""What an installation in containers needs before its servers start: `python -m gyre.stack.prepare`. May be run any number of times.

With the connection `postgres_superuser`: a database, and a role that owns it, for each `POSTGRES_PASSWORD_<NAME>`. With `gyre_journal`:
the journal's tables; and where jobs and served versions are local processes, what the router and the supervisor begin with, and Airflow's
users, whose passwords come as `AIRFLOW_PASSWORD_<USER>`.
"""

from __future__ import annotations

import json
import os

from gyre.connections import connection, variable_of
from gyre.errors import StackError
from gyre.journal import JOURNAL_CONNECTION, Journal
from gyre.layout import Layout, write_private
from gyre.settings import settings
from gyre.stack import envoy, supervisor
from gyre.stack.postgres import make_database

SUPERUSER = "postgres_superuser"
DATABASE = "POSTGRES_PASSWORD_"
USERS = ("admin", "viewer")


def main() -> None:
    """Prepare what this process is given the means to.

    Raises:
        StackError: If it is given none.
    """
    if variable_of(SUPERUSER) in os.environ:
        make_databases()
    elif variable_of(JOURNAL_CONNECTION) in os.environ:
        Journal(connection(JOURNAL_CONNECTION).postgres_uri).migrate()
        if settings().runtime == "local":
            prepare_home()
    else:
        raise StackError(f"Nothing to prepare. Fix: set {variable_of(JOURNAL_CONNECTION)}, or {variable_of(SUPERUSER)}, to a connection as JSON.")


def make_databases() -> None:
    """Make a database for each password."""
    server = connection(SUPERUSER).postgres_uri
    for variable, password in os.environ.items():
        if variable.startswith(DATABASE) and password:
            make_database(server, variable.removeprefix(DATABASE).lower(), password)


def prepare_home() -> None:
    """Write the files that the router, the supervisor and Airflow start with."""
    here = settings()
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
