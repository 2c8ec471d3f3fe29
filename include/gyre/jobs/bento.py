"""Build the Bento of a model version and keep it in the lake as one file, named after its hash."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path

from gyre.clients.object_store import Objects
from gyre.deploy import context
from gyre.jobs.contract import main
from gyre.lake import Lake
from gyre.settings import settings
from gyre.specs import UseCase, load_use_case
from gyre.specs.deploy_messages import BentoFile, BentoRequest, BentoResult

log = logging.getLogger("gyre.job")


def work(request: BentoRequest) -> BentoResult:
    """Build, unless the lake holds a Bento of this version."""
    lake = Lake.of(request.use_case)
    folder = lake.uri("models", str(request.version))
    made = stored(lake.objects, folder)
    if made is not None:
        log.info("Version %d has its Bento already: %s (%.1f MB).", request.version, made.uri, made.size / 1e6)
        return BentoResult(bento=made, reused=True)
    use_case = load_use_case(request.use_case)
    with tempfile.TemporaryDirectory(prefix="gyre-bento-") as temporary:
        bento = _built(use_case, request.version, Path(temporary))
        content = bento.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        uri = f"{folder}/{digest}.bento"
        lake.objects.write(uri, bento)
    log.info("Built the Bento of version %d: %s (%.1f MB).", request.version, uri, len(content) / 1e6)
    return BentoResult(bento=BentoFile(uri=uri, sha256=digest, size=len(content)), reused=False)


def stored(objects: Objects, folder: str) -> BentoFile | None:
    """Find the Bento of a version in the lake; its name is its hash."""
    found = next((o for o in objects.list(folder) if o.uri.endswith(".bento")), None)
    return BentoFile(uri=found.uri, sha256=Path(found.uri).stem, size=found.size) if found else None


def _built(use_case: UseCase, version: int, temporary: Path) -> Path:
    from gyre.clients import bentoml
    from gyre.clients.mlflow import Registry
    from gyre.clients.mlflow_files import download

    source = temporary / "context"
    context.lay_out(use_case, version, source)
    download(Registry.of(), use_case.name, version, source / context.MODEL)
    target = temporary / "served.bento"
    bentoml.build(source, context.SERVICE, f"gyre_{use_case.name}", str(version), settings().home / "serving" / "bentoml", target)
    return target


if __name__ == "__main__":
    main(BentoRequest, work)
