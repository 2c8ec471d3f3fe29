"""Make a challenger: decide whether there is a reason to train, fix the rows, fit, measure, register.

Triage:
- A skipped `decide` is the usual run: its log says why no training is due. Reasons are a retrain request of the monitoring, the first labels, labels
  newer than `training.every`, or a person who gives parameters.
- A red `decide` names the parameter that cannot work; trigger the run again with another.
- A red `train` holds the job's own log, line by line, and ends with the class of the failure and what to do. Clearing it is safe: it continues
  the same MLflow run, from its last checkpoint if it keeps any, and registers nothing twice. Deferred: its pod runs, or waits; the log says for what.
- Nothing here touches what serves: a new version is a challenger until the deploy DAG promotes it.
"""

import json
from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, dag

from gyre import assets
from gyre.runtime import DecisionOperator, JobOperator, use_cases
from gyre.specs import UseCase
from gyre.specs.train_messages import TrainingResult
from gyre.train.decide import ask, note, plan

THROUGH = "Use labelled rows before this instant of event time only (without an offset: in the schedule's time zone). Empty: all there are."
OPTIONAL_TEXT = ["null", "string"]


def build(use_case: UseCase) -> None:
    """Build the DAG of one use case."""
    spec = use_case.training
    change = f"Those to change, as a JSON object; an unknown name is refused. Defaults: {json.dumps(spec.parameters, default=str)}"

    @dag(
        dag_id=f"{use_case.name}__train",
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(spec.sweep, timezone="UTC"), assets=assets.labelled(use_case) | assets.retrain_request(use_case)
        ),
        catchup=False,
        max_active_runs=1,
        tags=["train", use_case.name],
        doc_md=__doc__,
        params={
            "reason": Param(None, type=OPTIONAL_TEXT, title="Reason", description="Why you train now; with one, the run always trains."),
            "data_through": Param(None, type=OPTIONAL_TEXT, format="date-time", title="Data through", description=THROUGH),
            "parameters": Param({}, type="object", title="Hyperparameters", description=change),
        },
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15)},
    )
    def train() -> None:
        planned = DecisionOperator(task_id="decide", use_case=use_case, decide=plan)
        gpus = spec.resources.gpu * spec.resources.nodes
        limits = {"job_resources": spec.resources, "timeout": spec.timeout, "pool": "gpu" if gpus else "default_pool", "pool_slots": max(gpus, 1)}
        made = assets.challenger(use_case)
        JobOperator(task_id="train", use_case=use_case, ask=ask, result_type=TrainingResult, note=note, given=planned.output, outlets=[made], **limits)

    train()


for use_case in use_cases():
    build(use_case)
