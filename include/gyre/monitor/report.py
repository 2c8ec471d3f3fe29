"""The page people look at: one HTML file that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from html import escape

import numpy as np

from gyre.histograms import Categories, CategoryCounts, Counts, NumberCounts, Numbers, Reference
from gyre.monitor.pictures import Point, bars, line
from gyre.monitor.rules import overall
from gyre.specs import Interval, UseCase
from gyre.specs.monitor_messages import FeatureDrift, MonitorResult, Night, Verdict
from gyre.specs.monitoring import Rule

BINS = 25
FEATURES_SHOWN = 15
STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{margin:0;background:#f8fafc;color:#0f172a;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:36px 0 12px}h3{font-size:14px;margin:0 0 2px}
p{margin:0 0 8px}.quiet{color:#64748b;font-size:13px}
.chip{display:inline-block;padding:2px 10px;border-radius:99px;font-size:13px;font-weight:600;white-space:nowrap;background:#e2e8f0;color:#334155}
.chip.ok{background:#dcfce7;color:#166534}.chip.alarm{background:#fee2e2;color:#991b1b}
.chip.advice,.chip.exceeded,.chip.cooling{background:#fef3c7;color:#92400e}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-top:20px}
.card{background:#fff;border:1px solid #e2e8f0;border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:22px;font-weight:650;font-variant-numeric:tabular-nums}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(440px,1fr));gap:16px}
svg{display:block;width:100%;height:auto}
table{width:100%;border-collapse:collapse;font-size:14px}
th{text-align:left;font-weight:600;color:#475569;border-bottom:1px solid #cbd5e1;padding:6px 10px 6px 0}
td{border-bottom:1px solid #e2e8f0;padding:7px 10px 7px 0;vertical-align:top}tr:last-child td{border-bottom:0}
.number{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:8px;border-radius:4px;background:#93c5fd;vertical-align:middle}
.scroll{overflow-x:auto}
"""


def page(use_case: UseCase, history: Sequence[Night], result: MonitorResult, reference: Reference | None, counts: Counts | None, window: Interval) -> str:
    """Write the page of the last night."""
    last, zone = result.nights[-1], use_case.schedule.zone
    verdict = overall(result.verdicts, result.proposal)
    span = f"{window.start.astimezone(zone):%-d %B} to {_day(window.end, zone):%-d %B %Y}"
    nights = [*history, *result.nights]
    body = [
        f"<h1>{escape(use_case.name)} <span class='chip {verdict}'>{verdict}</span></h1>",
        (
            f"<p class='quiet'>Version {last.version}, the night after {_day(last.end, zone):%A, %-d %B %Y}. Figures are of {span}, "
            f"with the labels that had come by {last.night.astimezone(zone):%-d %B, %H:%M} ({escape(str(zone))}).</p>"
        ),
        _asked(use_case, result),
        _tiles(use_case, last, result),
        "<h2>Rules</h2>",
        _rules(use_case.monitoring.rules, result.verdicts, last),
        "<h2>Night by night</h2>",
        f"<div class='pictures'>{''.join(_lines(use_case, nights))}</div>",
        "<p class='quiet'>Dashed: the threshold. Red: a night beyond it. Hollow: too few rows to count. A grey upright: another version began to serve.</p>",
        *_distributions(reference, counts),
        *_drift(result.features),
        *_traffic(result),
    ]
    title = f"{use_case.name}, version {last.version}, {_day(last.end, zone):%Y-%m-%d}: {verdict}"
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body><main>{''.join(body)}</main></body></html>"


def _day(end: datetime, zone: tzinfo) -> datetime:
    """Name a night by the last day of its window: a window that ends at midnight holds nothing of the day that begins then."""
    return end.astimezone(zone) - timedelta(microseconds=1)


def _asked(use_case: UseCase, result: MonitorResult) -> str:
    proposed = result.proposal
    if proposed is None:
        return ""
    day = _day(proposed.window_end, use_case.schedule.zone)
    return (
        f"<p><b>The rules ask for a new model</b>: rule {escape(proposed.rule)} first held the night after {day:%-d %B %Y}, "
        f"{_words(proposed.statistic)} {proposed.value:.3f} against a threshold of {proposed.threshold:.3f} on {proposed.rows:,} rows.</p>"
    )


