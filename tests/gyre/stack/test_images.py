"""Images are built by whatever engine is here, named by the settings, each after those it is made from."""

import stat

import pytest

from gyre.errors import StackError
from gyre.settings import Settings
from gyre.stack import images

RECORDS = """#!/bin/sh
echo "$@" >> "{record}"
case "$1 $2" in
  "image inspect") echo 12000000 ;;
  run*) cat > /dev/null; {check} ;;
esac
"""


def engine(folder, check="echo 3 modules"):
    """A program that notes what it is asked to do."""
    program = folder / "engine"
    program.write_text(RECORDS.format(record=folder / "record", check=check))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "revision", lambda: "abc")
    for name, text in (("tabular", ""), ("all", "ARG GYRE_IMAGE_TABULAR=gyre-tabular:1\n")):
        folder = tmp_path / "docker" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"ARG BASE=python\n{text}FROM ${{BASE}}\n")
        (folder / "requirements.in").write_text("# what it is for\npolars>=1\npsycopg[binary]\n")
    return {"GYRE_ENVIRONMENTS": str(tmp_path / "docker"), "GYRE_IMAGE_ENGINE": str(engine(tmp_path)), "GYRE_IMAGE_TAG": "7"}


def asked(tmp_path):
    return (tmp_path / "record").read_text().splitlines()


def test_an_image_is_built_after_those_it_is_made_from_and_each_is_checked(environ, tmp_path):
    said = []
    images.build(Settings(environ), ["all"], said.append)
    assert [line.split()[0] for line in asked(tmp_path)] == ["version", "build", "run", "image", "build", "run", "image"]
    first, second = (line for line in asked(tmp_path) if line.startswith("build"))
    assert "--tag gyre-tabular:7" in first
    assert "--tag gyre-all:7" in second
    assert "GYRE_IMAGE_TABULAR=gyre-tabular:7" in second
    assert said[-1].startswith("image gyre-all:7: 3 modules, 12 MB")


def test_the_check_runs_read_only_without_network_or_privileges_and_asks_for_the_environments_packages(environ, tmp_path):
    images.build(Settings(environ), ["tabular"], print)
    (run,) = (line for line in asked(tmp_path) if line.startswith("run"))
    assert "--read-only --tmpfs /tmp:mode=1777 --network none --cap-drop ALL --security-opt no-new-privileges" in run
    assert run.endswith("gyre-tabular:7 python - polars psycopg")


def test_a_given_base_and_the_given_secrets_reach_the_build(environ, tmp_path):
    (tmp_path / "uv.toml").touch()
    images.build(Settings(environ | {"GYRE_IMAGE_BASE": "mine:1", "GYRE_IMAGE_SECRETS": str(tmp_path)}), ["tabular"], print)
    (build,) = (line for line in asked(tmp_path) if line.startswith("build"))
    assert "--build-arg BASE=mine:1" in build
    assert f"--secret id=uv.toml,src={tmp_path}/uv.toml" in build
    assert "pip.conf" not in build


def test_a_folder_without_secrets_is_told(environ, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StackError, match=r"none of pip.conf, uv.toml, ca.pem is in that folder. Fix: put them there"):
        images.build(Settings(environ | {"GYRE_IMAGE_SECRETS": str(tmp_path / "empty")}), ["tabular"], print)


def test_without_an_engine_the_cure_is_told(environ, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    del environ["GYRE_IMAGE_ENGINE"]
    with pytest.raises(StackError, match=r"docker or podman is not on the PATH. Fix: install Docker or Podman, or name another program in GYRE_IMAGE_ENGINE"):
        images.build(Settings(environ), ["tabular"], print)


def test_an_unknown_image_is_told_with_the_nearest(environ):
    with pytest.raises(StackError, match=r"No image 'tabula'.*Did you mean 'tabular'"):
        images.build(Settings(environ), ["tabula"], print)


def test_an_image_that_cannot_do_what_it_is_for_is_an_error_with_its_own_words(environ, tmp_path):
    engine(tmp_path, check="echo ModuleNotFoundError: polars >&2; exit 1")
    with pytest.raises(StackError, match=r"The image gyre-tabular:7 does not do what it is for:\n  ModuleNotFoundError: polars"):
        images.build(Settings(environ), ["tabular"], print)


def test_a_build_that_fails_is_an_error(environ, tmp_path):
    program = engine(tmp_path)
    program.write_text('#!/bin/sh\n[ "$1" != build ] || exit 3\n')
    with pytest.raises(StackError, match=r"Cannot build the image 'tabular': `.*/engine build` ended with 3"):
        images.build(Settings(environ), ["tabular"], print)


def test_an_engine_that_does_not_answer_is_told_in_its_own_words(environ, tmp_path):
    program = engine(tmp_path)
    program.write_text("#!/bin/sh\necho cannot connect to the daemon >&2; exit 1\n")
    with pytest.raises(StackError, match="cannot be used: cannot connect to the daemon"):
        images.build(Settings(environ), ["tabular"], print)
