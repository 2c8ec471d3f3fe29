"""Write the folder of a new use case from a template."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Literal

from gyre.errors import InvalidUseCase
from gyre.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
Labels = Literal["facts", "people"]


def write(name: str, where: Settings, labels: Labels = "facts") -> Path:
    """Write `<use cases>/<name>/`, all or nothing.

    Args:
        name: Of the use case.
        where: Says in which folder use cases lie.
        labels: Where its labels come from; `people` takes the files of `facts` except those it has itself.

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
    for template in dict.fromkeys(("facts", labels)):
        for path in (TEMPLATES / template).glob("*.py"):
            (draft / path.name).write_text(Template(path.read_text()).substitute(name=name))
    draft.rename(folder)
    return folder
