"""Watch what serves, every night, and ask for a new model when a rule says so.

It collects what the champion answered and holds it against the labels that have come, and against what it was trained on.

Triage:
- A skipped `monitor` is a night with nothing to do: nothing serves yet, or the night was looked at; its log says which.
- `monitor` returns each rule's verdict and the report's address; open the report first. A rule with action `advice` starts nothing; one with
  action `alarm` asks for retraining once k of n nights lie beyond its threshold and its cool-down is over.
- A skipped `request_retraining` is the usual night: no alarm, or a request is open, or the rule cools down; its log says which.
- "not enough rows" for nights on end: callers send no keys or event time (see table `predictions_aside`), or labels do not come (see its DAG).
- A red `monitor` may be cleared at any time: it reads each prediction once, and a night's figures are the same whenever it is looked at.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from gyre import assets
from gyre.monitor.decide import ask, note, request_retraining
from gyre.runtime import DecisionOperator, JobOperator, use_cases
from gyre.specs import UseCase
from gyre.specs.monitor_messages import MonitorResult

AS_OF = Param(
    None,
    type=["null", "string"],
    format="date-time",
    title="As of",
    description="Look at every night that is over at this instant of event time (without an offset: in the schedule's time zone). "
    "Empty: up to the night of the newest published interval.",
)


def build(use_case: UseCase) -> None:
    """Build one use case's DAG."""

    @dag(
        dag_id=f"{use_case.name}__monitor",
        schedule=CronTriggerTimetable(use_case.monitoring.cron, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags=["monitor", use_case.name],
        doc_md=__doc__,
        params={"as_of": AS_OF},
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15)},
    )
    def monitor() -> None:
        looked = JobOperator(task_id="monitor", use_case=use_case, ask=ask, result_type=MonitorResult, note=note)
        asked = DecisionOperator(
            task_id="request_retraining", use_case=use_case, decide=request_retraining, given=looked.output, outlets=[assets.retrain_request(use_case)]
        )
        looked >> asked

    monitor()


for use_case in use_cases():
    build(use_case)
