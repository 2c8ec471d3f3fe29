"""The stack at an address that pods reach: what the rest of this folder stands on."""

from __future__ import annotations

import json

import pytest

from gyre.clients.kubernetes import Cluster
from tests.integration.small import wait_for
from tests.kubernetes.pods import pod

pytestmark = pytest.mark.stack

ASK = """
import json, os, socket, urllib.request
for name, (host, port) in json.loads(os.environ["SERVERS"]).items():
    socket.create_connection((host, port), timeout=5).close()
    print("reached", name, flush=True)
"""


def test_every_server_of_the_stack_is_healthy(stack):
    told = stack.gyre("status", "--json")
    unwell = {each["name"]: each["note"] for each in json.loads(told.stdout)["components"] if not each["healthy"]}
    assert not unwell


def test_a_pod_reaches_the_servers_and_may_run_under_the_restricted_profile(cluster: Cluster, stack):
    ports = ("postgres", "s3", "kafka", "mlflow", "label_studio", "envoy")
    servers = {name: (stack.settings.reachable_address, stack.settings.port(name)) for name in ports}
    cluster.create(pod("reach", ASK, {"SERVERS": json.dumps(servers)}))
    wait_for(lambda: cluster.get("Pod", "reach")["status"]["phase"] in {"Succeeded", "Failed"}, 60, "the pod's end")
    log = cluster.log("reach", "job", 50)
    assert [line.split()[-1] for line in log.splitlines()] == list(ports), log
