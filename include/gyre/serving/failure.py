"""Leave word when a model cannot be loaded: BentoML would try for ever, and whoever waits for the version would wait as long."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

FILE = "failed.txt"


class LeavesWord:
    """Writes an error that passes through it into a file, and lets it go on.

    Args:
        folder: Where `failed.txt` is written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def __enter__(self) -> None:
        self._file.unlink(missing_ok=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._file.write_text("".join(traceback.format_exception(error)[-3:]))
