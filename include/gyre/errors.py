"""What can go wrong, in words for the person who has to mend it.

GyreError
├── InvalidUseCase         what a person wrote in a use case's folder cannot work
├── MissingConnection      a process needs a connection it was not given
├── BadParameters          a run was triggered with parameters that cannot work
├── EmptyInterval          an interval whose end is not after its start
├── SourceUnreadable       a source does not hold what the spec says
├── UnusableRow            a row that a model's input cannot be made from
├── BlockedInterval        validation said no: nothing was published
├── EnvironmentNotBuilt    a job's environment is not installed here
├── JobFailed              a job ended without its result file
├── ClusterRefused         Kubernetes understood and said no (a right, a quota, a manifest)
├── LabelStudioRefused     Label Studio understood and said no (a token, a config, a task)
├── PromotionFailed        a version could not be brought to serve; what served before still does
└── StackError             the local stack cannot do what was asked (a port, a tool, a disk)

What time may mend is no GyreError, and is tried again: LabelStudioUnreachable.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GyreError(Exception):
    """An error whose text names the value and the cure."""


class InvalidUseCase(GyreError):
    """A use case's folder that cannot be loaded."""

    def __init__(self, use_case: str, problem: str) -> None:
        super().__init__(f"Use case '{use_case}' cannot be loaded: {problem}")
        self.use_case = use_case


class MissingConnection(GyreError):
    """A connection id that this process was not given."""

    def __init__(self, conn_id: str, variable: str) -> None:
        super().__init__(
            f"No connection '{conn_id}' here. Fix: add it to airflow_settings.yaml (or in Airflow under Admin, Connections) "
            f"and name it in the use case; a job receives it as {variable}."
        )


class BadParameters(GyreError):
    """Run parameters that cannot work."""


class EmptyInterval(BadParameters):
    """An interval whose end is not after its start."""

    def __init__(self, start: object, end: object) -> None:
        super().__init__(f"The interval [{start}, {end}) is empty: its end is not after its start. Fix: trigger the run again with an end after {start}.")


class SourceUnreadable(GyreError):
    """A source that does not hold what the spec says."""


class UnusableRow(GyreError):
    """A row that a model's input cannot be made from.

    Args:
        row: Its position in the frame.
        inputs: Entry point of the function that makes the input.
        problem: What it said.
    """

    def __init__(self, row: int, inputs: str, problem: str) -> None:
        super().__init__(f"Row {row} cannot be turned into the model's input by '{inputs}': {problem}")
        self.row = row
        self.inputs = inputs
        self.problem = problem


class BlockedInterval(GyreError):
    """Validation refused an interval: nothing of it was published."""


class EnvironmentNotBuilt(GyreError):
    """An environment that is not installed on this machine."""

    def __init__(self, environment: str, python: object) -> None:
        super().__init__(f"Environment '{environment}' is not installed: {python} is missing. Fix: run `make up` (or `gyre env {environment}`).")


class JobFailed(GyreError):
    """A job that ended without its result file."""


class ClusterRefused(GyreError):
    """Kubernetes understood, and said no.

    Args:
        status: HTTP status of its answer; 0 if it was not asked.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class LabelStudioRefused(GyreError):
    """Label Studio understood, and said no."""


class PromotionFailed(GyreError):
    """A version that could not be brought to serve."""


class StackError(GyreError):
    """The local stack cannot do what was asked."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Name the nearest known value and all of them, for the end of an error's text."""
    choices = sorted(known)
    near = get_close_matches(given, choices, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{hint} Known: {', '.join(choices) or 'none'}."


class LabelStudioUnreachable(Exception):
    """Label Studio did not answer, or only that something broke; a later try may do."""


class NothingToDo(Exception):
    """There is nothing to do, and why; the runtime turns it into a skipped task."""
