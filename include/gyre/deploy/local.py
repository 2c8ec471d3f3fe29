"""Serving on this machine: one supervised BentoML process for each version, behind Envoy."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gyre.clients.envoy import Envoy
from gyre.clients.envoy_config import Route
from gyre.clients.envoy_files import EnvoyFiles
from gyre.clients.supervisor import Program, Supervisor
from gyre.deploy.serving import Instance
from gyre.errors import EnvironmentNotBuilt, PromotionFailed
from gyre.layout import Layout
from gyre.serving.fetch import fetch
from gyre.settings import Settings
from gyre.specs.deploy_messages import BentoFile
from gyre.specs.use_case import UseCase

PORTS = 100
READY_S = 120.0
LAST_LINES = 15
FAILED = "failed.txt"  # as in gyre.serving.failure
ALIVE = {"STARTING", "RUNNING", "BACKOFF"}  # BACKOFF: the supervisor is about to try again


@dataclass(frozen=True)
class LocalServing:
    """Serves from `<home>/serving`: `bentos/` unpacked, `conf.d/` program files, `envoy/` routes."""

    settings: Settings
    ready_s: float = READY_S
    poll_s: float = 0.1

    @property
    def _root(self) -> Path:
        return self.settings.home / "serving"

    @property
    def _supervisor(self) -> Supervisor:
        layout = Layout(self.settings.home)
        return Supervisor(layout.supervisor_socket, layout.served_models)

    @property
    def _envoy(self) -> Envoy:
        return Envoy(EnvoyFiles(Layout(self.settings.home).envoy, self.settings.url("envoy_admin")))

    def _log(self, name: str) -> Path:
        return Layout(self.settings.home).log(f"serving-{name}")

    def start(self, use_case: UseCase, version: int, bento: BentoFile) -> Instance:
        """Unpack the Bento, choose a port, and have the supervisor run it.

        Raises:
            PromotionFailed: If the file is not the one that was built.
            EnvironmentNotBuilt: If the use case's environment is not installed here.
        """
        name = f"{use_case.name}-{version}"
        folder = self._root / "bentos" / f"{name}-{bento.sha256[:8]}"
        if not folder.is_dir():
            _unpack(bento, folder)
        with self._lock("ports"):
            facts = self._supervisor.programs().get(name)
            (folder / "src" / FAILED).unlink(missing_ok=True)
            port = int(facts["port"]) if facts else self._free_port()
            self._supervisor.run(self._program(use_case, version, bento, folder, port))
        return self.running(use_case)[version]

    def stop(self, use_case: UseCase, version: int) -> None:
        """Take the version from Envoy, stop its process, delete its files."""
        name = f"{use_case.name}-{version}"
        if name in self._envoy.clusters():
            self._envoy.remove_clusters({name})
        self._supervisor.remove(name)
        for folder in (self._root / "bentos").glob(f"{name}-*"):
            shutil.rmtree(folder)

    def running(self, use_case: UseCase) -> dict[int, Instance]:
        """Read the program files, and ask the supervisor about them."""
        states = self._supervisor.states()
        mine = {name: facts for name, facts in self._supervisor.programs().items() if facts["use_case"] == use_case.name}
        return {
            int(facts["version"]): Instance(
                version=int(facts["version"]),
                url=f"http://{self.settings.reachable_address}:{facts['port']}",
                sha256=str(facts["sha256"]),
                alive=states.get(name) in ALIVE,
                intact=(self._root / "bentos" / f"{name}-{facts['sha256'][:8]}").is_dir(),
            )
            for name, facts in mine.items()
        }

    def why_dead(self, use_case: UseCase, version: int) -> str | None:
        """Give the supervisor's verdict, once it starts the process no more, or what the process itself left word of."""
        for note in (self._root / "bentos").glob(f"{use_case.name}-{version}-*/src/{FAILED}"):
            return f"its model cannot be loaded:\n{note.read_text()}"
        state = self._supervisor.states().get(f"{use_case.name}-{version}", "UNKNOWN")
        return None if state in ALIVE else f"its process is {state}"

    def lack(self, use_case: UseCase, version: int) -> str | None:  # noqa: ARG002 - places are asked alike
        """Nothing: its one process answers."""
        return None

    def last_words(self, use_case: UseCase, version: int) -> str:
        """Give the end of its log."""
        log = self._log(f"{use_case.name}-{version}")
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
        return f"The end of {log}:\n" + "\n".join(lines)

    def route(self, use_case: UseCase, version: int) -> str:
        """Let Envoy know the version's address first, and only then send requests to it."""
        name = f"{use_case.name}-{version}"
        port = int(self._supervisor.programs()[name]["port"])
        self._envoy.set_cluster(name, self.settings.reachable_address, port)
        self._envoy.set_route(use_case.name, Route({name: 100}))
        return f"{self.settings.url('envoy')}/{use_case.name}/predict"

    def unroute(self, use_case: UseCase) -> None:
        """Take the route away."""
        self._envoy.set_route(use_case.name, None)

    def routed(self, use_case: UseCase) -> int | None:
        """Read Envoy's route: the version with the largest share, if its cluster leads to where it runs."""
        route = self._envoy.routes().get(use_case.name)
        if route is None:
            return None
        name = max(route.weights, key=lambda name: route.weights[name])
        program, cluster = self._supervisor.programs().get(name), self._envoy.clusters().get(name)
        if program is not None and cluster != (self.settings.reachable_address, int(program["port"])):
            return None
        return int(name.rpartition("-")[2])

    def _program(self, use_case: UseCase, version: int, bento: BentoFile, folder: Path, port: int) -> Program:
        python = self.settings.venvs / use_case.environment / "bin" / "python"
        if not python.exists():
            raise EnvironmentNotBuilt(use_case.environment, python)
        name = f"{use_case.name}-{version}"
        listening = ("--host", self.settings.bind_address, "--port", str(port))
        return Program(
            name=name,
            command=(str(python), "-m", "bentoml", "serve", str(folder), *listening),
            directory=folder,
            environment={
                "BENTOML_HOME": str(folder / ".bentoml"),  # its own: it holds the process's metrics, which starting another would wipe
                "BENTOML_DO_NOT_TRACK": "True",
                "GYRE_HOME": str(self.settings.home),
                "GYRE_PREDICTION_LOGS": str(self.settings.prediction_logs),
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": "",
            },
            log=self._log(name),
            facts={"use_case": use_case.name, "version": version, "port": port, "sha256": bento.sha256},
        )

    def _free_port(self) -> int:
        first = self.settings.port("serving")
        taken = {int(facts["port"]) for facts in self._supervisor.programs().values()}
        for port in range(first, first + PORTS):
            if port not in taken and _is_free(self.settings.bind_address, port):
                return port
        raise PromotionFailed(f"None of the ports {first} to {first + PORTS - 1} is free for a served version. Fix: set GYRE_PORT_SERVING to others.")

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _unpack(bento: BentoFile, folder: Path) -> None:
    """Unpack a Bento from the lake beside its place, and put it there whole."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.{time.monotonic_ns()}")
    fetch(bento.uri, bento.sha256, partial)
    try:
        partial.rename(folder)
    except OSError:  # another try was quicker
        shutil.rmtree(partial)
        if not folder.is_dir():
            raise


def _is_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
