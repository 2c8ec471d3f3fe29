"""Tidies up after jobs on a cluster: removes what ended long ago, and reports pods that no task waits for.

It never ends what runs: a pod whose task is gone may still write its result, and its own deadline ends it.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gyre.clients.kubernetes import Cluster, Manifest
from gyre.journal import Journal, Kind
from gyre.runtime.pod_ending import is_finished, is_going, usage
from gyre.runtime.pod_labels import DAG_ID, GPU_LABEL, JOB_ID, JOB_LABEL, OWNER, RUN_ID, TASK_ID, USE_CASE_LABEL

log = logging.getLogger("gyre.runtime")

# states in which a task waits for its pod, or will come back to it
WAITED_FOR = frozenset({"scheduled", "queued", "running", "deferred", "restarting", "up_for_retry", "up_for_reschedule"})
OF_JOBS = {JOB_LABEL: None}
ACCOUNTED = timedelta(minutes=10)  # within so long a task notes itself what its pod has used
SETTLED_S = 60.0  # a task that was just ended may take so long to end its pod: that is no orphan


class Origin(NamedTuple):
    """The task that asked for a pod."""

    dag_id: str
    run_id: str
    task_id: str


States = Mapping[Origin, str | None]
Ask = Callable[[set[Origin]], States]


@dataclass(frozen=True)
class Removal:
    """What is old enough to go: names of pods, of Jobs, and of the Secrets that only those pods used."""

    pods: list[str]
    jobs: list[str]
    secrets: list[str]


def origin_of(pod: Manifest) -> Origin:
    """Give the task that a pod's annotations name."""
    notes = pod["metadata"].get("annotations", {})
    return Origin(*(str(notes.get(each, "")) for each in (DAG_ID, RUN_ID, TASK_ID)))


def ended_at(thing: Manifest) -> datetime | None:
    """Say when a pod or a Job ended; None while anything of it may still run."""
    status = thing.get("status", {})
    over = [each for each in status.get("conditions") or [] if each["type"] in {"Complete", "Failed"} and each["status"] == "True"]
    if not (over if thing.get("kind") == "Job" else is_finished(thing)):
        return None
    containers = [each["state"]["terminated"]["finishedAt"] for each in status.get("containerStatuses") or [] if "terminated" in each.get("state", {})]
    told = [each for each in containers if each] or [each["lastTransitionTime"] for each in over or status.get("conditions") or []]
    return max(map(datetime.fromisoformat, told or [thing["metadata"]["creationTimestamp"]]))


def due(pods: Iterable[Manifest], jobs: Iterable[Manifest], before: datetime) -> Removal:
    """Choose what ended before an instant. A Job's pods go with it; a Secret stays while another pod of its job may read it."""
    pods = list(pods)
    old = [pod for pod in pods if _ended_before(pod, before)]
    in_use = {name for pod in pods if ended_at(pod) is None for name in _secrets(pod)}
    own = [pod["metadata"]["name"] for pod in old if not pod["metadata"].get("ownerReferences")]
    unused = {name for pod in old for name in _secrets(pod)} - in_use
    return Removal(sorted(own), sorted(job["metadata"]["name"] for job in jobs if _ended_before(job | {"kind": "Job"}, before)), sorted(unused))


def _ended_before(thing: Manifest, before: datetime) -> bool:
    ended = ended_at(thing)
    return ended is not None and ended < before


def _secrets(pod: Manifest) -> Iterator[str]:
    """Give the Secrets made for this pod's job alone: their names end with its label."""
    for container in pod["spec"]["containers"]:
        for source in container.get("envFrom") or []:
            name = source.get("secretRef", {}).get("name", "")
            if name.endswith(pod["metadata"]["labels"][JOB_LABEL]):
                yield name


def orphans(pods: Iterable[Manifest], states: States) -> list[Manifest]:
    """Choose the pods that wait or run while their task does neither."""
    return [pod for pod in pods if not is_finished(pod) and not is_going(pod) and states.get(origin_of(pod)) not in WAITED_FOR]


