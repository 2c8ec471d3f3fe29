"""Kappa against figures from the literature, and what opinions come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gyre.clients.label_studio_records import Annotation
from gyre.label.agreement import agreement, cohen, fleiss
from gyre.label.answers import Answers
from gyre.label.consensus import Opinion, opinions_of, verdict
from gyre.specs import BoundingBoxes
from tests.gyre.label.conftest import ANN, BEN, CAT, answer, box, use_case_with

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
DAN = "dan@x.org"


def opinions(**by: str) -> list[Opinion]:
    people = {"ann": ANN, "ben": BEN, "cat": CAT, "dan": DAN}
    return [Opinion(n, people[name], label, NOON, agrees_with=label) for n, (name, label) in enumerate(by.items())]


def people(**spec):
    return use_case_with(**{"annotators": 2, **spec}).labels


def test_cohen_of_the_usual_example():
    """50 grant applications, of which two readers accept 20 and refuse 15 together: kappa is 0.4."""
    answers = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen(answers) == pytest.approx(0.4)


def test_fleiss_of_the_usual_example():
    """Fourteen raters put ten subjects into five categories: kappa is 0.210 (Fleiss' example as Wikipedia tells it)."""
    table = [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
    answers = [[str(category) for category, n in enumerate(row) for _ in range(n)] for row in table]
    assert fleiss(answers) == pytest.approx(0.210, abs=0.001)


def test_kappa_is_undefined_where_nothing_is_shared_or_all_say_the_same():
    assert cohen([]) is cohen([("y", "y")] * 3) is fleiss([["y"]]) is fleiss([["y", "y"]]) is None


def test_two_people_are_measured_by_cohen():
    tasks = [(opinions(ann=a, ben=b), None) for a, b in ("yy", "nn", "yn", "nn")]
    found = agreement(people(agreement=0.6), tasks)
    assert (found.kappa, found.tasks, found.low) == (pytest.approx(0.5), 4, True)


def test_three_people_are_measured_by_fleiss_and_each_with_each_colleague():
    tasks = [(opinions(ann="y", ben="y"), None), (opinions(ann="n", ben="n"), None), (opinions(ann="y", cat="n"), None), (opinions(ann="n", cat="y"), None)]
    found = agreement(people(), tasks)
    assert found.kappa == pytest.approx(0.0)
    assert {a.name: a.kappa for a in found.annotators} == {ANN: pytest.approx(0.0), BEN: pytest.approx(1.0), CAT: pytest.approx(-1.0)}


def test_opinions_that_came_because_the_first_disagreed_do_not_count():
    tasks = [(opinions(ann="y", ben="n", cat="y"), None), (opinions(ann="n", ben="n"), None)]
    assert agreement(people(), tasks).kappa == agreement(people(), [(opinions(ann="y", ben="n"), None), tasks[1]]).kappa


def test_each_annotator_is_measured_by_gold_tasks():
    found = agreement(people(), [(opinions(ann="y", ben="n"), "y"), (opinions(ann="y"), "n"), (opinions(ben="y"), None)])
    assert [(a.name, a.annotations, a.gold, a.gold_correct) for a in found.annotators] == [(ANN, 2, 2, 1), (BEN, 2, 1, 0)]


@pytest.mark.parametrize(
    ("given", "state", "label"),
    [
        ({}, "waiting", None),
        ({"ann": "y"}, "waiting", None),
        ({"ann": "y", "ben": "y"}, "agreed", "y"),
        ({"ann": "y", "ben": "n"}, "disputed", None),
        ({"ann": "y", "ben": "n", "cat": "n"}, "agreed", "n"),
        ({"ann": "y", "ben": "n", "cat": "m"}, "disputed", None),
        ({"ann": "y", "ben": "n", "cat": "n", "dan": "y"}, "disputed", None),
    ],
)
def test_what_opinions_come_to(given, state, label):
    found = verdict(opinions(**given), annotators=2)
    assert (found.state, found.label) == (state, label)


def annotation(id_: int, who: str, choice: str, minute: int, skipped: bool = False) -> Annotation:
    at = NOON + timedelta(minutes=minute)
    return Annotation(id_, who, answer(choice) if choice else [], at, at, skipped, None)


def test_of_one_person_the_latest_answer_counts_and_a_skipped_or_empty_one_does_not():
    case = use_case_with()
    given = [
        annotation(1, ANN, "yes", 1),
        annotation(2, BEN, "no", 2),
        annotation(3, ANN, "no", 3),
        annotation(4, CAT, "no", 4, skipped=True),
        annotation(5, DAN, "", 5),
    ]
    found = opinions_of(given, Answers(case, case.labels))
    assert [(o.annotation, o.annotator, o.label) for o in found] == [(3, ANN, '"no"'), (2, BEN, '"no"')]


def read_boxes(results: list[dict]) -> str:
    return ", ".join(str(each["value"]["x"]) for each in results)


def test_people_agree_on_boxes_that_overlap_and_the_label_is_the_first_persons():
    case = use_case_with(template=BoundingBoxes(image="text", labels=["cat"], label="use_cases.letters.code:boxes"), files="bucket", annotators=2)
    answers = Answers(case, case.labels, read_boxes)
    at = [NOON + timedelta(minutes=minute) for minute in range(3)]
    given = [Annotation(n, who, [box("cat", x, 0, 10, 10)], at[n], at[n], False, None) for n, (who, x) in enumerate([(ANN, 1), (BEN, 40), (CAT, 42)])]
    found = opinions_of(given, answers)
    assert [(o.label, o.agrees_with) for o in found] == [('"1"', '"1"'), ('"40"', '"40"'), ('"42"', '"40"')]
    came_to = verdict(found, annotators=2)
    assert (came_to.state, came_to.label, [o.annotator for o in came_to.supporters]) == ("agreed", '"40"', [BEN, CAT])
    assert agreement(people(), [(found[1:], None), (opinions(ben="y", cat="n"), None)]).kappa == pytest.approx(1 / 3)


def test_kappa_of_ten_thousand_different_answers_takes_no_table():
    answers = [(f"text {n}", f"text {n}" if n % 2 else "another") for n in range(10_000)]
    assert cohen(answers) == pytest.approx(0.5, abs=0.001)
