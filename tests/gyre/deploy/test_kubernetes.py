"""What a version is on a cluster, as manifests, and what statuses say of it. A real cluster is asked in tests/kubernetes/test_serving.py."""

import copy
import json

import pytest
from pydantic import ValidationError

from gyre.clients.envoy_config import Route
from gyre.deploy import decide
from gyre.deploy import kubernetes_manifests as manifests
from gyre.deploy.kubernetes import KubernetesServing
from gyre.deploy.kubernetes_gateway import GatewayRouter, backends_of, http_route
from gyre.deploy.kubernetes_gateway import lack as route_lack
from gyre.deploy.kubernetes_manifests import DRAIN_S, GRACE_S, TEMPLATE, Ground
from gyre.deploy.kubernetes_router import EnvoyRouter, config_map, router_of
from gyre.deploy.kubernetes_router import manifests as router_manifests
from gyre.deploy.kubernetes_status import lack, waits, why_dead
from gyre.deploy.local import LocalServing
from gyre.errors import StackError
from gyre.settings import Settings
from gyre.specs import Serving
from gyre.specs.deploy_messages import BentoFile
from tests.gyre.deploy.spec import use_case

BENTO = BentoFile(uri="s3://gyre/lake/flight_delay/models/3/abc.bento", sha256="abc123", size=1)
GROUND = Ground("gyre", "s3://gyre/lake", "gyre-connections-serving", "gyre-serving")


def toy(**serving):
    return use_case().model_copy(update={"name": "flight_delay", "serving": Serving(**serving)})


def deployment(**serving):
    return manifests.deployment(toy(**serving), 3, BENTO, "gyre-tabular:1", GROUND, 2)


def containers(manifest):
    spec = manifest["spec"]["template"]["spec"]
    return {each["name"]: each for each in [*spec.get("initContainers", []), *spec["containers"]]}


def test_names_are_dns_names_and_the_real_ones_are_labels():
    made = deployment()
    assert made["metadata"]["name"] == "flight-delay-3"
    assert made["metadata"]["labels"]["gyre.dev/use-case"] == "flight_delay"
    assert made["metadata"]["annotations"]["gyre.dev/bento"] == "abc123"


def test_a_version_is_chosen_by_labels_that_no_job_has():
    chosen = {"app.kubernetes.io/component": "serving", "gyre.dev/use-case": "flight_delay", "gyre.dev/version": "3"}
    objects = [deployment()["spec"]["selector"]["matchLabels"], manifests.service(toy(), 3)["spec"]["selector"]]
    objects.append(manifests.disruption_budget(toy(), 3)["spec"]["selector"]["matchLabels"])
    assert objects == [chosen] * 3
    assert chosen.items() <= deployment()["spec"]["template"]["metadata"]["labels"].items()


