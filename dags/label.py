"""Give published rows their labels: facts that arrive later are landed and joined to the rows they are about.

Triage:
- A skipped `label` is green: no label came or changed since the last run. Rows without a label wait; they are looked at again for `labels.horizon`.
- A red `label` holds the job's own log, line by line. Clearing it is safe: it rewrites only the intervals whose labels changed, each as a whole.
- Labels that stay away: compare 'labelled of rows' in the log with the source; messages that cannot be read are kept in the lake's `rejected` table.
"""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, dag

from gyre import assets
from gyre.label.decide import ask, note
from gyre.runtime import JobOperator, use_cases
from gyre.specs import UseCase
from gyre.specs.label_messages import LabelResult

EMPTY = "Empty, with the other: everything whose labels may still come."


def build(use_case: UseCase) -> None:
    """Build the DAG of one use case."""
    cells = f"A multiple of {use_case.schedule.interval} in {use_case.schedule.timezone}, which is meant where no offset is given."

    @dag(
        dag_id=f"{use_case.name}__label",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(use_case.labels.cron, timezone="UTC"), assets=assets.validated(use_case)),
        catchup=False,
        max_active_runs=1,
        tags=["label", use_case.name],
        doc_md=__doc__,
        params={
            "start": Param(None, type=["null", "string"], format="date-time", title="Start", description=f"Begin of the window. {cells} {EMPTY}"),
            "end": Param(None, type=["null", "string"], format="date-time", title="End", description=f"End of the window, exclusive. {cells} {EMPTY}"),
        },
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15)},
    )
    def label() -> None:
        JobOperator(task_id="label", use_case=use_case, ask=ask, result_type=LabelResult, note=note, outlets=[assets.labelled(use_case)])

    label()


for use_case in use_cases():
    build(use_case)
