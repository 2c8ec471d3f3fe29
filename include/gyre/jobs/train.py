"""Train a challenger: read the planned rows, fit, measure, log, register. A retry after registration registers nothing twice."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gyre import progress
from gyre.clients.mlflow import ModelVersion, Registry
from gyre.clients.mlflow_models import log_model, predict_as_logged
from gyre.clients.mlflow_runs import TrainingRun, training_run
from gyre.frames import signals
from gyre.jobs.contract import load, log, main
from gyre.lake import Lake
from gyre.settings import settings
from gyre.specs import DatasetVersion, UseCase, load_use_case
from gyre.specs.train_messages import TOLERANCE, TrainingOutcome, TrainingRequest, TrainingResult
from gyre.train import fitting, leftovers, pictures, provenance, rows
from gyre.train.rows import Part

if TYPE_CHECKING:
    import numpy as np

CHALLENGER = "challenger"
OUTCOME = "outcome.json"


def work(request: TrainingRequest) -> TrainingResult | None:
    """Make the challenger that a request asks for, or finish what an earlier try began."""
    use_case, registry, lake = load_use_case(request.use_case), Registry.of(), Lake.of(request.use_case)
    made = registry.version_by_training(use_case.name, request.job_id)
    if progress.rank() > 0:
        if made is None:
            take_part(use_case, lake, request)
        return None
    if made is None:
        with training_run(registry, use_case.name, request.job_id, tags(request)) as run:
            outcome = train(use_case, lake, request, run)
            leftovers.write_message(lake, request.job_id, OUTCOME, outcome)
            made = register(registry, use_case, request, outcome)
    else:
        log.info("An earlier try registered version %d; taking what it left.", made.version)
        outcome = TrainingOutcome.model_validate_json(lake.objects.read(lake.uri(leftovers.FOLDER, request.job_id, OUTCOME)))
        registry.client.set_terminated(made.run_id)
    progress.forget(lake, request.job_id)
    registry.set_alias(use_case.name, CHALLENGER, made.version)
    log.info("Version %d of '%s' is the challenger: %s", made.version, use_case.name, outcome.run_url)
    return TrainingResult(**dict(outcome), version=made.version, model_uri=made.uri)


def train(use_case: UseCase, lake: Lake, request: TrainingRequest, run: TrainingRun) -> TrainingOutcome:
    """Fit the model and its baselines, and log everything that tells how it was made and how good it is."""
    log.info("Training, because: %s", request.plan.reason)
    dataset, training, validation = rows.read(use_case, lake, request.plan)
    log.info("%d rows to train on, to %s; %d held out, to %s.", len(training.rows), request.plan.train_end, len(validation.rows), dataset.end)
    log.info("Dataset: version %d of %s, content %s.", dataset.version, dataset.table, dataset.content_hash)
    run.log_dataset(f"{use_case.name}/labelled", dataset)
    provenance.log_annotations(run, use_case, [training, validation])
    function = load(use_case.training.function)
    with progress.kept(lake, request.job_id, run.log_step):
        model = fitting.fit(use_case, function, training, validation, request.plan.parameters)
    scores = fitting.Scores(fitting.score(use_case, model, training), fitting.score(use_case, model, validation))
    make_baselines = load(use_case.training.baselines) if use_case.training.baselines else None
    others = fitting.baselines(use_case, make_baselines, training, validation)
    gap = fitting.gap(use_case.promotion.metric, scores, others["dummy"])
    figures = {"train": scores.train.figures, "validation": scores.validation.figures}
    baselines = {name: of.validation.figures for name, of in others.items()}
    for name, of in {**figures, **baselines}.items():
        log.info("%-20s %s", name, ", ".join(f"{metric} {value:.4f}" for metric, value in of.items()))
    log_figures(run, use_case, request, dataset, {**figures, **baselines}, gap, fitting.curves(model))
    classes = fitting.classes(model, use_case.task)
    run.log_picture(pictures.validation(use_case.task, scores.validation, classes), "validation.png")
    logged = log_model(use_case, model, leftovers.sample_rows(training.frame).head(5))
    reference, holdout, sample = leave(use_case, lake, request.job_id, Made(model, logged, scores.validation.answers), training, validation)
    return TrainingOutcome(
        run_id=run.run_id,
        run_url=run.registry.run_url(run.run_id),
        logged_model=logged,
        metrics={part: without_nan(of) for part, of in figures.items()},
        baselines={name: without_nan(of) for name, of in baselines.items()},
        gap=None if math.isnan(gap) else gap,
        dataset=dataset,
        classes=classes,
        train_end=request.plan.train_end,
        data_end=request.plan.data_end,
        rows_train=len(training.rows),
        rows_validation=len(validation.rows),
        reference_uri=reference,
        holdout_uri=holdout,
        sample_uri=sample,
    )


def take_part(use_case: UseCase, lake: Lake, request: TrainingRequest) -> None:
    """Fit beside rank 0, which alone measures, logs and registers. What each machine does of the work is the training function's to say."""
    log.info("Training as rank %d of %s.", progress.rank(), os.environ.get("WORLD_SIZE"))
    _, training, validation = rows.read(use_case, lake, request.plan)
    with progress.kept(lake, request.job_id, lambda step, figures: None):  # noqa: ARG005 - rank 0 logs the curve
        fitting.fit(use_case, load(use_case.training.function), training, validation, request.plan.parameters)


