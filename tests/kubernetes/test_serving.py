"""Versions served by a real cluster: built by a job, promoted under load, refused, routed within seconds, recorded once, retired when unneeded.

Everything here is done with the rights of Airflow's own account.
"""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from gyre.clients import kubernetes
from gyre.clients.envoy_config import Route
from gyre.clients.kubernetes import Cluster
from gyre.clients.object_store import lake_objects
from gyre.deploy import decide
from gyre.deploy.kubernetes import KubernetesServing
from gyre.deploy.kubernetes_gateway import backends_of, http_route, lack
from gyre.errors import PromotionFailed
from gyre.jobs.contract import request_uri, result_uri
from gyre.journal.questions import serving
from gyre.run import Run
from gyre.segments import segmented_logs
from gyre.settings import REPOSITORY, settings
from gyre.specs import UseCase, load_use_case
from gyre.specs.deploy_messages import BentoFile, BentoRequest, BentoResult
from tests.integration.small import wait_for
from tests.kubernetes.accounts import kubeconfig_of

pytestmark = pytest.mark.stack
log = logging.getLogger("gyre.tests")  # figures: pytest -o log_cli=true --log-cli-level=INFO

NAME = "served_toy"
SPEC = """
from datetime import datetime
from gyre.specs import Facts, Features, Objects, Promotion, Schedule, Serving, Training, UseCase

served_toy = UseCase(
    name="served_toy", task="binary", keys=["id"], event_time="at",
    sources={"rows": Objects(connection="gyre_lake", uri="s3://gyre/none/{start:%Y-%m-%d}.parquet", event_time="at")},
    schedule=Schedule(start=datetime(2026, 1, 1)),
    features=Features(function="a:b", numeric=["n0", "n1"], categorical=["c0"]),
    expectations="a:b", labels=Facts(source="rows", function="a:b"), training=Training(function="a:b"),
    promotion=Promotion(metric="log_loss", max_latency_ms=5000),
    serving=Serving(cpu=0.1, memory_mb=700),
)
"""
REGISTER = """
import pandas as pd, mlflow
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from gyre.clients.mlflow import Registry
from gyre.frames import model_frame
from gyre.specs import load_use_case

toy, registry = load_use_case("served_toy"), Registry.of()
registry.client
mlflow.set_experiment("served_toy")
rows = pd.DataFrame({"n0": [0.0, 1, 2, 3] * 9, "n1": [1.0, 0, 1, 0] * 9, "c0": list("abca") * 9})
frame = model_frame(rows, toy.features)
for number in range(3):
    steps = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["c0"]), remainder="passthrough"), LogisticRegression(C=10.0 ** -number)
    model = make_pipeline(*steps).fit(frame, [0, 0, 1, 1] * 9)
    with mlflow.start_run():
        mlflow.sklearn.log_model(model, name="model", registered_model_name="served_toy", serialization_format="skops", pip_requirements=[])
    print(model.predict_proba(frame.head(1))[0, 1])
"""
ROW = {"n0": 0.0, "n1": 1.0, "c0": "a"}
SECONDS_OF_A_ROUTE = 5


ADMINISTRATOR = os.environ.get("KUBECONFIG", "")


@contextmanager
def signed_in(kubeconfig: str) -> Iterator[None]:
    """Ask the cluster as somebody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", kubeconfig)
        kubernetes._api.cache_clear()
        yield
    kubernetes._api.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def as_airflow(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ask the cluster as the account that Airflow has there."""
    own = tmp_path_factory.mktemp("airflow") / "kubeconfig"
    own.write_text(kubeconfig_of(cluster.namespace, "gyre-airflow"))
    own.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch, signed_in(str(own)):
        patch.setenv("GYRE_ROUTER_REPLICAS", "2")
        yield


def objects_of_versions(cluster: Cluster) -> dict[str, set[str]]:
    """Name what there is of the use case, by kind; Airflow's account may not list all of it."""
    kinds = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")
    with signed_in(ADMINISTRATOR):
        return {kind: {each["metadata"]["name"] for each in cluster.find(kind, {"gyre.dev/use-case": NAME})} for kind in kinds}


