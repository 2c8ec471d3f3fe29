"""Processes that the stack started, found by what they carry: the last resort that leaves nothing running."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gyre.errors import StackError
from gyre.layout import Layout
from gyre.stack.context import MARKER

PROC = Path("/proc")


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Hold the stack for one `up` or `down` at a time. The lock ends with the process, however it ends."""
    with (layout.home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise StackError(f"Another `gyre up` or `gyre down` is at work on {layout.home} (process {file.read().strip()}). Wait for it.") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended, or is another user's
        return b""


def _status(pid: int | str) -> list[bytes]:
    """State, parent, process group and session, from /proc; empty if there is no such process."""
    return _read(PROC / str(pid) / "stat").rpartition(b")")[2].split()[:4]


def is_alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not yet waited for does not)."""
    return _status(pid)[:1] not in ([], [b"Z"], [b"X"])


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid > 1:
        found.add(pid)
        pid = int((_status(pid) or [b"", b"0"])[1])
    return found


def left_over(layout: Layout) -> list[int]:
    """Processes that are this stack's, apart from the one that asks and those it was started by.

    They carry its mark in their environment. Those that gave themselves another title (Airflow's, PostgreSQL's) have overwritten that:
    they are of the supervisor's session and work in a folder of the stack, or are named in PostgreSQL's own file.
    """
    mark = f"{MARKER}={layout.home}".encode()
    session = _read(layout.supervisor_session).strip()
    found = set()
    for each in PROC.glob("[0-9]*"):
        of_session = session and _status(each.name)[3:] == [session] and _works_in(each, layout.home)
        if of_session or mark in _read(each / "environ").split(b"\0"):
            found.add(int(each.name))
    return sorted(pid for pid in (found | _postmaster(layout)) - _ancestors() if is_alive(pid))


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _postmaster(layout: Layout) -> set[int]:
    data = layout.home / "postgres" / "data"
    pid = _read(data / "postmaster.pid").split(b"\n")[0].decode()
    return {int(pid)} if pid.isdigit() and str(data).encode() in _read(PROC / pid / "cmdline") else set()


def end(pids: list[int], patience: float = 10, groups: bool = False) -> None:
    """End processes (or process groups): ask, wait, then insist."""
    send = os.killpg if groups else os.kill
    for wanted, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                send(pid, wanted)
        deadline = time.monotonic() + seconds
        while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        pids = [pid for pid in pids if is_alive(pid)]
        if not pids:
            return


def end_left_over(layout: Layout) -> int:
    """End what carries this stack's mark; twice, since a process may have started another meanwhile."""
    count = 0
    for _ in range(2):
        pids = left_over(layout)
        count += len(pids)
        end(pids)
    return count


def running_jobs(layout: Layout) -> list[int]:
    """Leaders of the process groups of jobs that run. A number in a file may since be another process's: it is checked."""
    found = []
    for file in layout.jobs.glob("*/pid"):
        text = _read(file).strip()
        pid = int(text) if text.isdigit() else 0
        if pid and is_alive(pid) and any(b"gyre.jobs" in _read(PROC / str(pid) / each) for each in ("cmdline", "environ")):
            found.append(pid)
    return found
