"""Airflow's four processes: api-server, scheduler, dag-processor, triggerer. One configuration, by environment."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx

from gyre.layout import write_private
from gyre.settings import REPOSITORY
from gyre.stack import environments, steps
from gyre.stack.component import Component, Program
from gyre.stack.context import Stack

ROLES = {"api-server": "metadatabase", "scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def _options(stack: Stack) -> dict[str, dict[str, object]]:
    """Airflow's settings, by section; what differs from its defaults and why."""
    settings, secrets = stack.settings, stack.secrets
    database = f"airflow:{secrets.postgres_airflow}@{settings.reachable_address}:{settings.port('postgres')}/airflow"
    return {
        "core": {
            "load_examples": False,
            "dags_folder": REPOSITORY / "dags",
            "plugins_folder": REPOSITORY / "plugins",
            "executor": "LocalExecutor",
            "parallelism": 8,  # with fewer, a finished task holds its worker back for up to a heartbeat
            "dags_are_paused_at_creation": False,
            "fernet_key": secrets.airflow_fernet,
            "simple_auth_manager_users": "admin:ADMIN,viewer:VIEWER",
            "simple_auth_manager_passwords_file": stack.layout.home / "airflow" / "passwords.json",
        },
        "database": {"sql_alchemy_conn": f"postgresql+psycopg2://{database}"},
        "api": {
            "host": settings.bind_address,
            "port": settings.port("airflow"),
            "base_url": settings.url("airflow"),
            "workers": 1,
            "secret_key": secrets.airflow_api,
        },
        "api_auth": {"jwt_secret": secrets.airflow_jwt},
        "scheduler": {
            "scheduler_idle_sleep_time": 0.1,  # the default, 1 s, is paid between any two tasks
            "task_instance_heartbeat_timeout": 60,  # a killed task is noticed after a minute, not after five
        },
        "workers": {"min_heartbeat_interval": 1},
        "dag_processor": {"refresh_interval": 10, "min_file_process_interval": 10},
        "logging": {
            # `namespace_levels` reaches Airflow's own loggers alone: of a level of WARNING, what Gyre's modules say inside a task, and what the
            # triggerer reads of a pod's log, would be dropped. So it is the servers that are made quiet, by name.
            "logging_level": "INFO",
            "namespace_levels": "airflow=WARNING airflow.task=INFO airflow.providers.cncf.kubernetes=INFO",
            "uvicorn_logging_level": "WARNING",
        },
    }


def environment(stack: Stack) -> dict[str, str]:
    """What each of Airflow's processes gets."""
    options = {f"AIRFLOW__{section.upper()}__{name.upper()}": str(value) for section, given in _options(stack).items() for name, value in given.items()}
    return options | stack.given_variables() | {"AIRFLOW_HOME": str(stack.layout.home / "airflow"), "PYTHONPATH": str(REPOSITORY / "include")}


def login(stack: Stack) -> str:
    """What a person needs to sign in."""
    people = {"admin": stack.secrets.airflow_admin, "viewer": stack.secrets.airflow_viewer}
    return f"Airflow {stack.settings.url('airflow')}\n" + "\n".join(f"user: {name}\npassword: {password}\n" for name, password in people.items())


def migrate(stack: Stack) -> None:
    """Bring Airflow's database up to date, when its environment or the database is new."""
    home = stack.layout.home / "airflow"
    home.mkdir(exist_ok=True)
    home.chmod(0o700)
    passwords = {"admin": stack.secrets.airflow_admin, "viewer": stack.secrets.airflow_viewer}
    write_private(home / "passwords.json", json.dumps(passwords))
    stamp = stack.layout.home / "postgres" / "airflow-version"  # beside the data: who removes one removes both
    wanted = environments.fingerprint(stack.settings, "airflow")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    steps.run(stack, "airflow-migrate", [environments.python(stack.settings, "airflow"), "-m", "airflow", "db", "migrate"], environment(stack))
    write_private(stamp, wanted)


def _health(stack: Stack) -> dict[str, Any] | str:
    url = f"{stack.settings.url('airflow')}/api/v2/monitor/health"
    try:
        response = httpx.get(url, timeout=5, trust_env=False)
        return dict(response.json()) if response.status_code == 200 else f"{url} answers {response.status_code}"
    except (httpx.HTTPError, ValueError) as error:
        return f"{url} does not answer ({type(error).__name__})"


def problem(health: dict[str, Any] | str, part: str, started: float) -> str | None:
    """What Airflow's health report says against one part, or None. A heartbeat from before its start is another process's."""
    if isinstance(health, str):
        return health
    report = health.get(part) or {}
    if report.get("status") != "healthy":
        return f"Airflow says {report.get('status') or 'nothing'}"
    heartbeat = report.get(f"latest_{part}_heartbeat")
    if heartbeat and datetime.fromisoformat(heartbeat).timestamp() < started:
        return "no heartbeat yet"
    return None


def components(stack: Stack) -> list[Component]:
    """The four processes. They start once `migrate` has run."""
    python = str(environments.python(stack.settings, "airflow"))
    # the logs lie on this machine: the api-server reads them as files, so the servers that would offer them are not needed
    extra = {"scheduler": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}

    def one(role: str, part: str) -> Component:
        return Component(
            name=f"airflow-{role}",
            title=f"Airflow {role}",
            address=lambda: stack.settings.url("airflow") if role == "api-server" else "",
            program=lambda: Program((python, "-m", "airflow", role, *extra.get(role, ())), stack.layout.home / "airflow", environment(stack), stop_seconds=20),
            problem=lambda started: problem(_health(stack), part, started),
            ports=("airflow",) if role == "api-server" else (),
            needs=("airflow-migrate",),
        )

    return [one(role, part) for role, part in ROLES.items()]
