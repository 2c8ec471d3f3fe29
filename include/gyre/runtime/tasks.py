"""A small decision inside Airflow's own process: asks the journal and the lake, never loads a model or a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from gyre.clients.object_store import lake_objects
from gyre.errors import GyreError, NothingToDo
from gyre.journal import Journal
from gyre.run import Run
from gyre.runtime.connections import journal, use_airflow_connections
from gyre.runtime.operator import run_of
from gyre.settings import settings
from gyre.specs import UseCase

Decide = Callable[[UseCase, Run, Journal, Any], Any]


class DecisionOperator(BaseOperator):
    """Run `decide(use_case, run, journal, given)` and hand on the small JSON it returns; NothingToDo skips what follows, green."""

    template_fields: Sequence[str] = ("given",)
    ui_color = "#fef7e0"

    def __init__(self, *, use_case: UseCase, decide: Decide, given: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_case = use_case
        self.decide = decide
        self.given = given

    def execute(self, context: Context) -> Any:
        """Decide, and say in the log what was decided."""
        use_airflow_connections()
        run = run_of(context, lake_objects(settings().lake_uri), self.use_case.name)
        try:
            decided = self.decide(self.use_case, run, journal(), self.given)
        except NothingToDo as reason:
            self.log.info("Nothing to do: %s", reason)
            raise AirflowSkipException(str(reason)) from reason
        except GyreError as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Decided: %s", decided)
        return decided
