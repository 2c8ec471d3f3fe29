"""Leave word when a model cannot be loaded: BentoML would try for ever, and whoever waits for the version would wait as long."""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path
from types import TracebackType

FILE = "failed.txt"
LAST_WORDS = "The model cannot be loaded:"  # how a termination message of ours begins
LONGEST = 4000  # Kubernetes keeps 4 KiB of a termination message


class LeavesWord:
    """Writes an error that passes through it into a file, and lets it go on.

    Where `GYRE_LAST_WORDS` names another file (on a cluster: the container's termination message), it ends the server too: Kubernetes, which starts
    it again, then knows why.

    Args:
        folder: Where `failed.txt` is written.
    """

    def __init__(self, folder: Path) -> None:
        self._last_words = os.environ.get("GYRE_LAST_WORDS")
        self._file = Path(self._last_words) if self._last_words else folder / FILE

    def __enter__(self) -> None:
        if not self._last_words:
            self._file.unlink(missing_ok=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        text = "".join(traceback.format_exception(error)[-3:])[-LONGEST:]
        self._file.write_text(f"{LAST_WORDS}\n{text}" if self._last_words else text)
        if self._last_words:
            os.kill(os.getppid(), signal.SIGTERM)
