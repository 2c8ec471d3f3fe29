import numpy as np
import pandas as pd
import pytest

from gyre.histograms import Counts, Reference, build_reference
from gyre.specs import Features

FEATURES = Features(function="a:b", numeric=["amount"], categorical=["country"])


def frame(amounts, countries=None):
    return pd.DataFrame({"amount": np.asarray(amounts, dtype=float), "country": pd.Series(countries or ["de"] * len(amounts), dtype=object)})


def counted(reference, *batches, predictions=None):
    counts = Counts(reference)
    for batch in batches:
        counts.add(batch, predictions)
    return counts


@pytest.fixture
def reference():
    values = np.random.default_rng(0).normal(size=5000)
    return build_reference(frame(values), FEATURES, np.linspace(0, 1, 500), bins=100)


def test_counting_what_it_was_made_of_gives_the_reference_itself():
    values = np.r_[np.random.default_rng(0).normal(size=1000), np.nan, np.inf]
    made = build_reference(frame(values), FEATURES, np.zeros(3), bins=50)
    counts = counted(made, frame(values))
    assert counts.numeric["amount"].counts.tolist() == made.numeric["amount"].counts
    assert counts.numeric["amount"].missing == made.numeric["amount"].missing == 2


def test_bins_hold_about_equal_shares_and_every_value_once(reference):
    known = reference.numeric["amount"]
    assert sum(known.counts) == 5000
    assert known.counts[0] == known.counts[-1] == 0
    assert max(known.counts) <= 2 * 5000 / 100


def test_counting_in_batches_is_counting_at_once(reference):
    values = np.random.default_rng(1).normal(size=200_000)
    once, parts = counted(reference, frame(values)), counted(reference, *(frame(part) for part in np.array_split(values, 7)))
    assert (once.numeric["amount"].counts == parts.numeric["amount"].counts).all()
    assert once.rows == parts.rows == 200_000


def test_merged_counts_are_the_counts_of_everything(reference):
    a, b = np.random.default_rng(2).normal(size=(2, 1000))
    total = counted(reference, frame(a))
    total.merge(counted(reference, frame(b)))
    both = counted(reference, frame(a), frame(b))
    assert (total.numeric["amount"].counts == both.numeric["amount"].counts).all()
    assert total.numeric["amount"].largest == both.numeric["amount"].largest
    assert total.categorical["country"].counts == both.categorical["country"].counts


def test_counts_are_those_of_looking_each_value_up(reference):
    values = np.random.default_rng(3).normal(size=10_000)
    looked_up = np.bincount(np.searchsorted(reference.numeric["amount"].edges, values, side="right"), minlength=len(reference.numeric["amount"].counts))
    assert (counted(reference, frame(values)).numeric["amount"].counts == looked_up).all()


def test_a_constant_column_tells_below_equal_and_above():
    made = build_reference(frame([5, 5, 5]), FEATURES, np.zeros(3), bins=10)
    assert made.numeric["amount"].counts == [0, 3, 0]
    assert counted(made, frame([4, 5, 5, 6])).numeric["amount"].counts.tolist() == [1, 2, 1]


def test_a_column_without_any_value_has_no_bins():
    made = build_reference(frame([np.nan, np.nan]), FEATURES, np.zeros(2), bins=10)
    assert made.numeric["amount"].edges == []
    assert counted(made, frame([1, np.nan])).numeric["amount"].counts.tolist() == [1]


def test_an_unknown_category_is_other_and_an_empty_one_is_missing():
    made = build_reference(frame([1, 2, 3], ["de", "fr", "de"]), FEATURES, np.zeros(3), bins=10)
    counts = counted(made, frame([1, 2, 3, 4, 5], ["de", "us", "", None, np.nan])).categorical["country"]
    assert (counts.counts, counts.other, counts.missing) == ({"de": 1, "fr": 0}, 1, 3)


def test_of_several_classes_the_largest_probability_and_its_class_are_counted():
    made = build_reference(frame([1]), FEATURES, np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), bins=10)
    assert made.classes.counts == {"1": 2, "0": 1}
    assert made.predictions.edges[0] == 0.7


def test_an_arrow_batch_and_a_map_of_arrays_count_like_a_frame(reference):
    import pyarrow as pa

    rows = frame([0.1, np.nan, 2], ["de", None, "fr"])
    arrow = pa.RecordBatch.from_pandas(rows)
    for batch in (arrow, {"amount": rows["amount"].to_numpy(), "country": rows["country"].to_numpy()}):
        counts = counted(reference, batch)
        assert (counts.rows, counts.numeric["amount"].missing, counts.categorical["country"].missing) == (3, 1, 1)


def test_a_reference_survives_json(reference):
    assert Reference.model_validate_json(reference.model_dump_json()) == reference
