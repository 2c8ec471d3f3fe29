"""Hyperparameters: the spec's, with what a manual run changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gyre.errors import BadParameters, did_you_mean


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Change some defaults.

    Raises:
        BadParameters: If a name is not among the defaults, or a value is of another kind than its default.
    """
    for name, value in given.items():
        if name not in defaults:
            raise BadParameters(f"There is no hyperparameter '{name}'.{did_you_mean(name, defaults)}")
        if not _same_kind(defaults[name], value):
            raise BadParameters(f"Hyperparameter '{name}' must be {_kind(defaults[name])}, as its default {defaults[name]!r}; got {value!r}.")
    return {**defaults, **given}


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "anything")


def _same_kind(default: Any, value: Any) -> bool:
    """Tell whether a value can stand for a default; a whole number can stand for any number."""
    if default is None:
        return True
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)
