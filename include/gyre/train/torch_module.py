"""Make of a use case's torch module the one that is logged and served: it answers with probabilities, and with signals beside them.

Its signals: `input_mean`, and `embedding_distance` where the use case's module returns `(output, embedding)`: the Mahalanobis distance of a row's
embedding to the nearest class of the rows trained on (to their mean, in a regression). The covariance is pooled over classes and shrunk.

Sources: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks" (2018); Ledoit and Wolf,
"A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate Analysis 88 (2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253 - this file is only ever imported where a torch module was trained

from gyre.errors import InvalidUseCase
from gyre.torch_models import ROWS_AT_ONCE, TorchModel, asked, load_function, read_inputs

if TYPE_CHECKING:
    import pandas as pd

    from gyre.specs import UseCase

INPUT_MEAN = "input_mean"
EMBEDDING_DISTANCE = "embedding_distance"
SMALLEST = 1e-6  # share of the mean variance below which no direction's variance counts as: a dead unit must not make a distance infinite


@dataclass(frozen=True)
class Space:
    """Where the embeddings of the rows trained on lie.

    Attributes:
        centres: Mean of each class, whitened. Shape (classes, d).
        whitening: Shape (d, d); in `z @ whitening` the Mahalanobis distance is the Euclidean one.
    """

    centres: np.ndarray
    whitening: np.ndarray


class Answering(torch.nn.Module):
    """A use case's module with what turns its output into answers and signals. Inputs (n, ...) -> (n, answers + signals)."""

    centres: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, module: torch.nn.Module, task: str, space: Space | None) -> None:
        super().__init__()
        self.module = module
        self.task = task
        self.watched = space is not None
        if space is not None:
            self.register_buffer("centres", torch.from_numpy(space.centres.astype(np.float32)))
            self.register_buffer("whitening", torch.from_numpy(space.whitening.astype(np.float32)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Answer."""
        logits, embedding = outputs_of(self.module, inputs)
        parts = [self._answers(logits), inputs.flatten(1).mean(1, keepdim=True)]
        if self.watched and embedding is not None:
            away = (embedding @ self.whitening).unsqueeze(1) - self.centres
            parts.append(away.square().sum(2).amin(1, keepdim=True).sqrt())
        return torch.cat(parts, dim=1)

    def _answers(self, logits: torch.Tensor) -> torch.Tensor:
        if self.task == "regression":
            return logits
        if logits.shape[1] == 1:  # of a binary task
            return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=1)
        return torch.softmax(logits, dim=1)


def outputs_of(module: torch.nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Give logits (n, outputs) and embedding (n, d), if there is one."""
    given = module(inputs)
    logits, embedding = given if isinstance(given, tuple) else (given, None)
    return logits.reshape(logits.shape[0], -1), None if embedding is None else embedding.flatten(1)


def answering(use_case: UseCase, module: torch.nn.Module, frame: pd.DataFrame, labels: np.ndarray) -> TorchModel:
    """Make the model of a trained module.

    Args:
        use_case: Its training names the function that makes the inputs.
        module: Trained; it is moved to the CPU.
        frame: Rows it was trained on.
        labels: Theirs. Shape (n,).

    Raises:
        InvalidUseCase: If `training.inputs` or `classes_` is missing, or does not fit what the module gives.
    """
    where = f"training.function '{use_case.training.function}' returned a torch.nn.Module ({type(module).__name__})"
    inputs = use_case.training.inputs
    if inputs is None:
        raise InvalidUseCase(use_case.name, f"{where}, and training.inputs is not set. Fix: name the function that makes its inputs from a frame.")
    module = module.cpu().eval()
    read = load_function(inputs)
    outputs, shape = _outputs(module, read_inputs(read, inputs, frame.iloc[:2]))
    classes = _classes(use_case, module, outputs, labels, where)
    names: tuple[str, ...] = (INPUT_MEAN,)
    space = None
    if outputs.embedding is not None:
        groups = np.zeros(len(labels), dtype=int) if not classes else np.array([classes.index(label) for label in labels.tolist()])
        space = embedding_space(_embeddings(module, read, inputs, frame), groups)
        names = (INPUT_MEAN, EMBEDDING_DISTANCE)
    whole = Answering(module, use_case.task, space).eval()
    return TorchModel(asked(whole), inputs, shape, use_case.task, classes, names, whole)


@dataclass(frozen=True)
class _Outputs:
    logits: torch.Tensor
    embedding: torch.Tensor | None


def _outputs(module: torch.nn.Module, inputs: np.ndarray) -> tuple[_Outputs, tuple[int, ...]]:
    with torch.inference_mode():
        return _Outputs(*outputs_of(module, torch.from_numpy(inputs))), inputs.shape[1:]


def _classes(use_case: UseCase, module: Any, outputs: _Outputs, labels: np.ndarray, where: str) -> list[Any]:
    """Check the module's classes against its outputs and the labels it was trained on."""
    given = outputs.logits.shape[1]
    if use_case.task == "regression":
        if given != 1:
            raise InvalidUseCase(use_case.name, f"{where} that gives {given} numbers for a row; a regression's gives 1.")
        return []
    if use_case.task == "binary":
        if given not in (1, 2):
            raise InvalidUseCase(use_case.name, f"{where} that gives {given} logits for a row; a binary task's gives 1 (of label 1) or 2.")
        return [0, 1]
    known = getattr(module, "classes_", None)
    if known is None:
        raise InvalidUseCase(use_case.name, f"{where} without `classes_`. Fix: set `module.classes_` to the labels in the order of its {given} logits.")
    classes: list[Any] = np.asarray(known).tolist()
    if len(classes) != given:
        raise InvalidUseCase(use_case.name, f"{where} with {given} logits and {len(classes)} `classes_` ({classes}). Fix: one label a logit, in order.")
    other = [label for label in np.unique(labels).tolist() if label not in classes]
    if other:
        raise InvalidUseCase(use_case.name, f"{where} whose `classes_` {classes} lack labels of the rows trained on: {other}. Fix: use the labels as they are.")
    return classes


def _embeddings(module: torch.nn.Module, read: Any, inputs: str, frame: pd.DataFrame) -> np.ndarray:
    """Embed every row. Shape (n, d)."""
    found = []
    for start in range(0, len(frame), ROWS_AT_ONCE):
        outputs, _ = _outputs(module, read_inputs(read, inputs, frame.iloc[start : start + ROWS_AT_ONCE]))
        assert outputs.embedding is not None  # noqa: S101 - the first rows had one
        found.append(outputs.embedding.numpy())
    return np.concatenate(found).astype(float)


def embedding_space(embeddings: np.ndarray, groups: np.ndarray) -> Space:
    """Measure where embeddings lie.

    Args:
        embeddings: Shape (n, d).
        groups: Number of each row's class. Shape (n,).
    """
    centres = np.array([embeddings[groups == group].mean(axis=0) for group in np.unique(groups)])
    within = embeddings - centres[np.unique(groups, return_inverse=True)[1]]
    rows, size = within.shape
    covariance = within.T @ within / rows
    variance = float(np.trace(covariance)) / size or 1.0
    target = variance * np.eye(size)
    spread = float(((covariance - target) ** 2).sum())
    noise = float(((within**2).sum(axis=1) ** 2).mean() - (covariance**2).sum()) / rows
    share = min(1.0, max(0.0, noise) / spread) if spread else 1.0
    values, directions = np.linalg.eigh((1 - share) * covariance + share * target)
    whitening = directions / np.sqrt(np.maximum(values, SMALLEST * variance))
    return Space(centres @ whitening, whitening)
