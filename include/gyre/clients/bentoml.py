"""BentoML: turn a folder of service code and model files into one Bento file. No network, no account, no telemetry."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def build(context: Path, service: str, name: str, version: str, home: Path, target: Path) -> None:
    """Build a Bento and export it as one file.

    Args:
        context: Folder with everything the service needs; all of it goes into the Bento.
        service: Where the service is, `package.module:Service`.
        name: Of the Bento.
        version: Of the Bento.
        home: BentoML's own store, which this process alone writes to.
        target: The file to write, `*.bento`.
    """
    os.environ["BENTOML_HOME"] = str(home)
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    import bentoml
    from bentoml.exceptions import NotFound

    with suppress(NotFound):
        bentoml.bentos.delete(f"{name}:{version}")  # a build that was killed half way
    built = bentoml.bentos.build(
        service,
        name=name,
        version=version,
        build_ctx=str(context),
        include=["*"],
        # The environment is the use case's own lock, not something to resolve anew.
        python={"lock_packages": False},
    )
    built.export(str(target))
    bentoml.bentos.delete(built.tag)
