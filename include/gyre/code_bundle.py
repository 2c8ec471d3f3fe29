"""A use case's code as one file, so that a job on another machine runs what this one reads: no image is built anew for a changed function.

It holds the use case's folder, and what several use cases may share: folders beside it that hold no use case, and single modules. The same
code gives the same bytes, and so the same name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from gyre import archives
from gyre.errors import InvalidUseCase

LEFT_OUT = frozenset({"__pycache__", "data", "tests", ".ipynb_checkpoints"})
MOST_BYTES = 50_000_000


def pack(use_cases: Path, name: str) -> bytes:
    """Pack the code of one use case.

    Raises:
        InvalidUseCase: If the folder holds so much that it must be data.
    """
    packed, size = io.BytesIO(), 0
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=6) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path in _files(use_cases, name):
            content = path.read_bytes()
            size += len(content)
            if size > MOST_BYTES:
                raise InvalidUseCase(
                    name,
                    f"its folder and what it shares hold more than {MOST_BYTES // 1_000_000} MB of code ({path} is the file too many). "
                    "Fix: keep data in a source, or in a folder called `data`, which is not sent to jobs.",
                )
            member = tarfile.TarInfo(str(path.relative_to(use_cases)))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def digest(packed: bytes) -> str:
    """Name a bundle by what it holds."""
    return hashlib.sha256(packed).hexdigest()[:16]


def unpack(packed: bytes, use_cases: Path) -> None:
    """Put the code into a folder, as `use_cases`."""
    use_cases.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        archives.unpack(archive, use_cases)


def _files(use_cases: Path, name: str) -> Iterator[Path]:
    for entry in sorted(use_cases.iterdir()):
        if entry.name in LEFT_OUT:
            continue
        if entry.is_file() and entry.suffix == ".py":
            yield entry
        elif entry.is_dir() and (entry.name == name or not (entry / "use_case.py").exists()):
            yield from _files_below(entry)


def _files_below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in LEFT_OUT:
            continue
        if entry.is_dir():
            yield from _files_below(entry)
        elif entry.suffix != ".pyc":
            yield entry
