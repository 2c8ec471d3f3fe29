"""What Envoy counted for one cluster since it started, from its admin interface."""

from __future__ import annotations

import logging
from typing import Any

from gyre.settings import settings
from gyre.specs.monitor_messages import Traffic

log = logging.getLogger("gyre.job")


def traffic_of(cluster: str, admin: str | None = None) -> Traffic | None:
    """Ask how many requests a cluster answered, how many of them with 5xx, and how fast.

    Args:
        cluster: `<use case>-<version>`.
        admin: Address of the admin interface; the local stack's when None.

    Returns:
        None, and a line in the log, if Envoy cannot be asked: watching a model goes on without it.
    """
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request helps nobody on call
    address = admin or settings().url("envoy_admin")
    wanted = {"format": "json", "filter": rf"^cluster\.{cluster}\.upstream_rq_(completed|5xx|time)$"}
    try:
        answer = httpx.get(f"{address}/stats", params=wanted, timeout=5, trust_env=False)
        answer.raise_for_status()
        return read(answer.json(), cluster)
    except (httpx.HTTPError, ValueError) as error:
        log.info("Traffic of the endpoint is left out: Envoy's admin interface at %s cannot be asked (%s).", address, error)
        return None


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
