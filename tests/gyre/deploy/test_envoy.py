"""Envoy's files, and a real Envoy that reads them."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from gyre.clients.envoy import Envoy
from gyre.clients.envoy_config import Route
from gyre.clients.envoy_files import EnvoyFiles
from gyre.settings import REPOSITORY, settings

STACK = settings().venvs / "stack" / "bin"


@pytest.fixture
def files(tmp_path):
    return Envoy(EnvoyFiles(tmp_path / "envoy", "http://127.0.0.1:1"), confirm_s=0)


def written(change):
    """Make a change that no Envoy confirms."""
    with pytest.raises(TimeoutError, match="did not take up"):
        change()


def test_what_is_written_is_read_back(files):
    written(lambda: files.set_cluster("toy-3", "127.0.0.1", 28900))
    written(lambda: files.set_route("toy", Route({"toy-3": 90, "toy-2": 10}, mirror="toy-4")))
    assert files.clusters() == {"toy-3": ("127.0.0.1", 28900)}
    assert files.routes() == {"toy": Route({"toy-2": 10, "toy-3": 90}, mirror="toy-4")}


def test_one_use_cases_route_leaves_the_others_alone(files):
    written(lambda: files.set_route("toy", Route({"toy-3": 100})))
    written(lambda: files.set_route("other", Route({"other-1": 100})))
    written(lambda: files.set_route("toy", None))
    assert set(files.routes()) == {"other"}


def test_the_answer_carries_the_version_and_the_replay_header_stays_outside(files):
    written(lambda: files.set_route("toy", Route({"toy-3": 100})))
    route = json.loads((files.store.folder / "rds.json").read_text())["resources"][0]["virtual_hosts"][0]["routes"][0]
    assert route["route"]["weighted_clusters"]["clusters"][0]["response_headers_to_add"][0]["header"] == {"key": "x-gyre-version", "value": "3"}
    assert route["request_headers_to_remove"] == ["x-gyre-replay"]


def test_writing_the_same_again_does_not_touch_the_file(files):
    written(lambda: files.set_cluster("toy-3", "127.0.0.1", 28900))
    before = (files.store.folder / "cds.json").stat().st_mtime_ns
    written(lambda: files.set_cluster("toy-3", "127.0.0.1", 28900))
    assert (files.store.folder / "cds.json").stat().st_mtime_ns == before


class Version(BaseHTTPRequestHandler):
    """A served version that says which it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        answer = self.server.name.encode()
        self.server.seen.append(dict(self.headers))
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def version(name):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Version)
    server.name, server.seen = name, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


BOOTSTRAP = """
import json, sys
from pathlib import Path
from gyre.clients.envoy_config import bootstrap
here = "127.0.0.1"
print(json.dumps(bootstrap(here, int(sys.argv[1]), (here, int(sys.argv[2])), Path(sys.argv[3]), (here, int(sys.argv[4])), 1)))
"""


