"""The operator that runs a job: ask, run, take the result, note it. Where the job runs is the runtime's business, never the DAG's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from gyre.clients.object_store import LAKE_CONNECTION, Objects, lake_objects
from gyre.connections import connection, variable_of
from gyre.errors import GyreError, JobFailed, NothingToDo, StackError
from gyre.jobs.contract import JobError, error_uri, folder_of, request_uri, result_uri
from gyre.journal import Journal
from gyre.run import Run
from gyre.runtime.connections import journal, use_airflow_connections
from gyre.runtime.local import LocalJob, command, job_environment
from gyre.settings import settings
from gyre.specs import UseCase
from gyre.specs.requests import Request

Ask = Callable[[UseCase, Run, Journal, Any], Request]
Note = Callable[[UseCase, Run, Journal, Any, Any], Any]


class JobOperator(BaseOperator):
    """Run one job of a use case and hand on what its `note` returns.

    Args:
        use_case: Whose work it is.
        ask: `(use_case, run, journal, given) -> Request`; may raise NothingToDo, which skips the task with the reason.
        result_type: What the job's result file holds.
        note: `(use_case, run, journal, request, result) -> small JSON`; writes the journal. May run twice for one result. The asset
            events of the task's outlets carry what it returns.
        given: What earlier tasks returned.
    """

    template_fields: Sequence[str] = ("given",)
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        use_case: UseCase,
        ask: Ask,
        result_type: type[Any],
        note: Note | None = None,
        given: Any = None,
        cpu: float = 1,
        timeout: timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(execution_timeout=timeout, **kwargs)
        self.use_case = use_case
        self.ask = ask
        self.result_type = result_type
        self.note = note
        self.given = given
        self.cpu = cpu
        self._job: LocalJob | None = None

    def execute(self, context: Context) -> Any:
        """Run the job, or take up one that an earlier try of this task left running or finished."""
        use_airflow_connections()
        run = run_of(context, self._objects, self.use_case.name)
        book = journal()
        try:
            handed_on = self._execute(run, book)
        except NothingToDo as reason:
            self.log.info("Nothing to do: %s", reason)
            raise AirflowSkipException(str(reason)) from reason
        except JobFailed as error:
            raise AirflowException(str(error)) from error
        except GyreError as error:
            raise AirflowFailException(str(error)) from error
        for asset in self.outlets if isinstance(handed_on, dict) else []:
            context["outlet_events"][asset].extra = handed_on  # what happened is told on Airflow's asset pages too
        return handed_on

    def _execute(self, run: Run, book: Journal) -> Any:
        request = self.ask(self.use_case, run, book, self.given)
        uri = request_uri(request)
        if not self._objects.exists(result_uri(uri)):
            self._run(request, uri)
        result = self._result(uri)
        try:
            handed_on = self.note(self.use_case, run, book, request, result) if self.note else result.model_dump(mode="json")
        except (GyreError, NothingToDo):
            self._take(run)  # that was its answer, too: a person who mends the cause and clears the task asks for new work
            raise
        self._take(run)
        return handed_on

    def _take(self, run: Run) -> None:
        """Mark the work as finished for good: clearing the task after this asks for new work."""
        self._objects.write(_taken_uri(self.use_case.name, run.name, run.attempt), b"{}")

    def _run(self, request: Request, uri: str) -> None:
        """Start the job, or find the one that an earlier try started, and follow its log to the end."""
        here = settings()
        if here.runtime != "local":
            raise StackError(f"GYRE_RUNTIME is '{here.runtime}', and jobs can only be run as local processes so far. Fix: GYRE_RUNTIME=local.")
        self._job = job = LocalJob(here.home / "jobs" / request.use_case / request.job_id)
        if job.running():
            self.log.info("This job runs since an earlier try of the task; following it. Its log from the beginning:")
        else:
            self._objects.write(uri, request.model_dump_json(indent=1).encode())
            self._objects.delete(error_uri(uri))
            ids = sorted({*request.connections, *([] if here.lake_uri.startswith("file://") else [LAKE_CONNECTION])})
            handed_over = {variable_of(conn_id): connection(conn_id).to_json() for conn_id in ids}
            job.start(command(here, request.environment, request.job, uri), job_environment(os.environ, handed_over, self.cpu))
            self.log.info("Job %s in environment '%s'; request %s", request.job, request.environment, uri)
        for line in job.follow():
            self.log.info(line)

    def _result(self, uri: str) -> Any:
        """Read the result file.

        Raises:
            AirflowFailException: If the job gave up for a reason that trying again does not mend.
            JobFailed: If it ended in any other way without a result.
        """
        try:
            return self.result_type.model_validate_json(self._objects.read(result_uri(uri)))
        except FileNotFoundError:
            pass
        try:
            error = JobError.model_validate_json(self._objects.read(error_uri(uri)))
        except FileNotFoundError as missing:
            raise JobFailed(
                f"The job ended without its result {result_uri(uri)}: it was killed, or it failed as the log above says. It may be run again."
            ) from missing
        if error.retry:
            raise JobFailed(error.message)
        raise AirflowFailException(error.message)

    def on_kill(self) -> None:
        """End the job when the task is marked failed, cleared, or runs out of time."""
        if self._job:
            self._job.kill()

    @cached_property
    def _objects(self) -> Objects:
        return lake_objects(settings().lake_uri)


def run_of(context: Context, objects: Objects, use_case: str) -> Run:
    """Say which run, try and attempt a task's context is."""
    ti, dag_run = context["ti"], context["dag_run"]
    run = Run(ti.dag_id, ti.run_id, ti.task_id, ti.try_number, 1, dict(context["params"]) | dict(dag_run.conf or {}))
    attempt = 1
    while objects.exists(_taken_uri(use_case, run.name, attempt)):
        attempt += 1
    return Run(run.dag_id, run.run_id, run.task_id, run.try_number, attempt, run.params)


def _taken_uri(use_case: str, name: str, attempt: int) -> str:
    return f"{folder_of(use_case, f'{name}-{attempt}')}/taken.json"
