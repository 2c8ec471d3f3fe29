"""Which annotations a training learned from, kept with its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gyre.data import LABEL
from gyre.specs import UseCase
from gyre.train.rows import Part

if TYPE_CHECKING:
    from gyre.clients.mlflow_runs import TrainingRun

FILE = "annotations.csv"
COLUMNS = ("annotations", "labelled_by", "labelled_at", "label_project")


def log_annotations(run: TrainingRun, use_case: UseCase, parts: Sequence[Part]) -> None:
    """Log each row's keys, label, and the annotations it comes from, where people gave the labels; facts have none."""
    import pandas as pd

    rows = pd.concat([part.rows for part in parts])
    if COLUMNS[0] in rows.columns:
        named = [*use_case.keys, LABEL, *(column for column in COLUMNS if column in rows.columns)]
        run.registry.client.log_text(run.run_id, rows[named].to_csv(index=False), FILE)
