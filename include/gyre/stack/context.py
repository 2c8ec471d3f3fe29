"""What every part of the stack needs to know: the settings, the secrets, the folders."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gyre.layout import Layout
from gyre.settings import Settings, settings
from gyre.stack import secrets
from gyre.stack.secrets import Secrets

MARKER = "GYRE_STACK_OF"  # in the environment of everything the stack starts: by it `gyre down` finds what is left over


@dataclass(frozen=True)
class Stack:
    """One local stack."""

    settings: Settings
    secrets: Secrets
    layout: Layout

    @classmethod
    def open(cls) -> Stack:
        """The stack in this process's `GYRE_HOME`, started before."""
        here = settings()
        layout = Layout(here.home)
        return cls(here, secrets.load(layout.secrets), layout)

    @classmethod
    def create(cls) -> Stack:
        """The same, made if it does not exist."""
        here = settings()
        layout = Layout(here.home)
        layout.create()
        return cls(here, secrets.load_or_create(layout.secrets), layout)

    def given_variables(self) -> dict[str, str]:
        """The GYRE_* variables to hand on to the servers: settings, no connections (those are Airflow's to keep)."""
        given = {name: value for name, value in self.settings.environ.items() if name.startswith("GYRE_")}
        given = {name: value for name, value in given.items() if name != MARKER and not name.startswith("GYRE_CONN_")}
        return given | {"GYRE_HOME": str(self.settings.home)}


def base_environment(stack: Stack) -> dict[str, str]:
    """Environment of supervisord and of every one-off command.

    Without what would disturb: a switched-off bytecode cache (it costs each Airflow process seconds), an activated venv,
    a proxy between processes of one machine.
    """
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    direct = ",".join(filter(None, [os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")), stack.settings.reachable_address, "localhost"]))
    return kept | {"no_proxy": direct, "NO_PROXY": direct, MARKER: str(stack.settings.home)}
