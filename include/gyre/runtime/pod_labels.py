"""Names that lead from a pod back to the job, and from a job to its pods."""

from __future__ import annotations

import hashlib
import re

from gyre.run import Run
from gyre.specs import UseCase

JOB_LABEL = "gyre.dev/job"  # digest of the job's id: a retry finds its pod by it
USE_CASE_LABEL = "gyre.dev/use-case"
KILLED_LABEL = "gyre.dev/killed"  # a person ended its task: it is about to end, and no try takes it up
GPU_LABEL = "gyre.dev/gpu"  # how many it asks for; only on those that ask

# annotations: they may hold what a label may not
JOB_ID = "gyre.dev/job-id"
DAG_ID = "gyre.dev/dag-id"
RUN_ID = "gyre.dev/run-id"
TASK_ID = "gyre.dev/task-id"
OWNER = "gyre.dev/owner"
GPU_RESOURCE = "gyre.dev/gpu-resource"


def digest(job_id: str) -> str:
    """Give a job's id as a label's value."""
    return hashlib.sha256(job_id.encode()).hexdigest()[:16]


def pod_name(use_case: str, job: str, job_id: str, number: int) -> str:
    """Name the number-th pod of a job: two that start the same one at the same time mean the same pod."""
    readable = re.sub(r"[^a-z0-9]+", "-", f"{use_case}-{job}".lower()).strip("-")[:40]
    return f"{readable}-{digest(job_id)[:10]}-{number}"


def origin(use_case: UseCase, run: Run, job_id: str) -> dict[str, str]:
    """Give what leads from a pod back to who asked for it."""
    return {JOB_ID: job_id, DAG_ID: run.dag_id, RUN_ID: run.run_id, TASK_ID: run.task_id, OWNER: use_case.owner}
