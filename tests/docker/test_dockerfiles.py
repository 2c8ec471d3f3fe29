"""What every Dockerfile and the compose file keep to; read, not built."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gyre.settings import REPOSITORY, Settings
from gyre.stack import images

DOCKER = REPOSITORY / "docker"
ENVIRONMENTS = sorted({path.parent.name for path in DOCKER.glob("*/requirements.in")} - {"dev", "stack"})  # of this machine alone
IMAGES = images.known(Settings({}))
SECRET = re.compile(r"passw|secret|token|credential|index|_key", re.IGNORECASE)
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict] = COMPOSE["services"]
GYRES = {name: service for name, service in SERVICES.items() if "GYRE_IMAGE_PREFIX" in service["image"]}


def dockerfile(name: str) -> str:
    return (DOCKER / name / "Dockerfile").read_text().replace("\\\n", " ")


def instructions(name: str, kind: str) -> list[str]:
    return re.findall(rf"^{kind} +(.*)$", dockerfile(name), re.MULTILINE)


def test_each_environment_has_an_image():
    assert set(ENVIRONMENTS) | {"local"} == set(IMAGES)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_a_numbered_user_who_is_not_root(name: str):
    assert instructions(name, "USER")[-1] == "10001:10001"


@pytest.mark.parametrize("name", IMAGES)
def test_no_secret_and_no_index_can_come_as_an_argument_or_stay_as_a_variable(name: str):
    declared = [word for kind in ("ARG", "ENV") for line in instructions(name, kind) for word in re.findall(r"(\w+)(?:=|$)", line)]
    assert declared
    assert not [word for word in declared if SECRET.search(word) and word != "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_needs_no_frontend_from_a_registry_and_starts_from_what_it_is_told(name: str):
    assert "syntax=" not in dockerfile(name)
    assert all(source.startswith("${") for source in instructions(name, "FROM"))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is(name: str):
    for label in (f"title=gyre-{name} ", "version=${VERSION}", "revision=${REVISION}", "licenses=Apache-2.0"):
        assert f"org.opencontainers.image.{label}" in dockerfile(name)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environments_image_is_made_from_its_lock_and_begins_like_every_other(name: str):
    lock = "requirements.txt" if name == "airflow" else f"docker/{name}/requirements.txt"
    assert f"COPY docker/install.sh docker/uv.txt {lock} /tmp/\n" in dockerfile(name)

    def common(of: str) -> str:
        text = dockerfile(of).partition("LOGNAME=gyre\n")[0]
        return "\n".join(line for line in text.splitlines() if not line.startswith(("#", "COPY docker/install.sh")))

    assert common(name) == common("tabular"), f"docker/{name}/Dockerfile has drifted from docker/tabular/Dockerfile: they are to begin alike."


def test_the_installer_takes_hashes_and_no_cache_and_compiles_bytecode():
    script = (DOCKER / "install.sh").read_text()
    (sync,) = re.findall(r"^.*pip sync.*$", script, re.MULTILINE)
    assert {"--require-hashes", "--no-cache", "--compile-bytecode"} <= set(sync.split())
    (pip,) = re.findall(r"^.*pip install.*$", script, re.MULTILINE)
    assert {"--require-hashes", "--no-cache-dir"} <= set(pip.split())


def test_the_installer_itself_is_the_one_that_is_locked():
    pinned = "\n".join(line for line in (DOCKER / "uv.txt").read_text().splitlines() if not line.startswith("#"))
    assert pinned in (DOCKER / "tabular" / "requirements.txt").read_text(), "docker/uv.txt is to hold uv's lines of docker/tabular/requirements.txt."


def test_a_build_gets_locks_and_code_and_nothing_else():
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line for line in lines if line.startswith("!")} == {
        f"!{name}" for name in ("airflow_settings.yaml", "dags", "docker", "docker/install.sh", "include", "plugins", "requirements.txt")
    }
    assert "docker/.env" in lines


def test_every_published_port_is_on_this_machine_alone():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 7
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_image_of_compose_is_gyres_own_or_has_a_version():
    for name, service in SERVICES.items():
        if name in GYRES:
            assert re.fullmatch(r"\$\{GYRE_IMAGE_PREFIX:-gyre-\}(\w+):\$\{GYRE_IMAGE_TAG:-0\.1\.0\}", service["image"])[1] in IMAGES
        else:
            assert re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", service["image"])


@pytest.mark.parametrize("name", sorted(GYRES))
def test_gyres_own_services_may_change_nothing_and_gain_no_privilege(name: str):
    service = GYRES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]


def test_compose_holds_no_secret_and_asks_for_each():
    text = (DOCKER / "compose.yaml").read_text()
    empty = re.findall(r"^(\w+)=$", (DOCKER / "env.example").read_text(), re.MULTILINE)
    assert len(empty) == 18
    for variable in empty:
        assert f"${{{variable}:?" in text, f"compose.yaml would start with an empty {variable}."
    assert not re.search(r"passw\w*\W+[0-9a-f]{8}", text, re.IGNORECASE)


def test_the_served_versions_are_given_no_secret():
    assert "environment" not in SERVICES["serving"]


def test_the_local_runtimes_image_holds_every_environment_that_jobs_run_in():
    copied = set(re.findall(r"/opt/gyre/venvs/(\w+)$", dockerfile("local"), re.MULTILINE))
    assert copied == {"tabular", "torch"}
    assert set(images.made_from(Settings({}), "local")) == {"airflow", *copied}


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    for name in ("make-env.sh", "env.example"):
        shutil.copy(DOCKER / name, tmp_path)
    subprocess.run(["sh", str(tmp_path / "make-env.sh")], check=True)
    return tmp_path / ".env"


def test_each_secret_of_the_example_is_filled_in_by_one_of_its_own_for_its_owner_alone(filled: Path):
    values = dict(line.split("=", 1) for line in filled.read_text().splitlines() if not line.startswith("#"))
    secrets = [values[name] for name in re.findall(r"^(\w+)=$", (DOCKER / "env.example").read_text(), re.MULTILINE)]
    assert len(set(secrets)) == len(secrets)
    assert min(map(len, secrets)) >= 40
    assert len(values["LABEL_STUDIO_TOKEN"]) == 40
    assert len(values["AIRFLOW_FERNET_KEY"]) == 44
    assert filled.stat().st_mode & 0o077 == 0


def test_secrets_that_are_there_are_not_overwritten(filled: Path):
    before = filled.read_text()
    done = subprocess.run(["sh", str(filled.parent / "make-env.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Remove it only together with them" in done.stderr
    assert filled.read_text() == before
