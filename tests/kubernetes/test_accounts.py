"""What each account may do: all of Kubernetes' own rights are asked about, and whatever is not needed is denied."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client, config

from gyre.clients.kubernetes import Cluster
from gyre.errors import ClusterRefused
from tests.integration.small import wait_for
from tests.kubernetes.accounts import installed
from tests.kubernetes.pods import pod

pytestmark = pytest.mark.stack

VERBS = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection")
KEPT = {"create", "get", "list", "patch", "delete"}

AIRFLOW = {
    "pods": KEPT,
    "pods/log": {"get"},
    "jobs.batch": {"create", "get", "list", "delete"},
    "events": {"list", "watch"},
    "secrets": {"create", "patch", "delete"},
    "deployments.apps": KEPT,
    "services": KEPT,
    "configmaps": {"create", "get", "patch"},
    "horizontalpodautoscalers.autoscaling": {"create", "patch", "delete"},
    "poddisruptionbudgets.policy": {"create", "patch", "delete"},
    "httproutes.gateway.networking.k8s.io": {"create", "get", "patch", "delete"},
    "gateways.gateway.networking.k8s.io": {"get"},
}
# what Kubernetes itself lets everybody who is signed in ask: who am I, what may I do
EVERYBODY = {f"{each}.authorization.k8s.io" for each in ("selfsubjectaccessreviews", "selfsubjectrulesreviews")} | {"selfsubjectreviews.authentication.k8s.io"}

Right = tuple[str, str]


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace as the chart makes it when it is told nothing."""
    with installed() as name:
        yield name


@pytest.fixture(scope="module")
def resources(namespace: str) -> set[str]:
    """Every resource that this cluster serves, and those of extensions that it may lack."""
    config.load_kube_config()
    api, found = client.ApiClient(), set(AIRFLOW)
    groups = [("", "/api/v1")]
    for group in client.ApisApi(api).get_api_versions().groups:
        groups += [(group.name, f"/apis/{each.group_version}") for each in group.versions]
    for group, path in groups:
        served = json.loads(api.call_api(path, "GET", auth_settings=["BearerToken"], _preload_content=False).data)
        found |= {f"{each['name']}.{group}".rstrip(".") for each in served["resources"]}
    return found - EVERYBODY


def allowed(account: str, resources: set[str], namespace: str | None, of: str) -> set[Right]:
    """Ask the cluster which of all rights an account has, in a namespace or in the whole cluster."""
    api = client.AuthorizationV1Api()

    def ask(right: Right) -> bool:
        resource, verb = right
        names, _, group = resource.partition(".")
        name, _, part = names.partition("/")
        asked = {"verb": verb, "group": group, "resource": name, "subresource": part, "namespace": namespace}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{of}", "system:authenticated"]
        spec = {"user": f"system:serviceaccount:{of}:{account}", "groups": groups, "resourceAttributes": asked}
        return bool(api.create_subject_access_review({"spec": spec}).status.allowed)

    rights = list(itertools.product(sorted(resources), VERBS))
    with ThreadPoolExecutor(8) as pool:
        return {right for right, yes in zip(rights, pool.map(ask, rights), strict=True) if yes}


@pytest.mark.parametrize("account", ["gyre-job", "gyre-serving", "default"])
def test_an_account_that_runs_other_peoples_code_may_do_nothing(namespace: str, resources: set[str], account: str):
    assert len(resources) > 60
    assert allowed(account, resources, namespace, namespace) == set()


def test_airflow_may_do_what_it_needs_in_its_namespace_and_no_more(namespace: str, resources: set[str]):
    needed = {(resource, verb) for resource, verbs in AIRFLOW.items() for verb in verbs}
    assert allowed("gyre-airflow", resources, namespace, namespace) == needed


@pytest.mark.parametrize("account", ["gyre-job", "gyre-airflow"])
def test_no_account_may_do_anything_in_another_namespace_or_in_the_whole_cluster(namespace: str, resources: set[str], account: str):
    assert allowed(account, resources, "default", namespace) == set()
    assert allowed(account, resources, None, namespace) == set()


def test_reading_the_nodes_is_given_only_where_it_was_asked_for(resources: set[str]):
    with installed("nodes.readable=true") as elsewhere:
        assert allowed("gyre-airflow", resources, None, elsewhere) == {("nodes", "list")}


def test_a_container_that_names_no_limits_gets_the_namespaces_and_the_budget_holds():
    given = ('quota={"hard":{"pods":"1"}}', 'limits={"default":{"cpu":"500m","memory":"64Mi"}}')
    with installed(*given) as budgeted:
        there = Cluster(budgeted)
        wait_for(lambda: there.get("ResourceQuota", "gyre").get("status", {}).get("hard"), 30, "the quota to be counted")
        there.create(pod("first"))
        assert (there.get("Pod", "first") or {})["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "64Mi"}
        with pytest.raises(ClusterRefused, match="exceeded quota: gyre, requested: pods=1, used: pods=1, limited: pods=1"):
            there.create(pod("second"))
