"""Environments on this machine: one virtual environment for each, installed from its lock, in `.venvs/<name>`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gyre.errors import StackError, did_you_mean
from gyre.settings import REPOSITORY, Settings

SPARE_GB = 4  # for the stack's own data
STAMP = ".gyre-lock"


def lock(settings: Settings, name: str) -> Path:
    """The lock of an environment. Airflow's is the repository's own `requirements.txt`, where its tools look for it."""
    path = REPOSITORY / "requirements.txt" if name == "airflow" else settings.environments / name / "requirements.txt"
    if not path.exists():
        raise StackError(f"No environment '{name}': {path} does not exist.{did_you_mean(name, known(settings))}")
    return path


def known(settings: Settings) -> list[str]:
    """The environments that can be installed."""
    return sorted({"airflow"} | {each.parent.name for each in settings.environments.glob("*/requirements.txt")})


def python(settings: Settings, name: str) -> Path:
    """The interpreter of an environment, whether or not it is installed."""
    return settings.venvs / name / "bin" / "python"


def fingerprint(settings: Settings, name: str) -> str:
    """What an installed environment was made from: its lock and this Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{hashlib.sha256(lock(settings, name).read_bytes()).hexdigest()} python-{version}\n"


def is_built(settings: Settings, name: str) -> bool:
    """Whether the environment is installed, whole, from the present lock."""
    stamp = settings.venvs / name / STAMP
    return stamp.exists() and stamp.read_text() == fingerprint(settings, name) and python(settings, name).exists()


def build(settings: Settings, names: list[str], say: Callable[[str], None]) -> None:
    """Install those environments that are not; an interrupted installation is taken up again.

    Raises:
        StackError: If uv is missing or fails, or the disk is too full.
    """
    missing = [name for name in names if not is_built(settings, name)]
    if not missing:
        return
    settings.venvs.mkdir(parents=True, exist_ok=True)
    _require_disk(settings, missing)
    uv = find_uv(settings)
    for name in missing:
        _build_one(settings, name, uv, say)


def size_gb(settings: Settings, name: str) -> float:
    """About how large an environment is when it is installed: torch brings NVIDIA's libraries with it."""
    return 7.0 if "\ntorch==" in lock(settings, name).read_text() else 1.0


def _require_disk(settings: Settings, names: list[str]) -> None:
    free = shutil.disk_usage(settings.venvs).free / 1e9
    needed = SPARE_GB + sum(size_gb(settings, name) for name in names)
    if free < needed:
        raise StackError(
            f"Cannot install the environments {', '.join(names)}: {free:.1f} GB are free on the disk of {settings.venvs}, "
            f"{needed:.0f} GB are needed. Fix: free some, or put them elsewhere with GYRE_VENVS=/a/larger/disk."
        )


def find_uv(settings: Settings) -> str:
    """The installer: on the PATH, or where the Makefile put it."""
    own = settings.venvs / "uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        raise StackError("uv is not installed (it installs the environments). Fix: `pip install uv`, or run through `make`, which fetches it.")
    return found


def _build_one(settings: Settings, name: str, uv: str, say: Callable[[str], None]) -> None:
    where, requirements, began = settings.venvs / name, lock(settings, name), time.monotonic()
    packages = sum(1 for line in requirements.read_text().splitlines() if "==" in line and not line.startswith((" ", "#")))
    say(f"environment {name}: installing {packages} packages")
    (where / STAMP).unlink(missing_ok=True)
    if not python(settings, name).exists():
        _uv(name, [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(where)])
    sync = [uv, "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", "--python", str(python(settings, name)), str(requirements)]
    _uv(name, sync)
    (where / STAMP).write_text(fingerprint(settings, name))
    say(f"environment {name}: {packages} packages, {time.monotonic() - began:.0f} s")


def _uv(name: str, command: list[str]) -> None:
    # switched off in some images, the bytecode cache would cost every later start of Airflow seconds
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode == 0:
        return
    if "No space left on device" in done.stdout:
        raise StackError(f"Cannot install environment '{name}': the disk is full. Fix: free some space and run it again.")
    end = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-12:])
    raise StackError(f"Cannot install environment '{name}': `{' '.join(command[:3])}` failed:\n{end}")
