"""A torch model as the platform asks any other: a frame in; probabilities or values, and signals, out.

What is exported, logged and served is one module, `(n, ...) -> (n, answers + signals)`, that holds all it needs (`gyre.train.torch_module` makes it).
Beside it there is a little metadata: the task, the classes, the entry point that makes the input of a row, and the names of the signals.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.errors import GyreError, UnusableRow

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-4  # of an answer in single precision, computed on another machine or for another number of rows at once
ROWS_AT_ONCE = 256  # inputs of a million pictures need not fit in memory


@dataclass(frozen=True)
class TorchModel:
    """Asks one exported module.

    Attributes:
        ask: Inputs, float32 (n, ...), to answers and signals, float32 (n, classes or 1, + signals).
        inputs: Entry point of the function that makes the inputs from a frame.
        shape: Of one row's input.
        task: The use case's.
        classes_: Labels in the order of the probabilities; none for a regression.
        signal_names: Names of the last columns.
        module: What is logged; None where it was loaded.
        tolerance: By how much its answers may differ elsewhere.
    """

    ask: Callable[[np.ndarray], np.ndarray]
    inputs: str
    shape: tuple[int, ...]
    task: str
    classes_: list[Any]
    signal_names: tuple[str, ...]
    module: Any = None
    tolerance: float = TOLERANCE

    @classmethod
    def of(cls, ask: Callable[[np.ndarray], np.ndarray], metadata: Mapping[str, Any]) -> TorchModel:
        """Put a loaded module and the metadata it was logged with together."""
        return cls(ask, str(metadata["inputs"]), tuple(metadata["shape"]), str(metadata["task"]), list(metadata["classes"]), tuple(metadata["signals"]))

    @property
    def metadata(self) -> dict[str, Any]:
        """What must be known beside the module."""
        return {"task": self.task, "classes": self.classes_, "inputs": self.inputs, "shape": list(self.shape), "signals": list(self.signal_names)}

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Give each class's probability. Shape (n, classes)."""
        return self.predict_with_signals(frame)[0]

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Give the likeliest class, or a regression's value. Shape (n,)."""
        answers = self.predict_with_signals(frame)[0]
        return answers if self.task == "regression" else np.asarray(self.classes_)[answers.argmax(axis=1)]

    def signals(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Give the numbers that are watched beside the answers. Shape (n,) each."""
        return self.predict_with_signals(frame)[1]

    def predict_with_signals(self, frame: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Give probabilities (n, classes) or values (n,), and the signals, in one pass.

        Raises:
            UnusableRow: If no input can be made from a row.
        """
        parts = [self.ask(self.array(frame, start)) for start in range(0, len(frame), ROWS_AT_ONCE)]
        answers = 1 if self.task == "regression" else len(self.classes_)
        columns = np.concatenate(parts).astype(float) if parts else np.zeros((0, answers + len(self.signal_names)))
        found = {name: columns[:, answers + i] for i, name in enumerate(self.signal_names)}
        return columns[:, 0] if self.task == "regression" else columns[:, :answers], found

    def array(self, frame: pd.DataFrame, start: int = 0) -> np.ndarray:
        """Make the inputs of at most ROWS_AT_ONCE rows. Shape (n, *shape).

        Raises:
            UnusableRow: If that is not possible for one of them.
        """
        rows = frame.iloc[start : start + ROWS_AT_ONCE]
        try:
            made = read_inputs(self._read, self.inputs, rows)
        except (ValueError, OSError) as error:  # OSError: what Pillow says of bytes that are no picture
            raise self._unusable(rows, start, error) from error
        if made.shape[1:] != self.shape:
            raise self._unusable(rows, start, None)
        return made

    def load_inputs(self) -> None:
        """Import the use case's code now, and not with the first request."""
        _ = self._read

    @cached_property
    def _read(self) -> Callable[[pd.DataFrame], np.ndarray]:
        return load_function(self.inputs)

    def _unusable(self, rows: pd.DataFrame, start: int, error: Exception | None) -> GyreError:
        """Find the row to blame: the first that fails alone, or whose input has another shape."""
        for position in range(len(rows)):
            try:
                made = read_inputs(self._read, self.inputs, rows.iloc[[position]])
            except (ValueError, OSError) as own:
                return UnusableRow(start + position, self.inputs, f"{type(own).__name__}: {own}")
            if made.shape[1:] != self.shape:
                return UnusableRow(start + position, self.inputs, f"its input has shape {made.shape[1:]}, the model takes {self.shape}.")
        return GyreError(f"'{self.inputs}' fails for {len(rows)} rows together and for none alone: {error}")


def read_inputs(function: Callable[[pd.DataFrame], Any], inputs: str, rows: pd.DataFrame) -> np.ndarray:
    """Run the use case's function that makes a module's inputs.

    Raises:
        GyreError: If it does not give float32 of shape (n, ...).
    """
    made = function(rows)
    if not isinstance(made, np.ndarray) or made.dtype != np.float32 or made.ndim < 2 or len(made) != len(rows):
        given = f"{made.dtype} {made.shape}" if isinstance(made, np.ndarray) else type(made).__name__
        raise GyreError(f"training.inputs '{inputs}' gave {given} for {len(rows)} rows. Fix: return a numpy array of float32, shape (n, ...).")
    return np.ascontiguousarray(made)


def load_function(entry_point: str) -> Callable[..., Any]:
    """Import a function by its entry point; the folder of use cases is on the path."""
    module, _, name = entry_point.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def asked(module: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Let a module be asked with numpy arrays."""
    import torch

    def ask(inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(inputs)))

    return ask
