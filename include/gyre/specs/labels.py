"""Where labels come from: facts that arrive later, or people who are asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gyre.specs.base import EntryPoint, Spec
from gyre.specs.templates import Template, choices_of, linked_in

Reason = Literal["random", "uncertain", "drifted"]


class Facts(Spec):
    """Labels that are facts which arrive later.

    Attributes:
        source: The source whose rows tell what really happened.
        function: `(events: DataFrame) -> DataFrame` in pandas: the source's rows in the order they came, to rows of
            the use case's keys, `label` and `labelled_at` (when it became known). Of several for one key the last wins.
        horizon: How far back from the newest published interval labels are looked for.
        cron: Safety schedule; normally a published interval starts the run.
    """

    kind: Literal["facts"] = "facts"
    source: str
    function: EntryPoint
    horizon: timedelta = timedelta(days=30)
    cron: str = "30 */6 * * *"


class People(Spec):
    """Labels that people give in Label Studio.

    Attributes:
        template: What they see and how they answer.
        question: A line above each task: what is asked.
        instructions: What they read before they begin (HTML is allowed).
        values: Answer -> label, where the label is not the answer itself (binary: each choice to 0 or 1; regression: to a number).
        annotators: Opinions that each task needs.
        agreement: Bar for Cohen's (two people) or Fleiss' kappa (more) between them, from -1 to 1. Rows on which they disagree are never
            trained on; below the bar, the tasks they are about go back for another opinion. None with one annotator.
        opinions_at_most: Opinions on one disputed task before it is given up.
        budget: Tasks of one interval of `schedule.interval`; None asks about every row.
        sampling: Share of the budget for each way to choose: `random`; `uncertain` (the champion's two likeliest answers lie closest together);
            `drifted` (most values outside what the champion was trained on). Before there is a champion, all are chosen at random. A random share keeps
            the figures that are measured on these rows honest.
        answer_drift: Tasks asked about the window of a retrain request, in addition to the budget; training waits for them. 0 does not wait.
        enough: Share of those that must be answered before training starts.
        prelabels: Whether people see the champion's guess.
        gold: Address of a Parquet file with the use case's keys and `label`: rows whose answer is known. They are put among the
            tasks, unmarked, and measure each annotator.
        gold_share: Gold tasks in addition to the budget, as a share of it.
        files: Connection of the object store in which linked files lie; Label Studio makes links from it.
        link_minutes: How long such a link works.
        connection: Connection of Label Studio (`password`: a legacy or a personal access token).
        horizon: How far back from the newest published interval rows are asked about.
        cron: When finished tasks are looked for; a published interval, a retrain request and Label Studio's webhooks start it sooner.
    """

    kind: Literal["people"] = "people"
    template: Template
    question: str = ""
    instructions: str = ""
    values: dict[str, int | float | str] = {}
    annotators: int = Field(default=1, ge=1, le=20)
    agreement: float | None = Field(default=None, ge=-1, le=1)
    opinions_at_most: int = Field(default=5, ge=1, le=50)
    budget: int | None = Field(default=200, ge=1)
    sampling: dict[Reason, float] = {"random": 1.0}
    answer_drift: int = Field(default=100, ge=0)
    enough: float = Field(default=0.8, gt=0, le=1)
    prelabels: bool = False
    gold: str | None = None
    gold_share: float = Field(default=0.05, ge=0, le=1)
    files: str | None = None
    link_minutes: int = Field(default=15, ge=1, le=7 * 24 * 60)
    connection: str = "gyre_labelstudio"
    horizon: timedelta = timedelta(days=90)
    cron: str = "*/15 * * * *"

    @field_validator("sampling")
    @classmethod
    def _shares_sum_to_one(cls, value: dict[Reason, float]) -> dict[Reason, float]:
        if not value or any(share < 0 for share in value.values()) or abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError(f"shares must be 0 or more and sum to 1; they sum to {sum(value.values()):g}")
        return value

    @model_validator(mode="after")
    def _parts_fit_together(self) -> People:
        if self.agreement is not None and self.annotators < 2:
            raise ValueError("agreement needs two opinions on a task. Fix: annotators=2, or leave agreement out")
        if self.opinions_at_most < self.annotators:
            raise ValueError(f"opinions_at_most={self.opinions_at_most} is less than annotators={self.annotators}")
        choices = choices_of(self.template)
        if self.values and choices is not None and set(self.values) != set(choices):
            raise ValueError(f"values has {sorted(self.values)}, the template's choices are {sorted(choices)}. Fix: name each choice once")
        if self.values and choices is None:
            raise ValueError(f"values goes with choices; the template '{self.template.kind}' has none. Fix: let template.label return the label")
        if linked_in(self.template) and self.files is None:
            raise ValueError("the template shows files. Fix: name in `files` the connection of the object store they lie in")
        return self

    @property
    def label_function(self) -> str | None:
        """Entry point that makes a label of what a person answered; None where the choice is the answer."""
        return getattr(self.template, "label", None)

    @property
    def overlap(self) -> float | None:
        """From which overlap on two people's regions are the same; None where answers are no regions."""
        return getattr(self.template, "overlap", None)


Labels = Annotated[Facts | People, Field(discriminator="kind")]
