"""Commands that run once while the stack starts: their output goes to a log, and a failure shows its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gyre.errors import StackError, did_you_mean
from gyre.layout import Layout
from gyre.stack.context import Stack, base_environment


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, indented, for an error's text."""
    if not log.exists():
        return f"  ({log} does not exist)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-count:]) or f"  ({log} is empty)"


def run(
    stack: Stack,
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stdin: str = "",
    timeout: float = 600,
) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        StackError: If it fails; with the end of its output.
    """
    log = stack.layout.log(name)
    identity: dict[str, object] = {"user": user, "group": _group_of(user), "extra_groups": []} if user else {}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin,
            env=base_environment(stack) | dict(environment or {}),
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            **identity,  # type: ignore[call-overload]
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{name} took longer than {timeout:.0f} s: {' '.join(map(str, command))}") from error
    except OSError as error:
        raise StackError(f"{name} cannot be run: {error}") from error
    output = str(done.stdout)
    log.write_text(output)
    if done.returncode != 0:
        raise StackError(f"{name} failed (exit status {done.returncode}); the end of {log}:\n{last_lines(log)}")
    return output


def show_log(layout: Layout, name: str, lines: int, follow: bool) -> None:
    """Print the end of a server's log; with `follow`, go on until interrupted."""
    known = [each.stem for each in layout.logs.glob("*.log")]
    if name not in known:
        raise StackError(f"No log of '{name}'.{did_you_mean(name, known)}")
    subprocess.run(["tail", "-n", str(lines), *(["-F"] if follow else []), str(layout.log(name))], check=False)


def _group_of(user: str | None) -> int | None:
    if user is None or os.name != "posix":
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid
