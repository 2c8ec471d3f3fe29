"""Look at a champion's nights: collect what it answered, measure it, judge it, and write the page about it."""

from __future__ import annotations

import logging

from gyre.clients.envoy_stats import traffic_of
from gyre.histograms import Reference
from gyre.jobs.contract import main
from gyre.lake import Lake
from gyre.monitor import drift, held_out, nights, report, rules, watch
from gyre.monitor.collect import collect
from gyre.monitor.thresholds import HeldOut, threshold_of
from gyre.monitor.windows import Seen, look, slices_of, window_of
from gyre.settings import settings
from gyre.specs import UseCase, load_use_case
from gyre.specs.monitor_messages import FeatureDrift, MonitorRequest, MonitorResult, Night, Verdict
from gyre.specs.use_case import HIGHER_IS_BETTER

log = logging.getLogger("gyre.job")


def monitor(request: MonitorRequest) -> MonitorResult:
    """Do what is asked. Every figure is derived from the lake, so doing it again gives the same."""
    use_case, lake = load_use_case(request.use_case), Lake.of(request.use_case)
    collected = collect(use_case, lake, settings().prediction_logs / use_case.name)
    champion = champion_of(request, use_case, lake)
    lead = max((rule.n for rule in use_case.monitoring.rules), default=1) - 1
    ends = nights.with_lead(use_case, request.ends, lead)
    seen = look(use_case, lake, request.version, slices_of(watch.windows(use_case, ends)), champion.reference, request.classes)
    measured, asked = _since_the_first_answer([watch.night(use_case, champion, seen, end) for end in ends], len(request.ends))
    verdicts = [rules.verdict(rule, measured, asked, request.requested) for rule in use_case.monitoring.rules]
    _say(measured[-1], verdicts)
    result = MonitorResult(
        nights=measured[-asked:],
        verdicts=verdicts,
        features=_features(use_case, champion, seen, measured[-1]),
        collected=collected,
        report=lake.uri("reports", "monitor", f"{measured[-1].end.astimezone(use_case.schedule.zone):%Y-%m-%dT%H%M}.html"),
        proposal=rules.proposal(use_case.monitoring.rules, verdicts, measured),
        traffic=traffic_of(f"{use_case.name}-{request.version}"),
    )
    window = window_of(use_case, measured[-1].end, watch.performance_window(use_case))
    counts = seen.counted(window, champion.reference) if champion.reference else None
    page = report.page(use_case, request.history, result, champion.reference, counts, window)
    lake.objects.write(result.report, page.encode())
    return result


def champion_of(request: MonitorRequest, use_case: UseCase, lake: Lake) -> watch.Champion:
    """Read what the champion is held against, and derive the thresholds that nobody wrote."""
    reference = Reference.model_validate_json(lake.objects.read(request.reference_uri)) if request.reference_uri else None
    held: HeldOut | None = None
    if request.holdout_uri:
        held = held_out.read(use_case, lake, request.holdout_uri, reference, request.classes)
    metric, block = use_case.promotion.metric, use_case.promotion.block
    higher = metric in HIGHER_IS_BETTER
    thresholds = {rule.name: threshold_of(rule, held, block, metric, reference, higher_is_better=higher) for rule in use_case.monitoring.rules}
    return watch.Champion(request.version, reference, thresholds, held.spread if held else 1.0)


def _since_the_first_answer(measured: list[Night], asked: int) -> tuple[list[Night], int]:
    """Leave out the nights before the champion answered anything, but never the last one; say how many of the rest are asked for."""
    first = next((i for i, night in enumerate(measured) if night.rows), len(measured) - 1)
    return measured[first:], min(asked, len(measured) - first)


def _features(use_case: UseCase, champion: watch.Champion, seen: Seen, last: Night) -> list[FeatureDrift]:
    if champion.reference is None or not last.rows:
        return []
    counts = seen.counted(window_of(use_case, last.end, watch.performance_window(use_case)), champion.reference)
    return [*drift.predictions_drift(champion.reference, counts), *drift.features_drift(champion.reference, counts)]


def _say(last: Night, verdicts: list[Verdict]) -> None:
    coverage = f"{last.coverage:.1%}" if last.coverage is not None else "none"
    log.info("Night of %s, version %d: %s predictions, labels of %s of them.", f"{last.night:%Y-%m-%d %H:%M}", last.version, f"{last.rows:,}", coverage)
    for verdict in verdicts:
        log.info("Rule %s (%s): %s. %s.", verdict.rule, verdict.action, verdict.state, verdict.text)


if __name__ == "__main__":
    main(MonitorRequest, monitor)
