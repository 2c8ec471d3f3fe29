"""SeaweedFS: an S3 server on this machine, with keys."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gyre.layout import write_private
from gyre.stack import steps
from gyre.stack.component import Component, Program, http_problem
from gyre.stack.context import Stack

BUCKET = "gyre"
WEED = Path(sys.prefix) / "bin" / "weed"


def endpoint(stack: Stack) -> str:
    """Address of the S3 service."""
    return stack.settings.url("s3")


def ensure_bucket(name: str, stack: Stack | None = None) -> None:
    """Make a bucket, unless it exists."""
    stack = stack or Stack.open()
    if f" {name}\t" not in _shell(stack, "s3.bucket.list"):
        _shell(stack, f"s3.bucket.create -name {name}")


def _shell(stack: Stack, line: str) -> str:
    port = stack.settings.port
    master = f"{stack.settings.reachable_address}:{port('s3_master')}.{port('s3_master_grpc')}"
    return steps.run(stack, "s3-bucket", [WEED, "shell", f"-master={master}"], _signing(stack), stdin=f"{line}\n", timeout=60)


def _signing(stack: Stack) -> dict[str, str]:
    # SeaweedFS's inner HTTP ports would serve every object to anyone on this machine; signed, only the S3 port does
    kinds = ("JWT_SIGNING_KEY", "JWT_SIGNING_READ_KEY", "JWT_FILER_SIGNING_KEY", "JWT_FILER_SIGNING_READ_KEY")
    return {f"WEED_{kind}": stack.secrets.s3_signing for kind in kinds}


def _write_keys(stack: Stack, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    keys = [{"accessKey": stack.secrets.s3_key, "secretKey": stack.secrets.s3_secret}]
    identity = {"name": "gyre", "credentials": keys, "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    write_private(folder / "keys.json", json.dumps({"identities": [identity]}))
    folder.chmod(0o700)


def component(stack: Stack) -> Component:
    """The server: SeaweedFS's master, volume, filer and S3 parts in one process."""
    folder = stack.layout.home / "s3"
    ports = ("s3", "s3_master", "s3_volume", "s3_filer", "s3_grpc", "s3_master_grpc", "s3_volume_grpc", "s3_filer_grpc")

    def program() -> Program:
        port = stack.settings.port
        listening = [
            f"-{part}.port{suffix}={port(name)}"
            for part, of in (("s3", "s3"), ("master", "s3_master"), ("volume", "s3_volume"), ("filer", "s3_filer"))
            for suffix, name in (("", of), (".grpc", f"{of}_grpc"))
        ]
        options = [
            f"-dir={folder / 'data'}",
            f"-ip={stack.settings.reachable_address}",
            f"-ip.bind={stack.settings.bind_address}",
            "-filer",
            "-s3",
            f"-s3.config={folder / 'keys.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.localSocket={stack.layout.sockets / 's3.sock'}",
            f"-filer.localSocket={stack.layout.sockets / 'filer.sock'}",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",  # it elects itself, alone: the default would cost each later start 10 to 20 s
            "-master.volumeSizeLimitMB=128",  # each bucket begins with seven volumes: with larger ones a disk with 20 GB free is "full"
            "-volume.max=0",  # as many volumes as the disk holds
            "-volume.preStopSeconds=0",
        ]
        # its working folder is where it looks for configuration files: ours, not the repository's
        # its graceful end waits for streams between its own parts; what was answered is written by then
        return Program((str(WEED), "server", *listening, *options), folder, _signing(stack), stop_seconds=3)

    return Component(
        name="s3",
        title="S3 (SeaweedFS)",
        address=lambda: endpoint(stack),
        program=program,
        problem=lambda _: http_problem(f"{endpoint(stack)}/healthz"),
        ports=ports,
        prepare=lambda: _write_keys(stack, folder),
        afterwards=lambda: ensure_bucket(BUCKET, stack),
    )