def _tiles(use_case: UseCase, last: Night, result: MonitorResult) -> str:
    metric = use_case.promotion.metric
    figures = {
        "predictions": f"{last.rows:,}",
        "of the rows published": _percent(last.answered),
        "labels that have come": _percent(last.coverage),
        _words(metric): _number(last.metrics.get(metric)),
        "calibration gap": _number(last.calibration_gap),
        "newly collected": f"{result.collected.rows:,}"
        + (f" <span class='quiet'>and {result.collected.aside:,} unusable</span>" if result.collected.aside else ""),
    }
    return (
        "<div class='tiles'>"
        + "".join(f"<div class='card tile'><b>{value}</b><span class='quiet'>{name}</span></div>" for name, value in figures.items())
        + "</div>"
    )


def _rules(rules: Sequence[Rule], verdicts: Sequence[Verdict], last: Night) -> str:
    if not rules:
        return "<p class='card'>The use case has no rules: nothing can raise an alarm.</p>"
    rows = []
    for rule, verdict in zip(rules, verdicts, strict=True):
        figures = last.statistics[rule.name]
        rows.append(
            f"<tr><td><b>{escape(rule.name)}</b><br><span class='quiet'>{_words(rule.statistic)}"
            f"{f' of {escape(figures.feature)}' if figures.feature else ''}, {rule.window.days or rule.window} days</span></td>"
            f"<td><span class='chip {verdict.state.split()[0]}'>{verdict.state}</span></td><td>{rule.action}</td>"
            f"<td class='number'>{_number(figures.value)}</td><td class='number'>{_number(figures.threshold)}{'' if rule.threshold is not None else ' *'}</td>"
            f"<td class='number'>{figures.rows:,}</td><td>{escape(verdict.text)}</td></tr>"
        )
    head = "<tr><th>rule<th>tonight<th>leads to<th class='number'>value<th class='number'>threshold<th class='number'>rows<th>in words</tr>"
    derived = (
        "<p class='quiet'>* derived from the champion's own held-out rows, by blocks of event time.</p>" if any(r.threshold is None for r in rules) else ""
    )
    return f"<div class='card scroll'><table>{head}{''.join(rows)}</table></div>{derived}"


def _lines(use_case: UseCase, nights: Sequence[Night]) -> list[str]:
    """Draw the promotion metric, the coverage, and every rule."""
    metric, zone = use_case.promotion.metric, use_case.schedule.zone
    quality = [Point(_day(n.end, zone), n.metrics.get(metric), version=n.version) for n in nights]
    coverage = [Point(_day(n.end, zone), n.coverage, version=n.version) for n in nights]
    drawn = [_card(_words(metric), line(quality, metric, from_zero=False)), _card("share of labels that had come", line(coverage, "coverage", percent=True))]
    for rule in use_case.monitoring.rules:
        points = [_point(rule, night, zone) for night in nights if rule.name in night.statistics]
        drawn.append(_card(f"{escape(rule.name)}: {_words(rule.statistic)}", line(points, rule.name)))
    return drawn


def _point(rule: Rule, night: Night, zone: tzinfo) -> Point:
    figures = night.statistics[rule.name]
    return Point(_day(night.end, zone), figures.value, figures.threshold, figures.exceeded, figures.rows < rule.min_rows, night.version)


def _distributions(reference: Reference | None, counts: Counts | None) -> list[str]:
    if reference is None or counts is None or not counts.rows:
        return []
    pictures = []
    if reference.predictions.edges:
        edges, before, now = _even(reference.predictions, counts.predictions)
        pictures.append(_card("predictions", bars(edges, before, now, "distribution of predictions")))
    if reference.classes and counts.classes:
        pictures.append(_card("predicted class", _classes(reference.classes, counts.classes)))
    return [
        "<h2>What it answers</h2>",
        f"<div class='pictures'>{''.join(pictures)}</div>",
        "<p class='quiet'>Bars: this window. Dark strokes: the reference.</p>",
    ]


