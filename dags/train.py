"""Make a challenger: decide whether there is a reason to train, fix the rows, fit, measure, register.

A run that ends at `decide` with a skip is normal: its log says why nothing is due. A retrain request of the monitoring, the first labels,
labels newer than `training.every`, or a person with parameters is a reason.

Triage: a red `decide` names the parameter that cannot work, and no retry will help. A red `train` shows the job's own log, line by line, and
the MLflow run it leads to has the parameters and metrics; clearing the task is safe: it continues the same MLflow run and registers
nothing twice. 'The job ended without its result' means that it was killed (memory? see `training.resources`); it may be run again.
What serves is not touched by this DAG.
"""

import json
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from gyre import assets
from gyre.runtime import DecisionOperator, JobOperator, use_cases
from gyre.specs import UseCase
from gyre.specs.train_messages import TrainingResult
from gyre.train import decide


def build(use_case: UseCase) -> None:
    training = use_case.training
    defaults = json.dumps(training.parameters, default=str)
    with DAG(
        dag_id=f"{use_case.name}__train",
        description=f"Make a challenger for {use_case.name}",
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(training.sweep, timezone="UTC"),
            assets=assets.labelled(use_case) | assets.retrain_request(use_case),
        ),
        start_date=datetime(2013, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15)},
        params={
            "reason": Param(None, type=["null", "string"], title="Reason", description="Why you train now. With one, the run always trains."),
            "data_through": Param(
                None,
                type=["null", "string"],
                title="Data through",
                description=f"Use labelled rows before this instant only: 2013-03-01, or with a time; without an offset it is {use_case.schedule.timezone} time. "
                "Empty: all there are.",
            ),
            "parameters": Param({}, type=["null", "object"], title="Hyperparameters", description=f"Those to change, as JSON. Defaults: {defaults}"),
        },
        tags=["train", use_case.name],
        doc_md=__doc__,
    ):
        plan = DecisionOperator(task_id="decide", use_case=use_case, decide=decide.plan)
        JobOperator(
            task_id="train",
            use_case=use_case,
            ask=decide.ask,
            note=decide.note,
            result_type=TrainingResult,
            given=plan.output,
            cpu=training.resources.cpu,
            timeout=training.timeout,
            pool="gpu",
            outlets=[assets.challenger(use_case)],
        )


for use_case in use_cases():
    build(use_case)
