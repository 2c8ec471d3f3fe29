"""A job as a local process: started once, found again by a retry, killed with everything it started.

The process is a session of its own and holds a lock (an inherited descriptor) as long as it lives; it writes its log to a file. So a worker
may die at any moment: the job goes on, and the next try of the task finds the lock held, follows the same log, and takes the same result.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gyre.errors import EnvironmentNotBuilt
from gyre.jobs.failure import Ending, FailureClass
from gyre.journal import Kind
from gyre.locks import take
from gyre.runtime.runner import Runner
from gyre.settings import Settings
from gyre.specs.requests import Request

log = logging.getLogger("gyre.runtime")

POLL_S = 0.1
KILL_AFTER_S = 10

# What a job may see of the worker's environment. A task's own environment holds Airflow's signing keys: a job must not inherit it.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PYTHONPATH")


@dataclass(frozen=True)
class LocalJob:
    """One piece of work as a process of this machine.

    Attributes:
        folder: Where its lock, pid and log are.
    """

    folder: Path

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "log"

    def start(self, command: list[str], environment: Mapping[str, str]) -> bool:
        """Start the process, unless it runs already; tell whether it was started now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            if not take(lock.fileno()):
                return False
            with self.log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - the command is Gyre's own
                    command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[lock.fileno()]
                )
            (self.folder / "pid").write_text(str(process.pid))
        return True

    def running(self) -> bool:
        """Tell whether the process lives: whether its lock is held."""
        try:
            lock = (self.folder / "lock").open("a")
        except FileNotFoundError:
            return False
        with lock:
            return not take(lock.fileno())

    def follow(self) -> Iterator[str]:
        """Give the log line by line, from its beginning, until the process has ended."""
        with self.log.open(errors="replace") as log:
            rest = ""
            while True:
                alive = self.running()
                for line in log:
                    rest += line
                    if rest.endswith("\n"):
                        yield rest.rstrip("\n")
                        rest = ""
                if not alive:
                    if rest:
                        yield rest
                    return
                time.sleep(POLL_S)

    def kill(self) -> None:
        """End the process and everything it started: politely, then not."""
        try:
            group = int((self.folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        if not self.running():
            return
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + KILL_AFTER_S
        while self.running() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


@dataclass
class LocalRunner(Runner):
    """Runs one job of a task as a process of this machine; past its `timeout` it is Airflow that ends it."""

    _job: LocalJob | None = field(default=None, init=False)

    def prepare(self, request: Request) -> Request:
        """Nothing is needed: the job reads the use case's code where this process does."""
        return request

    def start(self, request: Request, uri: str, connections: Mapping[str, str], context: Any) -> Ending:  # noqa: ARG002 - runners are started alike
        """Start the job, or find the one that an earlier try started, and follow its log to the end."""
        self._job = job = LocalJob(self.settings.home / "jobs" / request.use_case / request.job_id)
        if job.running():
            log.info("This job runs since an earlier try of the task; following it. Its log from the beginning:")
        else:
            environment = job_environment(os.environ, connections, self.resources.cpu)
            job.start(command(self.settings, request.environment, request.job, uri), environment)
        for line in job.follow():
            log.info(line)
        return Ending(FailureClass.INFRASTRUCTURE, "it was killed, or it failed as the log above says")

    def resume(self, request: Request, uri: str, context: Any, event: dict[str, Any]) -> Ending:  # noqa: ARG002
        """Take what there is: the task was waiting for a pod when it was told to run jobs on this machine."""
        return Ending(FailureClass.INFRASTRUCTURE, "it ran as a pod, and GYRE_RUNTIME is 'local' now")

    def account(self, request: Request, ended: Ending | None) -> None:
        """Note in the journal how a job failed."""
        if ended is not None:
            told = self.about(request, ended) | {"gpu_seconds": 0.0}
            self.journal.add(request.use_case, Kind.JOB_ENDED, f"{request.job_id}/{self.run.try_number}", told)

    def kill(self) -> None:
        """End the job."""
        if self._job:
            self._job.kill()


def command(settings: Settings, environment: str, job: str, request: str) -> list[str]:
    """Give the command line of a job; it holds a request's address and no secret.

    Raises:
        EnvironmentNotBuilt: If the environment is not installed on this machine.
    """
    python = settings.venvs / environment / "bin" / "python"
    if not python.exists():
        raise EnvironmentNotBuilt(environment, python)
    return [str(python), "-u", "-m", f"gyre.jobs.{job}", "--request", request]


def job_environment(worker: Mapping[str, str], connections: Mapping[str, str], cpu: float) -> dict[str, str]:
    """Give a job's whole environment: a short allow-list, Gyre's settings, its connections, and no more threads than CPUs."""
    allowed = {key: value for key, value in worker.items() if key in INHERITED or (key.startswith("GYRE_") and not key.startswith("GYRE_CONN_"))}
    threads = str(max(1, int(cpu)))
    return {**allowed, "OMP_NUM_THREADS": threads, "POLARS_MAX_THREADS": str(max(2, int(cpu))), "PYTHONUNBUFFERED": "1", **connections}
