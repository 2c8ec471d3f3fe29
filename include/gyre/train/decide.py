"""The train phase inside Airflow: whether and on what to train, the request to the job, and the record of what came of it."""

from __future__ import annotations

from typing import Any

from gyre.clients.mlflow import MLFLOW_CONNECTION
from gyre.data import LABELLED
from gyre.errors import BadParameters
from gyre.journal import Journal, Kind
from gyre.journal.questions import open_retrain_requests, trainings
from gyre.lake import PARTITION, Lake
from gyre.run import Run
from gyre.specs import UseCase, parse_instant
from gyre.specs.train_messages import TrainingPlan, TrainingRequest, TrainingResult
from gyre.train import due
from gyre.train.parameters import merged
from gyre.train.waiting import sorted_out


def plan(use_case: UseCase, run: Run, journal: Journal, given: Any) -> dict[str, Any]:  # noqa: ARG001 - every decision is called alike
    """Decide from the journal and the lake whether to train, and fix the rows to train on.

    Raises:
        NothingToDo: If there is no reason to train.
        BadParameters: If the run's parameters cannot work.
    """
    parameters = merged(use_case.training.parameters, run.params.get("parameters") or {})
    labelled = labelled_rows(use_case, Lake.of(use_case.name))
    requests = sorted_out(use_case, journal, open_retrain_requests(journal, use_case.name))
    reasons = [str(e.body.get("reason", e.key)) for e in requests.ready]
    reason = due.why(use_case, labelled, _newest(journal, use_case), by_hand(run), reasons, requests.waiting)
    assert labelled is not None  # noqa: S101 - `why` refuses None
    through = run.params.get("data_through")
    end = min(parse_instant(through, use_case.schedule.zone), labelled.end) if through else labelled.end
    cut = due.stretch(use_case, end)
    # A training on older rows than there are, asked for by hand, does not answer what tonight's rows asked for; nor does one before their labels.
    answered = [e.key for e in requests.ready] if end == labelled.end else []
    decided = TrainingPlan(
        reason=reason,
        requests=answered,
        parameters=parameters,
        table_version=labelled.version,
        start=cut.start,
        train_end=cut.train_end,
        data_end=cut.data_end,
    )
    return decided.model_dump(mode="json")


def by_hand(run: Run) -> str | None:
    """Give the reason of a run that a person started with parameters; None for any other run."""
    named = {name: value for name in ("reason", "data_through", "parameters") if (value := run.params.get(name))}
    if not named:
        return None
    return str(named.get("reason") or "asked for by hand: " + ", ".join(f"{name} {value}" for name, value in named.items()))


def labelled_rows(use_case: UseCase, lake: Lake) -> due.LabelledRows | None:
    """Count the labelled rows from the table's metadata; no row is read."""
    table = lake.table(LABELLED)
    if table is None:
        return None
    files = table.get_add_actions(flatten=True)
    rows = files.column("num_records").to_pylist()
    cells = files.column(f"partition.{PARTITION}").to_pylist()
    filled = [cell for cell, count in zip(cells, rows, strict=True) if count]
    if not filled:
        return None
    return due.LabelledRows(int(table.version()), sum(rows), use_case.schedule.grid.after(parse_instant(max(filled))))


def _newest(journal: Journal, use_case: UseCase) -> due.PastTraining | None:
    made = trainings(journal, use_case.name)
    if not made:
        return None
    return due.PastTraining(int(made[-1].body["version"]), parse_instant(made[-1].body["data_end"]))


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> TrainingRequest:
    """Ask the job for what was planned, and record that it starts."""
    if not given:
        raise BadParameters(f"Task '{run.task_id}' has no plan. Fix: clear the task 'decide' of the same run, which makes it.")
    planned = TrainingPlan.model_validate(given)
    journal.add(use_case.name, Kind.TRAINING_STARTED, run.job_id, planned.model_dump(mode="json"))
    return TrainingRequest(
        job="train",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[MLFLOW_CONNECTION],
        **run.asked_by,
        plan=planned,
    )


def note(use_case: UseCase, run: Run, journal: Journal, request: TrainingRequest, result: TrainingResult) -> dict[str, Any]:  # noqa: ARG001
    """Record the version that was made, and which retrain requests it answers."""
    why = request.plan.model_dump(mode="json", include={"reason", "requests", "parameters"})
    journal.add(use_case.name, Kind.TRAINING_FINISHED, request.job_id, {**result.model_dump(mode="json"), **why})
    metric = use_case.promotion.metric
    return {
        "version": result.version,
        "run_url": result.run_url,
        "reason": request.plan.reason,
        metric: result.metrics["validation"][metric],
        "dummy": result.baselines["dummy"][metric],
        "gap": result.gap,
        "rows": result.rows_train + result.rows_validation,
    }
