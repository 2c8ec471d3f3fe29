"""What Envoy counted for one cluster since it started, from its admin interface; on a cluster there may be several Envoys."""

from __future__ import annotations

import logging
import socket
from typing import Any

from gyre.settings import ROUTER_VIEW, ROUTER_VIEW_PORT, Settings, settings
from gyre.specs.monitor_messages import Traffic

log = logging.getLogger("gyre.job")


def traffic_of(cluster: str, admin: str | None = None) -> Traffic | None:
    """Ask how many requests a cluster answered, how many of them with 5xx, and how fast; of several proxies: all of them together.

    Args:
        cluster: `<use case>-<version>`.
        admin: Address of the admin interface; that of every proxy there is when None.

    Returns:
        None, and a line in the log, if one cannot be asked: watching a model goes on without it.
    """
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request helps nobody on call
    wanted = {"format": "json", "filter": rf"^cluster\.{cluster}\.upstream_rq_(completed|5xx|time)$"}
    address = admin or ""
    try:
        counted = []
        for address in [admin] if admin else proxies(settings()):
            answer = httpx.get(f"{address}/stats", params=wanted, timeout=5, trust_env=False)
            answer.raise_for_status()
            counted.append(read(answer.json(), cluster))
    except (httpx.HTTPError, OSError, ValueError) as error:
        log.info("Traffic of the endpoint is left out: Envoy's admin interface at %s cannot be asked (%s).", address or ROUTER_VIEW, error)
        return None
    return together(counted)


def proxies(here: Settings) -> list[str]:
    """Give the address of each proxy's admin interface: this machine's, or that of every router pod (asked from within the cluster); none of a Gateway.

    Raises:
        OSError: If there is no router, or its name cannot be resolved here.
    """
    if here.runtime != "kubernetes":
        return [here.url("envoy_admin")]
    if here.environ.get("GYRE_GATEWAY"):
        log.info("Traffic of the endpoint is left out: the Gateway %s counts it in its own way.", here.environ["GYRE_GATEWAY"])
        return []
    name = f"{ROUTER_VIEW}.{here.namespace}.svc"
    found = sorted({str(each[4][0]) for each in socket.getaddrinfo(name, ROUTER_VIEW_PORT, type=socket.SOCK_STREAM)})
    return [f"http://{f'[{ip}]' if ':' in ip else ip}:{ROUTER_VIEW_PORT}" for ip in found]


def together(counted: list[Traffic]) -> Traffic | None:
    """Sum up what several proxies counted; of the latencies the slowest proxy's are given."""
    if not counted:
        return None
    return Traffic(
        requests=sum(each.requests for each in counted),
        errors=sum(each.errors for each in counted),
        p50_ms=max((each.p50_ms for each in counted if each.p50_ms is not None), default=None),
        p99_ms=max((each.p99_ms for each in counted if each.p99_ms is not None), default=None),
    )


def read(answer: dict[str, Any], cluster: str) -> Traffic:
    """Read the JSON form of `/stats`."""
    counters = {stat["name"]: stat["value"] for stat in answer["stats"] if "name" in stat}
    quantiles: dict[float, float | None] = {}
    for histograms in (stat["histograms"] for stat in answer["stats"] if "histograms" in stat):
        for found in histograms.get("computed_quantiles", []):
            if found["name"] == f"cluster.{cluster}.upstream_rq_time":
                quantiles = dict(zip(histograms["supported_quantiles"], (value["cumulative"] for value in found["values"]), strict=True))
    return Traffic(
        requests=counters.get(f"cluster.{cluster}.upstream_rq_completed", 0),
        errors=counters.get(f"cluster.{cluster}.upstream_rq_5xx", 0),
        p50_ms=quantiles.get(50),
        p99_ms=quantiles.get(99),
    )
