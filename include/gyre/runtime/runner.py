"""What every way to run a job is given, and what the journal keeps of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gyre.clients.object_store import Objects
from gyre.jobs.failure import Ending
from gyre.journal import Journal
from gyre.run import Run
from gyre.settings import Settings
from gyre.specs import Resources, UseCase
from gyre.specs.requests import Request


@dataclass
class Runner:
    """Runs one job of a task.

    Attributes:
        timeout: Longest time the job may run.
    """

    settings: Settings
    use_case: UseCase
    run: Run
    journal: Journal
    objects: Objects
    resources: Resources
    timeout: timedelta

    def about(self, request: Request, ended: Ending | None) -> dict[str, Any]:
        """Give what the journal keeps of any job: whose it was, and how it ended if it left no result."""
        told = {"failure": ended.failure.value, "why": ended.why, "advice": ended.advice} if ended else {"failure": None, "why": None, "advice": None}
        return {"job": request.job, "job_id": request.job_id, "owner": self.use_case.owner, **told}
