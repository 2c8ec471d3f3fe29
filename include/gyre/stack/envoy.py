"""Envoy: the address at which served models answer. Routes and clusters are files that deploying writes and Envoy reloads.

Written here once, empty: `serving/envoy/rds.json` (a RouteConfiguration named `gyre`) and `cds.json` (clusters). To change what is
served, write a new file beside one of them and rename it over. `/healthz` and the answer for an unknown route are Envoy's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gyre.clients.envoy_config import bootstrap, discovery, route_table
from gyre.layout import Layout, write_private
from gyre.settings import Settings
from gyre.stack.component import Component, Program, http_problem
from gyre.stack.context import Stack


def write(settings: Settings, layout: Layout) -> None:
    """Write what Envoy starts with, and no routes yet. Who listens everywhere does so for requests alone: whoever reaches the admin interface may stop it."""
    folder = layout.envoy
    for name, empty in (("rds.json", discovery("0", route_table({}))), ("cds.json", discovery("0", []))):
        if not (folder / name).exists():
            write_private(folder / name, json.dumps(empty, indent=2))
    admin = (settings.reachable_address, settings.port("envoy_admin"))
    static = bootstrap(settings.bind_address, settings.port("envoy"), admin, folder)
    write_private(layout.supervisor / "envoy.json", json.dumps(static, indent=2))


def component(stack: Stack) -> Component:
    """The proxy."""
    command = (str(Path(sys.prefix) / "bin" / "envoy"), "-c", str(stack.layout.supervisor / "envoy.json"))
    # hot restart would share memory with another stack's Envoy
    options = ("--disable-hot-restart", "--concurrency", "2", "--log-level", "warning")
    return Component(
        name="envoy",
        title="Envoy (serving)",
        address=lambda: stack.settings.url("envoy"),
        program=lambda: Program((sys.executable, *command, *options), stack.layout.envoy),
        problem=lambda _: http_problem(f"{stack.settings.url('envoy')}/healthz"),
        ports=("envoy", "envoy_admin"),
        prepare=lambda: write(stack.settings, stack.layout),
    )
