"""The endpoint of one model version: `POST /predict` and `GET /schema`."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gyre.errors import UnusableRow
from gyre.serving.log import PredictionLog
from gyre.serving.rows import Refused, RowReader
from gyre.specs.deploy_messages import ServedModel

if TYPE_CHECKING:
    import numpy as np

LARGEST_BODY = 64 * 2**20
NOT_RECORDED = "x-gyre-replay"  # set by the deployment's own trial calls; Envoy removes it from what comes from outside

Answers = tuple["np.ndarray", dict[str, "np.ndarray"]]
Predict = Callable[[list[dict[str, Any]]], Answers]


class Endpoint:
    """Answers with one model.

    Args:
        served: What is served.
        predict: Rows as they were sent (binary fields decoded), to the model's predictions and its signals, (n,) each.
        log: Where answers are recorded.
        classes: Labels of a multiclass model, in the order of its probabilities.
    """

    def __init__(self, served: ServedModel, predict: Predict, log: PredictionLog, classes: list[Any]) -> None:
        self.served = served
        self._predict = predict
        self._log = log
        self._classes = classes
        self._reader = RowReader(served)

    async def predict(self, request: Request) -> Response:
        """Answer a request, or refuse it in words."""
        try:
            rows = self._reader.read(await _body(request))
            answered, signals = await run_in_threadpool(self._predict, rows)
        except Refused as refused:
            return JSONResponse(refused.body, refused.status)
        except UnusableRow as unusable:
            problem = {"row": unusable.row, "field": None, "expected": "a row that the model's input can be made from", "got": unusable.problem}
            return JSONResponse({"error": f"Row {unusable.row}: {unusable.problem}", "problems": [problem]}, 422)
        ids, predictions = [str(uuid.uuid4()) for _ in rows], answered.tolist()
        if NOT_RECORDED not in request.headers:
            self._record(request, rows, ids, predictions, signals)
        answers = [{"prediction_id": id_} | self._answer(p) for id_, p in zip(ids, predictions, strict=True)]
        return JSONResponse({"model": self.served.use_case, "version": self.served.version, "predictions": answers})

    def _answer(self, prediction: Any) -> dict[str, Any]:
        if self.served.task == "binary":
            return {"probability": prediction}
        if self.served.task == "regression":
            return {"value": prediction}
        likeliest = max(range(len(prediction)), key=prediction.__getitem__)
        return {"label": self._classes[likeliest], "probabilities": {str(c): p for c, p in zip(self._classes, prediction, strict=True)}}

    def _record(self, request: Request, rows: list[dict[str, Any]], ids: list[str], predictions: list[Any], signals: dict[str, np.ndarray]) -> None:
        common = {
            "request_id": request.headers.get("x-request-id") or str(uuid.uuid4()),
            "version": self.served.version,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        records = [{"prediction_id": i, **common, "row": _without_bytes(r), "prediction": p} for i, r, p in zip(ids, rows, predictions, strict=True)]
        if signals:
            for position, record in enumerate(records):
                record["signals"] = {name: _finite(values[position]) for name, values in signals.items()}
        self._log.append(records)


def _without_bytes(row: dict[str, Any]) -> dict[str, Any]:
    """Name bytes by their hash: a log is no place for pictures."""
    return {field: f"sha256:{hashlib.sha256(value).hexdigest()[:16]}" if isinstance(value, bytes) else value for field, value in row.items()}


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def schema(served: ServedModel) -> dict[str, Any]:
    """Describe what `/predict` takes."""
    return {
        "model": served.use_case,
        "version": served.version,
        "task": served.task,
        "fields": {
            **dict.fromkeys(served.features.numeric, "number or null"),
            **dict.fromkeys(served.features.categorical, "text or null"),
            **dict.fromkeys(served.features.binary, "base64 of bytes"),
        },
        "optional": {**dict.fromkeys(served.keys, "text or number"), served.event_time: "ISO 8601 instant"},
        "max_rows": served.max_rows,
    }


def application(served: ServedModel, endpoint: Callable[[], Endpoint]) -> Starlette:
    """Make the ASGI application; `endpoint` is asked at each request, for the model is loaded after this."""

    async def predict(request: Request) -> Response:
        return await endpoint().predict(request)

    async def describe(_: Request) -> Response:
        return JSONResponse(schema(served))

    return Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/schema", describe, methods=["GET"])])


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refused.because(413, f"The body is larger than {LARGEST_BODY // 2**20} MiB: send fewer rows in one request.")
    return bytes(body)
