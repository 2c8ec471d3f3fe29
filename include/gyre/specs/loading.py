"""Find the use cases: every folder in `include/use_cases/` that holds a `use_case.py`."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from gyre.errors import InvalidUseCase, did_you_mean
from gyre.settings import Settings, settings
from gyre.specs.base import Spec
from gyre.specs.labels import Facts, People
from gyre.specs.use_case import UseCase


def names(where: Settings | None = None) -> list[str]:
    """Name every folder that holds a use case, sorted."""
    return sorted(path.parent.name for path in (where or settings()).use_cases.glob("*/use_case.py"))


def load_use_case(name: str, where: Settings | None = None) -> UseCase:
    """Load and check one use case.

    Raises:
        InvalidUseCase: If its folder cannot work, with the field, the value and a cure.
    """
    where = where or settings()
    if not (where.use_cases / name / "use_case.py").is_file():
        raise InvalidUseCase(name, f"{where.use_cases / name / 'use_case.py'} does not exist.{did_you_mean(name, names(where))}")
    found = [value for value in vars(_module(name, where)).values() if isinstance(value, UseCase)]
    if len(found) != 1:
        raise InvalidUseCase(name, f"use_case.py must hold exactly one UseCase(...), it holds {len(found)}.")
    use_case = found[0]
    _check(use_case, name, where)
    return use_case


def load_use_cases(only: str | None = None, where: Settings | None = None) -> tuple[list[UseCase], list[InvalidUseCase]]:
    """Load every use case, or `only` one, and what is wrong with those that cannot be loaded."""
    loaded, broken = [], []
    for name in [only] if only else names(where):
        try:
            loaded.append(load_use_case(name, where))
        except InvalidUseCase as error:
            broken.append(error)
    return loaded, broken


def make_importable(where: Settings | None = None) -> None:
    """Let `use_cases.<name>` be imported from wherever the folder is; an installation may keep it outside the repository."""
    parent = str((where or settings()).use_cases.parent)
    if parent not in sys.path:
        sys.path.insert(0, parent)


def _module(name: str, where: Settings) -> ModuleType:
    """Import `use_cases.<name>.use_case`, from wherever the folder is."""
    make_importable(where)
    try:
        return importlib.import_module(f"use_cases.{name}.use_case")
    except ValidationError as error:
        raise InvalidUseCase(name, "; ".join(_explain(error))) from error
    except Exception as error:  # a user's file may fail in any way, and must not take other use cases down
        raise InvalidUseCase(name, f"use_case.py fails: {type(error).__name__}: {error}") from error


def _explain(error: ValidationError) -> Iterator[str]:
    """Say each problem as field, value, cure. A part that is wrong fails on its own, under its class's name."""
    part = _parts().get(error.title)
    for problem in error.errors():
        loc = problem["loc"]
        field = ".".join(str(each) for each in (error.title.lower() if part and part is not UseCase else None, *loc) if each is not None) or "UseCase"
        if problem["type"] == "extra_forbidden":
            yield f"{field}: there is no such field.{did_you_mean(str(loc[-1]), part.model_fields) if part and len(loc) == 1 else ''}"
        elif problem["type"] == "missing":
            yield f"{field}: is missing"
        else:
            yield f"{field}: {problem['msg'].removeprefix('Value error, ')} (got {_short(problem['input'])})"


def _parts() -> dict[str, type[Spec]]:
    """Name every class a spec is made of."""
    found: dict[str, type[Spec]] = {}
    waiting: list[type[Spec]] = [Spec]
    while waiting:
        for part in waiting.pop().__subclasses__():
            found[part.__name__] = part
            waiting.append(part)
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _check(use_case: UseCase, folder: str, where: Settings) -> None:
    """Check what needs the disk: names, environment, and that the code it names exists."""
    if use_case.name != folder:
        raise InvalidUseCase(folder, f"name is '{use_case.name}', its folder '{folder}'. Fix: make them the same.")
    known = sorted(path.parent.name for path in where.environments.glob("*/requirements.in"))
    if known and use_case.environment not in known:
        raise InvalidUseCase(folder, f"environment: no folder docker/{use_case.environment}.{did_you_mean(use_case.environment, known)}")
    entry_points = {
        "features.function": use_case.features.function,
        "expectations": use_case.expectations,
        "labels.function": use_case.labels.function if isinstance(use_case.labels, Facts) else None,
        "labels.template.label": use_case.labels.label_function if isinstance(use_case.labels, People) else None,
        "training.function": use_case.training.function,
        "training.inputs": use_case.training.inputs,
        "training.baselines": use_case.training.baselines,
    }
    for field, entry_point in entry_points.items():
        if entry_point:
            _check_entry_point(use_case, field, entry_point, where)


def _check_entry_point(use_case: UseCase, field: str, entry_point: str, where: Settings) -> None:
    """Look into the named file for the named function, without importing it (it may import torch)."""
    module, _, function = entry_point.partition(":")
    if not module.startswith("use_cases."):
        return  # an installed package: only a job's environment can tell
    path = where.use_cases.parent.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        raise InvalidUseCase(use_case.name, f"{field}: '{entry_point}' names {path.name}, which is not in {path.parent}.")
    defined = _functions(path)
    if function not in defined:
        raise InvalidUseCase(use_case.name, f"{field}: '{entry_point}': no function '{function}' in {path.name}.{did_you_mean(function, defined)}")


def _functions(path: Path) -> list[str]:
    """Name the functions a file defines."""
    return _functions_at(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4096)
def _functions_at(path: Path, changed: int) -> list[str]:  # noqa: ARG001 - a changed file is another
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        raise InvalidUseCase(path.parent.name, f"{path.name}, line {error.lineno}: {error.msg}") from error
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
