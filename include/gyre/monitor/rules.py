"""What follows from a night's figures: k of n nights, cool-down, verdict, proposal. No I/O; everything is derived from the nights given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gyre.specs.monitor_messages import Measured, Night, Proposal, State, Verdict
from gyre.specs.monitoring import Rule

LABELLED = frozenset({"calibration_gap", "metric"})


def measured(rule: Rule, value: float | None, rows: int, threshold: float | None, *, higher_is_better: bool = False, feature: str | None = None) -> Measured:
    """Hold a statistic against its threshold; a night with fewer than `min_rows` rows does not count.

    Args:
        rule: The rule.
        value: Its statistic; None if there was nothing to compute it from.
        rows: Rows it rests on.
        threshold: The rule's, or a derived one; None if none could be derived.
        higher_is_better: Whether beyond the threshold means below it (AUC).
        feature: Which feature the value is of.
    """
    enough = value is not None and threshold is not None and rows >= rule.min_rows
    beyond = enough and (value < threshold if higher_is_better else value > threshold)  # type: ignore[operator]
    return Measured(value=value, threshold=threshold, rows=rows, exceeded=bool(beyond), feature=feature)


def alarm_nights(rule: Rule, nights: Sequence[Night]) -> list[Night]:
    """List the nights at which the rule is on: at least `k` of the `n` nights that end there exceeded."""
    beyond = [night.statistics[rule.name].exceeded for night in nights]
    return [night for i, night in enumerate(nights) if sum(beyond[max(0, i + 1 - rule.n) : i + 1]) >= rule.k]


def cooled_down(rule: Rule, night: datetime, requested: datetime | None) -> bool:
    """Tell whether enough event time lies between the last retrain request and a night."""
    return requested is None or night >= requested + rule.cool_down


def verdict(rule: Rule, nights: Sequence[Night], asked: int, requested: datetime | None) -> Verdict:
    """Say what a rule makes of the last night.

    Args:
        rule: The rule.
        nights: Oldest first, with at least n - 1 nights before those asked for, where there are so many.
        asked: How many of them, at the end, are asked for.
        requested: Night of the last retrain request of any rule: one training answers them all.
    """
    on = alarm_nights(rule, nights)
    new = {night.night for night in nights[-asked:]}
    first = next((n.night for n in on if n.night in new and cooled_down(rule, n.night, requested)), None)
    last, figures = nights[-1], nights[-1].statistics[rule.name]
    beyond = sum(n.statistics[rule.name].exceeded for n in nights[-rule.n :])
    said = _figures(rule, figures)
    state: State
    if on and on[-1] is last:
        cooling = rule.action == "alarm" and not cooled_down(rule, last.night, requested)
        state, text = ("cooling down", f"{said}; a retrain request was made for {requested:%Y-%m-%d}") if cooling else (rule.action, said)
    elif figures.threshold is None:
        state, text = "no threshold", "no threshold was given, and none could be derived from the champion's held-out rows"
    elif figures.value is None or figures.rows < rule.min_rows:
        state, text = "not enough rows", f"{figures.rows:,} rows of version {last.version} in the window, {rule.min_rows:,} are needed"
    else:
        state, text = ("exceeded" if figures.exceeded else "ok"), said
    return Verdict(rule=rule.name, action=rule.action, state=state, text=f"{text} ({beyond} of {rule.n} nights beyond, {rule.k} needed)", first_alarm=first)


def _figures(rule: Rule, figures: Measured) -> str:
    of = f" of {figures.feature}" if figures.feature else ""
    derived = "" if rule.threshold is not None else f", derived at a false-alarm rate of {rule.false_alarm_rate:.1%} a window"
    return f"{rule.statistic}{of} {figures.value or 0:.3f} on {figures.rows:,} rows, threshold {figures.threshold or 0:.3f}{derived}"


def proposal(rules: Sequence[Rule], verdicts: Sequence[Verdict], nights: Sequence[Night]) -> Proposal | None:
    """Choose the earliest alarm of a rule that asks for retraining; of equals, the first rule as they are written."""
    asking = [(v.first_alarm, i, rule) for i, (rule, v) in enumerate(zip(rules, verdicts, strict=True)) if rule.action == "alarm" and v.first_alarm]
    if not asking:
        return None
    when, _, rule = min(asking, key=lambda item: item[:2])
    night = next(n for n in nights if n.night == when)
    figures = night.statistics[rule.name]
    return Proposal(
        rule=rule.name,
        statistic=rule.statistic,
        version=night.version,
        night=night.night,
        value=figures.value or 0,
        threshold=figures.threshold or 0,
        rows=figures.rows,
        window_start=night.end - rule.window,
        window_end=night.end,
    )


def overall(verdicts: Sequence[Verdict], proposed: Proposal | None) -> str:
    """Sum the verdicts up: `alarm`, `advice` or `ok`."""
    states = {v.state for v in verdicts}
    if proposed or states & {"alarm", "cooling down"}:
        return "alarm"
    return "advice" if "advice" in states else "ok"
