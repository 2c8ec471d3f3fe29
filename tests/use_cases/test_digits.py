"""Pictures in, digits out: the rows, what is checked of them, and the network."""

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gyre import progress
from gyre.specs import Interval
from gyre.validate.suites import Suites
from use_cases.digits import training
from use_cases.digits.expectations import suites
from use_cases.digits.features import features
from use_cases.digits.use_case import digits

WEEK = Interval(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
PARAMETERS = digits.training.parameters


def png(grey: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(content, format="PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def pictures() -> pd.DataFrame:
    found = load_digits()
    order = np.random.default_rng(7).permutation(len(found.target))
    files = [png(np.round(found.images[i] * 255 / 16)) for i in order]
    return pd.DataFrame({"image": files, "label": found.target[order].astype(str)})


@pytest.fixture
def scans(pictures) -> pd.DataFrame:
    contents = pictures["image"].iloc[:600].tolist()
    names = [f"{WEEK.start + timedelta(minutes=16 * i):%Y%m%dT%H%M%S}-{i:04d}.png" for i in range(600)]
    return pd.DataFrame(
        {
            "uri": [f"s3://company/scans/2026-03-02/{name}" for name in names],
            "name": names,
            "content": contents,
            "size": [len(content) for content in contents],
            "modified_at": pd.Timestamp("2026-03-09", tz="UTC"),
            "_interval": "2026-03-02T00:00:00Z",
        }
    )


def failed(scans: pd.DataFrame) -> dict[str, tuple[str, list[int]]]:
    found = Suites().run("scans", scans, suites(WEEK)["scans"])
    return {outcome.check.expectation: (outcome.check.action, outcome.rows) for outcome in found if not outcome.passed}


# --- rows ----------------------------------------------------------------------------------------------------------------------------


def test_a_row_is_named_and_dated_by_its_file(scans):
    made = features({"scans": scans}, WEEK)
    assert {*digits.keys, digits.event_time, *digits.features.columns, *digits.features.carried} == set(made.columns)
    third = made.iloc[2]
    assert (third["scan_id"], third["taken_at"]) == ("0002", pd.Timestamp("2026-03-02T00:32:00", tz="UTC"))
    assert third["image"] == scans["content"][2]
    assert third["image_uri"] == scans["uri"][2]


# --- checks --------------------------------------------------------------------------------------------------------------------------


def test_a_week_of_whole_pictures_passes_every_check(scans):
    assert failed(scans) == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8\xff\xe0" + bytes(100), png(np.zeros((9, 8))), png(np.full((8, 8), 7))[:-6]],
    ids=["empty", "a JPEG", "9 rows high", "cut off"],
)
def test_what_is_no_whole_picture_of_8x8_is_held_back(scans, content):
    scans.at[5, "content"] = content
    assert failed(scans) == {"expect_column_values_to_be_whole_pictures_of8x8": ("quarantine", [5])}


def test_a_file_whose_name_tells_no_time_is_held_back(scans):
    scans.loc[3, "name"] = "holiday.png"
    assert failed(scans) == {"expect_column_values_to_match_regex": ("quarantine", [3])}


def test_half_a_delivery_blocks_the_week(scans):
    assert failed(scans.iloc[:300])["expect_table_row_count_to_be_between"][0] == "block"


# --- the network ---------------------------------------------------------------------------------------------------------------------


def test_inputs_are_ink_from_0_to_1():
    made = training.inputs(pd.DataFrame({"image": [png(np.zeros((8, 8))), png(np.full((8, 8), 255))]}))
    assert (made.shape, made.dtype) == ((2, 1, 8, 8), np.float32)
    assert (made[0].max(), made[1].min()) == (0, 1)


@pytest.mark.parametrize(("content", "word"), [(b"no picture", "10 bytes that are no picture"), (png(np.zeros((4, 6))), "picture of 6x4")])
def test_what_cannot_be_opened_is_refused_in_words(content, word):
    with pytest.raises(ValueError, match=word):
        training.inputs(pd.DataFrame({"image": [content]}))


def test_300_labels_are_enough_to_read_nine_digits_in_ten(pictures):
    network = training.train(pictures[:240], pictures[240:300], PARAMETERS)
    with torch.no_grad():
        logits, embedding = network(torch.from_numpy(training.inputs(pictures[300:800])))
    answers = np.array(network.classes_)[logits.argmax(dim=1)]
    assert network.classes_ == [str(digit) for digit in range(10)]
    assert embedding.shape == (500, 64)
    assert (answers == pictures["label"][300:800]).mean() > 0.92


class Killed(Exception):
    pass


def test_a_training_killed_after_epoch_7_goes_on_at_8_and_ends_as_if_it_had_not_been(pictures, monkeypatch):
    parameters = {**PARAMETERS, "epochs": 12}
    kept: dict[int, bytes] = {}
    steps: list[int] = []

    def save(step: int, content: bytes) -> None:
        kept[step] = content

    monkeypatch.setattr(progress, "log", lambda step, **figures: steps.append(step))
    whole = training.train(pictures[:160], pictures[160:200], parameters)
    assert steps == list(range(1, 13))

    def save_and_die(step: int, content: bytes) -> None:
        save(step, content)
        if step == 7:
            raise Killed

    monkeypatch.setattr(progress, "save", save_and_die)
    with pytest.raises(Killed):
        training.train(pictures[:160], pictures[160:200], parameters)
    steps.clear()
    monkeypatch.setattr(progress, "save", save)
    monkeypatch.setattr(progress, "restore", lambda: progress.Checkpoint(7, kept[7]))
    torch.manual_seed(999)  # another process has other random numbers
    resumed = training.train(pictures[:160], pictures[160:200], parameters)
    assert steps == list(range(8, 13))
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name]), name
