"""What a person's answer means to the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyre.errors import InvalidUseCase
from gyre.label.overlap import Results, alike
from gyre.label.questions import plain
from gyre.specs import People, UseCase

Read = Callable[[list[dict[str, Any]]], Any]


@dataclass(frozen=True)
class Answers:
    """Reads answers of one use case.

    Attributes:
        read: The use case's own function, where the label is not one of the template's choices.
    """

    use_case: UseCase
    people: People
    read: Read | None = None

    def label(self, results: Results) -> str | None:
        """Give the label that one person's answer means, as JSON (to compare it with others'); None if it is no answer.

        Raises:
            InvalidUseCase: If the use case's function gives what cannot be a label of its task.
        """
        value = self.read([dict(each) for each in results]) if self.read else self._chosen(results)
        return None if value is None else json.dumps(self.typed(value), default=plain)

    def alike(self, one: Results, other: Results) -> bool:
        """Tell whether two people's regions are the same thing, whatever their exact bounds; never so where answers are no regions."""
        return self.people.overlap is not None and alike(one, other, self.people.overlap)

    def typed(self, value: Any) -> Any:
        """Make a label of the type that all labels of the use case have.

        Raises:
            InvalidUseCase: If it cannot be one.
        """
        try:
            make: dict[str, Callable[[Any], Any]] = {"Int64": int, "Float64": float, "String": _text}
            return make[str(self.dtype)](value)
        except (TypeError, ValueError) as error:
            raise InvalidUseCase(self.use_case.name, f"the label {value!r} does not fit the task '{self.use_case.task}': {error}") from error

    @property
    def dtype(self) -> Any:
        """The labels' type in the lake: the same for every answer, whichever came first."""
        import polars as pl

        values = list(self.people.values.values())
        if self.use_case.task == "regression":
            return pl.Float64
        if self.use_case.task == "binary" or (values and all(isinstance(value, int) for value in values)):
            return pl.Int64
        return pl.Float64 if values and all(isinstance(value, int | float) for value in values) else pl.String

    def _chosen(self, results: Results) -> Any:
        picked = [choice for each in results if each.get("type") == "choices" for choice in each["value"]["choices"]]
        if not picked:
            return None
        return self.people.values[picked[0]] if self.people.values else picked[0]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=plain)