def _even(known: Numbers, seen: NumberCounts) -> tuple[list[float], list[float], list[float]]:
    """Spread counts of uneven bins over even ones, as if each bin were filled evenly."""
    bounds = np.concatenate([[min(seen.smallest, known.edges[0])], known.edges, [max(seen.largest, known.edges[-1])]])
    edges = np.linspace(bounds[0], bounds[-1], BINS + 1)

    def spread(counts: np.ndarray) -> list[float]:
        below = np.concatenate([[0.0], np.cumsum(counts)])
        return [float(share) for share in np.diff(np.interp(edges, bounds, below)) / max(below[-1], 1)]

    return edges.tolist(), spread(np.array(known.counts)), spread(seen.counts)


def _classes(known: Categories, seen: CategoryCounts) -> str:
    names = list(known.counts)[:20]
    before, now = sum(known.counts.values()) or 1, sum(seen.counts.values()) or 1
    return bars([], [known.counts[n] / before for n in names], [seen.counts[n] / now for n in names], "share of each class", names)


def _drift(features: Sequence[FeatureDrift]) -> list[str]:
    if not features:
        return [
            "<h2>Drift</h2><p class='card'>Not measured: there are no predictions in the window, or no reference was kept when this version was trained.</p>"
        ]
    widest = max(f.psi for f in features) or 1
    rows = [
        f"<tr><td>{escape(f.feature)}</td><td class='number'>{f.psi:.3f}</td>"
        f"<td><span class='bar' style='width:{max(2, 120 * f.psi / widest):.0f}px'></span></td>"
        f"<td class='number'>{f.js:.3f}</td><td class='number'>{_number(f.ks)}</td><td class='number'>{_number(f.wasserstein)}</td>"
        f"<td class='number'>{_number(f.total_variation)}</td><td class='number'>{f.missing_before:.1%} &rarr; {f.missing:.1%}</td></tr>"
        for f in features[:FEATURES_SHOWN]
    ]
    head = (
        "<tr><th>column<th class='number'>PSI<th><th class='number'>Jensen-Shannon<th class='number'>KS<th class='number'>Wasserstein / IQR"
        "<th class='number'>total variation<th class='number'>missing</tr>"
    )
    more = f" The {FEATURES_SHOWN} furthest of {len(features)}." if len(features) > FEATURES_SHOWN else ""
    return [
        "<h2>Drift against what it was trained on</h2>",
        f"<div class='card scroll'><table>{head}{''.join(rows)}</table></div>",
        f"<p class='quiet'>Seasons move features without harm: this table is for looking, the rules above decide.{more}</p>",
    ]


def _traffic(result: MonitorResult) -> list[str]:
    traffic = result.traffic
    if traffic is None:
        return ["<h2>Endpoint</h2><p class='card'>The proxy could not be asked for its figures when this page was written.</p>"]
    share = f" ({traffic.errors / traffic.requests:.2%})" if traffic.requests else ""
    latency = f", median {traffic.p50_ms:.1f} ms, 99th percentile {traffic.p99_ms:.1f} ms" if traffic.p50_ms is not None and traffic.p99_ms is not None else ""
    figures = f"{traffic.requests:,} requests, {traffic.errors:,} answered with a server error{share}{latency}, since the proxy started."
    return [f"<h2>Endpoint</h2><p class='card'>{figures}</p>"]


def _card(title: str, picture: str) -> str:
    return f"<div class='card'><h3>{title}</h3>{picture}</div>"


def _words(name: str) -> str:
    """Write a metric or statistic as people do."""
    shouted = {"auc": "AUC", "pr": "PR", "psi": "PSI", "ks": "KS", "mae": "MAE", "rmse": "RMSE", "js": "Jensen-Shannon"}
    return escape(" ".join(shouted.get(word, word) for word in name.split("_")))


def _number(value: float | None) -> str:
    return "&ndash;" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "&ndash;" if value is None else f"{value:.1%}"
