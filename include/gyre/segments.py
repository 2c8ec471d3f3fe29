"""Prediction logs in the lake: a served version's pod uploads what it recorded, piece by piece; a log is its pieces in order.

    <lake>/<use case>/prediction_logs/<version>/<pod>-<file>/<where it begins, 20 digits>.jsonl

A segment holds whole lines and is never changed. Its name is the byte of the log at which it begins, and it is created only if nothing has that
name: so whoever uploads, killed anywhere and started again, neither loses nor doubles a line. Whoever deletes old segments must leave each log its
newest one: it says how far the log was uploaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from gyre.clients.object_store import Objects

log = logging.getLogger("gyre.job")

FOLDER = "prediction_logs"
SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Segment:
    """One piece of a log, of bytes [start, end)."""

    uri: str
    start: int
    end: int


@dataclass(frozen=True)
class SegmentedLog:
    """One log in the lake.

    Attributes:
        name: `<pod>-<file>.jsonl`, as if it were one file.
        segments: In order.
    """

    objects: Objects
    version: int
    name: str
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """How many bytes of it were uploaded."""
        return self.segments[-1].end if self.segments else 0

    def lines(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Give the lines from a byte on, each with the byte it begins at."""
        for segment in self.segments:
            if segment.end <= start:
                continue
            if segment.start > start:
                log.warning("Bytes %d to %d of the prediction log %s are not in the lake: deleted before they were read.", start, segment.start, self.name)
                start = segment.start
            for text in BytesIO(self.objects.read(segment.uri)[start - segment.start :]):
                yield start, text
                start += len(text)


def uri_of(root: str, version: int, name: str, start: int) -> str:
    """Name a segment.

    Args:
        root: `<lake>/<use case>`.
        version: Of the model.
        name: Of the log, without suffix.
        start: The byte it begins at.
    """
    return f"{root}/{FOLDER}/{version}/{name}/{start:020d}{SUFFIX}"


def segmented_logs(objects: Objects, root: str, within: str = "") -> list[SegmentedLog]:
    """List the logs of a use case, in order of version and name.

    Args:
        objects: The lake's.
        root: `<lake>/<use case>`.
        within: Only those below this `<version>` or `<version>/<log>`.
    """
    base = f"{root}/{FOLDER}"
    found: dict[tuple[int, str], list[Segment]] = {}
    for item in objects.list(f"{base}/{within}" if within else base):
        version, _, rest = item.uri.removeprefix(f"{base}/").partition("/")
        name, _, file = rest.partition("/")
        start = file.removesuffix(SUFFIX)
        if version.isdigit() and start.isdigit() and file.endswith(SUFFIX):
            found.setdefault((int(version), f"{name}{SUFFIX}"), []).append(Segment(item.uri, int(start), int(start) + item.size))
    return [SegmentedLog(objects, version, name, tuple(sorted(found[version, name], key=lambda s: s.start))) for version, name in sorted(found)]
