"""What goes into a Bento beside the model: the service's code, the use case's code, and a description of what is served."""

from __future__ import annotations

import shutil
from pathlib import Path

import gyre
from gyre.settings import settings
from gyre.specs import UseCase
from gyre.specs.deploy_messages import ServedModel

SERVICE = "service:ServedVersion"
MODEL = "model"
DESCRIPTION = "served.json"

# All that gyre.serving and a use case's own code import. A test imports the service with nothing else on its path.
PARTS = ("__init__.py", "errors.py", "settings.py", "frames.py", "progress.py", "torch_models.py", "specs", "serving")
NO_CODE = shutil.ignore_patterns("__pycache__", "*.pyc", "data", "tests")


def lay_out(use_case: UseCase, version: int, folder: Path) -> None:
    """Write the build context into a new folder; the model itself is put beside it as `model`."""
    package = Path(gyre.__file__).parent
    for part in PARTS:
        _copy(package / part, folder / "gyre" / part)
    # At the top, so that building it imports this file and not the one of the process that builds.
    _copy(package / "serving" / "service.py", folder / "service.py")
    # A model may need its own code to be read again: a transformer's class, a custom layer.
    _copy(settings().use_cases / use_case.name, folder / "use_cases" / use_case.name)
    (folder / DESCRIPTION).write_text(describe(use_case, version).model_dump_json(indent=1))


def describe(use_case: UseCase, version: int) -> ServedModel:
    """Say what a Bento holds."""
    return ServedModel(
        use_case=use_case.name,
        version=version,
        task=use_case.task,
        features=use_case.features,
        keys=use_case.keys,
        event_time=use_case.event_time,
        max_rows=use_case.serving.max_rows,
        workers=use_case.serving.workers,
        signals=use_case.monitoring.signals,
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=NO_CODE)
    else:
        shutil.copyfile(source, target)
