"""Read the rows of a prediction request, and say which field of which row cannot be used and why."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gyre.errors import did_you_mean
from gyre.specs.deploy_messages import ServedModel

MOST_PROBLEMS = 10
LONGEST_VALUE = 60
ASKED = 'a JSON object {"rows": [{field: value, ...}, ...]}'


class Refused(Exception):  # not an error of the service: an answer to the caller
    """A request that cannot be answered.

    Args:
        status: HTTP status.
        body: What the caller is told.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body

    @classmethod
    def because(cls, status: int, error: str, problems: list[dict[str, Any]] | None = None) -> Refused:
        """Refuse with a sentence, and with each problem as row, field, expected, got."""
        return cls(status, {"error": error} | ({"problems": problems} if problems else {}))


@dataclass(frozen=True)
class RowReader:
    """Reads rows for one served model."""

    model: ServedModel

    @cached_property
    def _numeric(self) -> frozenset[str]:
        return frozenset(self.model.features.numeric)

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(self.model.features.columns)

    @cached_property
    def _known(self) -> frozenset[str]:
        return self._required | {*self.model.keys, self.model.event_time}

    @cached_property
    def _binary(self) -> frozenset[str]:
        return frozenset(self.model.features.binary)

    def read(self, body: bytes) -> list[dict[str, Any]]:
        """Read a request's body; a binary field, sent as base64, is bytes then.

        Raises:
            Refused: 400 if it is no JSON of the right form, 413 if there are too many rows, 422 if a field cannot be used.
        """
        rows = self._rows(_json(body))
        problems: list[dict[str, Any]] = []
        for index, row in enumerate(rows):
            problems += self._problems(index, row)
            if len(problems) >= MOST_PROBLEMS:
                break
        if problems:
            raise Refused.because(422, _sentence(problems[0]), problems[:MOST_PROBLEMS])
        return rows

    def _rows(self, given: Any) -> list[Any]:
        rows = given.get("rows") if isinstance(given, dict) else None
        if not isinstance(rows, list):
            raise Refused.because(400, f"The body must be {ASKED}; it is {_kind(given)}{_without_rows(given)}.")
        if not rows:
            raise Refused.because(400, "'rows' is empty: send at least one row.")
        if len(rows) > self.model.max_rows:
            raise Refused.because(413, f"{len(rows)} rows are too many for one request: send at most {self.model.max_rows}.")
        return rows

    def _problems(self, index: int, row: Any) -> list[dict[str, Any]]:
        """List what is wrong with one row: nothing, nearly always, so that is found out first."""
        if not isinstance(row, dict):
            return [_problem(index, None, "an object {field: value, ...}", row)]
        row |= {field: content for field in self._binary & row.keys() if (content := _decoded(row[field])) is not None}
        found = [
            _problem(index, field, f"one of the model's fields.{did_you_mean(field, self._known)}", row[field]) for field in sorted(row.keys() - self._known)
        ]
        found += [
            {"row": index, "field": field, "expected": self._expected(field), "got": "nothing: the field is missing"}
            for field in sorted(self._required - row.keys())
        ]
        found += [_problem(index, field, self._expected(field), value) for field, value in row.items() if field in self._known and not self._fits(field, value)]
        return found

    def _fits(self, field: str, value: Any) -> bool:
        if field in self._numeric:
            return value is None or (type(value) in (int, float) and math.isfinite(value))
        if field in self._binary:
            return type(value) is bytes
        if field in self._required:
            return value is None or type(value) is str
        if field == self.model.event_time:
            return value is None or type(value) is str
        return value is None or type(value) in (str, int, float, bool)

    def _expected(self, field: str) -> str:
        if field in self._numeric:
            return "a number or null"
        if field in self._binary:
            return "bytes as a base64 text"
        if field in self._required:
            return "a text or null"
        return "an ISO 8601 instant as text" if field == self.model.event_time else "a text or a number"


def _decoded(value: Any) -> bytes | None:
    """Decode base64, with or without the `data:...;base64,` of a browser before it; None if it is none, or of nothing."""
    if type(value) is not str:
        return None
    if value.startswith("data:"):
        value = value.partition(";base64,")[2]
    try:
        return base64.b64decode(value, validate=True) or None
    except (binascii.Error, ValueError):  # ValueError: letters that are not ASCII
        return None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused.because(400, f"The body is not JSON ({error}); it must be {ASKED}.") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write null")


def _problem(row: int, field: str | None, expected: str, value: Any) -> dict[str, Any]:
    return {"row": row, "field": field, "expected": expected, "got": _got(value)}


def _got(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"{_kind(value)}: {text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '...'}"


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else kinds[type(value)]


def _without_rows(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    return " whose 'rows' is no list" if "rows" in given else f" without 'rows', with {sorted(given)[:5]}"


def _sentence(problem: dict[str, Any]) -> str:
    of = f", field '{problem['field']}'" if problem["field"] is not None else ""
    return f"Row {problem['row']}{of}: expected {problem['expected']}; got {problem['got']}."
