"""Turn lines of a prediction log into typed rows; a line that cannot be used is kept aside with the reason, and costs no other line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from gyre.errors import GyreError
from gyre.lake import PARTITION
from gyre.specs import UseCase, cell_key, parse_instant

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Line:
    """One line of a log.

    Attributes:
        file: Its file's transaction.
        offset: Where it begins, in bytes.
    """

    file: str
    version: int
    offset: int
    text: bytes


@dataclass(frozen=True)
class Aside:
    """A line that cannot be used, and why."""

    line: Line
    reason: str


def frame_of(use_case: UseCase, types: dict[str, Any], lines: list[Line]) -> tuple[pl.DataFrame, list[Aside]]:
    """Type the rows of lines.

    Args:
        use_case: Its keys, event time, features and grid.
        types: Column -> polars type, of the validated rows.
        lines: Complete lines.

    Returns:
        One row a usable line: `prediction_id`, `version`, `predicted_at`, keys, event time, features but the binary ones, signals, `prediction`,
        `_interval`; and the others.
    """
    import polars as pl

    schema = schema_of(use_case, types)
    convert = [(name, _converter(dtype, use_case)) for name, dtype in schema.items() if name != PARTITION]
    cells = cache(lambda instant: cell_key(use_case.schedule.grid.floor(instant)))
    columns: dict[str, list[Any]] = {name: [] for name in schema}
    aside = []
    for line in lines:
        if not line.text.strip():
            continue
        try:
            given = _record(line.text)
            row = [(name, read(given.get(name))) for name, read in convert]
            _check(dict(row), use_case)
        except (ValueError, TypeError, OverflowError, GyreError) as error:
            aside.append(Aside(line, str(error)))
            continue
        for name, value in row:
            columns[name].append(value)
        columns[PARTITION].append(cells(columns[use_case.event_time][-1]))
    return pl.DataFrame(columns, schema=schema), aside


def schema_of(use_case: UseCase, types: dict[str, Any]) -> dict[str, Any]:
    """Give the columns of the table `predictions` and their types."""
    import polars as pl

    answer = pl.List(pl.Float64) if use_case.task == "multiclass" else pl.Float64
    items = {name: types[name] for name in dict.fromkeys([*use_case.keys, use_case.event_time])}
    features = {name: types[name] for name in use_case.features.plain if name not in items}
    signals = dict.fromkeys(use_case.monitoring.signals, pl.Float64)
    utc = pl.Datetime("us", "UTC")
    return {"prediction_id": pl.String, "version": pl.Int64, "predicted_at": utc, **items, **features, **signals, "prediction": answer, PARTITION: pl.String}


def _record(text: bytes) -> dict[str, Any]:
    """Read one line into a flat map."""
    given = json.loads(text)
    if not isinstance(given, dict) or not isinstance(given.get("row"), dict):
        raise TypeError("no object with a 'row'")
    own = {"prediction_id": given.get("prediction_id"), "version": given.get("version"), "predicted_at": given.get("at"), "prediction": given.get("prediction")}
    return {**given["row"], **(given.get("signals") or {}), **own}


def _check(row: dict[str, Any], use_case: UseCase) -> None:
    needed = ("prediction_id", "version", "predicted_at", "prediction", *use_case.keys, use_case.event_time)
    missing = [name for name in needed if row[name] is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing: the caller must send the keys and the event time for the prediction to be watched")


def _converter(dtype: Any, use_case: UseCase) -> Any:
    """Choose how to read a JSON value into a column's type; None stays None."""
    import polars as pl

    zone = use_case.schedule.zone
    if dtype.is_temporal():
        if dtype == pl.Date:
            return _optional(cache(date.fromisoformat))
        naive = getattr(dtype, "time_zone", None) is None
        return _optional(cache(lambda text: _instant(text, zone, naive=naive)))
    if dtype.is_integer():
        return _optional(_whole)
    if dtype.is_float():
        return _optional(_number)
    if dtype == pl.List(pl.Float64):
        return _optional(lambda values: [_number(value) for value in values])
    return _optional(bool if dtype == pl.Boolean else str)


def _optional(read: Any) -> Any:
    return lambda value: None if value is None else read(value)


def _instant(text: str, zone: Any, *, naive: bool) -> datetime:
    instant = parse_instant(text, zone)
    return instant.replace(tzinfo=None) if naive else instant


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or int(value) != float(value):
        raise TypeError(f"{value!r} is no whole number")
    return int(value)