def test_every_container_is_confined():
    for made in (deployment(), router_manifests(Settings({}))[0]):
        spec = made["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 10001)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in containers(made).values():
            assert each["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert "limits" in each["resources"]


def test_the_lakes_credentials_reach_fetching_and_shipping_alone_and_by_reference():
    held = {name: [e for e in each.get("env", []) if "secretKeyRef" in e.get("valueFrom", {})] for name, each in containers(deployment()).items()}
    reference = {"name": "GYRE_CONN_GYRE_LAKE", "valueFrom": {"secretKeyRef": {"name": "gyre-connections-serving", "key": "GYRE_CONN_GYRE_LAKE"}}}
    assert held == {"fetch": [reference], "ship": [reference], "model": []}


def test_shipping_begins_before_and_ends_after_the_model():
    spec = deployment()["spec"]["template"]["spec"]
    assert [(each["name"], each.get("restartPolicy")) for each in spec["initContainers"]] == [("fetch", None), ("ship", "Always")]
    assert spec["terminationGracePeriodSeconds"] == GRACE_S > DRAIN_S + 60


def test_the_model_runs_the_bentos_own_code_and_leaves_word_where_kubernetes_looks():
    environment = {e["name"]: e["value"] for e in containers(deployment())["model"]["env"]}
    assert (environment["PYTHONPATH"], environment["GYRE_LAST_WORDS"]) == ("", "/dev/termination-log")


def test_no_request_meets_a_pod_that_is_not_ready_or_gone():
    made, model = deployment(), containers(deployment())["model"]
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert (model["readinessProbe"]["httpGet"]["path"], model["livenessProbe"]["httpGet"]["path"]) == ("/readyz", "/livez")
    assert model["lifecycle"] == {"preStop": {"sleep": {"seconds": DRAIN_S}}}


def test_what_the_spec_asks_for_is_requested_and_memory_may_not_exceed_it():
    resources = containers(deployment(cpu=1.5, memory_mb=900))["model"]["resources"]
    assert resources == {"requests": {"cpu": "1500m", "memory": "900Mi"}, "limits": {"memory": "900Mi"}}


def test_there_is_an_autoscaler_only_where_the_spec_names_a_most():
    assert manifests.autoscaler(toy(replicas=2), 3) is None
    spec = manifests.autoscaler(toy(replicas=2, max_replicas=6), 3)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (2, 6, "flight-delay-3")
    with pytest.raises(ValidationError, match=r"max_replicas 1 is less than replicas 2. Fix: leave it out, or make it larger"):
        Serving(replicas=2, max_replicas=1)


class Remembers:
    """A cluster of objects in a dict."""

    namespace = "gyre"

    def __init__(self, *objects, kinds=()):
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        self.kinds = kinds

    def get(self, kind, name):
        return self.objects.get((kind, name))

    def find(self, kind, labels=None, fields=None):
        return [o for (k, _), o in self.objects.items() if k == kind and (labels or {}).items() <= o["metadata"].get("labels", {}).items()]

    def apply(self, manifest):
        self.objects[manifest["kind"], manifest["metadata"]["name"]] = manifest
        return manifest

    def delete(self, kind, name, grace_s=None):
        return self.objects.pop((kind, name), None) is not None

    def serves(self, kind):
        return kind in self.kinds


def place(*objects, **environ):
    made = KubernetesServing(Settings({"GYRE_RUNTIME": "kubernetes", **environ}))
    made.__dict__["cluster"] = Remembers(*objects)
    return made


def test_applying_again_keeps_the_replicas_that_the_autoscaler_made():
    there = deployment() | {"spec": {"replicas": 5}}
    assert place(there)._replicas(toy(replicas=2, max_replicas=8), 3) == 5
    assert place(there)._replicas(toy(replicas=2, max_replicas=4), 3) == 4
    assert place(there)._replicas(toy(replicas=2), 3) == 2
    assert place()._replicas(toy(replicas=2, max_replicas=8), 3) == 2


def test_a_lake_in_a_folder_of_this_machine_cannot_be_served_from():
    with pytest.raises(StackError, match=r"No pod can read the lake file:///tmp/lake, a folder of this machine. Fix: GYRE_LAKE_URI=s3://bucket/prefix."):
        place(GYRE_LAKE_URI="file:///tmp/lake").start(toy(), 3, BENTO)


def test_where_versions_are_served_is_a_setting(monkeypatch):
    for runtime, kind in (("kubernetes", KubernetesServing), ("local", LocalServing)):
        monkeypatch.setenv("GYRE_RUNTIME", runtime)
        assert isinstance(decide.place(), kind)
    monkeypatch.setenv("GYRE_RUNTIME", "swarm")
    with pytest.raises(StackError, match=r"GYRE_RUNTIME is 'swarm'.*Fix: GYRE_RUNTIME=local or kubernetes."):
        decide.place()


def pod(deployed, *statuses, init=(), conditions=(), **metadata):
    template = deployed["spec"]["template"]["metadata"]
    status = {"containerStatuses": list(statuses), "initContainerStatuses": list(init), "conditions": list(conditions)}
    return {"metadata": {"name": "p", "annotations": template["annotations"], **metadata}, "status": status}


def container(name="model", state=None, last=None, restarts=0, ready=False):
    return {
        "name": name,
        "image": "gyre-tabular:1",
        "state": state or {"running": {}},
        "lastState": {"terminated": last} if last else {},
        "restartCount": restarts,
        "ready": ready,
    }


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


REFUSED = {"exitCode": 3, "reason": "Error", "message": "x.bento is not the Bento that was built"}
TRACEBACK = {"exitCode": 0, "reason": "Completed", "message": "The model cannot be loaded:\nBadZipFile: File is not a zip file"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"statuses": [container(state=waiting("ImagePullBackOff", "Back-off pulling"))]},
            "its image gyre-tabular:1 cannot be pulled (ImagePullBackOff): Back-off",
        ),
        (
            {"statuses": [container(state=waiting("CreateContainerConfigError", 'secret "x" not found'))]},
            'cannot be started (CreateContainerConfigError): secret "x"',
        ),
        ({"init": [container("fetch", waiting("CrashLoopBackOff"), REFUSED, 1)]}, "its Bento was refused: x.bento is not the Bento that was built"),
        ({"init": [container("fetch", {"terminated": REFUSED})]}, "its Bento was refused"),
        ({"statuses": [container(state=waiting("CrashLoopBackOff"), last=TRACEBACK, restarts=1)]}, "its model cannot be loaded:\nBadZipFile"),
        ({"statuses": [container(last={"exitCode": 137, "reason": "OOMKilled"}, restarts=1)]}, "(OOMKilled). Fix: raise `serving.memory_mb`"),
        (
            {"statuses": [container(state=waiting("CrashLoopBackOff"), last={"exitCode": 1, "message": "boom"}, restarts=3)]},
            "ended 4 times, the last time with exit code 1: boom",
        ),
    ],
)
def test_what_cannot_come_up_says_why(given, why):
    made = deployment()
    assert why in why_dead(made, [pod(made, *given.get("statuses", []), init=given.get("init", []))])


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}


