"""When two people marked the same things."""

from __future__ import annotations

import pytest

from gyre.label.overlap import alike, overlap, regions
from tests.gyre.label.conftest import answer, box, stretch


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        (box("cat", 0, 0, 10, 10), box("cat", 0, 0, 10, 10), 1),
        (box("cat", 0, 0, 10, 10), box("cat", 5, 0, 10, 10), 1 / 3),
        (box("cat", 0, 0, 10, 10), box("cat", 5, 5, 10, 10), 25 / 175),
        (box("cat", 0, 0, 10, 10), box("cat", 10, 0, 10, 10), 0),
        (stretch("who", 0, 10), stretch("who", 0, 5), 1 / 2),
        (stretch("who", 0, 10), stretch("who", 20, 30), 0),
        (stretch("who", 3, 3), stretch("who", 3, 3), 1),
        (stretch("who", 3, 3), stretch("who", 4, 4), 0),
    ],
)
def test_overlap_is_intersection_over_union(one, other, share):
    (a,), (b,) = regions([one]), regions([other])
    assert overlap(a, b) == overlap(b, a) == pytest.approx(share)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([], [], True),
        ([box("cat", 0, 0, 10, 10), box("dog", 50, 50, 9, 9)], [box("dog", 50, 50, 9, 9), box("cat", 0, 0, 10, 10)], True),
        ([box("cat", 0, 0, 10, 10)], [box("dog", 0, 0, 10, 10)], False),
        ([box("cat", 0, 0, 10, 10)], [box("cat", 0, 0, 10, 10), box("cat", 50, 50, 9, 9)], False),
        ([box("cat", 0, 0, 10, 10)], [], False),
        ([stretch("who", 0, 12)], [stretch("who", 2, 12)], True),
        ([stretch("who", 0, 12)], [stretch("who", 8, 12)], False),
    ],
)
def test_answers_are_alike_if_every_region_has_its_counterpart(one, other, same):
    assert alike(one, other, 0.5) is alike(other, one, 0.5) is same


def test_one_region_is_never_the_counterpart_of_two():
    near = [box("cat", 0, 0, 10, 10), box("cat", 1, 0, 10, 10)]
    far = [box("cat", 0, 0, 10, 10), box("cat", 60, 0, 10, 10)]
    assert not alike(near, far, 0.5)


def test_a_matching_is_found_where_the_nearest_one_for_each_would_leave_one_over():
    """The first overlaps both, the second only the one that the first overlaps more."""
    mine = [stretch("who", 0, 10), stretch("who", 2, 14)]
    theirs = [stretch("who", 0, 10), stretch("who", 0, 7)]
    assert overlap(*regions([mine[0], theirs[0]])) == 1
    assert overlap(*regions([mine[1], theirs[1]])) < 0.5
    assert alike(mine, theirs, 0.5)


def test_what_is_no_region_or_has_no_name_says_nothing():
    assert regions([*answer("yes"), {"type": "labels", "value": {"start": 0, "end": 4, "labels": []}}]) == []
