"""One at a time: a promotion and a reconciliation of one use case must not meet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gyre.errors import NothingToDo, PromotionFailed
from gyre.locks import take

POLL_S = 0.2


@contextmanager
def exclusive(home: Path, use_case: str, wait_s: float) -> Iterator[None]:
    """Hold a use case's lock; it goes with the process, however that ends.

    Raises:
        NothingToDo: If it is held by another and there is no time to wait.
        PromotionFailed: If it is held for longer than that.
    """
    folder = home / "serving"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with (folder / f"{use_case}.lock").open("a") as lock:
        while not take(lock.fileno()):
            if wait_s <= 0:
                raise NothingToDo(f"a promotion of '{use_case}' is under way")
            if time.monotonic() > deadline:
                raise PromotionFailed(
                    f"Another promotion or reconciliation of '{use_case}' is under way for more than {wait_s:g} s. Fix: see its log, then try again."
                )
            time.sleep(POLL_S)
        yield