@pytest.mark.parametrize(
    "given",
    [
        {"conditions": [UNSCHEDULABLE]},
        {"statuses": [container(state=waiting("ContainerCreating"))]},
        {"statuses": [container(state=waiting("PodInitializing"))], "init": [container("fetch", {"terminated": {"exitCode": 0}}, ready=True)]},
        {"init": [container("fetch", waiting("CrashLoopBackOff"), {"exitCode": 1, "message": "the store does not answer"}, 1)]},
        {"statuses": [container(state=waiting("CrashLoopBackOff"), last={"exitCode": 1}, restarts=1)]},
        {"statuses": [container(last={"exitCode": 137, "reason": "OOMKilled"}, restarts=1, ready=True)]},
    ],
)
def test_what_may_come_up_still_is_not_dead(given):
    made = deployment()
    assert why_dead(made, [pod(made, *given.get("statuses", []), init=given.get("init", []), conditions=given.get("conditions", []))]) is None


def test_a_pod_without_room_says_what_it_waits_for():
    made = deployment()
    assert waits(made, [pod(made, conditions=[UNSCHEDULABLE])]) == ["pod p waits for a node: 0/1 nodes are available: 1 Insufficient cpu."]


def test_a_full_quota_is_waited_for_and_a_refusal_is_not():
    made = deployment()
    failure = {"type": "ReplicaFailure", "status": "True", "message": 'pods "x" is forbidden: exceeded quota: gyre'}
    full = made | {"status": {"conditions": [failure]}}
    assert (why_dead(full, []), waits(full, [])) == (None, [failure["message"]])
    refused = made | {"status": {"conditions": [failure | {"message": "violates PodSecurity"}]}}
    assert why_dead(refused, []) == "Kubernetes refuses its pods: violates PodSecurity"


def test_pods_of_an_earlier_form_and_those_that_are_going_are_not_looked_at():
    made = deployment()
    bad = container(state=waiting("ImagePullBackOff"))
    earlier, going = pod(made, bad, annotations={TEMPLATE: "other"}), pod(made, bad, deletionTimestamp="now")
    assert why_dead(made, [earlier, going]) is None


def test_a_version_lacks_something_until_every_replica_runs_what_the_deployment_says():
    made = deployment()
    made["metadata"]["generation"] = 4
    status = {"observedGeneration": 4, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}
    assert lack(made | {"status": status}) is None
    assert lack(made | {"status": status | {"observedGeneration": 3}}) == "Kubernetes has not looked at it yet"
    assert lack(made | {"status": status | {"availableReplicas": 1}}) == "1 of 2 replicas are ready"
    assert lack(made | {"status": status | {"replicas": 3}}) == "2 of 2 replicas are ready, and earlier ones run still"


def test_a_deployment_whose_pods_cannot_come_up_is_not_alive_and_one_without_service_not_intact():
    made, service = deployment(), manifests.service(toy(), 3)
    made["metadata"]["generation"] = 1
    service["spec"]["clusterIP"] = "10.96.1.2"
    bad = {"kind": "Pod"} | pod(made, container(state=waiting("ImagePullBackOff")), labels=made["spec"]["template"]["metadata"]["labels"])
    instance = place(made, service, bad).running(toy())[3]
    assert (instance.url, instance.sha256, instance.alive, instance.intact) == ("http://10.96.1.2:3000", "abc123", False, True)
    running = copy.deepcopy(made) | {"status": {"availableReplicas": 1}}
    instance = place(running).running(toy())[3]
    assert (instance.alive, instance.intact) == (True, False)