@pytest.fixture(scope="module")
def toy(stack) -> UseCase:
    folder = stack.use_cases / NAME
    folder.mkdir()
    (folder / "use_case.py").write_text(SPEC)
    return load_use_case(NAME)


def in_tabular(stack, *arguments: str) -> str:
    command = [str(stack.settings.venvs / "tabular" / "bin" / "python"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "include")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Built:
    """Three versions, each built by a job; what each says about ROW."""

    bentos: dict[int, BentoFile]
    answers: dict[int, float]


@pytest.fixture(scope="module")
def built(stack, toy) -> Built:
    answers = [float(line) for line in in_tabular(stack, "-c", REGISTER).split()[-3:]]
    objects, bentos = lake_objects(settings().lake_uri), {}
    for version in (1, 2, 3):
        request = BentoRequest(job="bento", job_id=f"bento-{version}", use_case=NAME, environment="tabular", connections=["gyre_mlflow"], version=version)
        uri = request_uri(request)
        objects.write(uri, request.model_dump_json().encode())
        in_tabular(stack, "-m", "gyre.jobs.bento", "--request", uri)
        bentos[version] = BentoResult.model_validate_json(objects.read(result_uri(uri))).bento
    return Built(bentos, dict(zip((1, 2, 3), answers, strict=True)))


@pytest.fixture
def place() -> KubernetesServing:
    return KubernetesServing(settings())


@dataclass
class Caller:
    """Sends one request after the other, from several threads, and remembers what became of each."""

    url: str
    seen: Counter = field(default_factory=Counter)
    answered: set = field(default_factory=set)

    @contextmanager
    def steadily(self, threads: int = 3) -> Iterator[None]:
        stop = threading.Event()

        def call(name: str) -> None:
            number = 0
            with httpx.Client(trust_env=False, timeout=30) as client:
                while not stop.is_set():
                    number += 1
                    self._one(client, f"{name}-{number}")
                    time.sleep(0.03)

        running = [threading.Thread(target=call, args=(f"{time.time_ns()}-{n}",)) for n in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in running:
                thread.join()

    def _one(self, client: httpx.Client, key: str) -> None:
        row = {**ROW, "id": key, "at": "2026-01-02T12:00:00Z"}
        try:
            answer = client.post(self.url, json={"rows": [row]})
        except httpx.TransportError as error:
            self.seen[type(error).__name__, None] += 1
            return
        self.seen[answer.status_code, answer.headers.get("x-gyre-version")] += 1
        if answer.status_code == 200:
            self.answered.add(key)


def promote(journal, toy: UseCase, version: int, bento: BentoFile, run_id: str | None = None, **evaluation) -> dict:
    given = {"version": version, "passed": True, "forced": False, "reason": None, "failed": [], "evaluation": "e", **evaluation}
    run = Run(f"{NAME}__deploy", run_id or f"run-{version}", "promote")
    return decide.promote(toy, run, journal, [given, {"bento": bento.model_dump(mode="json")}])


PROBED: set[str] = set()  # what was asked by hand, so to say, and answered


def answer(url: str) -> httpx.Response:
    key = f"probe-{time.time_ns()}"
    row = {**ROW, "id": key, "at": "2026-01-02T12:00:00Z"}
    reply = httpx.post(url, json={"rows": [row]}, trust_env=False, timeout=30)
    if reply.status_code == 200:
        PROBED.add(key)
    return reply


@pytest.fixture(scope="module")
def first(stack, toy, built) -> Caller:
    """Version 1 serves."""
    return Caller(promote(stack.journal, toy, 1, built.bentos[1])["endpoint"])


def test_a_version_that_a_job_built_serves_behind_the_router(first, built, toy, place):
    reply = answer(first.url)
    assert (reply.status_code, reply.headers["x-gyre-version"]) == (200, "1")
    assert reply.json()["predictions"][0]["probability"] == pytest.approx(built.answers[1], abs=1e-9)
    assert place.routed(toy) == 1
    instance = place.running(toy)[1]
    assert (instance.sha256, instance.alive, instance.intact) == (built.bentos[1].sha256, True, True)


def test_the_process_that_answers_has_no_credentials_and_the_router_shows_no_admin_interface(first, place, toy, cluster):
    (pod,) = place._pods(toy, 1)
    told = {each["name"]: json.dumps(each) for each in pod["spec"]["containers"] + pod["spec"]["initContainers"]}
    assert [name for name, text in told.items() if "secretKeyRef" in text] == ["fetch", "ship"]
    login = json.loads(os.environ["GYRE_CONN_GYRE_LAKE"])
    assert login["password"] not in json.dumps(pod)
    for router in cluster.find("Pod", {"app.kubernetes.io/component": "router"}):
        ip = router["status"]["podIP"]
        assert httpx.get(f"http://{ip}:9902/ready", trust_env=False).status_code == 200
        assert httpx.post(f"http://{ip}:9902/quitquitquit", trust_env=False).status_code == 404
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{ip}:9901/ready", trust_env=False, timeout=5)


@pytest.fixture(scope="module")
def second(stack, toy, built, first) -> Caller:
    """Version 2 is promoted while callers do not stop calling."""
    with first.steadily():
        time.sleep(2)
        promote(stack.journal, toy, 2, built.bentos[2])
        time.sleep(3)
    return first


def test_a_new_version_under_steady_load_fails_no_request(second, stack, place, toy):
    assert set(second.seen) == {(200, "1"), (200, "2")}, second.seen
    assert min(second.seen.values()) > 20
    assert answer(second.url).headers["x-gyre-version"] == "2"
    assert (serving(stack.journal, NAME).champion, sorted(place.running(toy))) == (2, [1, 2])
    log.info(f"{sum(second.seen.values())} requests while version 2 was promoted: {dict(second.seen)}")


def test_routes_change_within_seconds_on_every_router(second, place, toy):
    taken = []
    for version in (1, 2, 1, 2):
        began = time.monotonic()
        place.route(toy, version)
        taken.append(time.monotonic() - began)
        assert {answer(second.url).headers["x-gyre-version"] for _ in range(10)} == {str(version)}
    log.info(f"routes changed in {[round(each, 2) for each in taken]} s")
    assert max(taken) < SECONDS_OF_A_ROUTE


def test_pods_that_are_replaced_under_steady_load_fail_no_request(second, place, toy, built, cluster):
    (before,) = place._pods(toy, 2)
    changed = toy.model_copy(update={"serving": toy.serving.model_copy(update={"memory_mb": 720, "max_replicas": 2})})
    second.seen.clear()
    with second.steadily():
        place.start(changed, 2, built.bentos[2])
        wait_for(lambda: place.lack(toy, 2) is None and before["metadata"]["name"] not in _names(place._pods(toy, 2)), 180, "another pod")
    log.info(f"{second.seen[200, '2']} requests while the pod was replaced")
    assert set(second.seen) == {(200, "2")}, second.seen
    assert objects_of_versions(cluster)["HorizontalPodAutoscaler"] == {"served-toy-2"}


def _names(pods: list[dict]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def test_routers_that_are_replaced_under_steady_load_fail_no_request(second, cluster):
    router = {"app.kubernetes.io/component": "router"}
    second.seen.clear()
    with second.steadily():
        for name in _names(cluster.find("Pod", router)):
            cluster.delete("Pod", name)
            wait_for(lambda gone=name: gone not in _names(cluster.find("Pod", router)), 90, "the end of a router")
            wait_for(lambda: (cluster.get("Deployment", "gyre-router") or {})["status"].get("availableReplicas") == 2, 90, "two routers")
    log.info(f"{second.seen[200, '2']} requests while both routers were replaced")
    assert set(second.seen) == {(200, "2")}, second.seen


def test_a_bento_of_another_hash_is_refused_and_what_served_serves_on(second, stack, place, toy, built):
    wrong = built.bentos[3].model_copy(update={"sha256": "0" * 64})
    expected = r"Version 3 of 'served_toy' was not promoted, version 2 serves as before. Version 3 does not come up: its Bento was refused: "
    with pytest.raises(PromotionFailed, match=expected + r".*is not the Bento that was built: its hash is [0-9a-f]{12}..., not 000000000000"):
        promote(stack.journal, toy, 3, wrong, "wrong-hash")
    assert sorted(place.running(toy)) == [1, 2]
    assert answer(second.url).headers["x-gyre-version"] == "2"


def test_a_model_that_cannot_be_loaded_says_why(second, stack, toy, built):
    objects = lake_objects(settings().lake_uri)
    broken = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(objects.read(built.bentos[3].uri))) as whole, tarfile.open(fileobj=broken, mode="w") as archive:
        for member in whole:
            content = whole.extractfile(member).read() if member.isfile() else b""
            if member.name.endswith("model.skops"):
                content = b"broken"
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest, uri = sha256(broken.getvalue()).hexdigest(), f"{settings().lake_uri}/{NAME}/broken.bento"
    objects.write(uri, broken.getvalue())
    with pytest.raises(PromotionFailed, match=r"Version 3 does not come up: its model cannot be loaded:\n(.|\n)*File is not a zip file"):
        promote(stack.journal, toy, 3, BentoFile(uri=uri, sha256=digest, size=len(broken.getvalue())), "broken-model")


def test_an_image_that_is_not_there_is_said_and_not_waited_for(second, stack, toy, built, monkeypatch):
    monkeypatch.setenv("GYRE_IMAGE_TABULAR", "localhost/gyre-nothing:1")
    with pytest.raises(PromotionFailed, match=r"its image localhost/gyre-nothing:1 cannot be pulled"):
        promote(stack.journal, toy, 3, built.bentos[3], "no-image")


def test_a_pod_that_waits_for_room_is_not_dead(second, place, toy, built):
    large = toy.model_copy(update={"serving": toy.serving.model_copy(update={"cpu": 900.0})})
    place.start(large, 7, built.bentos[1])
    try:
        wait_for(lambda: "waits for a node" in place.last_words(large, 7), 60, "the scheduler's word")
        assert place.why_dead(large, 7) is None
        assert place.running(large)[7].alive
        assert place.lack(large, 7) == "0 of 1 replicas are ready"
    finally:
        place.stop(large, 7)


@pytest.fixture(scope="module")
def third(stack, toy, built, second) -> Caller:
    promote(stack.journal, toy, 3, built.bentos[3], "run-3")
    return second


def test_a_version_is_removed_only_when_neither_serving_nor_rolling_back_needs_it(third, place, toy, cluster):
    assert sorted(place.running(toy)) == [2, 3]
    left = objects_of_versions(cluster)
    assert [left[kind] for kind in ("Deployment", "Service", "PodDisruptionBudget")] == [{"served-toy-2", "served-toy-3"}] * 3
    assert f"{NAME}-1" not in place.router.envoy.clusters()


def test_rolling_back_is_a_route(third, stack, toy, built, place):
    began = time.monotonic()
    promote(stack.journal, toy, 2, built.bentos[2], "back", passed=False, forced=True, reason="3 is odd", failed=["comparison: worse"])
    assert answer(third.url).headers["x-gyre-version"] == "2"
    assert sorted(place.running(toy)) == [2, 3]
    log.info(f"rolled back in {time.monotonic() - began:.1f} s")


def test_what_was_answered_is_in_the_lake_once_whatever_became_of_the_pods(third, stack, toy, place):
    """Every answered key of the tests before: version 1's pod was retired, version 2's was replaced meanwhile."""
    root = f"{settings().lake_uri}/{NAME}"

    def recorded() -> Counter:
        logs = segmented_logs(lake_objects(root), root)
        return Counter(json.loads(text)["row"].get("id") for log in logs for _, text in log.lines(0))

    answered = third.answered | PROBED
    wait_for(lambda: answered <= set(recorded()), 60, "every record")
    found = recorded()
    assert {key for key, times in found.items() if times > 1} == set()
    assert set(found) == answered
    assert len(found) > 100


def test_a_job_collects_them_once_and_reads_what_the_routers_counted(third, stack, toy, cluster):
    """In a pod, as the monitor's job is."""
    namespace, lake = cluster.namespace, settings().lake_uri
    code = """
import json, polars as pl, sys
from datetime import UTC, datetime
from deltalake import write_deltalake
from gyre.clients.envoy_stats import traffic_of
from gyre.lake import Lake
from gyre.monitor.collect import collect
from gyre.specs.use_case import UseCase
from pathlib import Path
toy = UseCase.model_validate_json(sys.argv[1])
lake = Lake.of(toy.name)
noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
if lake.table("validated") is None:
    rows = pl.DataFrame({"id": ["o"], "at": [noon], "n0": [1.0], "n1": [1.0], "c0": ["a"], "_interval": ["2026-01-02T00:00:00Z"]})
    write_deltalake(lake.uri("validated"), rows, partition_by=["_interval"], storage_options=dict(lake.options))
counted = [collect(toy, lake, Path("/tmp/none")).rows for _ in range(2)]
ids = pl.scan_delta(lake.table("predictions")).collect()["id"]
aside, traffic = lake.table("predictions_aside") is not None, traffic_of("served_toy-2").requests
print(json.dumps({"rows": counted, "ids": ids.n_unique(), "aside": aside, "traffic": traffic}))
"""
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    secret = {"secretKeyRef": {"name": "gyre-connections-serving", "key": "GYRE_CONN_GYRE_LAKE"}}
    plain = {"GYRE_LAKE_URI": lake, "GYRE_RUNTIME": "kubernetes", "GYRE_KUBERNETES_NAMESPACE": namespace}
    container = {
        "name": "main",
        "image": settings().image("tabular"),
        "command": ["python", "-c", code, toy.model_dump_json()],
        "env": [{"name": name, "value": value} for name, value in plain.items()] + [{"name": "GYRE_CONN_GYRE_LAKE", "valueFrom": secret}],
        "securityContext": confined,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "serviceAccountName": "gyre-job",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "collects"}, "spec": spec})
    try:
        wait_for(lambda: (cluster.get("Pod", "collects") or {})["status"]["phase"] in {"Succeeded", "Failed"}, 120, "the pod's end")
        printed = cluster.log("collects", "main", 50)
    finally:
        cluster.delete("Pod", "collects", grace_s=1)
    told, answered = json.loads(printed.splitlines()[-1]), len(third.answered | PROBED)
    assert told["rows"] == [answered, 0], printed
    assert (told["ids"], told["aside"]) == (answered, False)
    assert told["traffic"] > 50


