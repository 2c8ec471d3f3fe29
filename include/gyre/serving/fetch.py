"""Bring a Bento from the lake into a folder, and refuse one that is not the one that was built.

On a cluster this is a served version's init container: `python -m gyre.serving.fetch --uri URI --sha256 HASH --to FOLDER`. It alone, and the
shipper of the prediction logs, get the lake's credentials: the process that answers requests has none.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tarfile
import time
from pathlib import Path

from gyre.archives import unpack
from gyre.clients.object_store import lake_objects
from gyre.errors import GyreError, PromotionFailed

log = logging.getLogger("gyre.serving")

REFUSED = 3  # exit status: trying again does not help


def fetch(uri: str, sha256: str, folder: Path) -> None:
    """Unpack a Bento into a folder; what was in it, left by a try that was killed, is deleted.

    Raises:
        PromotionFailed: If there is no such file, or it is another than the one that was built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():  # the folder itself may be a mount
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    archive = folder / ".partial.bento"
    try:
        found = lake_objects(uri).download(uri, archive)
    except FileNotFoundError as error:
        raise PromotionFailed(f"There is no Bento at {uri}. Fix: deploy again, which builds it.") from error
    if found != sha256:
        archive.unlink()
        raise PromotionFailed(f"{uri} is not the Bento that was built: its hash is {found[:12]}..., not {sha256[:12]}.... Fix: delete it and deploy again.")
    with tarfile.open(archive) as opened:
        unpack(opened, folder)
    archive.unlink()


def main() -> None:
    """Do it from the command line; a refusal is one line and exit status 3."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--to", required=True, type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    try:
        fetch(given.uri, given.sha256, given.to)
    except GyreError as error:
        log.error("%s", error)  # noqa: TRY400 - its text is for the person who mends it
        raise SystemExit(REFUSED) from error
    log.info("%s is the Bento that was built; unpacked in %.1f s.", given.uri, time.monotonic() - began)


if __name__ == "__main__":
    main()
