"""One server of the stack, as data: how it is made ready, run, and asked whether it is well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Program:
    """A command for the supervisor."""

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_as_group: bool = True
    stop_seconds: int = 15


@dataclass(frozen=True)
class Component:
    """A server: what it needs before, what is done before and after its start.

    `problem` gets the moment its process started (seconds since 1970) and says what is not well, or None.
    """

    name: str
    title: str
    address: Callable[[], str]
    program: Callable[[], Program]
    problem: Callable[[float], str | None]
    ports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    prepare: Callable[[], None] = _nothing
    afterwards: Callable[[], None] = _nothing
    note: Callable[[], str] = str


def http_problem(url: str) -> str | None:
    """What is wrong with a server that should answer 200 at `url`, or None."""
    try:
        response = httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return None if response.status_code == 200 else f"{url} answers {response.status_code}"
