"""Try a booted version before anyone else may: does it answer as MLflow's own model did, does it take what the spec says, is it quick."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import httpx

from gyre.clients.endpoint import Endpoint
from gyre.errors import PromotionFailed
from gyre.specs.requests import Gate
from gyre.specs.train_messages import Sample
from gyre.specs.use_case import UseCase

SINGLE_ROWS = 20
WARM_UP = 3


def trial(use_case: UseCase, version: int, endpoint: Endpoint, sample: Sample | None) -> list[Gate]:
    """Put a booted version to the test with the sample that its training left.

    Raises:
        PromotionFailed: If it does not answer.
    """
    try:
        gates = [_schema(use_case, version, endpoint.schema())]
        if sample is not None and sample.rows:
            gates.append(_answers(use_case, endpoint, sample))
            endpoint.milliseconds(sample.rows[0], WARM_UP)
            gates.append(_latency(use_case, endpoint.milliseconds(sample.rows[0], SINGLE_ROWS)))
    except httpx.HTTPStatusError as error:
        raise PromotionFailed(f"Version {version} of '{use_case.name}' refuses its own sample: {error.response.text[:500]}") from error
    except httpx.HTTPError as error:
        raise PromotionFailed(f"Version {version} of '{use_case.name}' does not answer at {endpoint.url}: {type(error).__name__}: {error}") from error
    return gates


def _schema(use_case: UseCase, version: int, schema: dict[str, Any]) -> Gate:
    wanted, found = set(use_case.features.columns), set(schema["fields"])
    missing, unknown = sorted(wanted - found), sorted(found - wanted)
    passed = not missing and not unknown and schema["version"] == version
    evidence = f"version {schema['version']} takes {len(found)} fields, those of the spec"
    if not passed:
        evidence = f"version {schema['version']} was asked for as {version}; fields of the spec it lacks: {missing}; fields the spec lacks: {unknown}"
    return Gate(name="service_schema", passed=passed, evidence=evidence, values={"missing": missing, "unknown": unknown})


def _answers(use_case: UseCase, endpoint: Endpoint, sample: Sample) -> Gate:
    answered = [_plain(use_case, p) for p in endpoint.predict(sample.rows)["predictions"]]
    expected: Sequence[list[float] | float] = sample.predictions
    furthest = max(_distance(use_case, there, here) for there, here in zip(expected, answered, strict=True))
    return Gate(
        name="service_answers",
        passed=furthest <= sample.tolerance,
        evidence=f"{len(answered)} sample rows: its answers differ from MLflow's own by {furthest:.1e} at most; {sample.tolerance:g} is allowed",
        values={"rows": len(answered), "furthest": furthest},
    )


def _latency(use_case: UseCase, milliseconds: list[float]) -> Gate:
    median, allowed = statistics.median(milliseconds), use_case.promotion.max_latency_ms
    return Gate(
        name="service_latency",
        passed=median <= allowed,
        evidence=f"one row takes {median:.1f} ms (median of {len(milliseconds)}); {allowed:g} ms are allowed",
        values={"median_ms": round(median, 2), "max_latency_ms": allowed},
    )


def _plain(use_case: UseCase, answer: dict[str, Any]) -> list[float]:
    if use_case.task == "binary":
        return [float(answer["probability"])]
    if use_case.task == "regression":
        return [float(answer["value"])]
    return [float(p) for p in answer["probabilities"].values()]


def _distance(use_case: UseCase, mlflow: list[float] | float, answered: list[float]) -> float:
    """Give the largest difference for one row; MLflow answers a binary task with both classes."""
    theirs = [mlflow] if isinstance(mlflow, float | int) else list(mlflow)
    if use_case.task == "binary":
        theirs = theirs[-1:]
    scale = max([1.0, *map(abs, theirs)])
    return max(abs(a - b) for a, b in zip(theirs, answered, strict=True)) / scale
