"""The kinds of journal entries, and what each one's key is."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an entry says. After the dash: its key, unique within a use case and kind."""

    INTERVAL_BLOCKED = "interval_blocked"  # - job id; body: start, end, checks, page
    INTERVAL_PUBLISHED = "interval_published"  # - job id; body: start, end, rows, quarantined, version, checks, page
    TASKS_PUSHED = "tasks_pushed"  # - job id; body: project, project_url, tasks, reasons, asked, requests
    ANNOTATIONS_COLLECTED = "annotations_collected"  # - job id; body: tasks, waiting, agreed, disputed, asked_again, agreement, requests
    LABELS_JOINED = "labels_joined"  # - job id; body: labelled, rows, start, end, version, changed
    RETRAIN_REQUESTED = "retrain_requested"  # - rule and night; body: reason, statistic, value, threshold, window, version
    TRAINING_STARTED = "training_started"  # - training id; body: reason, dataset, parameters, request
    TRAINING_FINISHED = "training_finished"  # - training id; body: version, run_id, metrics, dataset, data ends
    JOB_ENDED = "job_ended"  # - pod, or job id and try; body: job, failure class, why, advice, seconds, gpu_seconds
    EVALUATED = "evaluated"  # - evaluation id; body: version, champion, gates, passed, comparison
    PROMOTION_INTENDED = "promotion_intended"  # - promotion id; body: version, previous, bento, forced
    PROMOTION_ROUTED = "promotion_routed"  # - promotion id; body: endpoint
    PROMOTION_FINISHED = "promotion_finished"  # - promotion id; body: version, previous
    PROMOTION_UNDONE = "promotion_undone"  # - promotion id; body: version, reason
    MONITORED = "monitored"  # - version and night; body: verdict, statistics, rules, report
    RECONCILED = "reconciled"  # - run id; body: found, done, for a person
    POD_ORPHANED = "pod_orphaned"  # - pod's uid; body: pod, owner, dag_id, run_id, task_id, state, created
