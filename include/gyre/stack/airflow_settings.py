"""`airflow_settings.yaml` (Astro's format): the local connections, variables and pools; told to Airflow, or used without it.

The file holds no secret: `${NAME}` in it stands for one of the stack's own values (listed in `values`) or an environment variable.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

import yaml

from gyre.connections import Connection
from gyre.errors import StackError, did_you_mean
from gyre.settings import REPOSITORY
from gyre.stack import kafka, label_studio, s3
from gyre.stack.airflow_api import AirflowApi
from gyre.stack.context import Stack

FILE = REPOSITORY / "airflow_settings.yaml"
MISSING = frozenset({404})


def values(stack: Stack) -> dict[str, str]:
    """What `${...}` in the file can stand for."""
    here, secrets = stack.settings, stack.secrets
    return {
        "GYRE_ADDRESS": here.reachable_address,
        "GYRE_PORT_AIRFLOW": str(here.port("airflow")),
        "GYRE_PORT_POSTGRES": str(here.port("postgres")),
        "GYRE_PORT_MLFLOW": str(here.port("mlflow")),
        "GYRE_PORT_LABEL_STUDIO": str(here.port("label_studio")),
        "GYRE_LABEL_STUDIO_EMAIL": label_studio.EMAIL,
        "GYRE_LABEL_STUDIO_TOKEN": secrets.label_studio_token,
        "GYRE_WEBHOOK_SECRET": secrets.label_studio_webhook,
        "GYRE_POSTGRES_PASSWORD": secrets.postgres_gyre,
        "GYRE_COMPANY_PASSWORD": secrets.postgres_company,
        "GYRE_S3_ENDPOINT": s3.endpoint(stack),
        "GYRE_S3_KEY": secrets.s3_key,
        "GYRE_S3_SECRET": secrets.s3_secret,
        "GYRE_KAFKA_BOOTSTRAP": kafka.bootstrap(stack),
    }


def expand(node: Any, known: dict[str, str]) -> Any:
    """Replace `${NAME}` in every text of a parsed file. After parsing, so that no value can break the YAML.

    Raises:
        StackError: Naming an unknown name and those that exist.
    """
    if isinstance(node, dict):
        return {key: expand(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [expand(each, known) for each in node]
    if not isinstance(node, str):
        return node
    try:
        return Template(node).substitute(known)
    except (KeyError, ValueError) as error:
        name = str(error.args[0])
        hint = did_you_mean(name, [each for each in known if each.startswith("GYRE_")])
        raise StackError(f"{FILE.name}: '{node}' names '{name}', which has no value.{hint}") from error


def read(stack: Stack, file: Path = FILE) -> dict[str, Any]:
    """The file's `airflow` part, expanded."""
    try:
        parsed = yaml.safe_load(file.read_text())["airflow"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        cure = "It needs one key `airflow` with connections, pools, variables."
        raise StackError(f"{file} cannot be read ({type(error).__name__}: {error}). {cure}") from error
    expanded: dict[str, Any] = expand(parsed, stack.settings.environ | values(stack))
    return expanded


def _connection(given: dict[str, Any]) -> Connection:
    extra = given.get("conn_extra") or {}
    return Connection(
        conn_id=given["conn_id"],
        conn_type=given["conn_type"],
        host=given.get("conn_host") or None,
        port=int(given["conn_port"]) if given.get("conn_port") else None,
        login=given.get("conn_login") or None,
        password=given.get("conn_password") or None,
        schema=given.get("conn_schema") or None,
        extra=json.loads(extra) if isinstance(extra, str) else extra,
    )


def local_connections(stack: Stack | None = None) -> dict[str, Connection]:
    """The local connections by id, without Airflow: for the command line and the demo."""
    return {each["conn_id"]: _connection(each) for each in read(stack or Stack.open()).get("connections") or []}


def apply(stack: Stack) -> str:
    """Tell Airflow: what is missing is added, what differs is changed, what else it holds is left alone."""
    given = read(stack)
    connections = [_connection(each) for each in given.get("connections") or []]
    pools, variables = given.get("pools") or [], given.get("variables") or []
    with AirflowApi.local(stack) as airflow:
        for each in connections:
            body = {name: getattr(each, name) for name in ("conn_type", "host", "port", "login", "password", "schema")}
            body |= {"connection_id": each.conn_id, "extra": json.dumps(each.extra)}
            _put(airflow, "/connections", each.conn_id, body)
        for pool in pools:
            # deferred tasks must hold their slot, or a pool would bound nothing that waits in the triggerer (Astro's format has no field for it)
            slots = {"slots": pool["pool_slot"], "description": pool.get("pool_description", ""), "include_deferred": True}
            _put(airflow, "/pools", pool["pool_name"], {"name": pool["pool_name"], **slots})
        for variable in variables:
            _put(airflow, "/variables", variable["variable_name"], {"key": variable["variable_name"], "value": str(variable["variable_value"])})
    return f"{len(connections)} connections, {len(pools)} pools, {len(variables)} variables"


def _put(airflow: AirflowApi, collection: str, name: str, body: dict[str, Any]) -> None:
    # changed first, added if it is not there: the other way round, each `up` would fill the servers' logs with errors
    if airflow.request("PATCH", f"{collection}/{name}", MISSING, json=body).status_code in MISSING:
        airflow.request("POST", collection, json=body)
