"""Choose rows to ask about. Nothing here reads anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from gyre.specs.labels import Reason

ORDER: tuple[Reason, ...] = ("random", "uncertain", "drifted")  # the random ones first: chosen among all rows, they are like all rows


def generator(*names: str) -> np.random.Generator:
    """Give a random generator that a repeated job gets again."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:8], "big"))


def margins(task: str, answers: np.ndarray) -> np.ndarray | None:
    """Say how far the two likeliest answers lie apart.

    Args:
        task: The use case's.
        answers: As `gyre.frames.predict` gives them. Shape (n,) or (n, classes).

    Returns:
        Shape (n,), from 0 (undecided) to 1; None for a regression, whose answers say nothing of that.
    """
    if task == "regression":
        return None
    if answers.ndim == 1:
        return np.asarray(np.abs(2 * answers - 1))
    two = np.sort(answers, axis=1)[:, -2:]
    return np.asarray(two[:, -1] - two[:, 0]) if answers.shape[1] > 1 else np.ones(len(answers))


def parts(count: int, shares: Mapping[Reason, float]) -> dict[Reason, int]:
    """Cut a number by shares, to whole numbers that sum to it: the largest remainders are rounded up."""
    exact = {reason: count * shares.get(reason, 0.0) for reason in ORDER}
    whole = {reason: int(value) for reason, value in exact.items()}
    for reason in sorted(ORDER, key=lambda reason: whole[reason] - exact[reason])[: count - sum(whole.values())]:
        whole[reason] += 1
    return whole


def choose(
    count: int, rows: np.ndarray, shares: Mapping[Reason, float], rng: np.random.Generator, margin: np.ndarray | None, outside: np.ndarray | None
) -> dict[int, Reason]:
    """Choose some of these rows, none twice.

    Args:
        count: How many; all of them are chosen where there are no more.
        rows: Their indices. Shape (n,).
        shares: Of each way to choose.
        rng: For what is random.
        margin: By index: how far the two likeliest answers lie apart; NaN where nobody asked the champion. None: chosen at random instead.
        outside: By index: values that lie outside what the champion was trained on, likewise.

    Returns:
        Index -> why it was chosen.
    """
    shuffled = rng.permutation(rows)
    count = min(count, len(shuffled))
    wanted = parts(count, shares)
    chosen: dict[int, Reason] = {int(index): "random" for index in shuffled[: wanted["random"]]}
    ranked: list[tuple[Reason, np.ndarray | None]] = [("uncertain", margin), ("drifted", None if outside is None else -outside)]
    for reason, ranks in ranked:
        if ranks is not None:
            left = np.array([index for index in shuffled if int(index) not in chosen and not np.isnan(ranks[index])], dtype=int)
            best = left[np.argsort(ranks[left], kind="stable")][: wanted[reason]]
            chosen.update(dict.fromkeys(best.tolist(), reason))
    for index in shuffled:
        if len(chosen) >= count:
            break
        chosen.setdefault(int(index), "random")
    return chosen
