"""A real cluster: whichever KUBECONFIG names. A namespace of the session's own in it, and a local stack that its pods reach.

CONTRIBUTING.md tells the variables. Without a cluster, everything in this folder is skipped.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gyre.clients.kubernetes import Cluster
from gyre.settings import PORT_OFFSETS
from gyre.stack.airflow_api import AirflowApi
from tests.kubernetes.accounts import installed, kubeconfig_of
from tests.running_stack import RunningStack, running_stack

PORT_BASES = range(20_000, 28_000, 1000)  # between tests/integration's and a developer's own
IMAGES = "tabular torch router"
NEEDED = {
    "KUBECONFIG": "the cluster to use, signed in as its administrator",
    "GYRE_TEST_ADDRESS": "this machine's address as pods reach it",
}
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is in this folder where there is no cluster, and what needs an image that the cluster lacks; each in one sentence."""
    lacking = [f"{name} ({meaning})" for name, meaning in NEEDED.items() if not os.environ.get(name)]
    images = os.environ.get("GYRE_TEST_IMAGES", IMAGES).split()
    for item in items:
        if not item.path.is_relative_to(HERE):
            continue
        if lacking:
            item.add_marker(pytest.mark.skip(reason=f"needs a Kubernetes: set {' and '.join(lacking)}; see CONTRIBUTING.md"))
        for environment in (mark.args[0] for mark in item.iter_markers("image")):
            if environment not in images:
                item.add_marker(pytest.mark.skip(reason=f"needs the image of '{environment}': build and load it, and name it in GYRE_TEST_IMAGES"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A namespace of this session's own, with Gyre's accounts in it (Airflow's may see the nodes); asked as the cluster's administrator."""
    with installed("nodes.readable=true") as namespace:
        os.environ["GYRE_KUBERNETES_NAMESPACE"] = namespace
        try:
            yield Cluster(namespace)
        finally:
            del os.environ["GYRE_KUBERNETES_NAMESPACE"]


def port_base() -> int:
    """Choose ports that no other stack of this machine has, not even one in another network.

    SeaweedFS names the sockets that its parts talk over by port number alone, in /tmp: two stacks that have the same number, each in the network of its
    own cluster, would take each other's away.
    """
    taken = {port for port in PORT_BASES if _answers(f"/tmp/seaweedfs-filer-grpc-{port + PORT_OFFSETS['s3_filer_grpc']}.sock")}
    return random.choice([port for port in PORT_BASES if port not in taken])


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@pytest.fixture(scope="session")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole stack at an address that pods reach; its Airflow signs in with its own account's rights and no more."""
    own = tmp_path_factory.mktemp("airflow") / "kubeconfig"
    own.write_text(kubeconfig_of(cluster.namespace, "gyre-airflow"))
    own.chmod(0o600)
    given = {"GYRE_RUNTIME": "kubernetes", "GYRE_BIND_ADDRESS": os.environ["GYRE_TEST_ADDRESS"], "GYRE_PORT_BASE": str(port_base())}
    with running_stack(given, for_servers={"KUBECONFIG": str(own)}) as running:
        yield running


@pytest.fixture(scope="session")
def airflow(stack: RunningStack) -> Iterator[AirflowApi]:
    """Airflow's REST API, signed in as the stack's administrator."""
    with AirflowApi.local() as api:
        yield api
