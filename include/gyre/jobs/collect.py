"""Job: bring in what people answered in Label Studio, and give rows the labels they agree on."""

from __future__ import annotations

from gyre.clients.label_studio import LabelStudio
from gyre.jobs.contract import load, main
from gyre.label.answers import Answers
from gyre.label.ask_people import people_of
from gyre.label.collect import collect
from gyre.lake import Lake
from gyre.specs import load_use_case
from gyre.specs.label_messages import CollectRequest, CollectResult


def work(request: CollectRequest) -> CollectResult:
    """Collect what changed since last time."""
    use_case = load_use_case(request.use_case)
    people = people_of(use_case)
    answers = Answers(use_case, people, load(people.label_function) if people.label_function else None)
    return collect(use_case, people, request, LabelStudio.of(people.connection), Lake.of(use_case.name), answers)


if __name__ == "__main__":
    main(CollectRequest, work)
