"""Stop the stack, from whatever state it is in, and leave nothing running."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from xmlrpc.client import Fault

from gyre.errors import StackError
from gyre.layout import Layout
from gyre.settings import PORT_OFFSETS, settings
from gyre.stack import ports, processes, supervisor

LAST = {"postgres", "s3", "kafka"}  # others end more quietly while these still answer


def down(say: Callable[[str], None]) -> None:
    """Stop every server, every served model and every job.

    Raises:
        StackError: If a process or a port is still held at the end.
    """
    layout = Layout(settings().home)
    if not layout.home.exists():
        say("nothing to stop: it was never started")
        return
    began = time.monotonic()
    with processes.exclusive(layout):
        running = [name for name, each in supervisor.processes(layout).items() if each.state not in {"STOPPED", "EXITED", "FATAL"}]
        # Airflow first, or it would start jobs while they are being ended
        supervisor.stop(layout, [name for name in running if name not in LAST])
        jobs = processes.running_jobs(layout)
        processes.end(jobs, groups=True)
        supervisor.stop(layout, [name for name in running if name in LAST])
        _stop_supervisor(layout)
        count = processes.end_left_over(layout)
        _require_nothing_left(layout, say)
    if layout.sockets != layout.supervisor:
        shutil.rmtree(layout.sockets, ignore_errors=True)
    parts = [f"{len(running)} servers", f"{len(jobs)} jobs", *([f"{count} left-over processes"] if count else [])]
    say(f"stopped {', '.join(parts)} in {time.monotonic() - began:.0f} s")


def _stop_supervisor(layout: Layout) -> None:
    try:
        pid = int(supervisor.call(layout, "getPID"))
        supervisor.call(layout, "shutdown")
    except supervisor.UNREACHABLE:
        return
    except Fault:  # it is shutting down already
        return
    deadline = time.monotonic() + 30
    while processes.is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def _require_nothing_left(layout: Layout, say: Callable[[str], None]) -> None:
    here = settings()
    own = [name for name in PORT_OFFSETS if name != "serving"]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = processes.left_over(layout)
        taken = [here.port(name) for name in own if not ports.is_free(here.bind_address, here.port(name))]
        if not left and not taken:
            return
        time.sleep(0.2)
    if left:
        raise StackError(f"These processes do not end: {', '.join(map(str, left))}. Fix: `kill -9` them.")
    say(f"note: taken by something that is not of this stack: port {', '.join(map(str, taken))}")


def clean(say: Callable[[str], None]) -> None:
    """Stop the stack and remove all that it made."""
    down(say)
    for folder in (settings().home, settings().venvs):
        if folder.exists():
            _remove(folder)
            say(f"removed {folder}")


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StackError(f"Cannot remove {folder}: {error}.") from error