def test_the_routers_config_map_is_applied_without_the_tables_that_are_there():
    assert set(config_map("gyre", {"cds": [], "rds": []})["data"]) == {"bootstrap.json", "cds.json", "rds.json"}
    static = json.loads(config_map("gyre", {})["data"]["bootstrap.json"])
    assert static["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert static["dynamic_resources"]["cds_config"]["path_config_source"]["watched_directory"]["path"] == "/etc/gyre"


def test_the_router_is_envoy_unless_the_settings_name_a_gateway():
    assert isinstance(router_of(Settings({}), Remembers()), EnvoyRouter)
    assert isinstance(router_of(Settings({"GYRE_GATEWAY": "infra/public"}), Remembers(kinds=["HTTPRoute"])), GatewayRouter)
    with pytest.raises(StackError, match=r"GYRE_GATEWAY names 'infra/public', but the cluster knows no HTTPRoute"):
        router_of(Settings({"GYRE_GATEWAY": "infra/public"}), Remembers())
    with pytest.raises(StackError, match=r"GYRE_GATEWAY is 'public'. Fix: name a Gateway as namespace/name"):
        router_of(Settings({"GYRE_GATEWAY": "public"}), Remembers())


def test_a_route_of_the_gateway_api_takes_the_prefix_away_weighs_and_mirrors():
    made = http_route("gyre", ("infra", "public"), "flight_delay", Route({"flight_delay-2": 90, "flight_delay-3": 10}, mirror="flight_delay-4"))
    (rule,) = made["spec"]["rules"]
    assert (made["metadata"]["name"], rule["matches"]) == ("flight-delay", [{"path": {"type": "PathPrefix", "value": "/flight_delay/"}}])
    filters = {each["type"]: each for each in rule["filters"]}
    assert filters["URLRewrite"]["urlRewrite"]["path"] == {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    assert filters["RequestMirror"]["requestMirror"]["backendRef"] == {"name": "flight-delay-4", "port": 3000}
    assert filters["RequestHeaderModifier"]["requestHeaderModifier"]["remove"] == ["x-gyre-replay"]
    assert backends_of(made) == {"flight-delay-2": 90, "flight-delay-3": 10}


def accepted(generation):
    conditions = [{"type": each, "status": "True", "observedGeneration": generation} for each in ("Accepted", "ResolvedRefs")]
    return {"parents": [{"conditions": conditions}]}


def test_a_route_is_in_force_once_its_gateway_took_this_very_form_of_it():
    route = {"metadata": {"generation": 2}}
    assert route_lack(route) == "no Gateway has looked at it"
    assert route_lack(route | {"status": accepted(1)}) == "its Gateway has not looked at generation 2 of it"
    assert route_lack(route | {"status": accepted(2)}) is None
    refused = {"parents": [{"conditions": [{"type": "Accepted", "status": "False", "message": "NotAllowedByListeners"}]}]}
    assert route_lack(route | {"status": refused}) == "Accepted is False: NotAllowedByListeners"


class Takes(Remembers):
    """A cluster whose Gateway takes every route."""

    def apply(self, manifest):
        return super().apply(manifest | {"metadata": manifest["metadata"] | {"generation": 1}, "status": accepted(1)})


def test_a_gateway_is_pointed_at_a_version_and_read_back():
    router = GatewayRouter(Settings({"GYRE_ROUTER_URL": "https://models.example.com/"}), Takes(), "infra", "public")
    assert router.point("flight_delay", "flight_delay-3", "10.96.1.2", 3000) == "https://models.example.com/flight_delay/predict"
    assert router.pointed("flight_delay") == ("flight_delay-3", None)
    router.clear("flight_delay")
    assert router.pointed("flight_delay") is None


def test_a_gateway_that_does_not_take_a_route_is_named_with_what_it_says():
    class Ignores(Takes):
        def apply(self, manifest):
            return Remembers.apply(self, manifest | {"metadata": manifest["metadata"] | {"generation": 1}})

    router = GatewayRouter(Settings({}), Ignores(), "infra", "public", confirm_s=0)
    with pytest.raises(TimeoutError, match=r"Gateway infra/public did not take up HTTPRoute gyre/flight-delay within 0 s: no Gateway has looked at it"):
        router.point("flight_delay", "flight_delay-3", "10.96.1.2", 3000)
