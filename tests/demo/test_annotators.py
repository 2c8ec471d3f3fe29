"""The simulated annotators: as good as they are said to be, the same each time, and without the truth in what they read."""

import base64
from pathlib import Path

import pytest

from demo import annotators
from demo.annotators import PEOPLE, answer, scan_shown

SCANS = [f"{number:04d}" for number in range(4000)]


def said(person: str) -> list[str]:
    return [answer(person, scan, str(int(scan) % 10)) for scan in SCANS]


def test_one_answer_in_twenty_is_wrong():
    for person in PEOPLE:
        wrong = sum(given != str(int(scan) % 10) for scan, given in zip(SCANS, said(person), strict=True))
        assert wrong / len(SCANS) == pytest.approx(0.05, abs=0.01)


def test_a_person_makes_the_same_mistakes_again_and_another_person_makes_others():
    first, second = (said(person) for person in PEOPLE)
    assert first == said(PEOPLE[0])
    both_wrong = sum(a != str(int(s) % 10) and b != str(int(s) % 10) for s, a, b in zip(SCANS, first, second, strict=True))
    assert both_wrong < 0.01 * len(SCANS)


def test_a_wrong_answer_is_a_digit_too():
    assert set(said(PEOPLE[0])) == set("0123456789")


@pytest.mark.parametrize("linked", [False, True])
def test_the_scan_is_read_from_the_address_or_from_the_link_that_label_studio_made_of_it(linked):
    address = "s3://company/scans/2026-03-02/20260302T081530-0417.png"
    shown = f"/tasks/7/resolve/?fileuri={base64.urlsafe_b64encode(address.encode()).decode()}" if linked else address
    assert scan_shown(shown) == "0417"


def test_nothing_of_the_platform_names_the_truth():
    platform = Path(annotators.__file__).parents[1] / "gyre"
    assert not [file for file in platform.rglob("*.py") if "truth.json" in file.read_text()]
