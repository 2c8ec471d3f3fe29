"""What a use case's training code may call, whatever its framework: log a curve while it grows, keep a checkpoint, go on from the newest.

    last = progress.restore()
    first = 0 if last is None else last.step + 1
    for epoch in range(first, epochs):
        ...
        progress.log(epoch, loss=loss)
        progress.save(epoch, content)

Where several machines train together (`resources.nodes`), `rank()` tells which one this is, rank 0 alone logs and saves, and each one restores.

Outside a training job `log` and `save` do nothing and `restore` gives None, so training code runs in a notebook unchanged.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gyre.lake import Lake

logger = logging.getLogger("gyre.job")

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What a training code wrote down to go on from.

    Attributes:
        step: The last one that is done.
        content: Whatever the code needs.
    """

    step: int
    content: bytes


@dataclass(frozen=True)
class _Training:
    lake: Lake
    folder: str
    curve: Callable[[int, Mapping[str, float]], None]

    def uri(self, step: int) -> str:
        return f"{self.folder}/{step:06d}"

    def steps(self) -> list[int]:
        return sorted(int(info.uri.rpartition("/")[2]) for info in self.lake.objects.list(self.folder))


_training: list[_Training] = []


def rank() -> int:
    """Tell which of the machines that train together this is; 0 where there is one."""
    return int(os.environ.get("RANK", "0"))


def log(step: int, **figures: float) -> None:
    """Log figures of a step to the MLflow run, as metrics `curve/<name>`, while training goes on. A step that is logged already stays as it is."""
    if _training:
        _training[-1].curve(step, {name: float(value) for name, value in figures.items() if not math.isnan(value)})


def save(step: int, content: bytes) -> None:
    """Keep a checkpoint: everything needed to go on after this step. It is there whole or not at all; the last two are kept.

    Args:
        step: Which is done; it grows.
        content: Model, optimizer, random numbers, what was best so far: `torch.save` into a buffer, a pickle, anything.
    """
    if not _training or rank() > 0:
        return
    training = _training[-1]
    training.lake.objects.write(training.uri(step), content)
    for old in training.steps()[:-KEPT]:
        training.lake.objects.delete(training.uri(old))


def restore() -> Checkpoint | None:
    """Read the newest checkpoint that an earlier try of this very training left; None at the first try."""
    if not _training:
        return None
    training = _training[-1]
    steps = training.steps()
    if not steps:
        return None
    logger.info("An earlier try of this training left its step %d; going on from there.", steps[-1])
    return Checkpoint(steps[-1], training.lake.objects.read(training.uri(steps[-1])))


@contextmanager
def kept(lake: Lake, job_id: str, curve: Callable[[int, Mapping[str, float]], None]) -> Iterator[None]:
    """Let `log`, `save` and `restore` work for one training.

    Args:
        lake: Where checkpoints are kept.
        job_id: Names the training, the same for every try of it.
        curve: Logs figures of a step.
    """
    _training.append(_Training(lake, _folder(lake, job_id), curve))
    try:
        yield
    finally:
        _training.pop()


def forget(lake: Lake, job_id: str) -> None:
    """Delete a training's checkpoints: once its model is registered, nobody goes on from them."""
    for info in list(lake.objects.list(_folder(lake, job_id))):
        lake.objects.delete(info.uri)


def _folder(lake: Lake, job_id: str) -> str:
    return lake.uri("trainings", job_id, "checkpoints")
