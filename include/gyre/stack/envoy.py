"""Envoy: the address at which served models answer. Routes and clusters are files that deploying writes and Envoy reloads.

Written here once, empty: `serving/envoy/rds.json` (a RouteConfiguration named `gyre`) and `cds.json` (clusters). To change what is
served, write a new file beside one of them and rename it over. `/healthz` and the answer for an unknown route are Envoy's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gyre.layout import Layout, write_private
from gyre.settings import Settings
from gyre.stack.component import Component, Program, http_problem
from gyre.stack.context import Stack

ROUTES = {
    "version_info": "0",
    "resources": [{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "gyre", "virtual_hosts": []}],
}
CLUSTERS = {"version_info": "0", "resources": []}
ACCESS_LOG = {
    "time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "milliseconds": "%DURATION%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}


def _typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def _listening(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _watched(folder: Path, file: str) -> dict[str, Any]:
    # the folder is watched, not the file: a rename into it is what announces new contents
    return {"path_config_source": {"path": str(folder / file), "watched_directory": {"path": str(folder)}}, "resource_api_version": "V3"}


def _answers_of_its_own() -> dict[str, Any]:
    unknown = {
        "filter": {"response_flag_filter": {"flags": ["NR"]}},
        "status_code": 404,
        "body_format_override": {"json_format": {"error": "no model is served here", "path": "%REQ(:PATH)%"}},
    }
    return {"mappers": [unknown]}


def bootstrap(address: str, port: int, admin_port: int, folder: Path, admin_address: str | None = None) -> dict[str, Any]:
    """Envoy's static configuration: one listener, and where to look for the rest."""
    health = _typed(
        "extensions.filters.http.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": "/healthz"}}],
    )
    manager = _typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="serving",
        access_log=[
            {
                "name": "stdout",
                "typed_config": _typed("extensions.access_loggers.stream.v3.StdoutAccessLog", log_format={"json_format": ACCESS_LOG}),
            }
        ],
        rds={"route_config_name": "gyre", "config_source": _watched(folder, "rds.json")},
        local_reply_config=_answers_of_its_own(),
        http_filters=[
            {"name": "health", "typed_config": health},
            {"name": "router", "typed_config": _typed("extensions.filters.http.router.v3.Router")},
        ],
    )
    listener = {
        "name": "serving",
        "address": _listening(address, port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {
        "node": {"id": "gyre", "cluster": "gyre"},
        "admin": {"address": _listening(admin_address or address, admin_port)},
        "static_resources": {"listeners": [listener]},
        "dynamic_resources": {"cds_config": _watched(folder, "cds.json")},
    }


def write(settings: Settings, layout: Layout) -> None:
    """Write what Envoy starts with, and no routes yet. Who listens everywhere does so for requests alone: whoever reaches the admin interface may stop it."""
    folder = layout.envoy
    for name, empty in (("rds.json", ROUTES), ("cds.json", CLUSTERS)):
        if not (folder / name).exists():
            write_private(folder / name, json.dumps(empty, indent=2))
    static = bootstrap(settings.bind_address, settings.port("envoy"), settings.port("envoy_admin"), folder, settings.reachable_address)
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
