"""End with one's parent: a worker that outlived it would hold the port, and the one that is started in its place could not listen."""

from __future__ import annotations

import os
import signal
import threading
import time

POLL_S = 0.2


def end_with_parent() -> None:
    """Watch the parent process from now on; once it is gone, end as politely as if told to."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
