"""What Envoy is told, as plain dicts: its static configuration, the clusters and routes of served versions, and how to read them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPES = "type.googleapis.com/envoy"
# A server closes a connection that was idle for 5 s; Envoy must be the first to, or a request could meet a closing one.
IDLE = "2s"
# A version may run in several pods behind one address. Connections that are made anew soon let a pod that was added have its share, and leave one that
# goes before it is told to end: deploy/kubernetes_manifests.py lets it answer for longer than this.
OLDEST_CONNECTION_S = 5
# What may be read of Envoy's admin interface from outside; the rest of it can stop Envoy.
READABLE = ("/config_dump", "/stats", "/ready")
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

Resources = list[dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """Where the requests of one use case go.

    Attributes:
        weights: Cluster -> share; the shares need not add up to 100.
        mirror: A cluster that gets a copy of each request and whose answer nobody sees (shadow).
    """

    weights: Mapping[str, int]
    mirror: str | None = None


def bootstrap(
    address: str, port: int, admin: tuple[str, int], folder: Path, view: tuple[str, int] | None = None, oldest_connection_s: int | None = None
) -> dict[str, Any]:
    """Write Envoy's static configuration: where it listens, and where to look for the rest.

    Args:
        address: Where requests come in.
        port: Of the same.
        admin: Address and port of its admin interface.
        folder: With `rds.json` and `cds.json`.
        view: Address and port at which the admin interface's harmless pages can be read; None: nowhere.
        oldest_connection_s: Callers are asked to connect anew after so long, with an answer, so that one of several Envoys can go; None: never.
    """
    anew: dict[str, Any] = {}
    if oldest_connection_s is not None:
        anew = {"common_http_protocol_options": {"max_connection_duration": f"{oldest_connection_s}s"}, "http1_safe_max_connection_duration": True}
    health = _typed(
        "extensions.filters.http.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": "/healthz"}}],
    )
    access_log = {"name": "stdout", "typed_config": _typed("extensions.access_loggers.stream.v3.StdoutAccessLog", log_format={"json_format": ACCESS_LOG})}
    serving = _listener(
        "serving",
        (address, port),
        [{"name": "health", "typed_config": health}],
        access_log=[access_log],
        rds={"route_config_name": "gyre", "config_source": _watched(folder, "rds.json")},
        local_reply_config=_answers_of_its_own(),
        **anew,
    )
    static: dict[str, Any] = {"listeners": [serving]}
    if view is not None:
        pages = [
            {"match": {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}, "route": {"cluster": "admin"}} for path in READABLE
        ]
        table = {"name": "view", "virtual_hosts": [{"name": "view", "domains": ["*"], "routes": pages}]}
        static = {"listeners": [serving, _listener("view", view, [], route_config=table)], "clusters": [_plain_cluster("admin", *admin)]}
    return {
        "node": {"id": "gyre", "cluster": "gyre"},
        "admin": {"address": _address(*admin)},
        "static_resources": static,
        "dynamic_resources": {"cds_config": _watched(folder, "cds.json")},
    }


def discovery(version: str, resources: Resources) -> dict[str, Any]:
    """Write the contents of `cds.json` or `rds.json`."""
    return {"version_info": version, "resources": resources}


def cluster_table(clusters: Mapping[str, tuple[str, int]]) -> Resources:
    """Write clusters as Envoy's resources."""
    return [_cluster(name, *clusters[name]) for name in sorted(clusters)]


def clusters_of(resources: Resources) -> dict[str, tuple[str, int]]:
    """Read each cluster's host and port."""
    return {c["name"]: _address_of(c) for c in resources}


def route_table(routes: Mapping[str, Route]) -> Resources:
    """Write routes as Envoy's resources."""
    hosts = [{"name": "models", "domains": ["*"], "routes": [_route(name, routes[name]) for name in sorted(routes)]}] if routes else []
    return [{"@type": f"{TYPES}.config.route.v3.RouteConfiguration", "name": "gyre", "virtual_hosts": hosts}]


def routes_of(resources: Resources) -> dict[str, Route]:
    """Read each use case's route."""
    hosts = [host for table in resources for host in table.get("virtual_hosts", [])]
    return dict(_route_of(each) for host in hosts for each in host["routes"])


def _typed(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{TYPES}.{name}", **fields}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _watched(folder: Path, file: str) -> dict[str, Any]:
    # the folder is watched, not the file: a rename into it is what announces new contents
    return {"path_config_source": {"path": str(folder / file), "watched_directory": {"path": str(folder)}}, "resource_api_version": "V3"}


def _listener(name: str, at: tuple[str, int], filters: Resources, **manager: Any) -> dict[str, Any]:
    router = {"name": "router", "typed_config": _typed("extensions.filters.http.router.v3.Router")}
    http = _typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix=name, http_filters=[*filters, router], **manager)
    return {"name": name, "address": _address(*at), "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}]}


def _answers_of_its_own() -> dict[str, Any]:
    unknown = {
        "filter": {"response_flag_filter": {"flags": ["NR"]}},
        "status_code": 404,
        "body_format_override": {"json_format": {"error": "no model is served here", "path": "%REQ(:PATH)%"}},
    }
    return {"mappers": [unknown]}


def _plain_cluster(name: str, host: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(host, port)}}]}]
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _cluster(name: str, host: str, port: int) -> dict[str, Any]:
    http = _typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": IDLE, "max_connection_duration": f"{OLDEST_CONNECTION_S}s"},
        explicit_http_config={"http_protocol_options": {}},
    )
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http}}
    return _typed("config.cluster.v3.Cluster", **_plain_cluster(name, host, port), **options)


def _route(use_case: str, route: Route) -> dict[str, Any]:
    action: dict[str, Any] = {
        "weighted_clusters": {"clusters": [_share(name, weight) for name, weight in sorted(route.weights.items())]},
        "prefix_rewrite": "/",
        "timeout": "60s",
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": 5,
            "retry_back_off": {"base_interval": "0.05s", "max_interval": "1s"},
        },
    }
    if route.mirror:
        action["request_mirror_policies"] = [{"cluster": route.mirror}]
    return {"name": use_case, "match": {"prefix": f"/{use_case}/"}, "route": action, "request_headers_to_remove": ["x-gyre-replay"]}


def _share(cluster: str, weight: int) -> dict[str, Any]:
    version = {"header": {"key": "x-gyre-version", "value": cluster.rpartition("-")[2]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"name": cluster, "weight": weight, "response_headers_to_add": [version]}


def _address_of(cluster: dict[str, Any]) -> tuple[str, int]:
    address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
    return address["address"], address["port_value"]


def _route_of(route: dict[str, Any]) -> tuple[str, Route]:
    action = route["route"]
    mirrors = action.get("request_mirror_policies") or [{"cluster": None}]
    return route["name"], Route({c["name"]: c["weight"] for c in action["weighted_clusters"]["clusters"]}, mirrors[0]["cluster"])
