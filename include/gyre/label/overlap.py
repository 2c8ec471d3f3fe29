"""Whether two people marked the same things: regions of a picture or of a text, matched one to one. Nothing here reads anything."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Results = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Region:
    """What one person marked.

    Attributes:
        name: What they called it.
        sides: Its extent in each dimension: of a box (left, right) and (top, bottom) in % of the picture, of a stretch of text (first, behind the last)
            in characters.
    """

    name: str
    sides: tuple[tuple[float, float], ...]

    @property
    def size(self) -> float:
        """Area or length."""
        return math.prod(end - start for start, end in self.sides)


def regions(results: Results) -> list[Region]:
    """Read the boxes and the stretches of text in Label Studio's results; what is neither, or has no name, is left out."""
    sides = {"rectanglelabels": _box, "labels": _stretch}
    named = [(each["type"], each["value"], each["value"].get(each["type"])) for each in results if each.get("type") in sides]
    return [Region(", ".join(sorted(names)), sides[kind](value)) for kind, value, names in named if names]


def overlap(one: Region, other: Region) -> float:
    """Compute how much of what either marked both did: intersection over union, from 0 to 1.

    Source: Jaccard, "The Distribution of the Flora in the Alpine Zone" (1912); for boxes Everingham et al., "The PASCAL Visual Object Classes (VOC)
    Challenge" (2010), which counts a box as found from 0.5 on.
    """
    both = math.prod(max(0.0, min(mine[1], theirs[1]) - max(mine[0], theirs[0])) for mine, theirs in zip(one.sides, other.sides, strict=True))
    either = one.size + other.size - both
    return both / either if either else float(one.sides == other.sides)


def alike(one: Results, other: Results, least: float) -> bool:
    """Tell whether both marked as many things of each name, and each of one's overlaps a different one of the other's enough.

    Args:
        one: One person's results.
        other: Another's.
        least: Overlap from which two regions are the same thing.
    """
    mine, theirs = _by_name(one), _by_name(other)
    return mine.keys() == theirs.keys() and all(_matched(mine[name], theirs[name], least) for name in mine)


def _matched(mine: Sequence[Region], theirs: Sequence[Region], least: float) -> bool:
    from scipy.optimize import linear_sum_assignment

    if len(mine) != len(theirs):
        return False
    same = np.array([[overlap(a, b) >= least for b in theirs] for a in mine])
    pairs = linear_sum_assignment(same, maximize=True)
    return bool(same[pairs].all())


def _by_name(results: Results) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = defaultdict(list)
    for region in regions(results):
        found[region.name].append(region)
    return found


def _box(value: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    return (value["x"], value["x"] + value["width"]), (value["y"], value["y"] + value["height"])


def _stretch(value: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    return ((value["start"], value["end"]),)
