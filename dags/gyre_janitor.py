"""Keep the cluster tidy: jobs' pods, Jobs and Secrets go a day after they ended, what GPUs were held for is noted, pods that no task waits for are reported.

**Reading a run.** `remove` returns what went; until then `kubectl logs` and `kubectl describe` still tell of it. `report_orphans` returns pods that
wait or run while their task does not: its log names task and state, and the journal keeps each once (`gyre journal`).

**Triage.** An orphan holds its CPUs or GPUs until its deadline: `kubectl delete pod` frees them, its checkpoints stay. A red task could not ask
the cluster; its log has the cluster's own words.

**By hand.** Trigger with `keep_hours` 0 to remove everything that has ended.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, task

from gyre.settings import settings

KEEP = Param(None, type=["null", "number"], minimum=0, title="Hours to keep", description="Of what has ended. Empty: `GYRE_KEEP_PODS_HOURS`, else 24.")


@dag(
    dag_id="gyre__janitor",
    schedule=CronTriggerTimetable("23 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={"keep_hours": KEEP},
    default_args={"retries": 1, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=10)},
    tags=["janitor", "gyre"],
    doc_md=__doc__,
)
def janitor() -> None:
    """Two tasks that do not wait for one another."""

    @task
    def remove(params: dict[str, Any] | None = None) -> dict[str, Any]:
        from gyre.clients.kubernetes import Cluster
        from gyre.runtime import janitor, journal

        janitor.note_gpu_time(Cluster.of(settings()), journal())
        hours = (params or {}).get("keep_hours")
        return vars(janitor.remove(Cluster.of(settings()), settings().keep_pods if hours is None else timedelta(hours=hours)))

    @task
    def report_orphans() -> list[str]:
        from gyre.clients.kubernetes import Cluster
        from gyre.runtime import janitor, journal

        return janitor.report_orphans(Cluster.of(settings()), journal(), janitor.states_of)

    remove()
    report_orphans()


if settings().runtime == "kubernetes":
    janitor()
