"""The MLflow run of a training: one for each logical training, however often it is tried."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gyre.clients.mlflow import TRAINING_TAG, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.figure import Figure

    from gyre.specs import DatasetVersion

CURVE = "curve/"
BATCH = 900  # MLflow takes at most 1,000 metrics in one call


@dataclass(frozen=True)
class TrainingRun:
    """An open run.

    Attributes:
        run_id: MLflow's id of it.
    """

    registry: Registry
    run_id: str
    _points: dict[str, dict[int, float]] = field(default_factory=dict, repr=False)

    def log(self, params: Mapping[str, Any], metrics: Mapping[str, float], curves: Mapping[str, Sequence[float]]) -> None:
        """Log parameters, metrics, and for each curve a metric with one value a step; NaN is left out.

        A step of a curve that an earlier try of the training logged stays as it is.
        """
        from mlflow.entities import Param

        self.registry.client.log_batch(self.run_id, params=[Param(name, str(value)) for name, value in params.items()])
        points = [(name, float(value), 0) for name, value in metrics.items()]
        new = [(name, float(value), step) for name, values in curves.items() for step, value in enumerate(values) if step not in self._logged(name)]
        self._log([*points, *new])

    def log_step(self, step: int, figures: Mapping[str, float]) -> None:
        """Log a step of each curve while it grows, as `curve/<name>`; one that was logged stays as it is."""
        points = [(f"{CURVE}{name}", value, step) for name, value in figures.items()]
        new = [point for point in points if step not in self._logged(point[0])]
        self._log(new)
        for name, value, _ in new:
            self._logged(name)[step] = value

    def curves(self) -> dict[str, list[float]]:
        """Read every curve of the run, as all its tries logged them, in order of the steps."""
        names = [name for name in self.registry.client.get_run(self.run_id).data.metrics if name.startswith(CURVE)]
        return {name.removeprefix(CURVE): [point.value for point in self._history(name)] for name in sorted(names)}

    def _logged(self, name: str) -> dict[int, float]:
        """Give the points of a curve that are there: read once, then kept."""
        if name not in self._points:
            self._points[name] = {point.step: point.value for point in self._history(name)}
        return self._points[name]

    def _history(self, name: str) -> list[Any]:
        return sorted(self.registry.client.get_metric_history(self.run_id, name), key=lambda point: int(point.step))

    def _log(self, points: Sequence[tuple[str, float, int]]) -> None:
        import math
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        logged = [Metric(name, value, now, step) for name, value, step in points if not math.isnan(value)]
        for first in range(0, len(logged), BATCH):
            self.registry.client.log_batch(self.run_id, metrics=logged[first : first + BATCH])

    def log_dataset(self, name: str, dataset: DatasetVersion) -> None:
        """Log the dataset version as the run's input: the Delta table, its version, and the rows' hash."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {"path": dataset.table, "delta_table_version": dataset.version}
        profile = {"num_rows": dataset.rows, "start": dataset.start.isoformat(), "end": dataset.end.isoformat()}
        entry = Dataset(name, dataset.content_hash[:36], "delta_table", json.dumps(source), profile=json.dumps(profile))
        self.registry.client.log_inputs(self.run_id, [DatasetInput(entry, [InputTag("mlflow.data.context", "training")])])

    def log_picture(self, figure: Figure, name: str) -> None:
        """Keep a picture with the run."""
        self.registry.client.log_figure(self.run_id, figure, name)


@contextmanager
def training_run(registry: Registry, experiment: str, training_id: str, tags: Mapping[str, str]) -> Iterator[TrainingRun]:
    """Open the run of a logical training: the one an earlier try made, or a new one. Ends as FINISHED, or FAILED after an error."""
    client = registry.client
    import mlflow

    experiment_id = registry.experiment(experiment)
    found = client.search_runs([experiment_id], f"tags.`{TRAINING_TAG}` = '{training_id}'", max_results=1)
    run = found[0] if found else client.create_run(experiment_id, tags={TRAINING_TAG: training_id}, run_name=training_id)
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.set_tags(dict(tags))
        yield TrainingRun(registry, str(run.info.run_id))
