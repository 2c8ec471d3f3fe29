"""Objects in any store (`s3://`, `gs://`, `az://`, `file://`), through obstore; and the options Delta tables want for the same store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gyre.connections import Connection, connection

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Store

LAKE_CONNECTION = "gyre_lake"
PIECE = 4 * 2**20


@dataclass(frozen=True)
class ObjectInfo:
    """One object as a listing shows it."""

    uri: str
    size: int
    etag: str
    modified_at: datetime


def storage_options(conn: Connection | None) -> dict[str, str]:
    """Give the options that deltalake and obstore want to reach a connection's store (none for `file://`)."""
    if conn is None:
        return {}
    options = {
        "aws_access_key_id": conn.login,
        "aws_secret_access_key": conn.password,
        "aws_endpoint": conn.extra.get("endpoint_url"),
        "aws_region": conn.extra.get("region_name", "us-east-1"),
    }
    if str(conn.extra.get("endpoint_url", "")).startswith("http://"):
        options["aws_allow_http"] = "true"
    return {key: value for key, value in options.items() if value}


@lru_cache(maxsize=32)
def _store(address: str, options: tuple[tuple[str, str], ...], process: int) -> Store:  # noqa: ARG001 - a forked process opens connections of its own
    """Open a store, once: opening one costs 10 ms, each of its requests 1 ms."""
    from obstore.store import LocalStore, from_url

    if address == "file://":
        return LocalStore("/", automatic_cleanup=False)
    config: Any = dict(options)
    allow_http = config.pop("aws_allow_http", None) == "true"
    return from_url(address, config=config or None, client_options={"allow_http": allow_http, "timeout": timedelta(seconds=60)})


@dataclass(frozen=True)
class Objects:
    """Objects below one bucket or folder, addressed by whole URIs."""

    conn: Connection | None

    @classmethod
    def of(cls, conn_id: str | None, uri: str) -> Objects:
        """Open the store of a URI with the connection this process was given (`file://` needs none)."""
        return cls(None if uri.startswith("file://") or conn_id is None else connection(conn_id))

    def _open(self, uri: str) -> tuple[Store, str]:
        """Split a URI into its bucket's (or file system's) store and the path in it."""
        parts = urlsplit(uri)
        address = "file://" if parts.scheme == "file" else f"{parts.scheme}://{parts.netloc}"
        return _store(address, tuple(sorted(storage_options(self.conn).items())), os.getpid()), parts.path.lstrip("/")

    def exists(self, uri: str) -> bool:
        """Tell whether there is an object of that name."""
        store, path = self._open(uri)
        try:
            store.head(path)
        except FileNotFoundError:
            return False
        return True

    def info(self, uri: str) -> ObjectInfo | None:
        """Describe an object; None if there is none of that name."""
        store, path = self._open(uri)
        try:
            item = store.head(path)
        except FileNotFoundError:
            return None
        return ObjectInfo(uri=uri, size=item["size"], etag=_etag(item), modified_at=item["last_modified"])

    def read(self, uri: str) -> bytes:
        """Read a whole object.

        Raises:
            FileNotFoundError: If there is none of that name.
        """
        store, path = self._open(uri)
        return bytes(store.get(path).bytes())

    def download(self, uri: str, target: Path) -> str:
        """Write an object to a file, piece by piece; give its SHA-256.

        Raises:
            FileNotFoundError: If there is none of that name.
        """
        store, path = self._open(uri)
        seen = hashlib.sha256()
        with target.open("wb") as file:
            for piece in store.get(path).stream(min_chunk_size=PIECE):
                seen.update(piece)
                file.write(piece)
        return seen.hexdigest()

    def write(self, uri: str, content: bytes | Path) -> None:
        """Write a whole object; a reader sees the old one or the new one, never a part."""
        store, path = self._open(uri)
        store.put(path, content)

    def create(self, uri: str, content: bytes) -> bool:
        """Write an object unless there is one of that name; tell whether it was written."""
        from obstore.exceptions import AlreadyExistsError

        store, path = self._open(uri)
        try:
            store.put(path, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def list(self, uri_prefix: str) -> Iterator[ObjectInfo]:
        """List the objects below a folder (a prefix of whole path segments), in the order of their names."""
        store, path = self._open(uri_prefix)
        root = uri_prefix[: len(uri_prefix) - len(path)] if path else uri_prefix.rstrip("/") + "/"
        found = [item for batch in store.list(path) for item in batch]
        for item in sorted(found, key=lambda item: item["path"]):
            yield ObjectInfo(uri=root + item["path"], size=item["size"], etag=_etag(item), modified_at=item["last_modified"])

    def delete(self, uri: str) -> None:
        """Delete an object, if there is one."""
        store, path = self._open(uri)
        try:
            store.delete(path)
        except FileNotFoundError:
            return


def refusals() -> tuple[type[Exception], ...]:
    """Give what a store raises when it does not answer, or says no; a later try may do."""
    from obstore.exceptions import BaseError

    return (BaseError, OSError)


def _etag(item: Any) -> str:
    return str(item.get("e_tag") or item["last_modified"])


def lake_objects(lake_uri: str) -> Objects:
    """Open the lake's object store."""
    return Objects.of(LAKE_CONNECTION, lake_uri)
