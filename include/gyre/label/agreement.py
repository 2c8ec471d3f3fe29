"""How far people agree, beyond what chance would give. Nothing here reads anything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from gyre.label.consensus import Opinion
from gyre.specs import People
from gyre.specs.label_messages import Agreement, Annotator

Answered = Mapping[str, str]  # annotator -> label


def agreement(people: People, tasks: Sequence[tuple[Sequence[Opinion], str | None]]) -> Agreement:
    """Measure how far people agree, and each of them by colleagues and gold tasks.

    Regions that hardly two tasks have in common are never alike by chance: there kappa is close to the share of tasks on which people agree.

    Args:
        people: How many opinions a task needs (later ones came because the first disagreed, and do not count here), and the bar.
        tasks: Opinions of each task, in the order they were given, and its known label if it is a gold one.
    """
    first = [{o.annotator: o.agrees_with for o in opinions[: people.annotators]} for opinions, _ in tasks]
    shared = [answers for answers in first if len(answers) > 1]
    pairs = {pair: cohen(answers) for pair, answers in _pairs(shared).items()}
    names = sorted({o.annotator for opinions, _ in tasks for o in opinions})
    together = sorted({name for answers in shared for name in answers})
    kappa = cohen([tuple(answers[name] for name in together) for answers in shared]) if len(together) == 2 else fleiss(answers.values() for answers in shared)
    counts = _pairs(shared)
    return Agreement(
        kappa=kappa,
        tasks=len(shared),
        bar=people.agreement,
        annotators=[
            Annotator(
                name=name,
                annotations=sum(o.annotator == name for opinions, _ in tasks for o in opinions),
                kappa=_mean([(kappa, len(counts[pair])) for pair, kappa in pairs.items() if name in pair]),
                gold=sum(o.annotator == name for opinions, known in tasks if known is not None for o in opinions),
                gold_correct=sum(o.annotator == name and o.label == known for opinions, known in tasks for o in opinions),
            )
            for name in names
        ],
    )


def cohen(answers: Sequence[tuple[str, ...]]) -> float | None:
    """Compute Cohen's kappa of two people's answers to the same tasks; None if there are none, or all are the same.

    scikit-learn makes a table of every answer by every other: of 10,000 different texts or regions it would take gigabytes.

    Source: Cohen, "A Coefficient of Agreement for Nominal Scales" (1960).
    """
    if not answers:
        return None
    mine, theirs = Counter(one for one, _ in answers), Counter(other for _, other in answers)
    observed = sum(one == other for one, other in answers) / len(answers)
    expected = sum(count * theirs[label] for label, count in mine.items()) / len(answers) ** 2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss(answers: Iterable[Iterable[str]]) -> float | None:
    """Compute Fleiss' kappa of any number of people, of whom not the same ones answered each task; None where it is undefined.

    Tasks with a single answer say nothing. A task with more answers weighs no more than another.

    Source: Fleiss, "Measuring Nominal Scale Agreement Among Many Raters" (1971), with the number of raters of each task its own.
    """
    counted = [Counter(each) for each in answers]
    counted = [count for count in counted if count.total() > 1]
    if not counted:
        return None
    observed = sum(sum(n * (n - 1) for n in count.values()) / (count.total() * (count.total() - 1)) for count in counted) / len(counted)
    all_answers = sum(counted, Counter())
    expected = sum((n / all_answers.total()) ** 2 for n in all_answers.values())
    return None if expected == 1 else (observed - expected) / (1 - expected)


def _pairs(shared: Iterable[Answered]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Give each two people's answers to the tasks they share."""
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for answers in shared:
        for one, other in combinations(sorted(answers), 2):
            pairs[(one, other)].append((answers[one], answers[other]))
    return pairs


def _mean(weighted: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
