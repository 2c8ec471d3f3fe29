"""Labelled rows and their hash."""

from __future__ import annotations

from datetime import timedelta

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("pandas")

from gyre.data import content_hash, read_labelled, with_class_indices  # noqa: E402
from gyre.specs import Interval  # noqa: E402
from tests.gyre.train.conftest import START, labelled_frame  # noqa: E402


def test_only_rows_of_the_interval_are_read_not_of_its_whole_cells(workshop):
    shop = workshop("binary")
    interval = Interval(START + timedelta(days=2, hours=6), START + timedelta(days=4, hours=6))
    rows = read_labelled(shop.lake, shop.use_case, interval)
    assert interval.start <= rows["at"].min()
    assert rows["at"].max() < interval.end
    assert len(rows) == labelled_frame("binary")["at"].between(interval.start, interval.end, inclusive="left").sum()
    assert "_interval" not in rows


def test_an_older_version_is_read_as_it_was(workshop):
    from deltalake import DeltaTable

    shop = workshop("binary")
    DeltaTable(shop.lake.uri("labelled")).delete()
    interval = Interval(START, START + timedelta(days=90))
    assert len(read_labelled(shop.lake, shop.use_case, interval)) == 0
    assert len(read_labelled(shop.lake, shop.use_case, interval, version=0)) == 600


def test_the_hash_does_not_know_the_order_of_rows_or_columns():
    frame = labelled_frame("binary")
    assert content_hash(frame.sample(frac=1, random_state=1)[frame.columns[::-1]]) == content_hash(frame)


def test_the_hash_knows_every_value_and_every_repetition():
    frame = labelled_frame("binary")
    changed = frame.copy()
    changed.loc[5, "b"] += 1e-9
    twice = frame.iloc[[*range(len(frame)), 0, 0]]
    assert len({content_hash(f) for f in (frame, changed, frame.iloc[1:], twice, frame.rename(columns={"b": "bb"}))}) == 5


def test_the_hash_of_a_missing_value_is_that_of_no_other():
    frame = labelled_frame("binary")[["a", "c"]].head(10)
    assert content_hash(frame) != content_hash(frame.fillna({"a": 0.0, "c": ""}))
    assert content_hash(frame) == content_hash(frame.copy())


def test_a_label_the_model_never_saw_counts_as_wrong():
    labels, predictions = with_class_indices(["b", "new"], np.array([[0.1, 0.9], [0.5, 0.5]]), ["a", "b"])
    assert labels.tolist() == [1, 2]
    assert predictions.tolist() == [[0.1, 0.9, 0.0], [0.5, 0.5, 0.0]]


def test_bytes_count_in_the_hash():
    import pandas as pd

    rows = pd.DataFrame({"id": [1, 2], "picture": pd.Series([b"\x89PNG a", b"\x89PNG b"], dtype="object")})
    other = rows.assign(picture=pd.Series([b"\x89PNG a", b"\x89PNG c"], dtype="object"))
    assert content_hash(rows) == content_hash(rows.iloc[::-1])
    assert content_hash(rows) != content_hash(other)
