"""Bring an interval of every source into the lake: extract, audit with the use case's expectations, publish.

Triage:
- A skipped `extract` is green: its log says up to when everything is published.
- A red `extract` names the source and what it lacks (a table, a column, an object, a topic). Retries are over by then; mend it, then clear the task.
- A red `audit` means that validation blocked the interval: nothing of it is published. Its error names the columns, counts and examples, and a page
  with every check. Mend the source and clear `extract` (with what follows it), or trigger a run with the same start and end.
- A red `publish` may be cleared at any time: it replaces the interval's cells as a whole, and what is published is always an interval that was audited.
- Running an interval again is safe: it replaces what was published of it.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from gyre import assets
from gyre.ingest import decide as publication
from gyre.ingest.plan import plan
from gyre.runtime import JobOperator, use_cases
from gyre.specs import UseCase
from gyre.specs.ingest_messages import AuditResult, ExtractResult, PublishResult
from gyre.validate import decide as verdict

EMPTY = "Empty, with the other: the next intervals that are not published yet."


def build(use_case: UseCase) -> None:
    """Build the DAG of one use case."""
    cells = f"A multiple of {use_case.schedule.interval} in {use_case.schedule.timezone}, which is meant where no offset is given."

    @dag(
        dag_id=f"{use_case.name}__ingest",
        schedule=CronTriggerTimetable(use_case.schedule.cron, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags=["ingest", use_case.name],
        doc_md=__doc__,
        params={
            "start": Param(None, type=["null", "string"], format="date-time", title="Start", description=f"Begin of the interval. {cells} {EMPTY}"),
            "end": Param(None, type=["null", "string"], format="date-time", title="End", description=f"End of the interval, exclusive. {cells} {EMPTY}"),
        },
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15), "use_case": use_case},
    )
    def ingest() -> None:
        extract = JobOperator(task_id="extract", ask=plan, result_type=ExtractResult)
        audit = JobOperator(task_id="audit", ask=verdict.ask, result_type=AuditResult, note=verdict.note, given=extract.output)
        found, published = {"extract": extract.output, "audit": audit.output}, assets.validated(use_case)
        JobOperator(task_id="publish", ask=publication.ask, result_type=PublishResult, note=publication.note, given=found, outlets=[published])

    ingest()


for use_case in use_cases():
    build(use_case)
