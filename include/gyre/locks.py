"""A lock on a file that goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl


def take(descriptor: int) -> bool:
    """Take the lock of an open file, if it is free; tell whether it was."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
