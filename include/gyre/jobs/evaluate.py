"""Score challenger and champion now, on the same fresh labelled rows, and say whether the challenger may serve."""

from __future__ import annotations

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gyre.data import read_labelled
from gyre.frames import model_frame, predict
from gyre.jobs.contract import main
from gyre.lake import Lake
from gyre.promote.evaluation import Scored, judge, nothing_to_judge_by
from gyre.serving.model import load_model
from gyre.specs import Interval, UseCase, load_use_case
from gyre.specs.deploy_messages import EvaluateRequest, EvaluateResult

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("gyre.job")

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


def work(request: EvaluateRequest) -> EvaluateResult:
    """Read the fresh rows, score them with both models, judge."""
    use_case = load_use_case(request.use_case)
    contenders = [c for c in (request.challenger, request.champion) if c is not None]
    since = max(c.train_end for c in contenders)
    rows = read_labelled(Lake.of(request.use_case), use_case, Interval(since, END_OF_TIME), request.labelled_version)
    if rows.empty:
        result = nothing_to_judge_by(use_case, since)
    else:
        frame = model_frame(rows, use_case.features)
        scored = [_score(use_case, c.version, frame) for c in contenders]
        result = judge(use_case, request, rows, scored[0], scored[1] if len(scored) > 1 else None)
    for gate in result.gates:
        log.info("%s %s: %s", "passed" if gate.passed else "FAILED", gate.name, gate.evidence)
    return result


def _score(use_case: UseCase, version: int, frame: pd.DataFrame) -> Scored:
    from gyre.clients.mlflow import Registry
    from gyre.clients.mlflow_files import download

    with tempfile.TemporaryDirectory(prefix="gyre-model-") as temporary:
        folder = Path(temporary) / "model"
        download(Registry.of(), use_case.name, version, folder)
        model = load_model(folder)
    log.info("Scoring %d rows with version %d.", len(frame), version)
    classes = np.asarray(model.classes_).tolist() if use_case.task == "multiclass" else []
    return Scored(version, predict(model, use_case.task, frame), classes)


if __name__ == "__main__":
    main(EvaluateRequest, work)
