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
from gyre.stack.context import MARKER
from gyre.stack.layout import Layout

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


def is_alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not yet waited for does not)."""
    status = _read(PROC / str(pid) / "stat")
    return bool(status) and status.rpartition(b")")[2].split()[0] not in {b"Z", b"X"}


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid > 1:
        found.add(pid)
        status = _read(PROC / str(pid) / "stat").rpartition(b")")[2].split()
        pid = int(status[1]) if len(status) > 1 else 0
    return found


def left_over(layout: Layout) -> list[int]:
    """Processes that carry this stack's mark, apart from the one that asks and those it was started by."""
    mark = f"{MARKER}={layout.home}".encode()
    found = [int(each.name) for each in PROC.glob("[0-9]*") if mark in _read(each / "environ").split(b"\0")]
    postmaster = layout.home / "postgres" / "data" / "postmaster.pid"  # its children overwrite their environment
    if postmaster.exists():
        pid = int(_read(postmaster).split(b"\n")[0] or 0)
        if pid and str(postmaster.parent).encode() in _read(PROC / str(pid) / "cmdline"):
            found.append(pid)
    return sorted({pid for pid in found if is_alive(pid)} - _ancestors())


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
