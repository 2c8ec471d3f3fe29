"""Environments are installed from locks."""

import pytest

from gyre.errors import StackError
from gyre.settings import REPOSITORY, Settings
from gyre.stack import environments


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "docker" / "tabular"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text("polars==1.0 \\\n    --hash=sha256:0\n")
    return Settings({"GYRE_ENVIRONMENTS": str(tmp_path / "docker"), "GYRE_VENVS": str(tmp_path / "venvs")})


def test_airflows_lock_is_the_repositorys_own(here):
    assert environments.lock(here, "airflow") == REPOSITORY / "requirements.txt"


def test_an_unknown_environment_is_told_with_the_nearest(here):
    with pytest.raises(StackError, match="Did you mean 'tabular'"):
        environments.lock(here, "tabula")


def test_an_interrupted_or_outdated_installation_does_not_count(here):
    python = environments.python(here, "tabular")
    python.parent.mkdir(parents=True)
    python.touch()
    assert not environments.is_built(here, "tabular")
    (here.venvs / "tabular" / environments.STAMP).write_text(environments.fingerprint(here, "tabular"))
    assert environments.is_built(here, "tabular")
    environments.lock(here, "tabular").write_text("polars==2.0\n")
    assert not environments.is_built(here, "tabular")


def test_a_disk_that_is_too_full_is_told_before_anything_is_installed(here, monkeypatch):
    monkeypatch.setattr(environments, "SPARE_GB", 10**9)
    with pytest.raises(StackError, match=r"GB are free on the disk.*GYRE_VENVS"):
        environments.build(here, ["tabular"], print)
    assert not (here.venvs / "tabular").exists()


def test_only_a_missing_environment_with_torch_asks_for_room_for_it(here):
    assert environments.size_gb(here, "tabular") == 1
    environments.lock(here, "tabular").write_text("# what it needs\ntorch==2.9 \\\n    --hash=sha256:0\n")
    assert environments.size_gb(here, "tabular") == 7
