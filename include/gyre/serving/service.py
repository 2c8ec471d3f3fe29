"""The BentoML service: Bento's health, readiness and metrics, with the endpoint mounted as a plain Starlette application.

The endpoint is mounted, not written with `@bentoml.api`: that costs about 2 ms a request more. This file is copied to the top of a
Bento, beside `served.json` and the folder `model`.
"""

from __future__ import annotations

from pathlib import Path

import bentoml  # noqa: TID253 - this file is only ever imported by a Bento's own process
import numpy as np

from gyre.frames import answers, model_frame
from gyre.serving.app import Answers, Endpoint, application
from gyre.serving.failure import LeavesWord
from gyre.serving.log import PredictionLog
from gyre.serving.model import compute_on_one_thread, load_model
from gyre.serving.parent import end_with_parent
from gyre.settings import settings
from gyre.specs.deploy_messages import ServedModel

HERE = Path(__file__).resolve().parent
SERVED = ServedModel.model_validate_json((HERE / "served.json").read_bytes())
_endpoints: list[Endpoint] = []


def _open() -> Endpoint:
    import pandas as pd

    model = load_model(HERE / "model")
    compute_on_one_thread()
    columns = SERVED.features.columns

    def answer(rows: list[dict[str, object]]) -> Answers:
        frame = pd.DataFrame({column: [row[column] for row in rows] for column in columns})
        return answers(model, SERVED.task, SERVED.signals, model_frame(frame, SERVED.features))

    log = PredictionLog(settings().prediction_logs / SERVED.use_case / str(SERVED.version))
    classes = np.asarray(getattr(model, "classes_", [])).tolist()
    return Endpoint(SERVED, answer, log, classes if SERVED.task == "multiclass" else [])


@bentoml.service(
    name=f"gyre_{SERVED.use_case}",
    workers=SERVED.workers,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(application(SERVED, lambda: _endpoints[0]), path="/")
class ServedVersion:
    """One model version. The model is loaded before the process says that it is ready."""

    def __init__(self) -> None:
        end_with_parent()
        with LeavesWord(HERE):
            _endpoints.append(_open())
