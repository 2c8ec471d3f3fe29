"""Write the folder of a new use case from the template."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from gyre.errors import InvalidUseCase
from gyre.settings import Settings

TEMPLATE = Path(__file__).parent / "templates" / "use_case"


def write(name: str, where: Settings) -> Path:
    """Write `<use cases>/<name>/`, all or nothing.

    Raises:
        InvalidUseCase: If the name cannot be one, or is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,47}", name):
        raise InvalidUseCase(name, "a name is 2 to 48 small letters, digits and underscores, and begins with a letter, as in churn_weekly.")
    folder = where.use_cases / name
    if folder.exists():
        raise InvalidUseCase(name, f"{folder} exists already. Fix: choose another name, or change what is there.")
    draft = folder.with_name(f".{name}.new")
    draft.mkdir(parents=True, exist_ok=True)
    for path in TEMPLATE.glob("*.py"):
        (draft / path.name).write_text(Template(path.read_text()).substitute(name=name))
    draft.rename(folder)
    return folder
