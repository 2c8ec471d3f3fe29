"""What ties a Label Studio project to its surroundings: the bucket its tasks show files of, and the address that is told of changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gyre.clients.label_studio_server import Server
from gyre.connections import Connection
from gyre.errors import LabelStudioRefused, LabelStudioUnreachable

ACTIONS: Any = ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]


def link(server: Server, project: int, bucket: str, store: Connection, minutes: int) -> None:
    """Let Label Studio sign links to a bucket's objects. Nothing is copied, and nothing is imported from there.

    The server signs and the browser fetches, so both must reach the store's `endpoint_url`, and the store must allow the page's origin (CORS)
    for what is not shown by a plain image or audio element.

    Args:
        server: Where the project is.
        project: Its id.
        bucket: Name of the bucket.
        store: Connection of the store (`login` and `password` are its keys). Keys that changed are brought up to date.
        minutes: How long a link works.

    Raises:
        LabelStudioRefused: If the store is no S3, there is no such bucket, or its keys are wrong.
        LabelStudioUnreachable: If Label Studio cannot reach the store now. If it does not trust the store's domain (its S3_TRUSTED_STORAGE_DOMAINS),
            also for a wrong bucket or key: it then does not tell them apart.
    """
    if store.conn_type != "aws":
        raise LabelStudioRefused(
            f"Files of connection '{store.conn_id}' (type {store.conn_type}) cannot be linked: only S3 is supported. Fix: use a connection of type aws."
        )
    settings: dict[str, Any] = {
        "title": f"gyre: {bucket}",
        "bucket": bucket,
        "aws_access_key_id": store.login,
        "aws_secret_access_key": store.password,
        "s3endpoint": store.extra.get("endpoint_url"),
        "region_name": store.extra.get("region_name", "us-east-1"),
        "use_blob_urls": True,
        "presign": True,
        "presign_ttl": minutes,
    }
    what = f"link bucket '{bucket}' (connection '{store.conn_id}') to project {project}"
    linked = server.ask(what, lambda sdk: sdk.import_storage.s3.list(project=project))
    mine = sorted(each.id for each in linked if each.bucket == bucket and each.id is not None)
    try:  # it looks for the bucket at once, with these keys
        if mine:
            server.ask(what, lambda sdk: sdk.import_storage.s3.update(mine[0], project=project, **settings), again=False)
        else:
            server.ask(what, lambda sdk: sdk.import_storage.s3.create(project=project, **settings), again=False)
    except LabelStudioRefused as error:
        raise LabelStudioRefused(f"{error}. Fix: give connection '{store.conn_id}' keys that may list bucket '{bucket}'.") from error
    except LabelStudioUnreachable as error:  # of a domain it does not trust it says no more than 'Debugging info is not available for s3 endpoints'
        raise LabelStudioUnreachable(f"{error} If it is the bucket that cannot be reached: are keys and endpoint_url of '{store.conn_id}' right?") from error


def webhook(server: Server, project: int, url: str, headers: Mapping[str, str]) -> None:
    """Let Label Studio post to an address when annotations come, change or go; asked again, it keeps one webhook an address."""
    settings: dict[str, Any] = {
        "url": url,
        "headers": dict(headers),
        "actions": ACTIONS,
        "send_for_all_actions": False,
        "send_payload": False,
        "is_active": True,
    }
    what = f"set the webhook of project {project} to {url}"
    there = server.ask(what, lambda sdk: sdk.webhooks.list(project=str(project)))
    mine = sorted(each.id for each in there if each.url == url and each.id is not None)
    if not mine:
        server.ask(what, lambda sdk: sdk.webhooks.create(project=project, **settings), again=False)
        return
    server.ask(what, lambda sdk: sdk.webhooks.update(mine[0], **settings))
