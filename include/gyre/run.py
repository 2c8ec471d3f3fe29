"""Who asks for work: one task's try of one DAG run, in plain terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One try of one task.

    Attributes:
        attempt: Starts at 1 and grows when finished work is asked for again (a person clears a green task); a retry of
            unfinished work has the same attempt, and so the same job id.
        params: The DAG run's parameters, as they were given.
    """

    dag_id: str
    run_id: str
    task_id: str
    try_number: int = 1
    attempt: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        """Names this task's piece of work, the same for every retry of it."""
        return f"{self.name}-{self.attempt}"

    @property
    def name(self) -> str:
        """The task and its run, as a file name."""
        phase = self.dag_id.rpartition("__")[2]
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{phase}-{self.run_id}-{self.task_id}")

    @property
    def asked_by(self) -> dict[str, Any]:
        """Fields of a request that lead back here."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "try_number": self.try_number}