@pytest.fixture
def envoy(tmp_path):
    if not (STACK / "envoy").exists():
        pytest.skip("environment 'stack' is not installed")
    port, admin, view, folder = free_port(), free_port(), free_port(), tmp_path / "envoy"
    folder.mkdir()
    for name in ("cds", "rds"):
        empty = {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "gyre", "virtual_hosts": []}
        (folder / f"{name}.json").write_text(json.dumps({"version_info": "0", "resources": [empty] if name == "rds" else []}))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "include")}
    command = [str(STACK / "python"), "-c", BOOTSTRAP, str(port), str(admin), str(folder), str(view)]
    static = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    (tmp_path / "bootstrap.json").write_text(static)
    command = [
        str(STACK / "python"),
        str(STACK / "envoy"),
        "-c",
        str(tmp_path / "bootstrap.json"),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "-l",
        "error",
    ]
    process = subprocess.Popen(command, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/healthz", trust_env=False).status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.05)
    yield Envoy(EnvoyFiles(folder, f"http://127.0.0.1:{view}")), url  # which shows as much of the admin interface as is needed
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(10)


def shift(envoy, server):
    envoy.set_cluster(server.name, "127.0.0.1", server.server_address[1])
    envoy.set_route("toy", Route({server.name: 100}))


def test_not_one_request_fails_while_versions_are_shifted_under_load(envoy):
    proxy, url = envoy
    servers = [version("toy-1"), version("toy-2")]
    shift(proxy, servers[0])
    seen, stop = Counter(), threading.Event()

    def load():
        with httpx.Client(trust_env=False) as client:
            while not stop.is_set():
                answer = client.get(f"{url}/toy/predict")
                seen[answer.status_code, answer.text, answer.headers["x-gyre-version"]] += 1

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for server in [servers[1], servers[0]] * 5:
        shift(proxy, server)
    shift(proxy, servers[1])
    proxy.remove_clusters({"toy-1"})
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(seen) == {(200, "toy-1", "1"), (200, "toy-2", "2")}
    assert sum(seen.values()) > 50
    assert proxy.clusters().keys() == {"toy-2"}


def test_once_the_shift_is_confirmed_the_old_version_sees_nothing_more(envoy):
    proxy, url = envoy
    old, new = version("toy-1"), version("toy-2")
    shift(proxy, old)
    shift(proxy, new)
    time.sleep(0.1)  # the confirmation is the main thread's; its workers follow within milliseconds
    old.seen.clear()
    assert {httpx.get(f"{url}/toy/x", trust_env=False).text for _ in range(20)} == {"toy-2"}
    assert old.seen == []


def test_a_mirror_gets_a_copy_and_its_answer_is_not_seen(envoy):
    proxy, url = envoy
    champion, shadow = version("toy-1"), version("toy-2")
    shift(proxy, champion)
    proxy.set_cluster("toy-2", "127.0.0.1", shadow.server_address[1])
    proxy.set_route("toy", Route({"toy-1": 100}, mirror="toy-2"))
    time.sleep(0.1)
    assert {httpx.get(f"{url}/toy/x", trust_env=False).text for _ in range(10)} == {"toy-1"}
    time.sleep(0.3)
    assert len(shadow.seen) == 10


def test_a_caller_cannot_hide_from_the_prediction_log(envoy):
    proxy, url = envoy
    server = version("toy-1")
    shift(proxy, server)
    httpx.get(f"{url}/toy/x", headers={"x-gyre-replay": "1"}, trust_env=False)
    assert "x-gyre-replay" not in {name.lower() for name in server.seen[-1]}


def test_an_unrouted_use_case_is_a_404_in_words(envoy):
    _, url = envoy
    answer = httpx.get(f"{url}/nobody/predict", trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (404, "no model is served here")


def test_the_view_shows_what_is_harmless_and_nothing_that_changes_envoy(envoy):
    proxy, _ = envoy
    view = proxy.store.admin
    assert [httpx.get(f"{view}{path}", trust_env=False).status_code for path in ("/config_dump", "/stats?format=json", "/ready")] == [200] * 3
    asked = [("GET", "/quitquitquit"), ("POST", "/quitquitquit"), ("POST", "/stats"), ("GET", "/stats/recentlookups"), ("GET", "/"), ("POST", "/config_dump")]
    assert {httpx.request(method, f"{view}{path}", trust_env=False).status_code for method, path in asked} == {404}


def test_two_who_change_it_at_once_are_both_confirmed(envoy):
    proxy, _ = envoy
    errors = []

    def change(name):
        try:
            for port in range(1, 6):
                proxy.set_cluster(name, "127.0.0.1", port)
        except TimeoutError as error:
            errors.append(error)

    threads = [threading.Thread(target=change, args=(f"toy-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert proxy.clusters() == {f"toy-{n}": ("127.0.0.1", 5) for n in range(4)}


def test_a_caller_is_asked_to_connect_anew_with_an_answer_and_not_in_between(envoy):
    proxy, url = envoy
    shift(proxy, version("toy-1"))
    seen = Counter()
    with httpx.Client(trust_env=False) as client:
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            answer = client.get(f"{url}/toy/x")
            seen[answer.status_code, answer.headers.get("connection")] += 1
            time.sleep(0.02)
    assert seen.keys() == {(200, None), (200, "close")}
    assert 1 <= seen[200, "close"] <= 4
