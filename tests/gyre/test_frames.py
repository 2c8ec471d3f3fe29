"""The frame a model sees."""

from __future__ import annotations

import pytest

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

from gyre.errors import SourceUnreadable  # noqa: E402
from gyre.frames import model_frame, predict  # noqa: E402
from gyre.specs import Features  # noqa: E402

FEATURES = Features(function="a.b:f", numeric=["x", "n"], categorical=["c"])


class Coin:
    def predict_proba(self, frame: object) -> list[list[float]]:
        return [[0.7, 0.3]] * len(frame)

    def predict(self, frame: object) -> list[int]:
        return [4] * len(frame)


def test_columns_come_in_the_specs_order_and_types_whatever_the_rows_hold():
    frame = model_frame(pd.DataFrame({"c": ["a", None], "extra": [1, 2], "n": [1, 2], "x": [None, 2.5]}), FEATURES)
    assert list(frame.columns) == ["x", "n", "c"]
    assert [str(t) for t in frame.dtypes] == ["float64", "float64", "object"]
    assert frame["c"].tolist() == ["a", ""]
    assert np.isnan(frame["x"][0])


def test_a_number_is_the_same_however_it_was_written():
    assert model_frame(pd.DataFrame({"x": ["1.5"], "n": [True], "c": [7]}), FEATURES).to_dict("records") == [{"x": 1.5, "n": 1.0, "c": "7"}]


def test_a_missing_column_is_named():
    with pytest.raises(SourceUnreadable, match=r"\['n'\] are missing"):
        model_frame(pd.DataFrame({"x": [1], "c": ["a"]}), FEATURES)


def test_text_in_a_numeric_column_is_named():
    with pytest.raises(SourceUnreadable, match="'x' is numeric in the spec"):
        model_frame(pd.DataFrame({"x": ["long"], "n": [1], "c": ["a"]}), FEATURES)


def test_no_rows_are_a_frame_too():
    assert model_frame(pd.DataFrame({"x": [], "n": [], "c": []}), FEATURES).shape == (0, 3)


@pytest.mark.parametrize(("task", "shape"), [("binary", (2,)), ("multiclass", (2, 2)), ("regression", (2,))])
def test_a_models_answers_have_the_shape_of_the_task(task, shape):
    assert predict(Coin(), task, pd.DataFrame({"x": [1, 2]})).shape == shape


def test_a_binary_answer_is_the_probability_of_1():
    assert predict(Coin(), "binary", pd.DataFrame({"x": [1]})).tolist() == [0.3]
