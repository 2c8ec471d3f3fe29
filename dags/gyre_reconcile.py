"""Does what serves equal what was decided? Registry, router, processes and journal are compared, use case by use case, and repaired.

**Reading a run.** A skipped task: everything agrees (or a promotion is under way). A green one did something, and its log says what.

**Triage.** "For a person" in a task's log names what could not be repaired and the command that does it. A red task could not reach
the registry or the supervisor: `gyre status`.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, get_parsing_context

from gyre.deploy.reconcile import reconcile
from gyre.runtime import DecisionOperator
from gyre.specs import load_use_cases

# one task a use case, named after it: a task's own process loads that one alone
USE_CASES, _ = load_use_cases(only=get_parsing_context().task_id)

with DAG(
    dag_id="gyre__reconcile",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=15), "execution_timeout": timedelta(minutes=10)},
    tags=["reconcile", "gyre"],
    doc_md=__doc__,
):
    for use_case in USE_CASES:
        DecisionOperator(task_id=use_case.name, use_case=use_case, decide=reconcile, owner=use_case.owner)