def test_the_router_forgets_nothing_when_its_pods_go(third, place, toy, cluster):
    for pod in cluster.find("Pod", {"app.kubernetes.io/component": "router"}):
        cluster.delete("Pod", pod["metadata"]["name"], grace_s=1)
    wait_for(lambda: (cluster.get("Deployment", "gyre-router") or {})["status"].get("availableReplicas") == 2, 90, "two routers")
    wait_for(lambda: _version(third.url) == "2", 30, "an answer")
    assert place.routed(toy) == 2


def _version(url: str) -> str | None:
    try:
        return answer(url).headers.get("x-gyre-version")
    except httpx.TransportError:
        return None


def test_a_service_that_somebody_deleted_is_put_back_and_routed_to(third, place, toy, cluster, built, stack):
    from gyre.deploy import reconcile

    cluster.delete("Service", "served-toy-2")
    assert not place.running(toy)[2].intact
    done = reconcile.reconcile(toy, Run("gyre__reconcile", "r1", NAME), stack.journal, None)
    assert "version 2 had lost its files: they were put back" in done["done"]
    wait_for(lambda: _version(third.url) == "2", 30, "an answer")
    assert place.routed(toy) == 2


def test_the_cluster_takes_a_route_for_a_gateway(cluster):
    if not cluster.serves("HTTPRoute"):
        pytest.skip("the cluster knows no HTTPRoute")
    route = http_route(cluster.namespace, ("gyre", "none"), NAME, Route({f"{NAME}-1": 90, f"{NAME}-2": 10}, mirror=f"{NAME}-3"))
    applied = cluster.apply(route)
    assert lack(applied) == "no Gateway has looked at it"
    assert backends_of(applied) == {"served-toy-1": 90, "served-toy-2": 10}
    assert cluster.delete("HTTPRoute", "served-toy")


def test_a_use_case_that_serves_no_more_leaves_nothing(third, place, toy, cluster):
    place.unroute(toy)
    for version in place.running(toy):
        place.stop(toy, version)
    assert answer(third.url).status_code == 404
    assert set.union(*objects_of_versions(cluster).values()) == set()
    assert Path(settings().use_cases / NAME).is_dir()  # what people wrote is theirs
