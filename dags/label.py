"""Give published rows their labels: join facts that arrive later (`label`), or ask people in Label Studio (`push`) and take what they agree on (`collect`).

Triage:
- A skipped task is green: nothing came or changed, or nobody needs to be asked. Rows without a label wait; they are looked at again for `labels.horizon`.
- A red task holds the job's own log, line by line. Clearing it is safe: no task is sent twice, and only the intervals whose labels changed are rewritten.
- "Label Studio ... cannot be asked": it is tried again; nothing is lost meanwhile. "does not let the token": put a new token into the connection.
- A red `push` that names a private column sent nothing: the template shows what must not leave.
- Few labels: the log of `collect` tells tasks agreed, waiting and disputed, kappa, and each annotator's gold tasks; facts: 'labelled of rows'.
- Messages of a fact's topic that cannot be read are kept in the lake's `rejected` table.
"""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, dag

from gyre import assets
from gyre.label import ask_people, decide
from gyre.runtime import JobOperator, use_cases
from gyre.specs import People, UseCase
from gyre.specs.label_messages import CollectResult, LabelResult, PushResult

EMPTY = "Empty, with the other: everything whose labels may still come."


def build(use_case: UseCase) -> None:
    """Build the DAG of one use case."""
    cells = f"A multiple of {use_case.schedule.interval} in {use_case.schedule.timezone}, which is meant where no offset is given."
    asks_people = isinstance(use_case.labels, People)
    made, published = assets.labelled(use_case), assets.validated(use_case)
    started_by = published | assets.retrain_request(use_case) if asks_people else published
    asked = "Tasks of one interval, in this run; 0 asks about every row. Empty: as the spec says. Without meaning where labels are facts."

    @dag(
        dag_id=f"{use_case.name}__label",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(use_case.labels.cron, timezone="UTC"), assets=started_by),
        catchup=False,
        max_active_runs=1,
        tags=["label", use_case.name],
        doc_md=__doc__,
        params={
            "start": Param(None, type=["null", "string"], format="date-time", title="Start", description=f"Begin of the window. {cells} {EMPTY}"),
            "end": Param(None, type=["null", "string"], format="date-time", title="End", description=f"End of the window, exclusive. {cells} {EMPTY}"),
            "budget": Param(None, type=["null", "integer"], minimum=0, title="Budget", description=asked),
        },
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15)},
    )
    def label() -> None:
        if asks_people:
            push = JobOperator(task_id="push", use_case=use_case, ask=ask_people.ask_push, result_type=PushResult, note=ask_people.note_push)
            collect = {"ask": ask_people.ask_collect, "result_type": CollectResult, "note": ask_people.note_collect, "trigger_rule": "none_failed"}
            push >> JobOperator(task_id="collect", use_case=use_case, outlets=[made], **collect)
        else:
            JobOperator(task_id="label", use_case=use_case, ask=decide.ask, result_type=LabelResult, note=decide.note, outlets=[made])

    label()


for use_case in use_cases():
    build(use_case)
