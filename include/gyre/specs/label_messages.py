"""What the jobs of the label phase are asked and what they answer."""

from __future__ import annotations

from datetime import datetime

from gyre.specs.requests import IntervalRequest, Message, Result


class LabelRequest(IntervalRequest):
    """Give the rows of a window the labels that facts tell."""


class LabelResult(Result):
    """What was labelled.

    Attributes:
        start, end: The window looked at.
        rows: Validated rows in it.
        labelled: Rows of it that have a label now.
        changed: Start of each cell that was rewritten.
        version: Version of the table `labelled`; None if it has never been written.
    """

    start: datetime
    end: datetime
    rows: int
    labelled: int
    changed: list[datetime]
    version: int | None


class DriftWindow(Message):
    """An open retrain request, whose window people are asked about.

    Attributes:
        key: The request's key in the journal.
        start, end: The window that its rule looked at.
    """

    key: str
    start: datetime
    end: datetime


class PushRequest(IntervalRequest):
    """Ask people about rows of a window that nobody was asked about.

    Attributes:
        champion: Version whose guesses choose rows and are shown; None before the first.
        budget: Tasks of one cell, where a person gave another number than the spec; 0 asks about every row.
        drifted: Windows of open retrain requests.
    """

    champion: int | None = None
    budget: int | None = None
    drifted: list[DriftWindow] = []


class PushResult(Result):
    """What people were asked.

    Attributes:
        project: Id of the Label Studio project.
        project_url: Its page.
        tasks: Tasks that this job created.
        reasons: Why those rows -> tasks; gold tasks are counted as `gold`.
        asked: Tasks there are now, of all jobs.
        requests: Key of each retrain request -> tasks that were asked for it, of all jobs.
    """

    project: int
    project_url: str
    tasks: int
    reasons: dict[str, int]
    asked: int
    requests: dict[str, int]


class CollectRequest(IntervalRequest):
    """Bring in what people finished since last time, and give the rows of a window their labels."""


class Annotator(Message):
    """How one person answers.

    Attributes:
        name: Their e-mail address in Label Studio.
        annotations: Answers they gave that count now.
        kappa: Mean of Cohen's kappa with each colleague, weighted by the tasks they share; None without any.
        gold: Gold tasks they answered.
        gold_correct: Of those, answered right.
    """

    name: str
    annotations: int
    kappa: float | None
    gold: int
    gold_correct: int


class Agreement(Message):
    """How far people agree.

    Attributes:
        kappa: Cohen's with two annotators, Fleiss' with more, over the first opinions on each task; None if too few share tasks.
        tasks: Tasks it rests on.
        bar: The spec's; None if it has none.
        annotators: Each person.
    """

    kappa: float | None
    tasks: int
    bar: float | None
    annotators: list[Annotator]

    @property
    def low(self) -> bool:
        """Whether it is below the bar."""
        return self.kappa is not None and self.bar is not None and self.kappa < self.bar


class Progress(Message):
    """How far the tasks that a retrain request asked for have come.

    Attributes:
        asked: Tasks.
        answered: Of those, with a label, or given up as disputed.
    """

    asked: int
    answered: int


class CollectResult(LabelResult):
    """What people answered, and what was labelled by it.

    Attributes:
        project_url: The project's page.
        tasks: Tasks there are; those of gold rows too.
        waiting: Tasks that need more opinions.
        agreed: Tasks whose row has a label.
        disputed: Tasks on which people disagree: their rows have none.
        asked_again: Disputed tasks that went back for another opinion, by this job.
        annotations: Answers that were new or changed.
        withdrawn: Answers that were deleted.
        by: How they came: `changes` (updated_at) or `export` (a snapshot).
        agreement: How far people agree.
        requests: Key of each retrain request -> how far its tasks are.
    """

    project_url: str
    tasks: int
    waiting: int
    agreed: int
    disputed: int
    asked_again: int
    annotations: int
    withdrawn: int
    by: str
    agreement: Agreement
    requests: dict[str, Progress]
