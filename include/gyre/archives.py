"""Unpack tar files on any Python 3.11: the standard library's own protection came with 3.11.4, and Debian 12 has 3.11.2."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack files and folders, and nothing that would lie outside of the folder.

    Raises:
        ValueError: If the archive holds anything else.
    """
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    root = folder.resolve()
    for member in archive.getmembers():
        if not (member.isfile() or member.isdir()) or not (root / member.name).resolve().is_relative_to(root):
            raise ValueError(f"'{member.name}' is neither a file nor a folder below {folder}: the archive is not one of ours.")
        member.mode &= 0o755
    archive.extractall(folder)  # noqa: S202 - every member was looked at
