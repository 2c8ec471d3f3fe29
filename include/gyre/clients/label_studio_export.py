"""Every task of a large project at once: a snapshot that Label Studio writes to a file, fetched whole whatever a proxy cuts off.

In the open-source server the request that makes a snapshot is answered when the file is written, long after a proxy's time-out. So the answer
is not needed: the snapshot has a title of our own and is looked for by it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from gyre.clients.label_studio_server import Server
from gyre.errors import LabelStudioRefused, LabelStudioUnreachable

if TYPE_CHECKING:
    from label_studio_sdk.types.export import Export

TITLE = "gyre "
PATIENCE = timedelta(minutes=30)
UNSEEN = timedelta(seconds=15)
FETCHES = 50


def snapshot(server: Server, project: int, file: IO[bytes]) -> list[dict[str, Any]]:
    """Let Label Studio export a project, fetch the file, and remove it there.

    Args:
        server: Where the project is.
        project: Its id.
        file: An empty file to fetch into.

    Returns:
        Tasks as Label Studio's JSON has them, each with all its annotations.
    """
    _remove_left_over(server, project)
    made = _make(server, project)
    try:
        _fetch(server, project, made, file)
    finally:
        _remove(server, project, made.id)
    file.seek(0)
    tasks: list[dict[str, Any]] = json.load(file)
    return tasks


def _make(server: Server, project: int) -> Export:
    """Ask for a snapshot until one is there, and wait until it is written."""
    title = f"{TITLE}{uuid.uuid4().hex}"
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            server.ask(f"export project {project}", lambda sdk: sdk.projects.exports.create(project, title=title), again=False)
        except LabelStudioUnreachable as error:
            cut: LabelStudioUnreachable | None = error
        else:
            cut = None
        found = _written(server, project, title, deadline)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise cut or LabelStudioUnreachable(f"Label Studio has not exported project {project} in {PATIENCE}.")


def _written(server: Server, project: int, title: str, deadline: float) -> Export | None:
    """Wait until the snapshot of that title is written; None if it never began."""
    began = time.monotonic()
    while time.monotonic() < deadline:
        try:
            listed = server.ask(f"list the exports of project {project}", lambda sdk: sdk.projects.exports.list(project))
        except LabelStudioUnreachable:  # busy with the export itself
            listed = None
        found = next((each for each in listed or () if each.title == title), None)
        if found is not None and found.status == "completed":
            return found
        if found is not None and found.status == "failed":
            raise LabelStudioRefused(f"Label Studio failed to export project {project}. Its log says why.")
        if found is None and listed is not None and time.monotonic() - began > UNSEEN.total_seconds():
            return None
        time.sleep(1.0)
    raise LabelStudioUnreachable(f"Label Studio has not finished the export of project {project} in {PATIENCE}.")


def _fetch(server: Server, project: int, made: Export, file: IO[bytes]) -> None:
    """Fetch a snapshot's file, going on where a connection was cut."""
    for _ in range(FETCHES):
        before = file.tell()
        try:
            server.ask(f"fetch export {made.id} of project {project}", lambda sdk: _go_on(sdk, project, made, file), again=False)
            break
        except LabelStudioUnreachable:
            if file.tell() == before:
                time.sleep(1.0)
    else:
        raise LabelStudioUnreachable(f"Export {made.id} of project {project} did not come whole in {FETCHES} tries: {file.tell():,} bytes came.")
    file.seek(0)
    came = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    if came != made.md5:
        raise LabelStudioUnreachable(f"Export {made.id} of project {project} came damaged: md5 {came}, not {made.md5}.")


def _go_on(sdk: Any, project: int, made: Export, file: IO[bytes]) -> None:
    from label_studio_sdk.core.api_error import ApiError

    options = {"additional_headers": {"Range": f"bytes={file.tell()}-"}, "chunk_size": 2**16}
    try:
        file.writelines(sdk.projects.exports.download(project, made.id, request_options=options))
    except ApiError as error:
        if error.status_code != 416 or not file.tell():  # cut exactly at the end
            raise


def _remove(server: Server, project: int, export: int | None) -> None:
    from label_studio_sdk.core.api_error import ApiError

    def delete(sdk: Any) -> None:
        try:
            sdk.projects.exports.delete(project, export)
        except ApiError as error:
            if error.status_code != 404:
                raise

    server.ask(f"remove export {export} of project {project}", delete)


def _remove_left_over(server: Server, project: int) -> None:
    """Remove snapshots of jobs that were killed."""
    old = datetime.now(UTC) - timedelta(days=1)
    for each in server.ask(f"list the exports of project {project}", lambda sdk: sdk.projects.exports.list(project)):
        if (each.title or "").startswith(TITLE) and each.created_at is not None and each.created_at < old:
            _remove(server, project, each.id)


def tasks_of(server: Server, project: int) -> Iterator[dict[str, Any]]:
    """Give every task of a project, from a snapshot in a temporary file."""
    with tempfile.TemporaryFile() as file:
        yield from snapshot(server, project, file)
