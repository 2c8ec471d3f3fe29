"""Routes of several Envoys in one ConfigMap: no writer's change is lost, and a pod that is late is touched until it is not."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gyre.clients.envoy import Envoy
from gyre.clients.envoy_config import Route
from gyre.clients.envoy_config_map import TOUCHED, EnvoyConfigMap
from gyre.errors import ClusterRefused

PODS = {"app.kubernetes.io/component": "router"}


class Cluster:
    """One ConfigMap and some pods; a change of what was not read last is refused, as Kubernetes does."""

    namespace = "gyre"

    def __init__(self):
        self.map = {"metadata": {"resourceVersion": "1"}, "data": {"bootstrap.json": "{}"}}
        self.pods, self.touched, self.before_a_patch = [], [], lambda: None

    def get(self, kind, name):
        return self.map

    def find(self, kind, labels):
        return self.pods

    def patch(self, kind, name, change):
        if kind == "Pod":
            assert list(change["metadata"]["annotations"]) == [TOUCHED]
            self.touched.append(name)
            return
        self.before_a_patch()
        if change["metadata"]["resourceVersion"] != self.map["metadata"]["resourceVersion"]:
            raise ClusterRefused("the object has been modified", status=409)
        self.write(change["data"])

    def write(self, data):
        version = str(int(self.map["metadata"]["resourceVersion"]) + 1)
        self.map = {"metadata": {"resourceVersion": version}, "data": self.map["data"] | data}


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def store(cluster, view):
    return EnvoyConfigMap(cluster, "gyre-router", PODS, view.server_address[1])


class View(BaseHTTPRequestHandler):
    """Envoy's admin page, which says which version of the clusters it works with."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        text = '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "version_info": "%s"}]}'
        self.wfile.write((text % self.server.version).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def view():
    server = ThreadingHTTPServer(("127.0.0.1", 0), View)
    server.version = "0"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def pod(name, ready=True, running=True, **metadata):
    state = {"running": {}} if running else {"waiting": {}}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, **metadata}, "status": {"podIP": "127.0.0.1", "containerStatuses": [{"state": state}], "conditions": conditions}}


def write(store, name, port=1):
    with pytest.raises(TimeoutError):
        Envoy(store, confirm_s=0).set_cluster(name, "10.96.0.7", port)


def test_what_is_written_is_read_back_and_the_rest_of_the_map_is_left_alone(store, cluster):
    write(store, "toy-3")
    with pytest.raises(TimeoutError, match=r"Envoy did not take up rds.json of ConfigMap gyre/gyre-router within 0 s in all its pods. Fix: `kubectl get pods"):
        Envoy(store, confirm_s=0).set_route("toy", Route({"toy-3": 100}))
    assert Envoy(store).clusters() == {"toy-3": ("10.96.0.7", 1)}
    assert Envoy(store).routes() == {"toy": Route({"toy-3": 100})}
    assert cluster.map["data"]["bootstrap.json"] == "{}"


def test_writing_the_same_again_changes_nothing(store, cluster):
    write(store, "toy-3")
    before = cluster.map
    write(store, "toy-3")
    assert cluster.map is before


def test_a_change_that_another_writer_made_meanwhile_is_kept(store, cluster):
    def another_writes():
        cluster.before_a_patch = lambda: None
        write(store, "other-1")

    cluster.before_a_patch = another_writes
    write(store, "toy-3")
    assert set(Envoy(store).clusters()) == {"other-1", "toy-3"}


def test_without_the_map_it_says_so(store, cluster):
    cluster.map = None
    with pytest.raises(ClusterRefused, match=r"The cds.json of ConfigMap gyre/gyre-router could not be changed: the ConfigMap is gone"):
        store.change("cds", lambda resources: [*resources, {"name": "x"}])
    assert Envoy(store).routes() == {}


def test_it_is_taken_up_when_every_running_pod_has_it(store, cluster, view):
    write(store, "toy-3")
    cluster.pods = [pod("a"), pod("b")]
    cluster.touched.clear()
    assert not store.taken_up("cds")
    assert cluster.touched == ["a", "b"]
    view.version = store.read("cds")["version_info"]
    assert store.taken_up("cds")
    assert cluster.touched == ["a", "b"]


def test_a_pod_that_is_going_or_does_not_run_yet_is_not_waited_for(store, cluster, view):
    write(store, "toy-3")
    view.version = store.read("cds")["version_info"]
    cluster.pods = [pod("a"), pod("gone", deletionTimestamp="now"), pod("b", ready=False, running=False)]
    cluster.touched.clear()
    assert store.taken_up("cds")
    assert cluster.touched == ["b"]  # its volume may hold what was written before


def test_without_any_router_that_is_ready_nothing_is_taken_up(store, cluster, view):
    write(store, "toy-3")
    view.version = store.read("cds")["version_info"]
    assert not store.taken_up("cds")
    cluster.pods = [pod("a", ready=False)]
    assert not store.taken_up("cds")