def log_figures(
    run: TrainingRun,
    use_case: UseCase,
    request: TrainingRequest,
    dataset: DatasetVersion,
    figures: dict[str, fitting.Figures],
    gap: float,
    curves: dict[str, list[float]],
) -> None:
    """Log parameters, metrics and learning curves."""
    params = {
        **request.plan.parameters,
        "gyre.start": dataset.start.isoformat(),
        "gyre.train_end": request.plan.train_end.isoformat(),
        "gyre.data_end": dataset.end.isoformat(),
        "gyre.rows": dataset.rows,
        "gyre.seed": use_case.training.seed,
    }
    metrics = {f"{part}/{metric}": value for part, of in figures.items() for metric, value in of.items()}
    run.log(params, {**metrics, "gap": gap}, {f"curve/{name}": values for name, values in curves.items()})
    drawn = run.curves()
    if drawn:
        run.log_picture(pictures.learning(drawn), "learning.png")


@dataclass(frozen=True)
class Made:
    """A fitted model, its address in MLflow, and what it answers for the held-out rows."""

    model: Any
    logged: str
    answers: np.ndarray


def leave(use_case: UseCase, lake: Lake, training_id: str, made: Made, training: Part, validation: Part) -> tuple[str, str, str]:
    """Write what later phases need: the reference, the held-out rows, and the sample; give their addresses."""
    from gyre.histograms import build_reference

    watching, features = use_case.monitoring, use_case.features
    trained_on, held_out = (signals(made.model, watching.signals, part.frame) for part in (training, validation))
    reference = build_reference(training.frame, features, made.answers, bins=watching.bins, signals=trained_on)
    rows = leftovers.sample_rows(validation.frame)
    sample = leftovers.sample_of(rows, features, predict_as_logged(made.logged, rows), getattr(made.model, "tolerance", TOLERANCE))
    return (
        leftovers.write_message(lake, training_id, "reference.json", reference),
        leftovers.write_holdout(lake, use_case, training_id, validation, made.answers, held_out),
        leftovers.write_message(lake, training_id, "sample.json", sample),
    )


def register(registry: Registry, use_case: UseCase, request: TrainingRequest, outcome: TrainingOutcome) -> ModelVersion:
    """Register the logged model; its tags say where it comes from."""
    about = {"gyre.reason": request.plan.reason, "gyre.train_end": outcome.train_end.isoformat(), "gyre.data_end": outcome.data_end.isoformat()}
    return registry.register(use_case.name, outcome.logged_model, outcome.run_id, request.job_id, about)


def tags(request: TrainingRequest) -> dict[str, str]:
    """Give the tags of a run that lead back to who asked, and to what it was made of."""
    return {
        "gyre.use_case": request.use_case,
        "gyre.dag_id": request.dag_id,
        "gyre.run_id": request.run_id,
        "gyre.try_number": str(request.try_number),
        "gyre.reason": request.plan.reason,
        "gyre.dataset_version": str(request.plan.table_version),
        "gyre.code": code_hash(request.use_case),
    }


def code_hash(use_case: str) -> str:
    """Hash the Python files of a use case's folder: two trainings of one hash ran the same code."""
    digest = hashlib.sha256()
    for path in sorted((settings().use_cases / use_case).rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def without_nan(figures: fitting.Figures) -> dict[str, float | None]:
    """Replace NaN, which JSON does not know, by nothing."""
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


if __name__ == "__main__":
    main(TrainingRequest, work)
