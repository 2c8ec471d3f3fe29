"""The deployment inside Airflow: whether to build, the request to the job, and the promotion itself."""

from __future__ import annotations

import logging
from typing import Any

from gyre.clients.mlflow import MLFLOW_CONNECTION, Registry
from gyre.deploy.kubernetes import KubernetesServing
from gyre.deploy.local import LocalServing
from gyre.deploy.promotion import Intent, Promotion, retire
from gyre.deploy.serving import Place
from gyre.errors import BadParameters, NothingToDo, PromotionFailed, StackError
from gyre.journal import Journal, Kind
from gyre.journal.questions import serving, unfinished_promotions
from gyre.run import Run
from gyre.settings import settings
from gyre.specs import UseCase
from gyre.specs.deploy_messages import BentoFile, BentoRequest, BentoResult

log = logging.getLogger("gyre.deploy")

LOCK = "deploy"  # a promotion and a reconciliation of one use case must not meet, on whichever machines
WAIT_S = 600


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> BentoRequest:  # noqa: ARG001 - every decision is called alike
    """Ask for the Bento of a version that may serve.

    Raises:
        NothingToDo: If the evaluation said no and nobody forces it: green, and the log says why.
    """
    evaluation = _evaluation(given)
    if not evaluation["passed"] and not evaluation["forced"]:
        why = "; ".join(evaluation["failed"])
        raise NothingToDo(f"version {evaluation['version']} stays challenger: {why}. The journal keeps it as evaluation {evaluation['evaluation']}")
    return BentoRequest(
        job="bento",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[MLFLOW_CONNECTION],
        **run.asked_by,
        version=evaluation["version"],
    )


def note(use_case: UseCase, run: Run, journal: Journal, request: BentoRequest, result: BentoResult) -> dict[str, Any]:  # noqa: ARG001
    """Hand on the Bento."""
    return {"version": request.version, **result.model_dump(mode="json")}


def promote(use_case: UseCase, run: Run, journal: Journal, given: Any) -> dict[str, Any]:
    """Bring the built version to serve.

    Args:
        use_case: Whose version.
        run: Names the promotion: a retry goes on with it.
        journal: Where each step is written before or after it is done.
        given: What `evaluate` and `build` handed on, in this order.

    Raises:
        PromotionFailed: If it could not, or another is under way for too long; what served before still does.
    """
    evaluation, built = _evaluation(given[0]), given[1]
    with journal.lock(use_case.name, LOCK, WAIT_S) as held:
        if not held:
            raise PromotionFailed(
                f"Another promotion or reconciliation of '{use_case.name}' is under way for more than {WAIT_S:g} s. Fix: see its log, then try again."
            )
        promotion_id = _id(journal, use_case, run)
        finished = journal.get(use_case.name, Kind.PROMOTION_FINISHED, promotion_id)
        if finished is not None:  # a try that was killed while it tidied up
            serves = serving(journal, use_case.name)
            retire(use_case, place(), {serves.champion, serves.previous})
            return finished.body
        _settle_others(journal, use_case, promotion_id)
        intent = _intent(journal, use_case, run, promotion_id, evaluation, BentoFile.model_validate(built["bento"]))
        return Promotion(promotion_id, use_case, intent, journal, place(), Registry.of()).carry_out()


def place() -> Place:
    """Where versions are served here.

    Raises:
        StackError: If the setting names no such place.
    """
    here = settings()
    if here.runtime == "kubernetes":
        return KubernetesServing(here)
    if here.runtime == "local":
        return LocalServing(here)
    raise StackError(f"GYRE_RUNTIME is '{here.runtime}': versions are served by local processes or on a cluster. Fix: GYRE_RUNTIME=local or kubernetes.")


def _settle_others(journal: Journal, use_case: UseCase, promotion_id: str) -> None:
    """End promotions that a crash left half done. Whoever holds the lock knows that nobody works on them."""
    for entry in unfinished_promotions(journal, use_case.name):
        if entry.key != promotion_id:
            log.info("%s", Promotion(entry.key, use_case, Intent.model_validate(entry.body), journal, place(), Registry.of()).settle())


def _id(journal: Journal, use_case: UseCase, run: Run) -> str:
    """Name the promotion: the same for a retry, another when one that was undone is tried again."""
    number, promotion_id = 1, run.job_id
    while journal.get(use_case.name, Kind.PROMOTION_UNDONE, promotion_id) is not None:
        number += 1
        promotion_id = f"{run.job_id}.{number}"
    return promotion_id


def _intent(journal: Journal, use_case: UseCase, run: Run, promotion_id: str, evaluation: dict[str, Any], bento: BentoFile) -> Intent:
    """Read what was intended, or decide it now."""
    written = journal.get(use_case.name, Kind.PROMOTION_INTENDED, promotion_id)
    if written is not None:
        return Intent.model_validate(written.body)
    champion = serving(journal, use_case.name).champion
    if champion == evaluation["version"]:
        raise NothingToDo(f"version {champion} is the champion already")
    return Intent(
        version=evaluation["version"],
        previous=champion,
        bento=bento,
        forced=evaluation["forced"],
        reason=evaluation["reason"],
        overridden=evaluation["failed"] if evaluation["forced"] else [],
        evaluation=evaluation["evaluation"],
        dag_id=run.dag_id,
        run_id=run.run_id,
    )


def _evaluation(given: Any) -> dict[str, Any]:
    if not given:
        raise BadParameters("There is no evaluation to act on. Fix: clear the task 'evaluate' of the same run, which makes it.")
    return dict(given)
