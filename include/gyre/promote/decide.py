"""The evaluation inside Airflow: which version, whether again, the request to the job, and the record of what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyre.clients.mlflow import MLFLOW_CONNECTION
from gyre.errors import BadParameters, NothingToDo
from gyre.journal import Entry, Journal, Kind
from gyre.journal.questions import challenger, evaluations, serving, training_of, trainings
from gyre.lake import Lake
from gyre.run import Run
from gyre.specs import UseCase, parse_instant
from gyre.specs.deploy_messages import Contender, EvaluateRequest, EvaluateResult

LABELLED = "labelled"  # as in gyre.data, which needs numpy: Airflow's environment has none


@dataclass(frozen=True)
class Wish:
    """What a run's parameters ask for.

    Attributes:
        version: A version by number, or None for the challenger.
        force: Promote it whatever the gates say.
        reason: Why; given whenever it is forced.
    """

    version: int | None
    force: bool
    reason: str | None

    @classmethod
    def of(cls, run: Run) -> Wish:
        """Read a run's parameters.

        Raises:
            BadParameters: If it is forced without a reason.
        """
        version, force, reason = run.params.get("version"), bool(run.params.get("force")), (run.params.get("reason") or "").strip()
        if force and not reason:
            raise BadParameters("A forced promotion needs a reason: it is kept in the journal. Fix: trigger the run again with 'reason'.")
        return cls(int(version) if version is not None else None, force, reason or None)


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> EvaluateRequest:  # noqa: ARG001 - every decision is called alike
    """Decide which version to evaluate, and against whom.

    Raises:
        NothingToDo: If there is no challenger, it serves already, or nothing changed since it was last evaluated.
        BadParameters: If the parameters name a version that does not exist.
    """
    wish, champion = Wish.of(run), serving(journal, use_case.name).champion
    version = wish.version if wish.version is not None else challenger(journal, use_case.name)
    if version is None:
        raise NothingToDo("there is no challenger: no version was trained since the last promotion")
    if version == champion:
        raise NothingToDo(f"version {version} is the champion already")
    labelled = labelled_version(use_case)
    if not wish.force:
        _new_since_last_time(journal, use_case, run, version, champion, labelled)
    return EvaluateRequest(
        job="evaluate",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[MLFLOW_CONNECTION],
        **run.asked_by,
        challenger=_contender(journal, use_case, version),
        champion=_contender(journal, use_case, champion) if champion is not None else None,
        labelled_version=labelled,
    )


def note(use_case: UseCase, run: Run, journal: Journal, request: EvaluateRequest, result: EvaluateResult) -> dict[str, Any]:
    """Record the gates and what was decided by them."""
    wish = Wish.of(run)
    body = {
        "version": request.challenger.version,
        "champion": request.champion.version if request.champion else None,
        "labelled_version": request.labelled_version,
        "forced": wish.force,
        "reason": wish.reason,
        **result.model_dump(mode="json"),
    }
    journal.add(use_case.name, Kind.EVALUATED, request.job_id, body)
    return {
        "version": body["version"],
        "passed": result.passed,
        "forced": wish.force,
        "reason": wish.reason,
        "gates": {gate.name: gate.passed for gate in result.gates},
        "failed": [f"{gate.name}: {gate.evidence}" for gate in result.gates if not gate.passed],
        "evaluation": request.job_id,
    }


def labelled_version(use_case: UseCase) -> int:
    """Version of the labelled table now.

    Raises:
        NothingToDo: If it was never written.
    """
    table = Lake.of(use_case.name).table(LABELLED)
    if table is None:
        raise NothingToDo("there are no labelled rows yet")
    return int(table.version())


def _new_since_last_time(journal: Journal, use_case: UseCase, run: Run, version: int, champion: int | None, labelled: int) -> None:
    same = [
        e
        for e in evaluations(journal, use_case.name, version)
        if e.key != run.job_id and e.body["champion"] == champion and e.body["labelled_version"] == labelled and not e.body["passed"]
    ]
    if same:
        raise NothingToDo(
            f"version {version} was evaluated on {same[-1].at:%Y-%m-%d %H:%M} and did not win ({_why(same[-1])}); "
            "newer labels or another champion would start another evaluation"
        )


def _why(evaluation: Entry) -> str:
    return "; ".join(f"{gate['name']}: {gate['evidence']}" for gate in evaluation.body["gates"] if not gate["passed"])


def _contender(journal: Journal, use_case: UseCase, version: int) -> Contender:
    training = training_of(journal, use_case.name, version)
    if training is None:
        known = sorted(e.body["version"] for e in trainings(journal, use_case.name))
        raise BadParameters(f"'{use_case.name}' has no version {version}. Known: {', '.join(map(str, known)) or 'none'}.")
    return Contender(version=version, train_end=parse_instant(training.body["train_end"]), gap=training.body.get("gap"))
