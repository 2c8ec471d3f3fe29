"""Let a challenger serve, if it shows that it is better: evaluate, build, promote.

**Reading a run.** Green with `build` skipped: the challenger was not better, the log of `build` says why, and it stays challenger. Green
throughout: the version serves at the endpoint that `promote` returns. `evaluate` skipped: nothing new to evaluate.

**Triage.** A red `promote` says what the booted version lacked; what served before still serves. Clear it to try again. Whatever a crash
left half done, `gyre__reconcile` finishes or undoes within minutes.

**By hand.** To roll back, trigger with `version` = the one before, `force` and a `reason`.
"""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from gyre import assets
from gyre.deploy import decide as deployment
from gyre.promote import decide as evaluation
from gyre.runtime import DecisionOperator, JobOperator, use_cases
from gyre.specs import UseCase
from gyre.specs.deploy_messages import BentoResult, EvaluateResult

PARAMS = {
    "version": Param(None, type=["null", "integer"], minimum=1, title="Version", description="Of the registry. Empty: the challenger."),
    "force": Param(False, type="boolean", title="Force", description="Let it serve even if it fails a gate; the failed gates are recorded as overridden."),
    "reason": Param(None, type=["null", "string"], title="Reason", description="Needed with force; kept in the journal."),
}


def build(use_case: UseCase) -> None:
    """Make one use case's DAG."""
    with DAG(
        dag_id=f"{use_case.name}__deploy",
        schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable(use_case.promotion.sweep, timezone="UTC"), assets=[assets.challenger(use_case)]),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        default_args={"owner": use_case.owner, "retries": 2, "retry_delay": timedelta(seconds=15)},
        tags=["deploy", use_case.name],
        doc_md=__doc__,
    ):
        evaluate = JobOperator(task_id="evaluate", use_case=use_case, ask=evaluation.ask, result_type=EvaluateResult, note=evaluation.note)
        bento = JobOperator(task_id="build", use_case=use_case, ask=deployment.ask, result_type=BentoResult, note=deployment.note, given=evaluate.output)
        DecisionOperator(
            task_id="promote", use_case=use_case, decide=deployment.promote, given=[evaluate.output, bento.output], outlets=[assets.champion(use_case)]
        )


for use_case in use_cases():
    build(use_case)
