"""Upload what a served version recorded, as segments in the lake, every few seconds and once more at the end.

On a cluster this is a sidecar of a served version: `python -m gyre.serving.ship --use-case NAME --version N --pod POD --logs FOLDER`. Kubernetes ends
it after the process that answers requests. How far a file was uploaded is asked of the lake, so it may be killed at any moment. While the lake does
not answer it waits and tries again: the version goes on answering, and its lines stay in the pod.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from gyre.clients.object_store import Objects, lake_objects, refusals
from gyre.segments import segmented_logs, uri_of
from gyre.settings import settings

log = logging.getLogger("gyre.serving")

EVERY_S = 5.0
AGAIN_S = 1.0
LARGEST = 8 * 2**20  # bytes of a segment


@dataclass
class Shipper:
    """Uploads the files of one pod.

    Attributes:
        root: `<lake>/<use case>`.
        version: Of the model.
        pod: Its name, which no other pod has.
        logs: Folder of the files.
    """

    objects: Objects
    root: str
    version: int
    pod: str
    logs: Path
    _shipped: dict[str, int] = field(default_factory=dict)

    def ship(self) -> int:
        """Upload every complete new line; give how many bytes that were. A file that is finished and uploaded is deleted."""
        total = 0
        files = sorted(self.logs.glob("*.jsonl"))
        for file in files:
            total += self._ship(file)
            if _is_finished(file, files) and self._shipped[file.name] == file.stat().st_size:
                file.unlink()
        return total

    def _ship(self, file: Path) -> int:
        name = f"{self.pod}-{file.stem}"
        before = start = self._shipped.get(file.name, -1)
        if start < 0:
            before = start = self._in_the_lake(name)
        while piece := _whole_lines(file, start):
            if self.objects.create(uri_of(self.root, self.version, name, start), piece):
                start += len(piece)
            else:  # an upload that seemed to fail did not: what it held is known by the lake alone
                start = self._in_the_lake(name)
            self._shipped[file.name] = start
        self._shipped[file.name] = start
        return start - before

    def _in_the_lake(self, name: str) -> int:
        return max((found.size for found in segmented_logs(self.objects, self.root, f"{self.version}/{name}")), default=0)


def _whole_lines(file: Path, start: int) -> bytes:
    """Read the complete lines from a byte on, as many as a segment takes, at least one if there is one."""
    if file.stat().st_size <= start:
        return b""
    with file.open("rb") as opened:
        opened.seek(start)
        read = opened.read(LARGEST)
        end = read.rfind(b"\n") + 1
        if not end:  # one line longer than a segment, or one without its end
            read += opened.readline()
            end = len(read) if read.endswith(b"\n") else 0
    return read[:end]


def _is_finished(file: Path, files: list[Path]) -> bool:
    """Tell whether its process has begun another file; a name is when it was begun, and the process."""
    begun, _, process = file.stem.rpartition("-")
    return any(other.stem.rpartition("-")[2] == process and other.stem.rpartition("-")[0] > begun for other in files)


def run(shipper: Shipper, told_to_end: Callable[[float], bool]) -> None:
    """Upload until told to end, and then whatever is left.

    Args:
        shipper: What uploads.
        told_to_end: Waits so many seconds, or until told; tells whether it was.
    """
    ending = False
    while True:
        try:
            shipper.ship()
        except refusals() as error:
            log.warning("The lake does not take the prediction log (%s: %s); trying again.", type(error).__name__, error)
            if ending:
                time.sleep(AGAIN_S)
            else:
                ending = told_to_end(AGAIN_S)
            continue
        if ending:
            return
        ending = told_to_end(EVERY_S)


def main() -> None:
    """Do it from the command line until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use-case", required=True)
    parser.add_argument("--version", required=True, type=int)
    parser.add_argument("--pod", required=True)
    parser.add_argument("--logs", required=True, type=Path, help="folder of this version's files")
    given = parser.parse_args()
    told = Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    lake = settings().lake_uri
    shipper = Shipper(lake_objects(lake), f"{lake}/{given.use_case}", given.version, given.pod, given.logs)
    log.info("Uploading %s every %g s to %s.", given.logs, EVERY_S, shipper.root)
    run(shipper, told.wait)
    log.info("Everything is uploaded.")


if __name__ == "__main__":
    main()
