"""Small pictures as inline SVG: they need no library, no network, and print well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 24, 14, 30
LINE, THRESHOLD, QUIET, INK = "#2563eb", "#dc2626", "#cbd5e1", "#475569"


@dataclass(frozen=True)
class Point:
    """One night on a line.

    Attributes:
        value: None leaves a gap.
        threshold: None draws none.
        beyond: Drawn in the threshold's colour.
        hollow: Too few rows for the night to count.
        version: A change is marked.
    """

    at: datetime
    value: float | None
    threshold: float | None = None
    beyond: bool = False
    hollow: bool = False
    version: int = 0


@dataclass(frozen=True)
class _Plot:
    """Places values on the paper."""

    low: float
    high: float
    count: int

    def x(self, i: float) -> float:
        span = WIDTH - LEFT - RIGHT
        return LEFT + (span * i / (self.count - 1) if self.count > 1 else span / 2)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)


def line(points: Sequence[Point], title: str, *, from_zero: bool = True, percent: bool = False) -> str:
    """Draw nights from left to right, with their threshold, gaps where there was nothing, and a mark where the champion changed."""
    values = [v for p in points for v in (p.value, p.threshold) if v is not None]
    if not values:
        return _svg(title, [_text(WIDTH / 2, HEIGHT / 2, "nothing measured yet", "middle")])
    ticks = [0, 0.25, 0.5, 0.75, 1] if percent else _ticks(0 if from_zero else min(values), max(values))
    plot = _Plot(ticks[0], ticks[-1], len(points))
    parts = [*_grid(plot, ticks, percent=percent), *_dates(plot, points), *_versions(plot, points)]
    parts += [
        f'<path d="{d}" fill="none" stroke="{THRESHOLD}" stroke-width="1.5" stroke-dasharray="5 4"/>' for d in _paths(plot, [p.threshold for p in points])
    ]
    parts += [f'<path d="{d}" fill="none" stroke="{LINE}" stroke-width="2" stroke-linejoin="round"/>' for d in _paths(plot, [p.value for p in points])]
    return _svg(title, parts + [_dot(plot, i, p) for i, p in enumerate(points) if p.value is not None])


def bars(edges: Sequence[float], before: Sequence[float], now: Sequence[float], title: str, labels: Sequence[str] | None = None) -> str:
    """Draw shares of now as bars and those of before as an outline over them.

    Args:
        edges: Bounds of the bins, one more than there are; ignored with `labels`.
        before: Share of each bin, of the reference.
        now: Share of each bin, of the window.
        title: For those who cannot see it.
        labels: Names of the bins instead of edges.
    """
    ticks = _ticks(0, max([*before, *now, 1e-9]))
    plot = _Plot(ticks[0], ticks[-1], len(now) + 1)
    wide = plot.x(1) - plot.x(0)
    parts = _grid(plot, ticks, percent=True)
    for i, (was, share) in enumerate(zip(before, now, strict=True)):
        x, y = plot.x(i), plot.y(share)
        parts.append(f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{max(wide - 2, 1):.1f}" height="{plot.y(0) - y:.1f}" fill="{LINE}" fill-opacity=".35"/>')
        parts.append(f'<path d="M{x:.1f} {plot.y(was):.1f}H{x + wide:.1f}" stroke="{INK}" stroke-width="2"/>')
    if labels:
        parts += [_text(plot.x(i) + wide / 2, HEIGHT - 10, label[:12], "middle") for i, label in enumerate(labels)]
    else:
        places = [(tick, (tick - edges[0]) / (edges[-1] - edges[0])) for tick in _ticks(edges[0], edges[-1])]
        parts += [_text(plot.x(place * len(now)), HEIGHT - 10, f"{tick:.4g}", "middle") for tick, place in places if 0 <= place <= 1]
    return _svg(title, parts)


def _svg(title: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="11">{escape(text)}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Choose round ticks that hold the values, with a little room above."""
    span = (high - low) or abs(high) or 1
    step = 10 ** math.floor(math.log10(span / 3))
    step = next(step * m for m in (1, 2, 5, 10) if span / (step * m) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil((high + span * 0.02) / step)
    return [i * step for i in range(first, last + 1)]


def _grid(plot: _Plot, ticks: Sequence[float], *, percent: bool = False) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(f'<path d="M{LEFT} {plot.y(tick):.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>')
        parts.append(_text(LEFT - 8, plot.y(tick) + 4, f"{tick:.0%}" if percent else f"{tick:.4g}", "end"))
    return parts


def _dates(plot: _Plot, points: Sequence[Point]) -> list[str]:
    every = max(1, math.ceil(len(points) / 7))
    shown = range((len(points) - 1) % every, len(points), every)
    return [_text(plot.x(i), HEIGHT - 10, f"{points[i].at:%-d %b}", "middle") for i in shown]


def _versions(plot: _Plot, points: Sequence[Point]) -> list[str]:
    """Mark where another version began to serve."""
    parts = []
    for i, (was, point) in enumerate(pairwise(points), start=1):
        if was.version != point.version:
            x = (plot.x(i - 1) + plot.x(i)) / 2
            parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{QUIET}" stroke-width="1.5"/>')
            parts.append(_text(x + 4, TOP + 8, f"v{point.version}"))
    return parts


def _paths(plot: _Plot, values: Sequence[float | None]) -> list[str]:
    """Join neighbours that have a value; one alone is drawn as a short stroke."""
    paths, current = [], list[str]()
    for i, value in enumerate([*values, None]):
        if value is not None:
            current.append(f"{plot.x(i):.1f} {plot.y(value):.1f}")
        elif current:
            paths.append("M" + "L".join(current) if len(current) > 1 else f"M{current[0]}m-6 0h12")
            current = []
    return paths


def _dot(plot: _Plot, i: int, point: Point) -> str:
    colour = THRESHOLD if point.beyond else LINE
    fill = "#fff" if point.hollow else colour
    said = f"{point.at:%Y-%m-%d}: {point.value:.4g}"
    radius = 3.5 if plot.count <= 40 else 2.5
    return (
        f'<circle cx="{plot.x(i):.1f}" cy="{plot.y(point.value or 0):.1f}" r="{radius}" fill="{fill}" stroke="{colour}" stroke-width="1.5">'
        f"<title>{escape(said)}</title></circle>"
    )
