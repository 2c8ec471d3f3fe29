"""Run a use case's own Great Expectations suites, and say what failed in Gyre's terms.

A suite is plain GX. What follows from a failed expectation is in its `meta`: `{"on_failure": "block" | "quarantine" | "warn"}`, `block` where
nothing is said. Only a check of rows can quarantine; one of a whole table that says so blocks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gyre.errors import InvalidUseCase, SourceUnreadable, did_you_mean
from gyre.specs import Check

if TYPE_CHECKING:
    import great_expectations as gx
    import pandas as pd

Action = Literal["block", "quarantine", "warn"]
ACTIONS: tuple[Action, ...] = ("block", "quarantine", "warn")
EXAMPLES = 5


@dataclass(frozen=True)
class Outcome:
    """What one expectation said.

    Attributes:
        check: The expectation with what was observed; its action is what follows if it failed.
        passed: Whether it held.
        seen: What was observed.
        arguments: Its bounds, in words.
        rows: Positions of the rows that failed it (of a check of rows).
    """

    check: Check
    passed: bool
    seen: str
    arguments: str
    rows: list[int] = field(default_factory=list)


def quiet() -> None:
    """Switch off Great Expectations' telemetry and its talk about itself; before it is imported."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)


class Suites:
    """Great Expectations, without a project folder and without its telemetry."""

    def __init__(self) -> None:
        quiet()
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)  # it sets its own
        self._context = gx.get_context(mode="ephemeral")
        self._context.enable_analytics(enable=False)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        self._data = self._context.data_sources.add_pandas("rows")

    def run(self, source: str, rows: pd.DataFrame, suite: gx.ExpectationSuite) -> list[Outcome]:
        """Run a suite on a frame.

        Args:
            source: Name of the source, or `features`.
            rows: Its rows, with the column `_interval`.
            suite: The use case's suite.

        Raises:
            SourceUnreadable: If an expectation cannot be asked at all (a column is missing, or of the wrong type): a fault, not bad data.
        """
        numbered = rows.reset_index(drop=True)
        batch = self._data.add_dataframe_asset(source).add_batch_definition_whole_dataframe("all").get_batch({"dataframe": numbered})
        results = batch.validate(suite, result_format={"result_format": "COMPLETE"}).results
        return [_outcome(source, result, numbered) for result in results]


def checked_suites(use_case: str, given: Any, sources: list[str]) -> dict[str, gx.ExpectationSuite]:
    """Check what a use case's `suites` function returned.

    Raises:
        InvalidUseCase: If it is no mapping of known sources to suites, or an expectation's `on_failure` is unknown.
    """
    import great_expectations as gx

    known = [*sources, "features"]
    if not isinstance(given, dict):
        raise InvalidUseCase(use_case, f"expectations: the function must return a dict of suites, it returned {type(given).__name__}.")
    for name, suite in given.items():
        if name not in known:
            raise InvalidUseCase(use_case, f"expectations: there is a suite for '{name}', which is no source.{did_you_mean(str(name), known)}")
        if not isinstance(suite, gx.ExpectationSuite):
            raise InvalidUseCase(use_case, f"expectations: '{name}' must be a great_expectations.ExpectationSuite, it is {type(suite).__name__}.")
        for expectation in suite.expectations:
            action = (expectation.meta or {}).get("on_failure", "block")
            if action not in ACTIONS:
                raise InvalidUseCase(
                    use_case, f"expectations: on_failure '{action}' of {expectation.expectation_type} on '{name}'.{did_you_mean(str(action), ACTIONS)}"
                )
    return given


def _outcome(source: str, result: Any, rows: pd.DataFrame) -> Outcome:
    config = result.expectation_config
    fault = next(_exceptions(result.exception_info), None)
    if fault:
        raise SourceUnreadable(
            f"{config.type} on '{source}' cannot be asked: {fault} Its columns are {[c for c in rows.columns if not c.startswith('_')]}. "
            "Fix: correct the expectation, or the source's columns."
        )
    found = dict(result.result)
    failed = [int(position) for position in found.get("unexpected_index_list") or []]
    action: Action = (config.meta or {}).get("on_failure", "block")
    if action == "quarantine" and "unexpected_count" not in found:
        action = "block"
    columns, seen, arguments = _columns(config.kwargs), _observed(found), _arguments(config.kwargs)
    check = Check(
        source=source,
        expectation=config.type,
        columns=columns,
        failed_rows=int(found["unexpected_count"]) if "unexpected_count" in found else None,
        examples=_examples(rows, failed, columns),
        action=action,
        observed=f"{seen} (expected: {arguments})" if arguments else seen,
    )
    return Outcome(check, bool(result.success), seen, arguments, failed)


def _exceptions(info: Any) -> Iterator[str]:
    """Find the texts of exceptions in GX's two forms of `exception_info`."""
    if not isinstance(info, dict):
        return
    if info.get("raised_exception"):
        yield str(info.get("exception_message"))
    elif "raised_exception" not in info:
        for inner in info.values():
            yield from _exceptions(inner)


def _columns(arguments: dict[str, Any]) -> list[str]:
    named = [arguments.get(key) for key in ("column", "column_A", "column_B")]
    return [*(str(name) for name in named if name), *map(str, arguments.get("column_list") or [])]


def _examples(rows: pd.DataFrame, failed: list[int], columns: list[str]) -> list[str]:
    """Show the first rows that failed: the columns looked at, and the others that tell which row it is."""
    shown = [*columns, *(c for c in rows.columns if c not in columns and not c.startswith("_"))][: len(columns) + 3]
    return [", ".join(f"{name}={_short(row[name])}" for name in shown) for _, row in rows.iloc[failed[:EXAMPLES]].iterrows()]


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _observed(found: dict[str, Any]) -> str:
    if "unexpected_count" in found:
        return f"{found['unexpected_count']:,} of {found.get('element_count', 0):,} rows"
    value = found.get("observed_value")
    return f"{value:,.4g}" if isinstance(value, float) else str(value)[:200]


def _arguments(arguments: dict[str, Any]) -> str:
    """Write an expectation's bounds as a person would read them."""
    hidden = {"column", "column_A", "column_B", "column_list", "batch_id", "condition_parser"}
    parts = []
    for key, value in arguments.items():
        if key in hidden or value is None or value is False:
            continue
        if key == "row_condition":
            parts.append(f"where {_condition(value)}")
        else:
            parts.append(f"{key} {_bound(value)}")
    return ", ".join(parts)


def _bound(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple | set) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _condition(value: Any) -> str:
    if isinstance(value, dict):
        column = value.get("column")
        name = column.get("name") if isinstance(column, dict) else column
        return f"{name} {value.get('operator', '')} {value.get('parameter', '')}"
    return str(value)