def remove(cluster: Cluster, keep: timedelta) -> Removal:
    """Remove what ended longer ago than `keep`."""
    going = due(cluster.find("Pod", OF_JOBS), cluster.find("Job", OF_JOBS), datetime.now(UTC) - keep)
    for kind, names in (("Job", going.jobs), ("Pod", going.pods), ("Secret", going.secrets)):
        for name in names:
            if cluster.delete(kind, name):
                log.info("Removed %s %s, which is of a job that ended more than %s ago.", kind, name, keep)
    return going


def note_gpu_time(cluster: Cluster, journal: Journal, settled: timedelta = ACCOUNTED) -> list[str]:
    """Note the GPU-seconds of pods whose task did not come back to note them itself, because a person ended it; give their names."""
    now, noted = datetime.now(UTC), []
    for pod in cluster.find("Pod", OF_JOBS):
        labels, notes = pod["metadata"]["labels"], pod["metadata"].get("annotations", {})
        if GPU_LABEL not in labels or not _ended_before(pod, now - settled):
            continue
        about = {"job": None, "job_id": notes.get(JOB_ID), "owner": notes.get(OWNER), "failure": None, "why": "its task was ended in Airflow", "advice": None}
        if journal.add(labels.get(USE_CASE_LABEL, ""), Kind.JOB_ENDED, pod["metadata"]["uid"], about | usage(pod, now)):
            noted.append(pod["metadata"]["name"])
    return noted


def report_orphans(cluster: Cluster, journal: Journal, ask: Ask, settled_s: float = SETTLED_S) -> list[str]:
    """Say which pods no task waits for, in the log and, once each, in the journal; give their names.

    Args:
        cluster: Where the pods are.
        journal: Where a person looks later.
        ask: Gives the states of tasks; one that Airflow does not know has none.
        settled_s: How long a pod must have been one before it is called so, in seconds.
    """
    if not _orphans_now(cluster, ask):
        return []
    time.sleep(settled_s)
    found = _orphans_now(cluster, ask)
    for pod, state in found:
        name, labels, notes = pod["metadata"]["name"], pod["metadata"]["labels"], pod["metadata"].get("annotations", {})
        task = origin_of(pod)
        why = f"its task {task.dag_id}.{task.task_id} of run {task.run_id} is {state or 'unknown to Airflow'}"
        log.warning("Pod %s (%s) is nobody's: %s. Its deadline ends it; sooner: kubectl delete pod %s", name, pod["status"].get("phase"), why, name)
        body = {"pod": name, "owner": notes.get(OWNER), **task._asdict(), "state": state, "created": pod["metadata"]["creationTimestamp"]}
        journal.add(labels.get(USE_CASE_LABEL, ""), Kind.POD_ORPHANED, pod["metadata"]["uid"], body)
    return [pod["metadata"]["name"] for pod, _ in found]


def _orphans_now(cluster: Cluster, ask: Ask) -> list[tuple[Manifest, str | None]]:
    pods = [pod for pod in cluster.find("Pod", OF_JOBS) if not is_finished(pod)]
    states = ask({origin_of(pod) for pod in pods}) if pods else {}
    return [(pod, states.get(origin_of(pod))) for pod in orphans(pods, states)]


def states_of(tasks: set[Origin]) -> dict[Origin, str | None]:
    """Ask Airflow, from inside a task, for other tasks' states; those it does not know are left out."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    of_dag: dict[str, list[Origin]] = defaultdict(list)
    for each in tasks:
        of_dag[each.dag_id].append(each)
    found = {}
    for dag_id, asked in of_dag.items():
        runs = RuntimeTaskInstance.get_task_states(dag_id, task_ids=sorted({e.task_id for e in asked}), run_ids=sorted({e.run_id for e in asked}))
        for run_id, states in runs.items():
            found.update({Origin(dag_id, run_id, task_id): state for task_id, state in states.items()})
    return found
