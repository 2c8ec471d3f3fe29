"""The operator that runs a job: ask, run, take the result, note it. Where the job runs is the runtime's business, never the DAG's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, NoReturn

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException, AirflowSkipException

from gyre.clients.object_store import LAKE_CONNECTION, Objects, lake_objects
from gyre.connections import connection, variable_of
from gyre.errors import GyreError, JobFailed, NothingToDo, StackError, did_you_mean
from gyre.jobs.contract import JobError, error_uri, folder_of, request_uri, result_uri
from gyre.jobs.failure import Ending, FailureClass
from gyre.journal import Journal
from gyre.run import Run
from gyre.runtime.connections import journal, use_airflow_connections
from gyre.runtime.kubernetes import TRIES, PodRunner, QuotaFull
from gyre.runtime.local import LocalRunner
from gyre.settings import settings
from gyre.specs import Resources, UseCase
from gyre.specs.requests import Request

Ask = Callable[[UseCase, Run, Journal, Any], Request]
Note = Callable[[UseCase, Run, Journal, Any, Any], Any]

RUNNERS: dict[str, type[LocalRunner] | type[PodRunner]] = {"local": LocalRunner, "kubernetes": PodRunner}
ASK_QUOTA_AGAIN = timedelta(seconds=30)


class JobOperator(BaseOperator):
    """Run one job of a use case and hand on what its `note` returns.

    Args:
        use_case: Whose work it is.
        ask: `(use_case, run, journal, given) -> Request`; may raise NothingToDo, which skips the task with the reason.
        result_type: What the job's result file holds.
        note: `(use_case, run, journal, request, result) -> small JSON`; writes the journal. May run twice for one result. The asset
            events of the task's outlets carry what it returns.
        given: What earlier tasks returned.
        job_resources: What the job asks for; the use case's own (`UseCase.resources`) if none are given.
        timeout: Longest time the job may run. On a cluster it counts from when its pod has a node: waiting is no failure.
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
        job_resources: Resources | None = None,
        timeout: timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        on_cluster = settings().runtime == "kubernetes"
        super().__init__(execution_timeout=None if on_cluster else timeout, **kwargs)
        if on_cluster:
            self.retries = max(self.retries or 0, TRIES - 1)
        self.use_case = use_case
        self.ask = ask
        self.result_type = result_type
        self.note = note
        self.given = given
        self.job_resources = job_resources or use_case.resources
        self.timeout = timeout
        self._runner: LocalRunner | PodRunner | None = None

    def execute(self, context: Context) -> Any:
        """Run the job, or take up one that an earlier try of this task left running or finished."""
        return self._carry_out(context, self._begin)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on when the job's pod has ended (the provider's name for it)."""
        return self._carry_out(context, partial(self._go_on, event=event))

    def _carry_out(self, context: Context, step: Callable[[Run, Journal, Context], Any]) -> Any:
        """Say in Airflow's exceptions what a step says in ours."""
        use_airflow_connections()
        run = run_of(context, self._objects, self.use_case.name)
        try:
            handed_on = step(run, journal(), context)
        except NothingToDo as reason:
            self.log.info("Nothing to do: %s", reason)
            raise AirflowSkipException(str(reason)) from reason
        except QuotaFull as full:
            self.log.info("Waiting, which costs no try: the namespace's quota has no room (%s).", full)
            raise AirflowRescheduleException(datetime.now(UTC) + ASK_QUOTA_AGAIN) from full  # type: ignore[no-untyped-call]
        except JobFailed as error:
            raise AirflowException(str(error)) from error
        except GyreError as error:
            raise AirflowFailException(str(error)) from error
        for asset in self.outlets if isinstance(handed_on, dict) else []:
            context["outlet_events"][asset].extra = handed_on  # what happened is told on Airflow's asset pages too
        return handed_on

    def _begin(self, run: Run, book: Journal, context: Context) -> Any:
        request = self.ask(self.use_case, run, book, self.given)
        uri, runner = request_uri(request), self._run_with(run, book)
        if self._objects.exists(result_uri(uri)):
            return self._finish(run, book, request, None)
        request = runner.prepare(request)
        self._objects.write(uri, request.model_dump_json(indent=1).encode())
        self._objects.delete(error_uri(uri))
        self.log.info("Job %s in environment '%s'; request %s", request.job, request.environment, uri)
        ids = sorted({*request.connections, *([] if settings().lake_uri.startswith("file://") else [LAKE_CONNECTION])})
        handed_over = {variable_of(conn_id): connection(conn_id).to_json() for conn_id in ids}
        return self._finish(run, book, request, runner.start(request, uri, handed_over, context))

    def _go_on(self, run: Run, book: Journal, context: Context, event: dict[str, Any]) -> Any:
        asked: type[Request] = self.ask.__globals__[self.ask.__annotations__["return"]]
        request = asked.model_validate_json(self._objects.read(f"{folder_of(self.use_case.name, run.job_id)}/request.json"))
        return self._finish(run, book, request, self._run_with(run, book).resume(request, request_uri(request), context, event))

    def _finish(self, run: Run, book: Journal, request: Request, ended: Ending | None) -> Any:
        """Take the result, if there is one, and note it."""
        result = self._result(request, ended)
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

    def _result(self, request: Request, ended: Ending | None) -> Any:
        """Read the result file, and note in the journal what the job used and how it failed.

        Args:
            request: What was asked.
            ended: How its process ended, as seen from outside; None if an earlier try saw that.

        Raises:
            AirflowFailException: If the job gave up for a reason that trying again does not mend.
            JobFailed: If it may be tried again.
        """
        uri = request_uri(request)
        written = self._read(result_uri(uri))
        if written is None:
            self._fail(request, uri, ended)
        result = self.result_type.model_validate_json(written)
        if self._runner and ended:
            self._runner.account(request, None)
        return result

    def _fail(self, request: Request, uri: str, ended: Ending | None) -> NoReturn:
        written = self._read(error_uri(uri))
        if written is None:
            ended = ended or Ending(FailureClass.INFRASTRUCTURE, "nothing is known of its process")
            message = f"The job ended without its result {result_uri(uri)}: {ended.why}."
        else:
            told = JobError.model_validate_json(written)
            ended, message = Ending(told.failure, told.message), told.message
        if self._runner:
            self._runner.account(request, ended)
        self.log.error("Failure class '%s'. %s", ended.failure, ended.advice)
        if ended.retry:
            raise JobFailed(message)
        raise AirflowFailException(message)

    def _read(self, uri: str) -> bytes | None:
        try:
            return self._objects.read(uri)
        except FileNotFoundError:
            return None

    def _run_with(self, run: Run, book: Journal) -> LocalRunner | PodRunner:
        """Choose how the job runs: the one place where a laptop and a cluster differ.

        Raises:
            StackError: If the settings name no such way.
        """
        here = settings()
        if here.runtime not in RUNNERS:
            raise StackError(f"GYRE_RUNTIME is '{here.runtime}'.{did_you_mean(here.runtime, RUNNERS)}")
        self._runner = RUNNERS[here.runtime](here, self.use_case, run, book, self._objects, self.job_resources, self.timeout)
        return self._runner

    def on_kill(self) -> None:
        """End the job when the task is marked failed, cleared, or runs out of time."""
        if self._runner:
            self._runner.kill()

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
